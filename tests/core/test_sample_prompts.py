"""What samples are asked for: files of every kind, and songs."""

import json

import pytest

from acestep_core import UserError
from acestep_core.checkpoint import open_checkpoint
from acestep_core.encoded import EncodedSet
from acestep_core.prompts import caption_text, lyric_text, metas_text, read_texts
from acestep_core.samples.prompts import sample_requests
from acestep_core.samples.settings import SampleSettings
from acestep_core.song_files import song_bytes


@pytest.fixture(scope="module")
def info(tiny):
    return open_checkpoint(tiny).dit


@pytest.fixture
def ask(info, tmp_path):
    """ask("a.txt", "text") reads a file of prompts; other settings by name."""

    def read(name=None, text="", **settings):
        if name:
            (tmp_path / name).write_text(text, encoding="utf-8")
            settings["prompts"] = tmp_path / name
        return sample_requests(SampleSettings(**settings), EncodedSet(tmp_path, {"songs": []}), info)

    return read


def told(requests, *fields):
    return [tuple(getattr(r, f) for f in fields) for r in requests]


def test_a_text_file_has_a_caption_per_line_and_kohyas_switches(ask):
    found = ask("p.txt", "# mine\na slow waltz, piano\n\n fast -- metal --d 7 --s 4\n", seconds=8, seed=10)
    assert told(found, "caption", "seed", "steps", "duration_s") == [
        ("a slow waltz, piano", 10, None, 8.0), ("fast -- metal", 7, 4, 8.0),
    ]  # fmt: skip


def test_a_toml_a_json_and_a_jsonl_say_all_that_a_clip_can_be(ask):
    content = [{"caption": "bells", "lyrics": "[Verse]\nla", "seed": 5, "bpm": 90, "keyscale": "A minor"}, "drums"]
    toml = 'prompts = [{caption = "bells", lyrics = "[Verse]\\nla", seed = 5, bpm = 90, keyscale = "A minor"}, "drums"]'
    lines = f'{json.dumps(content[0])}\n{{"caption": "drums"}}\n'
    fields = ("caption", "lyrics", "seed", "bpm", "keyscale", "duration_s")
    wanted = [("bells", "[Verse]\nla", 5, 90, "A minor", 15.0), ("drums", "", 43, None, "", 15.0)]
    for name, text in (("p.toml", toml), ("p.json", json.dumps(content)), ("p.jsonl", lines)):
        assert told(ask(name, text), *fields) == wanted, name
    assert told(ask(prompts=content), *fields) == wanted
    tables = '[[prompts]]\ncaption = "bells"\nduration = 6\n[[prompts]]\ncaption = "drums"\n'
    assert told(ask("t.toml", tables), "caption", "duration_s") == [("bells", 6.0), ("drums", 15.0)]


def test_more_than_there_are_prompts_takes_them_again_with_other_seeds_and_fewer_the_first(ask):
    found = ask("p.jsonl", '{"caption": "a", "seed": 5}\n{"caption": "b"}\n', count=4)
    assert told(found, "caption", "seed") == [("a", 5), ("b", 43), ("a", 44), ("b", 45)]
    assert told(ask(prompts=["a", "b"], count=1), "caption") == [("a",)] and ask(prompts=["a"], count=0) == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.txt", "# nothing\n", "holds no prompt"),
        ("p.txt", "a boat --w 512\n", "line 1 has no option '--w'"),
        ("p.txt", "a boat --d x\n", "line 1: option 'seed' must be int"),
        ("p.toml", "x = 1\n", "holds no list of prompts"),
        ("p.toml", "prompts = [1]\n", "p.toml 1 is no prompt"),
        ("p.toml", "prompts = [\n", "cannot be read"),
        ("p.json", '[{"bmp": 3}]', "did you mean 'bpm'"),
        ("p.jsonl", "{\n", "line 1 is no JSON"),
        ("p.md", "a\n", "is no file of prompts"),
        ("p.txt", "a --l 3\n", "sample 1: --guidance 3 does nothing"),
    ],
)
def test_what_cannot_be_asked_is_told_with_its_place(ask, name, text, said):
    with pytest.raises(UserError) as caught:
        ask(name, text)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_says_what_to_write(ask, tmp_path):
    with pytest.raises(UserError, match="There is no file") as caught:
        ask(prompts=tmp_path / "none.txt")
    assert "a caption per line" in caught.value.hint


def test_texts_of_a_song_are_read_as_they_were_written():
    for bpm, signature, key, lyrics in ((90, "3", "A minor", "[Verse]\nla\n\nlo"), (None, "", "", "")):
        caption = caption_text("x\n# Metas\ny", metas_text(bpm, signature, key, 30))
        words = lyric_text(lyrics or "[Instrumental]", "en")
        known = {"bpm": bpm, "timesignature": signature, "keyscale": key}
        assert read_texts(caption, words) == {k: v for k, v in known.items() if v} | {
            "lyrics": lyrics,
            "language": "en",
        }


@pytest.fixture
def songs(tmp_path):
    """Four songs, the last held out; two of them have one text."""
    import numpy as np

    lyrics = "[Verse]\n" + "\n".join(f"line {n}" for n in range(9)) + "\n[Chorus]\nend"
    entries = []
    for n, (caption, words) in enumerate((("bells", ""), ("bells", ""), ("drums", lyrics), ("", "only words"))):
        texts = json.dumps({"condition.0": [caption_text(caption, metas_text(80 + n, "4", "", 30)),
                                            lyric_text(words or "[Instrumental]", "en")]})  # fmt: skip
        arrays = np.zeros((4, 64), np.float32), {"condition.0": np.zeros((2, 8), np.float32)}
        (tmp_path / f"{n}.safetensors").write_bytes(song_bytes(*arrays, {"texts": texts}))
        entries.append({"file": f"{n}.safetensors", "caption": caption, "split": "validation" if n == 3 else "train"})
    return EncodedSet(tmp_path, {"songs": entries})


def test_songs_held_out_come_first_and_each_text_once(songs, info):
    found = sample_requests(SampleSettings(), songs, info)
    assert told(found, "caption", "lyrics", "bpm", "language", "seed") == [
        ("", "only words", 83, "en", 42), ("bells", "", 80, "en", 43),
    ]  # fmt: skip


def test_of_lyrics_as_many_lines_are_asked_for_as_can_be_sung(songs, info):
    trained = EncodedSet(songs.folder, {"songs": songs.manifest["songs"][2:3]})
    found = sample_requests(SampleSettings(seconds=12), trained, info)
    assert told(found, "lyrics", "seed") == [("[Verse]\nline 0\nline 1\nline 2\nline 3", seed) for seed in (42, 43)]


def test_songs_without_texts_have_their_captions_and_without_captions_none(songs, info):
    bare = [{"file": "gone.safetensors", "caption": c, "split": "train"} for c in ("rain", "")]
    found = sample_requests(SampleSettings(), EncodedSet(songs.folder, {"songs": bare}), info)
    assert told(found, "caption") == [("rain",), ("rain",)]
    assert sample_requests(SampleSettings(), EncodedSet(songs.folder, {"songs": bare[1:]}), info) == []
