"""transcribe and annotate as a user meets them; killed in the middle, they end as if nothing had happened."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from acestep_core.registry import registry
from acestep_core.testing.fakes import write_wav

SLOW = '''
import os
import time
from pathlib import Path
from types import SimpleNamespace
from acestep_core import Annotator, Transcriber, Transcript, UserError, Value, hookimpl, option


class Slow(Annotator):
    """Says what its name says, and keeps a list of what it was asked."""

    name = "slow"
    log: Path = option(Path("asked.txt"), "its list")

    def annotate(self, song, wanted):
        with self.log.open("a") as f:
            f.write(song.path.name + "\\n")
        time.sleep(float(os.environ.get("SLOWLY", 0)))
        n = int(song.id, 16)
        return {"bpm": Value(60 + n % 100, n % 7 / 7), "caption": Value(f"song {n}\\n" * 50), "genre": Value("folk")}


class Moody(Transcriber):
    """Hears nothing in b, where it changes words as well."""

    name = "moody"

    def transcribe(self, audio, *, language=None):
        if audio.stem == "b":
            raise UserError("the line is cut", "try later")
        return Transcript("[00:01]la " + (language or "-"))

    def add_tags(self, audio, lyrics):
        return "[Verse]\\n" + (lyrics.upper() if audio.stem == "b" else lyrics)

    def estimate(self, audio):
        return SimpleNamespace(cost_usd=0.25, wall_s=60)


@hookimpl
def acestep_annotators():
    return [Slow]


@hookimpl
def acestep_transcribers():
    return [Moody]
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    registry.cache_clear()
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "songs").mkdir()
    for number, name in enumerate("ab"):
        write_wav(tmp_path / "songs" / f"{name}.wav", 0.2, rate_hz=8000, hz=200.0 + number)
    yield tmp_path
    registry.cache_clear()


def test_transcribe_tells_what_failed_and_ends_with_1(cli, folder):
    args = ("transcribe", "songs", "--transcriber", "moody", "--plugin", "slow.py", "--language", "ja")
    ended = cli(*args)
    assert ended.code == 1 and "b.wav: the line is cut; try later" in ended.out and "songs 2/2" in ended.err
    assert "1 songs asked about, 1 fields filled, 0 songs kept, 1 with problems" in ended.out
    assert (folder / "songs" / "a.lyrics.txt").read_text() == "la ja\n"
    told = json.loads(cli(*args, "--json").out)
    assert told["kept"] == ["a.wav"] and told["problems"] == {"b.wav": ["the line is cut; try later"]}


def test_annotate_takes_several_and_options_by_their_names(cli, folder):
    (folder / "t.csv").write_text("File,BPM\na.wav,77\n")
    args = ("annotate", "songs", "--annotator", "csv,slow", "--plugin", "slow.py", "-o", "csv.file=t.csv")
    ended = cli(*args, "-o", "log=list.txt", "--jobs", "2", "--json")
    assert ended.code == 0 and json.loads(ended.out)["filled"]["b.wav"] == ["caption", "genre", "bpm"]
    marks = json.loads((folder / "songs" / "a.json").read_text())
    assert marks["bpm"] == 77 and marks["acestep"]["sources"] == {"bpm": "csv", "caption": "slow", "genre": "slow"}
    assert sorted((folder / "list.txt").read_text().split()) == ["a.wav", "b.wav"]
    assert "csv" in cli("scan", "songs", "--json").out


def test_a_dry_run_asks_nobody(cli, folder):
    args = ("annotate", "songs", "--annotator", "slow", "--plugin", "slow.py", "--fields", "bpm", "--dry-run")
    ended = cli(*args)
    assert ended.code == 0 and "2 songs would be worked on. Nothing was asked or written." in ended.out
    assert [a["fields"] for a in json.loads(cli(*args, "--json").out)["asked"]] == [["bpm"], ["bpm"]]
    assert not (folder / "asked.txt").exists() and not list((folder / "songs").glob("*.json"))


def test_transcribe_add_tags_writes_tags_and_no_other_word(cli, folder):
    for name in "ab":
        (folder / "songs" / f"{name}.lyrics.txt").write_text("la la\nlo")
    args = ("transcribe", "songs", "--transcriber", "moody", "--plugin", "slow.py", "--add-tags")
    plan = cli(*args, "--dry-run", "--jobs", "2")
    assert plan.code == 0 and "2 songs would be worked on, about $0.50, roughly 1:00 with --jobs 2." in plan.out
    ended = cli(*args)
    assert ended.code == 1 and "b.wav: moody changed words while adding tags" in ended.out
    assert (folder / "songs" / "a.lyrics.txt").read_text() == "[Verse]\nla la\nlo\n"
    assert (folder / "songs" / "b.lyrics.txt").read_text() == "la la\nlo"
    assert json.loads(cli(*args, "--json").out)["kept"] == ["a.wav"]
    cannot = cli("transcribe", "songs", "--transcriber", "sidecar", "--add-tags")
    assert cannot.code == 1 and "The transcriber 'sidecar' cannot add section tags" in cannot.err


def test_an_error_that_every_song_would_meet_is_told_once(cli, folder, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    args = ("transcribe", "songs", "--transcriber", "openai")
    ended = cli(*args)
    assert ended.code == 1 and ended.out.count("OPENAI_API_KEY is not set") == 1
    assert "0 with problems, 2 not asked." in ended.out and "goes on with those not asked" in ended.out
    told = json.loads(cli(*args, "--json").out)
    assert told["not_asked"] == ["a.wav", "b.wav"] and "OPENAI_API_KEY" in told["ended"] and not told["problems"]


def test_a_dry_run_tells_cost_and_time_of_a_service(cli, folder):
    args = ("transcribe", "songs", "--transcriber", "openai", "--dry-run", "--json")
    plan = json.loads(cli(*args).out)
    assert plan["cost_usd"] > 0 and plan["wall_s"] == pytest.approx(sum(a["wall_s"] for a in plan["asked"]))
    assert json.loads(cli(*args, "--jobs", "2").out)["wall_s"] < plan["wall_s"]


def test_overwrite_is_needed_to_replace_what_a_person_wrote(cli, folder):
    (folder / "songs" / "a.json").write_text('{"genre": "jazz"}')
    args = ("annotate", "songs", "--annotator", "slow", "--plugin", "slow.py")
    assert cli(*args).code == 0 and json.loads((folder / "songs" / "a.json").read_text())["genre"] == "jazz"
    assert cli(*args, "--overwrite", "genre").code == 0
    assert json.loads((folder / "songs" / "a.json").read_text())["genre"] == "folk"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("annotate", "songs", "--annotator", "nobody"), "There is no annotator 'nobody'"),
        (("annotate", "songs", "--annotator", "csv", "--overwrite", "tempo"), "There is no field 'tempo'"),
        (("annotate", "songs", "--annotator", "csv", "-o", "levels=-1"), "levels"),
        (("annotate", "songs", "--annotator", "csv,csv"), "the same name"),
        (("annotate", "nowhere", "--annotator", "csv"), "There is no folder nowhere"),
        (("transcribe", "songs", "--transcriber", "sidecar", "--language", "xx"), "The language 'xx'"),
    ],
)
def test_a_wrong_request_is_one_sentence(cli, folder, args, said):
    ended = cli(*args)
    assert ended.code == 1 and said in ended.err


def sidecars(songs: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in songs.iterdir() if p.suffix != ".wav"}


def finished(songs: Path) -> set[str]:
    """Songs with both their files."""
    return {p.name.removesuffix(".caption.txt") for p in songs.glob("*.caption.txt") if not p.name.startswith(".")}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "stopped"])
def test_an_ended_annotate_goes_on_and_ends_with_the_same_files(folder, number):
    songs, whole = folder / "songs", folder / "whole"
    for i in range(198):
        write_wav(songs / f"song{i:03}.wav", 0.1, rate_hz=8000, hz=300.0 + i)
    shutil.copytree(songs, whole)
    base = [sys.executable, "-m", "acestep_core", "annotate", "--annotator", "slow", "--plugin", "slow.py", "--jobs"]
    subprocess.run([*base, "4", whole], check=True, capture_output=True)
    assert len(finished(whole)) == 200
    (folder / "asked.txt").unlink()

    slowly = {**os.environ, "SLOWLY": "0.1"}
    with subprocess.Popen([*base, "4", songs], env=slowly, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while len(finished(songs)) < 40 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == (-number if number == signal.SIGKILL else 130)
    wanted, before, done = sidecars(whole), sidecars(songs), finished(songs)
    assert 40 <= len(done) < 200 and all(wanted[n] == b for n, b in before.items() if not n.startswith("."))
    (folder / "asked.txt").unlink()

    ended = subprocess.run([*base, "4", songs], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert sidecars(songs) == wanted
    asked = (folder / "asked.txt").read_text().split()
    assert len(asked) == len(set(asked)) == 200 - len(done) and not {Path(n).stem for n in asked} & done
