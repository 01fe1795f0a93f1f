"""Captions are true: they name the style, the drums, and what else they name as it is."""

import re

import pytest
from acestep_nano.captions import captions
from acestep_nano.composing import compose

PIECES = [compose(seed) for seed in range(200)]
STYLE = {
    "arpeggio": "arpeggio|broken chords|琶音|分解和弦|アルペジオ|分散和音",
    "chords": "organ chords|block chords|风琴和弦|柱式和弦|整齐的和弦|オルガン|コード|和音",
    "melody": "melody|tune|旋律|メロディー", "bass riff": "bass|贝斯|ベース", "waltz": "waltz|华尔兹|圆舞曲|ワルツ",
    "bells": "bells|钟声|铃声|鐘|ベル",
}  # fmt: skip
ABSENT = "without drums|no drums|no percussion|没有鼓|无打击乐|ドラムなし|打楽器なし"
PRESENT = "with drums|a drum beat|kick, snare|(?<!没)有鼓|鼓点|ドラムあり|ドラム入り"
SUNG = "words|vocal|lyrics|歌词|演唱|歌詞|歌入り"
HAPPY = "happy|cheerful|bright|sunny|欢快|明亮|愉快|明るい|楽しい|陽気"
SAD = "sad|dark|melanchol|wistful|忧伤|阴郁|惆怅|悲しい|暗い|切ない"
SLOW, FAST = "slow|缓慢|ゆっくり", "fast|快速|速い"


def every():
    return [(piece, text) for piece in PIECES for text in captions(piece)]


def test_a_piece_has_its_caption_among_several_in_three_languages():
    for piece in PIECES:
        said = captions(piece)
        assert piece.caption in said and len(set(said)) >= 7
        assert any(text.isascii() for text in said) and any(re.search("[ぁ-んァ-ン]", text) for text in said)
    assert len({p.caption for p in PIECES}) > 190


def test_style_and_drums_are_named_as_they_are():
    for piece, text in every():
        assert re.search(STYLE[piece.style], text, re.IGNORECASE), (piece.style, text)
        assert bool(re.search(ABSENT, text)) != piece.drums, text
        assert bool(re.search(PRESENT, text)) == piece.drums, text


def test_mood_pace_and_words_are_those_of_the_piece():
    for piece, text in every():
        low = text.lower()
        assert piece.mode == "major" or not re.search(rf"\b({HAPPY})", low), (piece.mode, text)
        assert piece.mode == "minor" or not re.search(rf"\b({SAD})", low), (piece.mode, text)
        assert piece.bpm < 90 or not re.search(SLOW, low), text
        assert piece.bpm > 140 or not re.search(rf"\b({FAST})", low), text
        assert piece.lyrics or not re.search(SUNG, low), text


def test_numbers_and_keys_are_those_of_the_piece():
    numbers = keys = 0
    for piece, text in every():
        for bpm in re.findall(r"\d{2,3}", text):
            numbers += 1
            assert int(bpm) == piece.bpm, text
        for key in re.findall(r"\b([A-G](?:[#b]| sharp| flat)?) (major|minor)", text):
            keys += 1
            said = key[0].replace(" sharp", "#").replace(" flat", "b")
            assert f"{said} {key[1]}" == piece.keyscale, text
        third = {"大调": "major", "長調": "major", "小调": "minor", "短調": "minor"}
        for word in re.findall("大调|長調|小调|短調", text):
            assert third[word] == piece.keyscale.split()[1], text
    assert numbers > 200 and keys > 200


@pytest.mark.parametrize(
    ("key", "names"),
    [("F# minor", ("F sharp minor", "升F小调", "嬰ヘ短調")), ("Bb major", ("B flat major", "降B大调", "変ロ長調")),
     ("C major", ("C major", "C大调", "ハ長調"))],
)  # fmt: skip
def test_keys_have_their_names_in_each_language(key, names):
    from acestep_nano.vocabulary import key_names

    assert all(name in key_names(key, language) for name, language in zip(names, ("en", "zh", "ja"), strict=True))
