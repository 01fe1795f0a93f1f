"""review as a user meets it: a session in the terminal, a spreadsheet there and back, and kill -9 in the middle."""

import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from acestep_core import Value
from acestep_core.players import Player, player_command
from acestep_core.scan import scan_folder
from acestep_core.sidecars import write_labels
from acestep_core.testing.fakes import write_wav

ALL = 7  # values in the fixture that need a person


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Songs a, b and c: guesses of bpm and genre, and a's lyrics, by a plugin."""
    songs = tmp_path / "songs"
    songs.mkdir()
    for n, name in enumerate("abc"):
        write_wav(songs / f"{name}.wav", 0.5, hz=220.0 + n)
    for song in scan_folder(songs).songs:
        given = {"bpm": Value(92, 0.25), "genre": Value("folk", 0.1), "keyscale": Value("C minor", 0.9)}
        write_labels(song, given | ({"lyrics": Value("Rain\n\x1b[2Jon me")} if song.path.stem == "a" else {}), "ears")
    return songs


@pytest.fixture
def session(folder, cli, monkeypatch):
    """session("a", "q", ..., options=()) types these lines into `review`."""

    def typed(*lines: str, options=()):
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        return cli("review", folder, *options)

    return typed


def songs(folder: Path) -> dict:
    return {s.path.stem: s for s in scan_folder(folder).songs}


def test_each_value_is_shown_with_where_it_is_from_and_decided_by_a_letter(session, folder):
    done = session("a", "s", "=46", "x", "a", "b", "c minor", "e", "90", "skip", "quit")
    assert done.code == 0
    assert "[1/7] a.wav  0:00  genre" in done.out and "bpm       92?" in done.out and "ears 0.25" in done.out
    assert "nobody has read these lyrics of ears" in done.out and "or 46, 184" in done.out
    a, b, c = songs(folder).values()
    assert (a.reviewed, a.bpm, a.sources["bpm"], a.unreviewed) == (["genre"], 46, "a.json", ["lyrics", "keyscale"])
    assert (b.genre, "genre" in b.sources, b.bpm, b.reviewed) == ("", False, 90, ["genre"])
    assert (c.genre, c.unreviewed) == ("folk", ["genre", "bpm", "keyscale"])
    assert done.out.endswith("1 accepted, 3 changed, 3 left; the same command goes on with them.\n")


def test_it_goes_on_with_the_rest_and_says_when_there_is_none(session, folder):
    assert "[1/7]" in session("a", "a", "a").out
    assert "[1/4] b.wav" in session(*["a"] * 4).out
    assert session().out.startswith("Nothing needs a person here.")
    assert "[1/3] a.wav  0:00  keyscale" in session("q", options=["--all"]).out


def test_back_shows_the_one_before_and_what_was_decided(session, folder):
    done = session("b", "a", "b", "=rock", "q")
    assert "is no command" not in session("SKIP", "B", "q").out
    assert "This is the first" in done.out and "[1/7] a.wav  0:00  genre accepted" in done.out
    assert songs(folder)["a"].genre == "rock" and songs(folder)["a"].reviewed == []


def test_what_cannot_be_used_is_told_and_asked_again(session, folder):
    done = session("?", "rock", "s", "s", "fast", "=5", "b", "e", "", options=["--player", "no-such-player"])
    assert "'rock' is no command; =rock sets it as genre" in done.out and "edit it in your editor" in done.out
    assert "bpm 'fast' is not a number" in done.out and "bpm '5' is outside" in done.out
    assert songs(folder)["a"].bpm == 92 and done.code == 0
    assert "There is no player no-such-player" in session("p", options=["--player", "no-such-player"]).out


def test_a_plugin_cannot_steer_the_terminal(session):
    shown = session("s", "q").out
    assert "\\x1b[2Jon me" in shown and "\x1b" not in shown


def test_edits_are_made_in_the_editor_the_user_has(session, folder, tmp_path, monkeypatch):
    editor = tmp_path / "editor.py"
    editor.write_text(
        "import sys, pathlib\np = pathlib.Path(sys.argv[1])\n"
        "p.write_text(p.read_text(encoding='utf-8').replace('Rain', 'Snöw'), encoding='utf-8')\n",
        encoding="utf-8",
    )
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{sys.executable} {editor}")
    done = session("e", "e", "q", options=["--fields", "lyrics"])
    assert songs(folder)["a"].lyrics.startswith("Snöw") and "lyrics is changed" in done.out
    assert songs(folder)["a"].sources["lyrics"] == "a.lyrics.txt"
    assert "Nothing was changed" in session("e", options=["--fields", "genre"]).out
    monkeypatch.setenv("EDITOR", "no-such-editor")
    assert "No editor could be used" in session("e", options=["--fields", "genre"]).out


def test_without_anybody_to_ask_it_says_what_to_do(session, folder):
    done = session()
    assert done.code == 1 and "There is no terminal to ask in" in done.err and "--export" in done.err
    assert "1 accepted" in session("a").out


def test_a_song_is_played_in_the_background_and_stopped(session, folder, tmp_path):
    script = tmp_path / "player.py"
    script.write_text("import sys, time\nopen(sys.argv[1] + '.played', 'w').close()\ntime.sleep(60)\n")
    player = Player(f"{sys.executable} {script}")
    player.play(folder / "a.wav")
    while not (folder / "a.wav.played").exists():
        time.sleep(0.01)
    assert player.playing
    player.stop()
    assert not player.playing
    done = session("p", "p", "p", "q", options=["--player", f"{sys.executable} {script}"])
    assert done.out.count("is playing; p stops it") == 2 and "\nstopped" in done.out and done.code == 0


@pytest.mark.parametrize(
    ("there", "name", "first"),
    [(("ffplay", "mpv"), "x.mp3", "ffplay"), (("aplay",), "x.wav", "aplay"), (("aplay", "afplay"), "x.mp3", "afplay")],
)
def test_the_first_player_that_can_is_used(there, name, first, monkeypatch, tmp_path):
    monkeypatch.setattr("acestep_core.players.shutil.which", lambda n: n if n in there else None)
    command = player_command(tmp_path / name)
    assert command[0] == first and command[-1] == str((tmp_path / name).resolve())


def test_a_song_on_windows_is_named_in_quotes_it_cannot_leave(monkeypatch, tmp_path):
    monkeypatch.setattr("acestep_core.players.shutil.which", lambda n: None)
    monkeypatch.setattr("acestep_core.players.sys.platform", "win32")
    assert "it''s.wav'" in player_command(tmp_path / "it's.wav")[-1]


def test_scan_marks_what_nobody_has_accepted(folder, cli, session):
    out = cli("scan", folder).out
    assert "92?" in out and "C minor?" in out and "3 words?" in out
    assert (
        "? means that a plugin gave the value and nobody has accepted it yet (genre 3, lyrics 1, bpm 3, keyscale 3)"
        in out
    )
    session(*["a"] * (ALL + 3), options=["--all"])
    out = cli("scan", folder).out
    assert "92 " in out and "?" not in out
    (first, *_) = json.loads(cli("scan", folder, "--json").out)["songs"]
    assert (first["unreviewed"], first["reviewed"]) == ([], ["genre", "lyrics", "bpm", "keyscale"])


def test_a_list_and_json_ask_nothing(folder, cli):
    out = cli("review", folder, "--dry-run").out
    assert "7 values of 3 songs need a person." in out and "\\x1b" in out
    items = json.loads(cli("review", folder, "--json", "--fields", "bpm").out)["items"]
    assert [(Path(i["path"]).name, i["value"], i["confidence"]) for i in items] == [
        (f"{n}.wav", 92, 0.25) for n in "abc"
    ]


def test_a_spreadsheet_goes_out_and_comes_back(folder, cli, tmp_path):
    file = tmp_path / "review.csv"
    assert cli("review", folder, "--export", file).out == f"{file}: 7 values to look at.\n"
    text = file.read_text(encoding="utf-8").replace('"folk",""', '"rock",""', 1).replace('"92",""', '"92","x"')
    file.write_text(text.replace("Rain", "Snow").replace('"bpm","92","x"', '"bpm","fast","x"', 1), encoding="utf-8")
    dry = cli("review", folder, "--import", file, "--dry-run")
    assert "a.wav genre: folk -> rock" in dry.out and "-Rain\n+Snow" in dry.out and "b.wav bpm: accepted" in dry.out
    assert "Nothing was written" in dry.out and songs(folder)["a"].genre == "folk" and dry.code == 1
    done = cli("review", folder, "--import", file)
    assert (done.code, songs(folder)["a"].genre, songs(folder)["b"].reviewed) == (1, "rock", ["bpm"])
    assert "review.csv, row 4, value: bpm 'fast' is not a number" in done.err
    assert "2 changed, 2 accepted, 2 as they were, 1 rows not used." in done.out
    again = json.loads(cli("review", folder, "--import", file, "--json").out)
    assert again["changes"] == [] and len(again["problems"]) == 1
    for more in (("--export", file), ("--all",), ("--fields", "bpm")):
        assert cli("review", folder, "--import", file, *more).code == 2


def test_killed_it_has_lost_nothing_that_was_decided(folder):
    command = [sys.executable, "-m", "acestep_core", "review", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.stdin.write("a\nx\n=184\n")
        process.stdin.flush()
        for line in process.stdout:
            if line.startswith("[4/7]"):
                process.send_signal(signal.SIGKILL)
                break
    a = songs(folder)["a"]
    assert (a.reviewed, a.lyrics, a.bpm) == (["genre"], "[Instrumental]", 184)
    rest = subprocess.run(command, input="a\n" * 9, capture_output=True, text=True)
    assert rest.stdout.endswith("4 accepted, 0 changed, None left.\n") and "[1/4] b.wav" in rest.stdout


def test_ctrl_c_ends_with_what_was_decided(session, folder, monkeypatch):
    lines = iter(["a\n", KeyboardInterrupt()])

    class Terminal(io.StringIO):
        def readline(self, *_):
            line = next(lines)
            if isinstance(line, BaseException):
                raise line
            return line

    monkeypatch.setattr(io, "StringIO", lambda text: Terminal())
    done = session()
    assert done.code == 130 and "1 accepted" in done.out and songs(folder)["a"].reviewed == ["genre"]
