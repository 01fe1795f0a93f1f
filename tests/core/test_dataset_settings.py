"""What a dataset says of all its songs, of single ones, and of those held out; by the command and by its effect."""

import json

from acestep_core import Dataset

WALTZ = "harbour_waltz.flac"


def songs_by_name(dataset):
    return {s.path.name: s for s in dataset.songs}


def saved(dataset, path):
    dataset.save(path)
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_save_command_keeps_settings_that_are_not_given(songs_dir, tmp_path, cli):
    file, again = tmp_path / "a.json", tmp_path / "b.json"
    given = ("--trigger", "tag", "--trigger-position", "append", "--genre-ratio", "20", "--name", "set")
    assert cli("dataset", "save", songs_dir, "-o", file, *given).code == 0
    assert cli("dataset", "save", file, "-o", again, "--genre-ratio", "40").code == 0
    metadata = Dataset.load(again).metadata
    assert (metadata["name"], metadata["custom_tag"], metadata["tag_position"]) == ("set", "tag", "append")
    assert metadata["genre_ratio"] == 40 and cli("dataset", "load", again).code == 0


def test_the_save_command_says_what_it_left_out(songs_dir, tmp_path, cli):
    (songs_dir / "harbour_waltz.json").write_text('{"bpm": 0}')
    (songs_dir / "key_bpm.csv").write_bytes("File;Größe".encode("cp1252"))
    ended = cli("dataset", "save", songs_dir, "-o", tmp_path / "a.json")
    assert ended.code == 1 and "5 songs" in ended.out
    assert f"left out {WALTZ}: bpm 0" in ended.err and "key_bpm.csv is not UTF-8" in ended.err


def test_songs_without_lyrics_are_what_the_dataset_says(songs_dir, tmp_path):
    file = tmp_path / "d.json"
    for said, instrumental in ((None, True), (True, True), (False, False)):
        dataset = Dataset.scan(songs_dir)
        dataset.metadata["all_instrumental"] = said
        content = saved(dataset, file)
        flags = {s["filename"]: s["is_instrumental"] for s in content["samples"]}
        assert flags["paper_boats.mp3"] is instrumental and flags[WALTZ] is False
        assert content["metadata"]["all_instrumental"] is bool(said)
        assert Dataset.load(file).metadata["all_instrumental"] is said
        assert dataset.without_words() == (["paper_boats.mp3"] if said is False else [])


def test_where_all_are_instrumental_a_song_without_words_has_no_language(songs_dir, tmp_path):
    (songs_dir / "paper_boats.json").write_text('{"language": "ja"}')
    for said, language in ((None, "ja"), (True, "unknown"), (False, "ja")):
        dataset = Dataset.scan(songs_dir)
        dataset.metadata["all_instrumental"] = said
        languages = {s.path.name: s.language for s, _ in dataset.captions()}
        assert (languages["paper_boats.mp3"], languages[WALTZ]) == (language, "en")


def test_the_save_command_sets_what_concerns_single_songs(songs_dir, tmp_path, cli):
    file = tmp_path / "d.json"
    given = ("--prompt", f"{WALTZ}=genre", "--song-trigger", "ember_road.wav=own", "--has-vocals")
    ended = cli("dataset", "save", songs_dir, "-o", file, *given)
    assert ended.code == 0 and "paper_boats.mp3: no lyrics though" in ended.err
    songs = songs_by_name(Dataset.load(file))
    assert songs[WALTZ].prompt_override == "genre" and songs["ember_road.wav"].custom_tag == "own"
    assert cli("dataset", "save", file, "-o", file, "--prompt", f"{WALTZ}=").code == 0
    songs = songs_by_name(Dataset.load(file))
    assert songs[WALTZ].prompt_override is None and songs["ember_road.wav"].custom_tag == "own"
    for wrong in ("gone.wav=genre", f"{WALTZ}=mood", WALTZ):
        assert cli("dataset", "save", file, "-o", file, "--prompt", wrong).code == 1


def test_held_out_songs_are_saved_and_stay_so(songs_dir, tmp_path, cli):
    file = tmp_path / "d.json"
    assert "2 of them held out" in cli("dataset", "save", songs_dir, "-o", file, "--validation", "0.34").out
    first = {s.id: s.split for s in Dataset.load(file).songs}
    assert sorted(first.values()).count("validation") == 2
    cli("dataset", "save", file, "-o", file, "--validation", "0.5", "--split-seed", "9")
    assert {s.id: s.split for s in Dataset.load(file).songs} == first
    cli("dataset", "save", file, "-o", file, "--validation", "0.5", "--split-seed", "9", "--split-again")
    assert [s.split for s in Dataset.load(file).songs].count("validation") == 3
