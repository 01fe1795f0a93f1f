"""Kohya's metadata JSON and JSONL, as a source by themselves and named in a TOML."""

import json
import re

import pytest

from acestep_core import Dataset, UserError


@pytest.fixture
def metadata(tmp_path):
    """metadata({...}) writes meta.json, metadata([...]) meta.jsonl with a line per entry; text stands as it is."""

    def write(content, name=None):
        lines = isinstance(content, list)
        path = tmp_path / (name or ("meta.jsonl" if lines else "meta.json"))
        told = "\n".join(c if isinstance(c, str) else json.dumps(c) for c in content) if lines else json.dumps(content)
        path.write_text(content if isinstance(content, str) else told, encoding="utf-8")
        return path

    return write


def captions(dataset):
    return {s.path.name: s.caption for s in dataset.songs if not s.problems}


def test_caption_and_tags_are_joined_as_kohya_joins_them(song, metadata):
    names = [song(f"a/{n}.wav").name for n in "wxyz"]
    path = metadata({
        "a/w": {"caption": "a waltz", "tags": "piano, slow"},
        "a/x.wav": {"caption": "a march", "image_size": [512, 512]},
        "a/y": {"tags": "drums, fast"},
        "a/z": {"tags": ["one", "two"]},
    })  # fmt: skip
    dataset = Dataset.open(path)
    assert captions(dataset) == dict(
        zip(names, ["a waltz, piano, slow", "a march", "drums, fast", "one, two"], strict=True)
    )
    assert any("not used here: image_size" in n for n in dataset.notes) and not dataset.problems


@pytest.mark.parametrize("key", ["audio_path", "image_path", "file_name"])
def test_jsonl_with_fields_of_songs(song, metadata, key):
    song("a/x.wav", json='{"bpm": 80, "language": "de"}')
    line = {key: "a/x.wav", "caption": "bells", "lyrics": "La", "bpm": "90.4", "keyscale": "Dm", "language": "en"}
    found = Dataset.open(metadata([line])).songs[0]
    assert (found.caption, found.lyrics, found.bpm, found.keyscale) == ("bells", "La", 90, "D minor")
    assert found.language == "en" and found.sources["bpm"] == "meta.jsonl"
    assert not any("no lyrics" in n for n in found.notes)


def test_an_absolute_path(song, metadata):
    path = song("elsewhere/x.wav")
    assert captions(Dataset.open(metadata({str(path): {"caption": "bells"}}))) == {"x.wav": "bells"}


def test_what_is_missing_or_doubtful_is_told_and_the_others_go_on(song, metadata):
    for name in ("a/good.wav", "a/two.wav", "a/two.flac", "a/more.wav"):
        song(name)
    lines = [
        {"audio_path": "a/good", "caption": "good"},
        {"audio_path": "a/gone", "caption": "gone"},
        {"audio_path": "a/two", "caption": "two"},
        {"caption": "nobody"},
        "no json {",
        [1],
        {"audio_path": "a/good", "caption": "again"},
        {"audio_path": "a/good.wav", "caption": "again"},
        '{"audio_path": "a/more", "bpm": NaN}',
        "",
    ]
    dataset = Dataset.open(metadata(lines))
    assert captions(dataset) == {"good.wav": "good"}
    of_songs = [str(s.problems[0]) for s in dataset.songs if s.problems]
    assert [bool(re.search(w, t)) for w, t in zip(("missing", r"may be \.wav, \.flac"), of_songs, strict=True)]
    told = [str(p) for p in dataset.problems]
    for said in ("line 4 names no audio", "line 5 is no valid JSON", "line 6 holds no JSON object",
                 "line 7 names a/good again", r"names .*good\.wav twice", "line 9 .*NaN"):  # fmt: skip
        assert any(re.search(said, t) for t in told), said
    assert any("leaves out 3 songs" in n for n in dataset.notes)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"caption": 3}, "caption 3 in meta.json is not text"),
        ({"bpm": "fast"}, "is not a number"),
        ({"caption": "x", "tags": 3}, "is not text"),
    ],
)
def test_a_value_that_cannot_be_used_is_a_problem_of_the_song(song, metadata, values, said):
    song("a/x.wav")
    assert said in str(Dataset.open(metadata({"a/x": values})).songs[0].problems[0])


@pytest.mark.parametrize(
    ("text", "said"),
    [("[1]", "no JSON object"), ("{", "no valid JSON"), ('{"a": {}, "a": {}}', "'a' stands in it twice")],
)
def test_a_file_that_is_no_metadata_is_one_sentence(toml, metadata, text, said):
    metadata(text, name="meta.json")
    with pytest.raises(UserError, match=said):
        Dataset.open(toml('[[datasets]]\n[[datasets.subsets]]\nmetadata_file = "meta.json"'))


def test_names_that_no_file_can_have_are_missing_songs(song, metadata):
    song("a/x.wav")
    names = ["/", "..", "x" * 300, "a\0b", "\ud800", "a"]
    dataset = Dataset.open(metadata({"a/x": {"caption": "bells"}} | {n: {"caption": "c"} for n in names}))
    assert captions(dataset) == {"x.wav": "bells"} and len(dataset.songs) == 7


def test_a_toml_names_a_metadata_file_with_its_folder_and_repeats(song, toml, metadata):
    song("a/x.wav", lyrics_txt="La")
    song("b/y.wav", caption="not read here")
    metadata({"x": {"caption": "waltz", "tags": "slow"}})
    dataset = Dataset.open(toml(
        '[general]\ncaption_extension = ".caption"\ncaption_separator = ";"\ncaption_prefix = "pre"\n[[datasets]]\n'
        '[[datasets.subsets]]\nmetadata_file = "meta.json"\naudio_dir = "a"\nnum_repeats = 4'
    ))  # fmt: skip
    found = dataset.songs
    assert [(s.caption, s.repeats, s.lyrics) for s in found] == [("pre waltz; slow", 4, "La")]


def test_txt_beside_is_asked_about(song, metadata):
    song("a/x.wav", txt="La la")
    path = metadata({"a/x": {"caption": "bells"}})
    with pytest.raises(UserError, match="nothing says whether"):
        Dataset.open(path)
    assert Dataset.open(path, "lyrics").songs[0].lyrics == "La la"


@pytest.mark.parametrize("content", [{"metadata": {}, "samples": []}, {"samples": [], "x": {}}])
def test_a_dataset_json_is_not_taken_for_metadata(metadata, content):
    assert Dataset.open(metadata(content)).songs == []
