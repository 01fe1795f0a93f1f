"""`align`, `score` and `generate --lrc` on the tiny model: times in order and inside, problems one sentence each."""

import json
import shutil

import pytest
import soundfile
from tiny_ctc import write_ctc

from acestep_core.lyrics import parse_timed

LYRICS = "[Verse]\nla la rain\nsun again\n\n[Chorus]\n雨が降る"
SUNG = ["la la rain", "sun again", "雨が降る"]


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory, cli):
    """A clip with its .lrc, and an instrumental."""
    folder = tmp_path_factory.mktemp("clips")
    common = ("generate", "--model", tiny, "--caption", "bells", "--steps", 2, "--seed", 1, "-o", "backend.device=cpu")
    sung = cli(*common, "--lyrics", LYRICS, "--duration", 9, "--lrc", "--bpm", 90, "-o", folder / "sung.wav")
    plain = cli(*common, "--duration", 6, "--lrc", "-o", folder / "plain.wav")
    assert sung.code == plain.code == 0, sung.err + plain.err
    assert "note: plain.wav gets no .lrc: There are no words to time" in plain.err
    assert not (folder / "plain.lrc").exists()
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "clips")


def in_order_and_inside(lines, duration_s):
    times = [t for line in lines for t in (line.start_s, line.end_s)]
    assert times == sorted(times) and times[0] >= 0 and times[-1] <= duration_s


def test_lrc_of_a_generated_clip(folder):
    text = (folder / "sung.lrc").read_text(encoding="utf-8")
    lines = parse_timed(text)
    assert [line.text for line in lines] == SUNG and "Verse" not in text
    in_order_and_inside(lines, 9)


def test_resume_writes_what_is_missing(folder, tiny, cli):
    before = (folder / "sung.lrc").read_bytes()
    (folder / "sung.lrc").unlink()
    ended = cli("generate", "--model", tiny, "--caption", "bells", "--steps", 2, "--seed", 1, "--lyrics", LYRICS,
                "--duration", 9, "--bpm", 90, "--lrc", "--resume", "-o", folder / "sung.wav")  # fmt: skip
    assert ended.code == 0 and "is there already" in ended.out, ended.err
    assert (folder / "sung.lrc").read_bytes() == before


def test_align_of_a_cover_hears_its_song_and_parts_may_take_turns(folder, tiny, cli):
    made = cli("generate", "--model", tiny, "--task", "cover", "--source", folder / "plain.wav", "--lyrics", "la\nrain",
               "--steps", 2, "--seed", 3, "--lrc", "-o", folder / "cover.wav")  # fmt: skip
    assert made.code == 0, made.err
    one = cli("align", folder / "cover.wav", "--model", tiny, "-o", "backend.held=one", "--out", folder / "one.lrc")
    assert one.code == 0 and (folder / "one.lrc").read_bytes() == (folder / "cover.lrc").read_bytes(), one.err
    scored = cli("score", folder / "cover.wav", "--model", tiny, "-o", "backend.held=one", "--json")
    assert scored.code == 0 and json.loads(scored.out)["clips"][str(folder / "cover.wav")]["problems"] == []


def test_align_says_what_generate_wrote(folder, tiny, cli):
    before = (folder / "sung.lrc").read_bytes()
    again = cli("align", folder / "sung.wav.json", "--model", tiny, "--out", folder / "again.lrc")
    assert again.code == 0 and "3 lines from" in again.out, again.err
    assert (folder / "again.lrc").read_bytes() == before


def test_align_json_and_vtt(folder, tiny, cli):
    ended = cli("align", folder / "sung.wav", "--model", tiny, "--format", "vtt", "--heads", "all", "--json")
    told = json.loads(ended.out)["songs"][str(folder / "sung.wav")]["lines"]
    assert [line["text"] for line in told] == SUNG and all(0 <= line["confidence"] <= 1 for line in told)
    in_order_and_inside(parse_timed((folder / "sung.vtt").read_text(encoding="utf-8")) or [], 9)


def test_align_of_what_cannot_be_timed_costs_nothing_else(folder, tiny, cli):
    shutil.copy(folder / "sung.wav", folder / "other.wav")
    files = [folder / name for name in ("plain.wav", "gone.wav", "other.wav", "sung.wav")]
    ended = cli("align", *files, "--model", tiny, "--force")
    assert ended.code == 1 and "3 lines" in ended.out
    for problem in ("plain.wav: There are no words to time", "gone.wav: ", "other.wav: ", "--ctc DIR"):
        assert problem in ended.err
    kept = cli("align", folder / "sung.wav", "--model", tiny)
    assert kept.code == 1 and "is there already" in kept.err


def test_align_by_a_ctc_model(folder, cli, tmp_path):
    ctc = write_ctc(tmp_path / "ctc")
    ended = cli("align", folder / "sung.wav", "--ctc", ctc, "--out", folder / "ctc.lrc")
    assert ended.code == 0, ended.err
    lines = parse_timed((folder / "ctc.lrc").read_text(encoding="utf-8"))
    assert [line.text for line in lines] == SUNG
    in_order_and_inside(lines, 9)
    wave, rate = soundfile.read(folder / "sung.wav")
    soundfile.write(folder / "mine.wav", wave[: rate * 3], rate)
    lacking = cli("align", folder / "mine.wav", "--ctc", ctc)
    assert lacking.code == 1 and "There are no lyrics of mine.wav" in lacking.err
    (folder / "mine.lyrics.txt").write_text("la la\nrain", encoding="utf-8")
    assert cli("align", folder / "mine.wav", "--ctc", ctc).code == 0
    in_order_and_inside(parse_timed((folder / "mine.lrc").read_text(encoding="utf-8")), 3)
    long = cli("align", folder / "mine.wav", "--ctc", ctc, "--lyrics", "rain " * 200, "--force")
    assert long.code == 1 and "The lyrics take 999 frames, and the audio has 150" in long.err


@pytest.mark.parametrize(
    ("options", "problem"),
    [((), "Lyrics are timed by a model"), (("--model", "m", "--ctc", "c"), "Lyrics are timed by a model"),
     (("--model", "m", "--out", "a.txt"), "a.txt is no .lrc file"),
     (("--model", "m", "--out", "a.lrc", "--format", "vtt"), "a.lrc is no .vtt file"),
     (("b/a.wav", "--model", "m", "--out", "."), "under the same name"),
     (("--model", "m", "--lyrics", "la"), "--lyrics does nothing"), (("--ctc", "c", "--t", "0.5"), "do nothing with")],
)  # fmt: skip
def test_align_refuses_what_would_do_nothing(options, problem, cli):
    ended = cli("align", "a.wav", *options)
    assert ended.code == 1 and problem in ended.err


def test_score(folder, tiny, cli):
    ended = cli("score", folder / "sung.wav", folder / "plain.wav.json", "--model", tiny, "--json")
    assert ended.code == 0, ended.err
    sung, plain = json.loads(ended.out)["clips"].values()
    assert set(sung["lm"]["parts"]) == {"bpm", "caption", "duration", "lyrics"} and sung["problems"] == []
    assert 0 <= sung["lm"]["score"] <= 1 and 0 <= sung["dit"]["score"] <= 1
    assert plain["dit"] is None and "no words to time" in plain["problems"][0] and 0 <= plain["lm"]["score"] <= 1
    told = cli("score", folder / "sung.wav", "--model", tiny, "--frame")
    assert "lm " in told.out and "coverage" in told.out


def test_score_without_a_language_model(folder, tiny, cli, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    for part in tiny.iterdir():
        if not part.name.startswith("acestep-5Hz"):
            (models / part.name).symlink_to(part)
    ended = cli("score", folder / "sung.wav", folder / "plain.wav", folder / "gone.wav", "--model", models)
    assert ended.code == 1 and ended.out.count("note: ") == 3 and ended.out.count("dit ") == 1
    assert "gone.wav" in ended.err
