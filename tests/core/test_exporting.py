"""Exports are read back as the programs they are for would: by our own scan, and by the letter of the formats."""

import csv
import json
import os

import pytest

from acestep_core import Dataset, UserError
from acestep_core.exporting import camelot, export

# The wheel as DJ programs print it: twelve fifths from A flat minor / B major at 1.
WHEEL = {
    "1A": "G# minor", "2A": "D# minor", "3A": "A# minor", "4A": "F minor", "5A": "C minor", "6A": "G minor",
    "7A": "D minor", "8A": "A minor", "9A": "E minor", "10A": "B minor", "11A": "F# minor", "12A": "C# minor",
    "1B": "B major", "2B": "F# major", "3B": "Db major", "4B": "A♭ major", "5B": "E♭ major", "6B": "Bb major",
    "7B": "F major", "8B": "C major", "9B": "G major", "10B": "D major", "11B": "A major", "12B": "E major",
}  # fmt: skip


@pytest.mark.parametrize(("place", "key"), WHEEL.items())
def test_keys_have_their_place_on_the_wheel(place, key):
    assert camelot(key) == place


def test_a_table_gives_a_bare_folder_its_labels(songs_dir, tmp_path):
    before = Dataset.scan(songs_dir)
    bare = tmp_path / "bare"
    bare.mkdir()
    for song in before.songs:
        os.link(song.path, bare / song.path.name)
    assert export(before, bare / "labels.csv", "csv").songs == 6
    for song, again in zip(before.songs, Dataset.scan(bare).songs, strict=True):
        short = ("caption", "genre", "bpm", "keyscale", "timesignature", "language")
        assert {f: getattr(again, f) for f in short} == {f: getattr(song, f) for f in short}
    assert (bare / "labels.csv").read_bytes().startswith(b"File,Artist,Title,BPM,Key,Camelot,Caption,")


def test_a_table_cannot_tell_songs_of_one_name_apart_and_says_so(songs_dir, tmp_path):
    (songs_dir / "more").mkdir()
    wave = (songs_dir / "ember_road.wav").read_bytes()
    (songs_dir / "more" / "ember_road.wav").write_bytes(wave + b"\0" * 8)
    written = export(Dataset.scan(songs_dir), tmp_path / "t.csv", "csv")
    assert written.songs == 5 and len(written.problems) == 2 and "ember_road.wav" in str(written.problems[0])
    rows = list(csv.DictReader((tmp_path / "t.csv").open(encoding="utf-8")))
    assert "ember_road.wav" not in [r["File"] for r in rows]


def audiofolder(folder):
    """split -> file name -> record, as the loader of Hugging Face datasets joins them."""
    found = {}
    for path in folder.glob("*/metadata.jsonl"):
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found[path.parent.name] = {r["file_name"]: r for r in records}
        assert {*found[path.parent.name], "metadata.jsonl"} == {p.name for p in path.parent.iterdir()}
    return found


def test_a_folder_for_datasets_has_a_record_for_each_file_and_a_folder_for_each_side(songs_dir, tmp_path):
    dataset = Dataset.scan(songs_dir)
    dataset.hold_out(0.34, seed=1)
    dataset.metadata["custom_tag"] = "tag"
    assert export(dataset, tmp_path / "hf", "audiofolder").songs == 6
    found = audiofolder(tmp_path / "hf")
    assert {side: len(records) for side, records in found.items()} == {"train": 4, "validation": 2}
    for song in dataset.songs:
        record = found[song.split][song.path.name]
        assert (record["caption"], record["prompt"]) == (
            song.caption,
            f"tag, {song.caption}" if song.caption else "tag",
        )
        assert (record["lyrics"], record["bpm"], record["id"]) == (song.lyrics, song.bpm, song.id)
        assert (tmp_path / "hf" / song.split / song.path.name).read_bytes() == song.path.read_bytes()


def test_songs_of_one_name_get_names_of_their_own(songs_dir, tmp_path):
    (songs_dir / "more").mkdir()
    (songs_dir / "more" / "Ember_Road.wav").write_bytes((songs_dir / "ember_road.wav").read_bytes() + b"\0" * 8)
    export(Dataset.scan(songs_dir), tmp_path / "hf", "audiofolder")
    names = list(audiofolder(tmp_path / "hf")["train"])
    assert len(names) == 7 and len({n.casefold() for n in names}) == 7


def test_a_second_export_copies_nothing_again_and_links_are_links(songs_dir, tmp_path):
    dataset, out = Dataset.scan(songs_dir), tmp_path / "hf"
    export(dataset, out, "audiofolder")
    file = out / "train" / "ember_road.wav"
    before = file.stat().st_ino
    export(dataset, out, "audiofolder", link=True)
    assert file.stat().st_ino == before
    file.write_bytes(b"cut off by a kill")
    export(dataset, out, "audiofolder", link=True)
    assert file.samefile(songs_dir / "ember_road.wav")


def test_what_cannot_be_exported_is_one_sentence(songs_dir, tmp_path, cli):
    with pytest.raises(UserError, match="no format 'parquet'"):
        export(Dataset.scan(songs_dir), tmp_path / "x", "parquet")
    (tmp_path / "file").write_text("")
    ended = cli("dataset", "export", songs_dir, "--format", "audiofolder", "-o", tmp_path / "file" / "x")
    assert ended.code == 1 and "cannot be written" in ended.err and "Traceback" not in ended.err
    (songs_dir / "empty.wav").write_bytes(b"")
    ended = cli("dataset", "export", songs_dir, "--format", "csv", "-o", tmp_path / "t.csv")
    assert ended.code == 1 and "left out empty.wav" in ended.err and "6 songs" in ended.out
