"""Which file gives a song its caption, what is put around it, and that the meaning of .txt is never guessed."""

import pytest

from acestep_core import Dataset, Song, UserError, Value
from acestep_core.sidecars import write_labels

SUBSET = '[[datasets]]\n[[datasets.subsets]]\naudio_dir = "a"\n'


@pytest.fixture
def opened(toml):
    return lambda lines="": Dataset.open(toml(SUBSET + lines))


def captions(dataset):
    return {s.path.stem: s.caption for s in dataset.songs}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('caption_extension = ".txt"', {"x": "from txt", "y": ""}),
        ('caption_extension = "txt"', {"x": "from txt", "y": ""}),
        ('caption_extension = ".txt"\nclass_tokens = "my song"', {"x": "from txt", "y": "my song"}),
        ('caption_extension = ".txt"\ncaption_prefix = "pre,"\ncaption_suffix = "post"',
         {"x": "pre, from txt post", "y": "pre, post"}),
        ('txt_role = "caption"', {"x": "from caption.txt", "y": "from .caption"}),
        ('txt_role = "ignore"', {"x": "from caption.txt", "y": "from .caption"}),
        ('txt_role = "ignore"\ncaption_extension = ".caption"', {"x": "", "y": "from .caption"}),
    ],
)  # fmt: skip
def test_the_caption_of_a_song(song, opened, lines, expected):
    song("a/x.wav", txt="from txt\n", caption_txt="from caption.txt")
    song("a/y.wav", caption="from .caption")
    if 'role = "caption"' in lines:
        expected = expected | {"x": "from txt"}  # a .txt said to be a caption wins over .caption.txt, as in any folder
    assert captions(opened(lines)) == expected


def test_txt_is_lyrics_where_the_file_says_so(song, opened):
    song("a/x.wav", txt="La la la", caption_txt="bells")
    found = opened('txt_role = "lyrics"').songs[0]
    assert (found.lyrics, found.caption) == ("La la la", "bells")


def test_txt_that_nobody_explained_is_asked_about(song, opened):
    song("a/x.wav", txt="bells, slow")
    with pytest.raises(UserError, match=r"x\.txt lies beside .* nothing says whether") as caught:
        opened('class_tokens = "me"')
    assert 'caption_extension = ".txt"' in caught.value.hint


def test_captions_that_all_lie_under_another_ending_are_an_error(song, opened):
    song("a/x.wav", caption="bells")
    song("a/y.wav", caption="drums")
    with pytest.raises(UserError, match=r"No song of a has a \.txt file, but 2 have a \.caption file"):
        opened('caption_extension = ".txt"\nclass_tokens = "me"')


def test_songs_whose_only_caption_is_elsewhere_are_a_problem(song, opened):
    song("a/w.wav", txt="used")
    for name in "xyz":
        song(f"a/{name}.wav", caption_txt="not used")
    told = str(opened('caption_extension = ".txt"\nclass_tokens = "me"').problems[0])
    assert "a: the captions of songs without a .txt file are not used (x.caption.txt, 3 in all)" in told


def test_a_caption_elsewhere_that_is_not_used_is_a_note(song, opened):
    song("a/x.wav", txt="used", caption_txt="not used")
    assert "the caption in x.caption.txt is not used: caption_extension is .txt" in opened(
        'caption_extension = ".txt"').songs[0].notes  # fmt: skip


def test_a_name_so_long_that_no_caption_file_can_have_it_is_a_song_all_the_same(song, opened):
    song(f"a/{'x' * 248}.wav")
    found = opened('class_tokens = "me"').songs[0]
    assert not found.problems and found.caption == "me"


def test_a_caption_file_that_is_no_text_is_a_problem_of_its_song(song, opened):
    song("a/x.wav").with_suffix(".caption").write_bytes(b"caf\xe9 \x81")
    song("a/y.wav", caption="bells")
    assert [bool(s.problems) for s in opened().songs] == [True, False]


def test_key_value_labels_are_no_caption_unless_they_are_said_to_be_fields(song, opened):
    song("a/x.wav", txt="caption: soft bells\nbpm: 90\nkey: C major\nlanguage: en")
    found = opened('caption_extension = ".txt"').songs[0]
    assert "holds 'key: value' labels" in str(found.problems[0]) and not found.caption
    found = opened('txt_role = "fields"').songs[0]
    assert (found.caption, found.bpm) == ("soft bells", 90) and not found.problems


def test_of_several_lines_the_first_is_the_caption_and_the_others_are_told(song, opened):
    song("a/x.wav", txt="first\nsecond\nthird")
    found = opened('caption_extension = ".txt"').songs[0]
    assert found.caption == "first" and any("x.txt has 3 lines" in n for n in found.notes)


def test_a_guess_that_another_caption_replaces_is_forgotten(song, opened):
    path = song("a/x.wav")
    write_labels(Song(path), {"caption": Value("a guess", 0.1)}, "guesser")
    guessed = opened().songs[0]
    assert guessed.caption == "a guess" and guessed.confidence == {"caption": 0.1} and guessed.notes_on("caption")
    path.with_suffix(".txt").write_text("by hand")
    sure = opened('caption_extension = ".txt"').songs[0]
    assert (sure.caption, sure.confidence, sure.notes_on("caption")) == ("by hand", {}, [])


def test_folders_below_are_passed_over_unless_recursive(song, opened):
    song("a/x.wav", caption="x")
    song("a/below/y.wav", caption="y")
    assert captions(opened()) == {"x": "x"}
    assert captions(opened("recursive = true")) == {"x": "x", "y": "y"}


def test_the_trigger_is_applied_beside_the_caption(song, toml):
    song("a/x.wav", caption="bells")
    song("b/y.wav", caption="drums")
    text = f'[general]\ntrigger_position = "append"\n{SUBSET}trigger = "mytag"\n[[datasets.subsets]]\naudio_dir = "b"'
    dataset = Dataset.open(toml(text))
    assert [text for _, text in dataset.captions()] == ["bells, mytag", "drums"]


def test_repeats_and_labels_stand_in_the_songs_and_in_a_saved_dataset(song, opened, tmp_path):
    song("a/x.wav", caption="bells", lyrics_txt="La", json='{"bpm": 90}')
    dataset = opened("num_repeats = 7")
    dataset.save(tmp_path / "dataset.json")
    for found in (dataset.songs[0], Dataset.load(tmp_path / "dataset.json").songs[0]):
        assert (found.repeats, found.caption, found.lyrics, found.bpm) == (7, "bells", "La", 90)


def test_what_a_dataset_json_cannot_hold_is_not_saved(song, opened, tmp_path):
    song("a/x.wav", caption="bells")
    with pytest.raises(UserError, match="cannot hold shuffle_caption"):
        opened("shuffle_caption = true").save(tmp_path / "dataset.json")


@pytest.mark.parametrize("repeats", [0, -1, "2", 1.5, True, 10_001])
def test_repeats_that_are_none_are_a_problem_of_the_song(song, opened, tmp_path, repeats):
    song("a/x.wav", caption="bells")
    path = tmp_path / "dataset.json"
    opened().save(path)
    path.write_text(path.read_text().replace('"repeats": 1', f'"repeats": {repeats!r}'.replace("'", '"').lower()))
    assert "repeats is" in str(Dataset.load(path).songs[0].problems[0])


def test_the_same_recording_in_two_subsets_is_told(song, toml, tmp_path):
    path = song("a/x.wav", caption="bells")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "y.wav").write_bytes(path.read_bytes())
    dataset = Dataset.open(toml(SUBSET + '[[datasets.subsets]]\naudio_dir = "b"'))
    assert [len(s.problems) for s in dataset.songs] == [0, 1]


def test_an_empty_folder_is_a_problem_and_a_folder_named_for_repeats_a_note(song, toml, tmp_path):
    song("5_tag/x.wav", caption="bells")
    (tmp_path / "empty").mkdir()
    dataset = Dataset.open(toml('[[datasets]]\n[[datasets.subsets]]\naudio_dir = "5_tag"\n'
                                '[[datasets.subsets]]\naudio_dir = "empty"'))  # fmt: skip
    assert [str(p) for p in dataset.problems] == ["empty holds no song; put songs there, or take it out"]
    assert dataset.songs[0].repeats == 1 and any("number in its name is not used" in n for n in dataset.notes)


def test_txt_on_the_command_line_is_refused_for_a_toml(song, toml):
    song("a/x.wav", caption="bells")
    with pytest.raises(UserError, match="--txt caption is for folders"):
        Dataset.open(toml(SUBSET), "caption")
