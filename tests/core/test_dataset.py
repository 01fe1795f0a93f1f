"""dataset.json: the reference's schema to the letter, its files read as it writes them, and which caption is used."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acestep_core import Dataset, UserError

# acestep/training/dataset_builder_modules/models.py and serialization.py of the reference
METADATA_KEYS = ["name", "custom_tag", "tag_position", "created_at", "num_samples", "all_instrumental", "genre_ratio"]
SAMPLE_KEYS = [
    "id", "audio_path", "filename", "caption", "genre", "lyrics", "raw_lyrics", "formatted_lyrics", "bpm", "keyscale",
    "timesignature", "duration", "language", "is_instrumental", "custom_tag", "labeled", "prompt_override",
]  # fmt: skip
OURS = ["sources", "confidence", "reviewed", "split", "repeats"]
SAMPLE_TYPES = {"bpm": int, "duration": int, "is_instrumental": bool, "labeled": bool, "prompt_override": type(None)}
WALTZ = "harbour_waltz.flac"

Written = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """written({"audio_path": ...}, ..., metadata={...}) writes a file as the reference does."""

    def write(*samples: Any, **metadata: Any) -> Path:
        path = tmp_path / "reference.json"
        content = {"metadata": metadata, "samples": list(samples)}
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
        return path

    return write


def reference_sample(audio: Path | str) -> dict[str, Any]:
    """A sample exactly as the reference's scan and UI leave it."""
    return {
        "id": "1f0c9a3b", "audio_path": str(audio), "filename": Path(audio).name, "caption": "a waltz", "genre": "folk",
        "lyrics": "Down by the harbour", "raw_lyrics": "Down by the harbour", "formatted_lyrics": "", "bpm": "90.5",
        "keyscale": "D major", "timesignature": "3", "duration": 10, "language": "en", "is_instrumental": False,
        "custom_tag": "", "labeled": True, "prompt_override": None,
    }  # fmt: skip


def songs_by_name(dataset: Dataset) -> dict[str, Any]:
    return {s.path.name: s for s in dataset.songs}


def saved(dataset: Dataset, path: Path) -> dict[str, Any]:
    dataset.save(path)
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_saved_dataset_loads_as_it_was(songs_dir, tmp_path):
    scanned = Dataset.scan(songs_dir)
    scanned.metadata |= {"custom_tag": "mytag", "tag_position": "append", "genre_ratio": 30}
    scanned.save(tmp_path / "dataset.json")
    loaded = Dataset.load(tmp_path / "dataset.json")
    for before, after in zip(scanned.songs, loaded.songs, strict=True):
        before.notes = after.notes = []
        assert after == before
    assert {**loaded.metadata, "created_at": ""} == {**scanned.metadata, "created_at": ""}
    assert not loaded.problems


def test_saving_twice_writes_the_same(songs_dir, tmp_path):
    first = saved(Dataset.scan(songs_dir), tmp_path / "a.json")
    second = saved(Dataset.load(tmp_path / "a.json"), tmp_path / "b.json")
    assert first["samples"] == second["samples"]


def test_the_file_has_the_keys_of_the_reference_in_its_order(songs_dir, tmp_path):
    content = saved(Dataset.scan(songs_dir), tmp_path / "dataset.json")
    assert list(content) == ["metadata", "samples"] and list(content["metadata"]) == METADATA_KEYS
    assert all(list(s) == SAMPLE_KEYS + OURS for s in content["samples"])


def test_the_file_has_the_types_of_the_reference(songs_dir, tmp_path):
    content = saved(Dataset.scan(songs_dir), tmp_path / "dataset.json")
    for sample in content["samples"]:
        assert {k: type(sample[k]) for k in SAMPLE_KEYS} == {k: SAMPLE_TYPES.get(k, str) for k in SAMPLE_KEYS}
    metadata = content["metadata"]
    assert (metadata["name"], metadata["num_samples"], metadata["all_instrumental"]) == ("songs", 6, False)


def test_the_values_are_those_the_reference_would_write(songs_dir, tmp_path):
    content = saved(Dataset.scan(songs_dir), tmp_path / "dataset.json")
    samples = {s["filename"]: s for s in content["samples"]}
    waltz, silent = samples[WALTZ], samples["paper_boats.mp3"]
    assert (waltz["bpm"], waltz["timesignature"], waltz["duration"], waltz["labeled"]) == (144, "3", 10, True)
    assert waltz["audio_path"] == str((songs_dir / WALTZ).resolve()) and not waltz["is_instrumental"]
    assert (silent["lyrics"], silent["raw_lyrics"], silent["is_instrumental"]) == ("[Instrumental]", "", True)
    assert "夜の電車.opus" in (tmp_path / "dataset.json").read_text(encoding="utf-8")


def test_a_folder_given_as_a_dot_still_has_its_name(songs_dir, monkeypatch):
    monkeypatch.chdir(songs_dir)
    assert Dataset.scan(".").metadata["name"] == "songs"


def test_a_file_of_the_reference_is_read(songs_dir, written):
    path = written(reference_sample(songs_dir / WALTZ), name="my_lora_dataset", custom_tag="x", tag_position="replace",
                   created_at="2026-04-08T10:00:00", num_samples=1, all_instrumental=True, genre_ratio=50)  # fmt: skip
    dataset = Dataset.open(path)
    (song,) = dataset.songs
    assert not song.problems and song.duration_s == pytest.approx(10.45, abs=0.01)
    assert (song.caption, song.genre, song.lyrics, song.bpm) == ("a waltz", "folk", "Down by the harbour", 90)
    assert (song.keyscale, song.timesignature, song.language) == ("D major", "3", "en")
    assert song.sources["caption"] == "reference.json"
    assert dataset.metadata["tag_position"] == "replace" and dataset.metadata["genre_ratio"] == 50


@pytest.mark.parametrize("wrap", [list, lambda samples: {"samples": samples}], ids=["bare list", "samples only"])
def test_a_bare_list_and_samples_without_metadata_are_read(songs_dir, tmp_path, wrap):
    path = tmp_path / "list.json"
    path.write_text(json.dumps(wrap([reference_sample(songs_dir / WALTZ)])))
    dataset = Dataset.load(path)
    assert len(dataset.songs) == 1 and dataset.metadata["tag_position"] == "prepend"


def test_a_relative_audio_path_means_the_folder_of_the_file(songs_dir, written, monkeypatch):
    shutil.copy(songs_dir / "ember_road.wav", songs_dir.parent / "song.wav")
    monkeypatch.chdir(songs_dir)
    shutil.copy(songs_dir / WALTZ, "song.wav")
    dataset = Dataset.load(written({"audio_path": "song.wav"}, {"audio_path": f"songs/{WALTZ}"}))
    assert [round(s.duration_s) for s in dataset.songs] == [12, 10] and not any(s.problems for s in dataset.songs)


def test_a_relative_audio_path_may_mean_the_current_folder_too(songs_dir, written, monkeypatch):
    monkeypatch.chdir(songs_dir)
    (song,) = Dataset.load(written({"audio_path": WALTZ})).songs
    assert not song.problems


def test_missing_keys_take_defaults_and_unknown_ones_are_ignored(songs_dir, written):
    (song,) = Dataset.load(written({"audio_path": str(songs_dir / WALTZ), "mood": 3, "caption": None})).songs
    assert not song.problems and not song.labelled and song.instrumental
    assert (song.lyrics, song.bpm, song.language, song.sources) == ("", None, "unknown", {})


def test_a_bad_sample_is_a_problem_and_the_others_go_on(songs_dir, written):
    gone, wrong = reference_sample("gone.wav"), reference_sample(songs_dir / "ember_road.wav") | {"bpm": "fast"}
    path = written(
        {"caption": "no path"}, "text", gone, wrong, {"audio_path": "\0"}, reference_sample(songs_dir / WALTZ)
    )
    dataset = Dataset.load(path)
    assert [str(p).split(";")[0] for p in dataset.problems] == [
        "sample 1 of reference.json has no 'audio_path'", "sample 2 of reference.json has no 'audio_path'",
    ]  # fmt: skip
    problems = [" ".join(map(str, s.problems)) for s in dataset.songs]
    assert "audio file is missing" in problems[0] and "reference.json" in problems[0]
    assert "bpm 'fast'" in problems[1] and "missing" in problems[2] and problems[3] == ""
    assert [s.path.name for s, _ in dataset.captions()] == [WALTZ]


def test_two_samples_of_the_same_recording_are_told(songs_dir, written):
    dataset = Dataset.load(written(reference_sample(songs_dir / WALTZ), reference_sample(songs_dir / WALTZ)))
    assert [len(s.problems) for s in dataset.songs] == [0, 1]
    assert "same recording" in str(dataset.songs[1].problems[0])


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{", "no valid JSON"), (b"{}", "no list 'samples'"), (b'"text"', "no list 'samples'"),
        (b'{"samples": [], "metadata": {"tag_position": "middle"}}', "use prepend, append, replace"),
        (b'{"samples": [], "metadata": {"genre_ratio": "half"}}', "from 0 to 100"),
        (b'{"samples": [], "metadata": {"genre_ratio": 101}}', "from 0 to 100"),
        (b'{"samples": [], "metadata": {"custom_tag": ["x"]}}', "write it as text"),
        ("[\"Größe\"]".encode("latin-1"), "not UTF-8"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_dataset_is_one_clear_error(tmp_path, raw, reason):
    path = tmp_path / "bad.json"
    path.write_bytes(raw)
    with pytest.raises(UserError, match=reason) as error:
        Dataset.load(path)
    assert "bad.json" in error.value.problem and error.value.hint


def test_null_and_foreign_metadata_take_defaults(tmp_path):
    path = tmp_path / "odd.json"
    for metadata in ("null", "[1]", '{"custom_tag": null, "genre_ratio": null, "curator": "someone"}'):
        path.write_text(f'{{"metadata": {metadata}, "samples": []}}')
        assert Dataset.load(path).metadata == Dataset().metadata


def test_all_wrong_settings_are_told_together(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text('{"samples": [], "metadata": {"tag_position": "middle", "genre_ratio": -1}}')
    with pytest.raises(UserError, match=r"(?s)2 problems.*tag_position.*genre_ratio"):
        Dataset.load(path)


def test_a_missing_file_and_a_folder_named_like_one_are_told_apart(tmp_path):
    with pytest.raises(UserError, match="There is no file"):
        Dataset.open(tmp_path / "gone.json")
    (tmp_path / "songs.json").mkdir()
    assert Dataset.open(tmp_path / "songs.json").songs == []


@pytest.mark.parametrize(
    ("position", "expected"), [("prepend", "tag, a waltz"), ("append", "a waltz, tag"), ("replace", "tag")]
)
def test_the_trigger_tag_goes_where_it_should(songs_dir, written, position, expected):
    dataset = Dataset.load(written(reference_sample(songs_dir / WALTZ), custom_tag="tag", tag_position=position))
    assert [caption for _, caption in dataset.captions()] == [expected]


def test_a_songs_own_tag_wins_and_an_empty_caption_is_the_tag_alone(songs_dir, written):
    own = reference_sample(songs_dir / WALTZ) | {"custom_tag": "own"}
    bare = reference_sample(songs_dir / "ember_road.wav") | {"caption": ""}
    captions = [c for _, c in Dataset.load(written(own, bare, custom_tag="tag")).captions()]
    assert captions == ["own, a waltz", "tag"]


def test_the_genre_ratio_draws_that_share_and_always_the_same_songs(songs_dir):
    dataset = Dataset.scan(songs_dir)
    for song in dataset.songs:
        song.genre = "folk"
    for ratio, count in ((0, 0), (50, 3), (60, 3), (100, 6)):
        dataset.metadata["genre_ratio"] = ratio
        drawn = {s.path.name for s, c in dataset.captions() if c == "folk"}
        dataset.songs.reverse()
        assert len(drawn) == count and drawn == {s.path.name for s, c in dataset.captions() if c == "folk"}


def test_prompt_override_beats_the_draw(songs_dir, written):
    samples = [reference_sample(songs_dir / n) | {"prompt_override": o}
               for n, o in ((WALTZ, "caption"), ("ember_road.wav", "genre"), ("lantern_tide.ogg", "both"))]  # fmt: skip
    dataset = Dataset.load(written(*samples, genre_ratio=100))
    assert [c for _, c in dataset.captions()] == ["a waltz", "folk"]
    assert "prompt_override is 'both'" in str(dataset.songs[2].problems[0])


def test_a_genre_that_is_not_known_falls_back_to_the_caption(songs_dir, written):
    sample = reference_sample(songs_dir / WALTZ) | {"genre": "", "prompt_override": "genre"}
    assert [c for _, c in Dataset.load(written(sample)).captions()] == ["a waltz"]


def test_a_side_that_is_none_is_a_problem(songs_dir, written):
    (song,) = Dataset.load(written(reference_sample(songs_dir / WALTZ) | {"split": "test"})).songs
    assert "split is 'test'" in str(song.problems[0]) and "train, validation" in song.problems[0].remedy
