"""The tags command as a user meets it, the two edited pictures of the Kohya tutorial, and a kill in the middle."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from acestep_core import Dataset
from acestep_core.testing.fakes import write_wav

FIRST = (
    "1girl, solo, blue headwear, drink, cup, hand on own face, hat, baseball cap, black hair, long hair, lips, nose, "
    "brown eyes, looking at viewer, white background, simple background, upper body, jacket, smile, holding cup"
)
SECOND = (
    "1girl, solo, animal, animal focus, dog, shiba inu, cat, lips, black hair, long hair, sweater, holding animal, "
    "indoors, looking at viewer, upper body, smile"
)
README = Path(__file__).parents[1] / "README.md"


@pytest.fixture
def songs(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "songs").mkdir()
    for number, text in enumerate((FIRST, SECOND), 1):
        write_wav(tmp_path / "songs" / f"{number}.wav", 0.2, rate_hz=8000, hz=200.0 + number)
        (tmp_path / "songs" / f"{number}.caption.txt").write_text(text + "\n")
    return tmp_path / "songs"


def captions(songs: Path) -> list[str]:
    return [s.caption for s in Dataset.scan(songs).songs]


def put(songs: Path, *texts: str) -> None:
    for number, text in enumerate(texts, 1):
        (songs / f"{number}.caption.txt").write_text(text, encoding="utf-8")


def test_the_two_edited_pictures_of_the_tutorial_are_one_command_file(cli, songs):
    (lines,) = re.findall(r"^```text\n(# 1: .*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)
    Path("edits.txt").write_text(lines)
    shown = cli("tags", "apply", songs, "edits.txt", "--dry-run")
    assert shown.code == 0 and f"1.wav\n  - {FIRST}\n  + 1girl, solo, cup, straw, baseball cap" in shown.out
    assert captions(songs) == [FIRST, SECOND] and not (songs / ".acestep").exists()

    done = cli("tags", "apply", songs, "edits.txt")
    assert done.code == 0 and "2 of 2 captions changed, edit 1" in done.out
    assert len(FIRST.split(", ")) == 20 and len(SECOND.split(", ")) == 16
    gone = {"blue headwear", "drink", "hand on own face", "hat", "lips", "nose", "white background"}
    one, two = (c.split(", ") for c in captions(songs))
    assert set(one) == {*FIRST.split(", "), "straw"} - gone and len(one) == 14
    assert set(two) == {*SECOND.split(", "), "hand"} - {"animal", "animal focus", "dog", "shiba inu", "lips"}
    assert len(two) == 12

    again = cli("tags", "apply", songs, "edits.txt")
    assert again.code == 0 and "0 of 2 captions changed" in again.out and "line 3: no selected song has" in again.out
    assert cli("tags", "undo", songs).code == 0 and captions(songs) == [FIRST, SECOND]


def test_every_wrong_line_of_a_file_is_told_and_nothing_is_done(cli, songs):
    lines = ["remove smile", "remov lips", "add", "add x --position middle --where temp>3", 'remove "lips',
             "sort --by size", "remove lips --dry-run", "add --help", "# all is well", "remove C# solo"]  # fmt: skip
    Path("edits.txt").write_text("\n".join(lines))
    ended = cli("tags", "apply", songs, "edits.txt")
    assert ended.code == 1 and "edits.txt has 7 problems" in ended.err and captions(songs) == [FIRST, SECOND]
    said = ["there is no edit 'remov' (did you mean 'remove'?)", "Missing argument", "The edit has 2 problems",
            "'remove \"lips' cannot", "Invalid value", "--dry-run is for the whole file", "'add --help'"]  # fmt: skip
    for number, line in enumerate(said, 2):
        assert f"line {number}: {line}" in ended.err
    for number in (1, 9, 10):
        assert f"line {number}:" not in ended.err
    Path("edits.txt").write_text("# nothing\n")
    assert "has no edits" in cli("tags", "apply", songs, "edits.txt").err
    assert "cannot be read" in cli("tags", "apply", songs, "no.txt").err


def test_lines_work_on_what_the_lines_before_them_left(cli, songs):
    put(songs, "pop, C# minor", "rock")
    Path("edits.txt").write_text("replace pop dance\nadd x --where tag:dance\nremove C# 'C# minor'\nsort --by alphabet")
    told = json.loads(cli("tags", "apply", songs, "edits.txt", "--json").out)
    assert captions(songs) == ["dance, x", "rock"] and told["edit"] == 1
    (changed,) = told["changed"]
    assert changed == {"song": "1.wav", "before": "pop, C# minor", "after": "dance, x", "removed": ["pop", "C# minor"],
                       "added": ["dance", "x"], "files": [str(songs / "1.caption.txt")]}  # fmt: skip


@pytest.mark.parametrize(
    ("args", "after"),
    [
        (("add", "z, x", "--position", "start"), ["z, x, Pop, pop, guitars", "z, x, rock, guitars. It rains, hard."]),
        (("add", "x", "--where", "tag:rock"), ["Pop, pop, guitars", "rock, guitars, x. It rains, hard."]),
        (("remove", "GUITARS", "-i"), ["Pop, pop", "rock. It rains, hard."]),
        (("remove", "[pr]o.*", "--regex"), ["Pop, guitars", "guitars. It rains, hard."]),
        (("replace", "(.*)s", r"\1", "--regex"), ["Pop, pop, guitar", "rock, guitar. It rains, hard."]),
        (("rename", "rains", "snows"), ["Pop, pop, guitars", "rock, guitars. It rains, hard."]),
        (("rename", "guitars", "gtr"), ["Pop, pop, gtr", "rock, gtr. It rains, hard."]),
        (("dedupe",), ["Pop, guitars", "rock, guitars. It rains, hard."]),
        (("sort",), ["guitars, Pop, pop", "guitars, rock. It rains, hard."]),
        (("sort", "--by", "order", "--order", "guitars, x", "--keep-first", "1"),
         ["Pop, guitars, pop", "rock, guitars. It rains, hard."]),
    ],
)  # fmt: skip
def test_each_edit(cli, songs, args, after):
    put(songs, "Pop, pop, guitars", "rock, guitars. It rains, hard.")
    ended = cli("tags", args[0], songs, *args[1:])
    assert ended.code == 0 and captions(songs) == after
    assert ("captions changed, edit 1" in ended.out) is (cli("tags", "undo", songs).code == 0)
    assert captions(songs) == ["Pop, pop, guitars", "rock, guitars. It rains, hard."]


def test_a_tag_that_is_not_there_is_told_with_the_nearest(cli, songs):
    ended = cli("tags", "remove", songs, "lip", "Nose")
    assert ended.code == 0 and "no selected song has the tag 'lip'; did you mean 'lips'?" in ended.out
    assert "'Nose'; 'nose' is there (--ignore-case)" in ended.out
    assert "no song is selected" in cli("tags", "remove", songs, "lips", "--where", "bpm>1").out


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("add", "songs"), 2, "Missing argument 'TAGS...'"),
        (("add", "songs", "a slow song with rain"), 1, "reads as a sentence"),
        (("add", "nowhere", "x"), 1, "There is no folder nowhere"),
        (("add", "songs", "x", "--where", "temp>3"), 1, "There is no field 'temp'"),
        (("undo", "songs"), 1, "has no edits to undo"),
        (("advise", "songs"), 1, "No trigger was named"),
        (("stats", "songs", "--where", "x"), 1, "selects nothing"),
    ],
)
def test_a_wrong_request_is_one_sentence(cli, songs, args, code, said):
    ended = cli("tags", *args)
    assert ended.code == code and said in ended.err


def test_a_dataset_file_is_read_but_not_edited(cli, songs):
    assert cli("dataset", "save", songs, "-o", "d.json", "--trigger", "zxc").code == 0
    before = Path("d.json").read_bytes()
    assert "black hair" in cli("tags", "stats", "d.json").out and cli("tags", "audit", "d.json").code == 0
    assert json.loads(cli("tags", "advise", "d.json", "--json").out)["trigger"] == "zxc"
    ended = cli("tags", "remove", "d.json", "lips")
    assert ended.code == 1 and "edit the folder of songs" in ended.err and Path("d.json").read_bytes() == before


def test_stats_audit_and_advise_print_tables_and_json(cli, songs):
    put(songs, "pop, piano", "pop, 120 bpm")
    (songs / "2.json").write_text('{"bpm": 90}')
    shown = cli("tags", "stats", songs, "--songs", "--together").out
    assert "pop          2   100%  1.wav, 2.wav" in shown and "piano    pop       1" in shown
    told = json.loads(cli("tags", "stats", songs, "--json", "--where", "tag:piano").out)
    assert [(t["tag"], t["songs"]) for t in told["tags"]] == [("piano", ["1.wav"]), ("pop", ["1.wav"])]
    assert "the tag is '120 bpm' but bpm is 90" in cli("tags", "audit", songs).out
    assert json.loads(cli("tags", "audit", songs, "--json").out)["findings"][0]["kind"] == "contradiction"
    assert "constant trait" in cli("tags", "advise", songs, "--trigger", "zxc").out
    put(songs, "A song, with rain.")
    assert "in 2 captions, 1 of them sentences without tags" in cli("tags", "advise", songs, "--trigger", "zxc").out


def test_the_commands_of_advice_carry_it_out(cli, songs):
    put(songs, "pop, piano, hat, straw hat", "pop, 120 bpm, piano")
    printed = cli("tags", "advise", songs, "--trigger", "zxc", "--commands").out.splitlines()
    assert f"acestep-core tags remove {songs} pop" in printed
    for line in printed:
        subprocess.run(line.replace("acestep-core", f"{sys.executable} -m acestep_core"), shell=True, check=True)
    assert captions(songs) == ["zxc, straw hat", "zxc"]
    assert cli("tags", "advise", songs, "--trigger", "zxc", "--commands").out == ""
    listed = json.loads(cli("tags", "undo", songs, "--list", "--json").out)
    assert [e["undone"] for e in listed] == [False] * len(printed)
    assert cli("tags", "undo", songs, len(printed)).code == 0
    assert captions(songs) == ["pop, piano, hat, straw hat", "pop, 120 bpm, piano"]


def test_undo_says_what_it_left_alone(cli, songs):
    cli("tags", "remove", songs, "lips")
    (songs / "1.caption.txt").write_text("mine")
    ended = cli("tags", "undo", songs)
    assert ended.code == 1 and "1.wav: 1.caption.txt was changed since edit 1" in ended.out
    assert captions(songs) == ["mine", SECOND]


def test_a_song_that_cannot_be_edited_ends_with_1(cli, songs):
    (songs / "1.caption.txt").write_bytes(b"caf\xe9")
    ended = cli("tags", "add", songs, "x")
    assert ended.code == 1 and "1.wav: 1.caption.txt is not UTF-8" in ended.out and captions(songs)[1].endswith(", x")
    assert json.loads(cli("tags", "add", songs, "y", "--json").out)["problems"]["1.wav"]


SLOWLY = """
import time
from acestep_core.tags import journal
write = journal.write_bytes
journal.write_bytes = lambda path, content: (time.sleep(0.02), write(path, content))
from acestep_core.cli import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("again", ["undo", "add"])
def test_a_killed_edit_can_be_taken_back_and_done_again(tmp_path, again):
    songs, whole = tmp_path / "songs", tmp_path / "whole"
    songs.mkdir()
    for i in range(200):
        write_wav(songs / f"s{i:03}.wav", 0.05, rate_hz=8000, hz=200.0 + i)
        (songs / f"s{i:03}.{'json' if i % 2 else 'caption.txt'}").write_text('{"caption": "pop"}' if i % 2 else "pop\n")
    start = sidecars(songs)
    shutil.copytree(songs, whole)
    program = [sys.executable, "-m", "acestep_core", "tags"]
    subprocess.run([*program, "add", whole, "x"], check=True, capture_output=True)

    with subprocess.Popen([sys.executable, "-c", SLOWLY, "tags", "add", songs, "x"], env=os.environ) as process:
        while sum(sidecars(songs)[n] != start[n] for n in start) < 40 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    now = sidecars(songs)
    assert process.returncode == -signal.SIGKILL and 40 <= sum(now[n] != start[n] for n in start) < 200
    assert all(now[n] in (start[n], sidecars(whole)[n]) for n in start)
    argument = [] if again == "undo" else ["x"]
    subprocess.run([*program, again, songs, *argument], check=True, capture_output=True)
    assert sidecars(songs) == (start if again == "undo" else sidecars(whole))


def sidecars(songs: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in songs.iterdir() if p.suffix in (".txt", ".json") and p.name[0] != "."}
