"""The texts the model was trained on, letter by letter, and the words it knows."""

import pytest

from acestep_core import Song
from acestep_core.data import INSTRUMENTAL
from acestep_core.prompts import (
    CAPTION_TOKENS,
    KEYSCALES,
    LANGUAGES,
    LYRIC_TOKENS,
    TIMESIGNATURES,
    caption_text,
    lyric_text,
    metas_text,
    song_texts,
    tagged,
    token_warnings,
)

FIFTY = (
    "ar az bg bn ca cs da de el en es fa fi fr he hi hr ht hu id is it ja ko la lt ms ne nl no pa pl pt ro ru sa sk sr "
    "sv sw ta te th tl tr uk ur vi yue zh"
)


def test_the_metadata_lines_are_the_references():
    assert metas_text(120, "4", "F# minor", 95.9) == (
        "- bpm: 120\n- timesignature: 4\n- keyscale: F# minor\n- duration: 95 seconds\n"
    )


def test_what_is_not_known_reads_na():
    assert metas_text(None, "", "", 30) == (
        "- bpm: N/A\n- timesignature: N/A\n- keyscale: N/A\n- duration: 30 seconds\n"
    )


def test_the_caption_template_is_the_references():
    assert caption_text("a waltz", metas_text(144, "3", "D major", 10)) == (
        "# Instruction\nFill the audio semantic mask based on the given conditions:\n\n"
        "# Caption\na waltz\n\n"
        "# Metas\n- bpm: 144\n- timesignature: 3\n- keyscale: D major\n- duration: 10 seconds\n<|endoftext|>\n"
    )


def test_the_lyric_template_is_the_references():
    assert lyric_text("[Verse]\nRain", "en") == "# Languages\nen\n\n# Lyric\n[Verse]\nRain<|endoftext|>"
    assert lyric_text("words") == "# Languages\nunknown\n\n# Lyric\nwords<|endoftext|>"


def test_a_songs_texts_hold_its_caption_metadata_and_lyrics(tmp_path):
    song = Song(tmp_path, duration_s=61.7, caption="not used", lyrics="Rain", bpm=90, keyscale="A minor", language="de")
    caption, lyrics = song_texts(song, "tag, bells")
    assert caption.endswith(
        "# Caption\ntag, bells\n\n"
        "# Metas\n- bpm: 90\n- timesignature: N/A\n- keyscale: A minor\n- duration: 61 seconds\n<|endoftext|>\n"
    )
    assert lyrics == "# Languages\nde\n\n# Lyric\nRain<|endoftext|>"


def test_a_song_without_lyrics_is_instrumental(tmp_path):
    assert INSTRUMENTAL == "[Instrumental]"
    assert song_texts(Song(tmp_path), "")[1] == "# Languages\nunknown\n\n# Lyric\n[Instrumental]<|endoftext|>"


def test_there_are_seventy_keys():
    assert len(KEYSCALES) == len(set(KEYSCALES)) == 70
    assert {"C major", "F# minor", "Bb major", "G♯ minor", "E♭ major"} <= set(KEYSCALES)


def test_there_are_fifty_languages_and_unknown():
    assert list(LANGUAGES) == [*FIFTY.split(), "unknown"] and len(LANGUAGES) == 51
    assert TIMESIGNATURES == ("2", "3", "4", "6")


@pytest.mark.parametrize(
    ("position", "expected"), [("prepend", "tag, bells"), ("append", "bells, tag"), ("replace", "tag")]
)
def test_a_tag_is_put_before_after_or_instead(position, expected):
    assert tagged("bells", "tag", position) == expected
    assert tagged("", "tag", position) == "tag" and tagged("bells", "", position) == "bells"


def test_texts_within_the_limits_have_no_warning():
    counts = {"caption": CAPTION_TOKENS, "lyrics": LYRIC_TOKENS}
    assert (CAPTION_TOKENS, LYRIC_TOKENS) == (256, 2048)
    assert token_warnings("caption", "lyrics", counts.__getitem__, "song.wav") == []


def test_texts_beyond_the_limits_are_told_with_song_count_and_remedy():
    counts = {"caption": 257, "lyrics": 3000}
    caption, lyrics = token_warnings("caption", "lyrics", counts.__getitem__, "song.wav")
    assert caption.startswith("song.wav: the caption") and "257" in caption and "256" in caption
    assert "lyrics" in lyrics and "3000" in lyrics and "2048" in lyrics and "shorten" in lyrics


def test_long_texts_are_never_cut(tmp_path, encoded):
    words = " ".join(f"word{i}" for i in range(3000))
    caption, lyrics = song_texts(Song(tmp_path, lyrics=words), words)
    assert words in caption and words in lyrics
    assert len(encoded.model.text.lyrics(lyrics)) == encoded.model.text.count(lyrics) > LYRIC_TOKENS
    assert len(encoded.model.text.caption(caption)) == encoded.model.text.count(caption) > CAPTION_TOKENS
