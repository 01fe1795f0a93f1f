"""The folder is one of songs: read by acestep-core without a remark, gone on with, heard as it is labelled."""

import json
from pathlib import Path

import pytest
from acestep_nano.__main__ import main
from acestep_nano.composing import compose
from acestep_nano.folder import stem
from click.testing import CliRunner

from acestep_core import Dataset
from acestep_core.registry import registry


def run(*words: object):
    return CliRunner().invoke(main, ["compose", *map(str, words)])


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("composed") / "songs"
    done = run(out, "--count", 12, "--seed", 40)
    assert done.exit_code == 0, done.output
    return out


def test_scan_has_nothing_to_remark(songs):
    dataset = Dataset.scan(songs)
    assert not dataset.problems and not dataset.notes and len(dataset.songs) == 12
    for song in dataset.songs:
        piece = compose(int(song.path.stem.rpartition("-")[2]))
        assert not song.problems and not song.notes, song.notes
        assert (song.bpm, song.keyscale, song.timesignature) == (piece.bpm, piece.keyscale, piece.timesignature)
        assert (song.caption, song.language) == (piece.caption, piece.language)
        assert song.instrumental == (not piece.lyrics) and (not piece.lyrics or song.lyrics == piece.lyrics)
        assert abs(song.duration_s - piece.seconds) < 1e-6 and (song.rate_hz, song.channels) == (48_000, 2)


def test_the_annotator_of_tempo_and_key_hears_what_the_labels_say(songs):
    annotator = registry().make("annotators", "tempo_key")
    tempi = keys = 0
    for song in Dataset.scan(songs).songs:
        heard = annotator.annotate(song, ["bpm", "keyscale"])
        tempi += any(abs(heard["bpm"].value / song.bpm / o - 1) < 0.05 for o in (1, 2, 0.5, 3, 1 / 3))
        keys += heard["keyscale"].value == song.keyscale
    assert tempi >= 11 and keys >= 11


def test_the_same_command_goes_on_where_it_was_stopped(songs):
    files = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in songs.iterdir()}
    victim = songs / f"{stem(compose(41))}.flac"
    victim.unlink()
    done = run(songs, "--count", 12, "--seed", 40, "--json")
    told = json.loads(done.stdout)
    assert told["made"] == [victim.name] and len(told["kept"]) == 11
    changed = {p for p in songs.iterdir() if p.stat().st_mtime_ns != files[p][0]}
    assert {p.name.partition(".")[0] for p in changed} == {victim.stem}
    assert victim.read_bytes() == files[victim][1]


def test_the_held_out_style_is_written_when_asked_for(tmp_path):
    assert run(tmp_path, "--count", 1, "--held-out", "--bpm", 120).exit_code == 0
    assert json.loads((tmp_path / "held-out-000000.json").read_text())["timesignature"] == "6"


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--bpm", 20), "20 BPM"), (("--held-out", "--style", "waltz"), "leave out"), (("--key", "H"), "no key")],
)
def test_a_mistake_costs_a_sentence(tmp_path, words, said):
    done = run(tmp_path / "out", "--count", 1, *words)
    assert done.exit_code == 1 and said in done.output and "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / "file").touch()
    done = run(tmp_path / "file" / "out", "--count", 1)
    assert done.exit_code == 1 and "cannot be written to" in done.output
