"""Texts that are not UTF-8: the encoding that is named is the right one, and nothing is decoded by guess."""

import pytest

from acestep_core import UserError
from acestep_core.charsets import decode_as, likely_charset
from acestep_core.files import decode_text

TEXTS = {
    "夜の電車が走る\n君の声が聞こえる\n雨の街で": ("cp932", "euc_jp", "utf-16-le", "utf-16-be"),
    "夜の電車": ("cp932", "euc_jp"),
    "[サビ]\nギターとピアノ\nロックバラード": ("cp932", "euc_jp"),
    "[主歌]\n夜里的火车开过我的窗前\n我还在想你说过的话": ("gb18030", "utf-16-le"),
    "月亮代表我的心": ("gb18030", "big5"),
    "夜裡的火車開過我的窗前\n我還在想你說過的話": ("big5", "gb18030"),
    "悲伤的钢琴曲,女声,慢节奏,弦乐": ("gb18030",),
    "비가 오는 밤에\n너를 기다려": ("cp949",),
    "Regen über Köln": ("cp1252",),
    "Größe": ("cp1252",),
    "Où es-tu, ma chère? L’été est passé": ("cp1252",),
    "¿Dónde estás, corazón?\nMañana será otro día": ("cp1252",),
    "Ночь, улица, фонарь, аптека": ("cp1251", "koi8_r"),
    "Zażółć gęślą jaźń\nnoc i deszcz": ("cp1250",),
    "Rain on the roof": ("utf-16-le", "utf-16-be"),
    "File;BPM;Caption\n夜の電車.mp3;92;静かなピアノ": ("cp932", "utf-16-le"),
}
CASES = [(text, codec) for text, codecs in TEXTS.items() for codec in codecs]


@pytest.mark.parametrize(("text", "codec"), CASES, ids=[f"{codec}-{text[:6]!r}" for text, codec in CASES])
def test_the_likely_encoding_reads_the_text_as_it_was(text, codec):
    found = likely_charset(text.encode(codec))
    assert found is not None and text.encode(codec).decode(found.codec) == text


@pytest.mark.parametrize(("text", "codec"), CASES, ids=[f"{codec}-{text[:6]!r}" for text, codec in CASES])
def test_no_text_is_decoded_by_guess(text, codec):
    with pytest.raises(UserError, match="is not UTF-8|is no text file") as caught:
        decode_text(text.encode(codec))
    assert "probably" in caught.value.problem and caught.value.hint


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_utf_8_and_what_says_that_it_is_utf_16_are_read(codec):
    assert decode_text("夜の電車 über".encode(codec)) == "夜の電車 über"


@pytest.mark.parametrize(
    "raw", [bytes(range(256)) * 4, b"\xff\xfb\x90\x64" * 100, b"RIFF\x24\x08\x00\x00WAVEfmt \xff\xfe"]
)
def test_what_is_no_text_is_refused(raw):
    with pytest.raises(UserError):
        decode_text(raw)


def test_a_name_that_is_none_and_one_that_does_not_fit_are_told():
    with pytest.raises(UserError, match="no encoding 'klingon'"):
        decode_as(b"x", "klingon")
    with pytest.raises(UserError, match="no encoding"):
        decode_as(b"x", "rot13")
    with pytest.raises(UserError, match="is not euc_jp") as caught:
        decode_as("夜の電車".encode("cp932"), "euc_jp")
    assert caught.value.hint == "try cp932"
