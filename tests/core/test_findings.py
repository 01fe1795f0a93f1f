"""What scan says about songs that can be used: odd headers, texts in the wrong place, texts that are too long."""

from pathlib import Path

import pytest

from acestep_core.data import Song
from acestep_core.findings import estimated_tokens, header_notes, note_lengths, text_notes
from acestep_core.lookalikes import reads_like_caption, reads_like_lyrics

CAPTIONS = (
    "A slow acoustic waltz with brushed drums, upright bass and a warm female voice, recorded close.",
    "synthwave, retro, 120 bpm, male vocals, driving bass, gated drums",
    "An energetic indie rock track.\nElectric guitars and live drums under a raspy male vocal.",
    "pop, female vocal, piano, emotional",
    "悲伤的钢琴抒情曲，女声，慢节奏，弦乐铺底",
    "80年代复古电子流行，合成器主导，男声演唱，鼓点明快",
    "静かなピアノと女性ボーカルのバラード、テンポはゆっくり",
    "疾走感のあるロック、歪んだギターとドラム、男性ボーカル",
)
LYRICS = (
    "[Verse]\nRain on the roof tonight",
    "[verse 1: whispered]\nI play my guitar and sing\nover the drums, over the bass and the strings",
    "Rain on the roof tonight\nAnd the harbour far below\nI can hear the radio\nPlaying soft and slow\nHold on\nLet go",
    "[00:01.00]Rain\n[00:03.00]on the roof",
    "[主歌]\n夜里的火车开过我的窗前",
    "夜里的火车开过我的窗前\n我还在想你说过的话\n雨落在远方\n灯还亮着\n你在哪里\n我在等你",
    "【サビ】\n君の声が聞こえる",
    "夜の電車が走る\n君の声が聞こえる\n雨の街で\n僕らは歩いた\n遠い空へ\n手をのばす",
)
NEITHER = (
    "Rain on the roof tonight, and I play my guitar",
    "Genre: pop\nMood: calm\nVoice: soft\nTempo: slow\nKey: C\nOther: none",
    "- bright\n- calm\n- slow\n- wide\n- warm\n- late",
    "[Instrumental]",
)


@pytest.mark.parametrize("text", CAPTIONS)
def test_captions_read_like_captions_and_not_like_lyrics(text):
    assert reads_like_caption(text) and not reads_like_lyrics(text)


@pytest.mark.parametrize("text", LYRICS)
def test_lyrics_read_like_lyrics_and_not_like_captions(text):
    assert reads_like_lyrics(text) and not reads_like_caption(text)


@pytest.mark.parametrize("text", NEITHER)
def test_what_could_be_either_is_left_alone(text):
    assert not reads_like_lyrics(text) and not reads_like_caption(text)


def song(**fields: object) -> Song:
    good = {"path": Path("song.mp3"), "id": "x", "duration_s": 200.0, "rate_hz": 44_100, "channels": 2}
    made = Song(**{**good, **fields})
    made.sources = {n: f"song.{n}.txt" for n in ("caption", "lyrics") if getattr(made, n)}
    return made


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, None), ({"channels": 1}, "mono"), ({"rate_hz": 22_050}, "nothing above 11.025 kHz"),
        ({"duration_s": 5.0}, "shorter than 5.12 s"), ({"duration_s": 5.12}, None),
        ({"duration_s": 600.5}, "longer than 600 s"), ({"duration_s": 600.0}, None), ({"rate_hz": 48_000}, None),
    ],
)  # fmt: skip
def test_what_the_header_means_is_noted(fields, words):
    notes = list(header_notes(song(**fields)))
    assert (not notes) if words is None else (len(notes) == 1 and words in notes[0])


def test_texts_in_each_others_place_are_noted_with_the_way_to_move_them():
    swapped = song(lyrics=CAPTIONS[0])
    (note,) = text_notes(swapped)
    assert note == "song.lyrics.txt: its lyrics read like a caption; if so, rename it to song.caption.txt"
    swapped.sources["lyrics"] = "song.txt"
    assert list(text_notes(swapped))[0].endswith("if it is one, use --txt caption")
    (note, _) = text_notes(song(caption=LYRICS[0]))
    assert note == "song.caption.txt: its caption reads like lyrics; if so, rename it to song.lyrics.txt"
    (note,) = text_notes(song(caption="the same", lyrics="the same"))
    assert "the same text" in note
    assert list(text_notes(song(caption=CAPTIONS[0], lyrics=LYRICS[0]))) == []


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        # from the rates that makers of such tokenizers publish: 0.3 tokens an English letter, 0.6 a Chinese character
        (CAPTIONS[0] * 10, 0.85 * 0.25 * len(CAPTIONS[0]) * 10, 1.35 * 0.3 * len(CAPTIONS[0]) * 10),
        (LYRICS[5] * 10, 0.85 * 0.6 * len(LYRICS[5]) * 10, 1.6 * 0.6 * len(LYRICS[5]) * 10),
        ("", 0, 0),
        ("1234567890", 10, 10),
        ("हिन्दी में गीत", 10, len("हिन्दी में गीत".encode())),
        ("\n" * 500 + " " * 500, 1, 3),
    ],
)
def test_the_estimate_is_near_what_is_published_and_rather_high(text, least, most):
    assert least <= estimated_tokens(text) <= most


def test_a_text_that_is_too_long_is_noted_as_an_estimate_or_exactly():
    long = song(caption="bright brass and drums " * 80, lyrics="la la la\n" * 20)
    note_lengths([(long, long.caption)])
    (note,) = long.notes
    assert "its caption" in note and "by estimate" in note and "the model knows 256" in note and "--model" in note
    long.notes = []
    note_lengths([(long, long.caption)], count=lambda text: 300 if "brass" in text else 2049)
    assert long.notes == ["its caption with the template is 300 tokens, the model knows 256: shorten it",
                          "its lyrics with the template is 2049 tokens, the model knows 2048: shorten it"]  # fmt: skip


def test_texts_of_usual_length_are_not_noted():
    usual = song(caption=CAPTIONS[0], lyrics="\n".join(LYRICS[2].splitlines() * 8))
    note_lengths([(usual, usual.caption)])
    assert usual.notes == []
