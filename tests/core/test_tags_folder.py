"""Edits of a folder: where the new caption is written, what the journal brings back, and what a kill leaves."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from acestep_core import UserError, Value
from acestep_core.scan import scan_folder
from acestep_core.sidecars import read_marks, write_labels
from acestep_core.tags import journal
from acestep_core.tags.edits import Add, Edit, Match, Remove
from acestep_core.tags.folder import Step, apply, changes, open_captions
from acestep_core.tags.journal import JOURNAL, undo, write_changes
from acestep_core.tags.where import parse_where
from acestep_core.testing.fakes import write_wav


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "songs").mkdir()
    for number, name in enumerate("abc"):
        write_wav(tmp_path / "songs" / f"{name}.wav", 0.2, rate_hz=8000, hz=200.0 + number)
    return tmp_path / "songs"


def edit(folder: Path, step: Edit, where: str = "", **options):
    captions = open_captions(folder, **options)
    apply(captions, [Step(step, parse_where(where))] if where else [Step(step)])
    done = write_changes(folder, "test", changes(captions))
    return {n: [str(p) for p in v] for n, v in {**captions.problems, **done.problems}.items()}


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def ended_after(last: str) -> Callable[[Path, bytes], None]:
    """Writes files until the one of this name is written."""

    def write(path: Path, content: bytes) -> None:
        path.write_bytes(content)
        if path.name == last:
            raise KeyboardInterrupt

    return write


def caption(folder: Path, name: str = "a", **options) -> str:
    (song,) = [s for s in scan_folder(folder, **options).songs if s.path.stem == name]
    assert not song.problems
    return song.caption


STANDS = {
    "text": ({"a.caption.txt": b"\xef\xbb\xbfpop, dark\r\n"}, {"a.caption.txt": b"\xef\xbb\xbfpop, dark, x\r\n"}),
    "json": (
        {"a.json": b'{\n    "bpm": 90,\n    "caption": "pop"\n}', "a.caption.txt": b"other"},
        {"a.json": b'{\n    "bpm": 90,\n    "caption": "pop, x"\n}'},
    ),
    "one-line json": ({"a.json": b'{"caption": "pop"}'}, {"a.json": b'{"caption": "pop, x"}'}),
    "both": (
        {"a.json": b'{"caption": "pop"}', "a.caption.txt": b"pop\n"},
        {"a.json": b'{"caption": "pop, x"}', "a.caption.txt": b"pop, x\n"},
    ),
    "table": ({"t.csv": b"File,Caption\na.wav,pop\n"}, {"a.json": b'{\n  "caption": "pop, x"\n}\n'}),
    "table beside json": (
        {"t.csv": b"File,Caption\na.wav,pop\n", "a.json": b'{\n  "bpm": 90\n}\n'},
        {"a.json": b'{\n  "bpm": 90,\n  "caption": "pop, x"\n}\n'},
    ),
    "nowhere": ({"a.json": b'{"bpm": 90}'}, {"a.caption.txt": b"x\n"}),
}


@pytest.mark.parametrize("place", STANDS)
def test_the_new_caption_is_written_where_the_old_one_stood_and_counts(folder, place):
    before, changed = STANDS[place]
    for name, content in before.items():
        (folder / name).write_bytes(content)
    start, old = files(folder), caption(folder)
    assert edit(folder, Add(("x",)), "name=a.wav") == {}
    assert files(folder) == start | changed
    assert caption(folder) == (f"{old}, x" if old else "x")
    assert undo(folder).problems == {} and files(folder) == start


def test_a_bare_txt_is_a_caption_only_when_it_is_called_one(folder):
    (folder / "a.txt").write_text("pop")
    (folder / "a.caption.txt").write_text("dark")
    assert edit(folder, Add(("x",)), "name=a.wav", txt="caption") == {}
    assert (folder / "a.txt").read_text() == "pop, x" and (folder / "a.caption.txt").read_text() == "dark"
    assert edit(folder, Add(("y",)), "name=a.wav") == {}
    assert (folder / "a.txt").read_text() == "pop, x" and (folder / "a.caption.txt").read_text() == "dark, y"


def test_what_stands_in_a_file_of_fields_goes_into_the_json(folder):
    (folder / "a.txt").write_text("caption: pop\nbpm: 90\n")
    (folder / "a.caption.txt").write_text("pop")
    assert edit(folder, Add(("x",)), "name=a.wav", txt="fields") == {}
    assert caption(folder, txt="fields") == "pop, x" and (folder / "a.txt").read_text() == "caption: pop\nbpm: 90\n"
    assert list(edit(folder, Remove(Match((".*",), regex=True)), "name=a.wav", txt="fields")) == ["a.wav"]


def test_a_plugins_caption_becomes_a_persons(folder):
    write_labels(scan_folder(folder).songs[0], {"caption": Value("pop, dark", 0.9), "bpm": Value(90, 0.8)}, "ears")
    start = files(folder)
    assert edit(folder, Remove(Match(("dark",))), "name=a.wav") == {}
    song = scan_folder(folder).songs[0]
    assert song.caption == "pop" and read_marks(song).giver(song, "caption") is None
    assert song.sources == {"caption": "a.caption.txt", "bpm": "ears 0.80"}
    undo(folder)
    song = scan_folder(folder).songs[0]
    assert files(folder) == start and song.sources["caption"] == "ears 0.90"


def test_a_caption_is_not_emptied_where_another_would_count_again(folder):
    (folder / "a.caption.txt").write_text("pop")
    (folder / "b.json").write_text('{"caption": "pop"}')
    (folder / "c.json").write_text('{"caption": "pop"}')
    (folder / "c.caption.txt").write_text("rock")
    problems = edit(folder, Remove(Match(("pop",))))
    assert list(problems) == ["c.wav"] and "an older caption" in problems["c.wav"][0]
    assert [caption(folder, n) for n in "abc"] == ["", "", "pop"]
    (folder / "t.csv").write_text("File,Caption\na.wav,pop\n")
    assert list(edit(folder, Remove(Match(("pop",))))) == ["a.wav", "c.wav"] and caption(folder) == "pop"


def test_a_song_with_a_problem_is_told_and_the_others_go_on(folder):
    (folder / "a.caption.txt").write_bytes(b"caf\xe9")
    (folder / "b.caption.txt").write_text("pop")
    problems = edit(folder, Add(("x",)))
    assert list(problems) == ["a.wav"] and "not UTF-8" in problems["a.wav"][0]
    assert caption(folder, "b") == "pop, x" and (folder / "a.caption.txt").read_bytes() == b"caf\xe9"


def test_a_file_changed_meanwhile_is_left_alone(folder):
    for name in "ab":
        (folder / f"{name}.caption.txt").write_text("pop")
    captions = open_captions(folder)
    apply(captions, [Step(Add(("x",)), parse_where("has:caption"))])
    planned = changes(captions)
    (folder / "a.caption.txt").write_text("mine")
    done = write_changes(folder, "test", planned)
    assert list(done.problems) == ["a.wav"] and list(done.written) == ["b.wav"]
    assert (folder / "a.caption.txt").read_text() == "mine"


def test_undo_goes_back_edit_by_edit_and_refuses_what_was_changed_since(folder):
    for name in "ab":
        (folder / f"{name}.caption.txt").write_text("pop")
    states = [files(folder)]
    for tag in ("x", "y", "z"):
        edit(folder, Add((tag,)), "has:caption")
        states.append(files(folder))
    assert undo(folder, dry_run=True).entries == [3] and files(folder) == states[3]
    assert undo(folder).entries == [3] and files(folder) == states[2]
    (folder / "a.caption.txt").write_text("mine")
    done = undo(folder, 5)
    assert done.entries == [2, 1] and len(done.problems["a.wav"]) == 1
    assert "changed since edit 2" in str(done.problems["a.wav"][0])
    assert files(folder) == states[0] | {"a.caption.txt": b"mine"}
    with pytest.raises(UserError, match="undone already"):
        undo(folder)
    assert edit(folder, Add(("new",)), "name=b.wav") == {} and undo(folder).entries == [4]


def test_there_is_nothing_to_undo_in_a_folder_without_edits(folder):
    with pytest.raises(UserError, match="no edits to undo"):
        undo(folder)
    assert edit(folder, Remove(Match(("pop",)))) == {} and not (folder / JOURNAL).exists()


def test_the_journal_is_no_song_and_stands_whole_before_the_first_file_is_written(folder, monkeypatch):
    for name in "abc":
        (folder / f"{name}.caption.txt").write_text("pop")
    start = files(folder)

    monkeypatch.setattr(journal, "write_bytes", ended_after("b.caption.txt"))
    with pytest.raises(KeyboardInterrupt):
        edit(folder, Add(("x",)))
    assert [caption(folder, n) for n in "abc"] == ["pop, x", "pop, x", "pop"]
    assert len((folder / JOURNAL).read_text().splitlines()) == 4 and len(scan_folder(folder).songs) == 3
    monkeypatch.undo()
    assert undo(folder).entries == [1] and files(folder) == start


def test_an_edit_killed_while_the_journal_was_written_changed_nothing(folder):
    (folder / "a.caption.txt").write_text("pop")
    edit(folder, Add(("x",)), "name=a.wav")
    with (folder / JOURNAL).open("a") as f:
        f.write('{"edit": 2, "at": "", "command": "killed"}\n{"edit": 2, "song": "a.wav", "fi')
    after = files(folder)
    edit(folder, Add(("y",)), "name=a.wav")
    assert [e.number for e in journal.entries(folder)] == [1, 2, 3]
    undo(folder)
    assert files(folder) == after
    assert undo(folder).entries == [1] and caption(folder) == "pop"


def test_an_undo_killed_in_the_middle_is_finished_by_the_next(folder, monkeypatch):
    for name in "ab":
        (folder / f"{name}.caption.txt").write_text("pop")
    start = files(folder)
    edit(folder, Add(("x",)), "has:caption")
    between = files(folder)
    edit(folder, Add(("y",)), "has:caption")

    for last in ("a.caption.txt", "b.caption.txt"):
        monkeypatch.setattr(journal, "write_bytes", ended_after(last))
        with pytest.raises(KeyboardInterrupt):
            undo(folder)
    monkeypatch.undo()
    assert undo(folder).entries == [2] and files(folder) == between
    assert undo(folder).entries == [1] and files(folder) == start


def test_nested_folders_and_same_names(folder):
    (folder / "sub").mkdir()
    write_wav(folder / "sub" / "a.wav", 0.2, rate_hz=8000, hz=999.0)
    assert edit(folder, Add(("x",))) == {}
    assert (folder / "sub" / "a.caption.txt").read_text() == (folder / "a.caption.txt").read_text() == "x\n"
    assert len(undo(folder).written) == 4 and not (folder / "sub" / "a.caption.txt").exists()
    assert json.loads((folder / JOURNAL).read_text().splitlines()[1])["file"] == "a.caption.txt"
