"""Where the tags of a caption end and its sentences begin; a sentence is never cut at its commas."""

import pytest

from acestep_core import UserError
from acestep_core.tags.captions import Caption, normal, parse, tag_list


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("dark pop, female vocal, 120 bpm", ["dark pop", "female vocal", "120 bpm"]),
        ("Pop, Dark, Piano.", ["Pop", "Dark", "Piano"]),
        ("lo-fi hip hop, drum and bass, rock 'n' roll", ["lo-fi hip hop", "drum and bass", "rock 'n' roll"]),
        ("a cappella, A minor, C# major, 3/4", ["a cappella", "A minor", "C# major", "3/4"]),
        ("feat. someone, pop", ["feat. someone", "pop"]),
        ("1girl,solo ,, hand on own face,", ["1girl", "solo", "hand on own face"]),
        ("slow", ["slow"]),
        ("pop,\ndark ,\n piano", ["pop", "dark", "piano"]),
        ("流行，充满活力，和声", ["流行", "充满活力", "和声"]),
        ("pop\ndark\n\npiano", ["pop", "dark", "piano"]),
        ("民谣，女声，忧伤的，木吉他", ["民谣", "女声", "忧伤的", "木吉他"]),
        ("民谣、女声、木吉他", ["民谣", "女声", "木吉他"]),
        ("女性ボーカル、アコースティックギター、切ない", ["女性ボーカル", "アコースティックギター", "切ない"]),
        ("K-팝, 여성 보컬", ["K-팝", "여성 보컬"]),
        ("", []),
    ],
)  # fmt: skip
def test_a_list_is_all_tags(text, tags):
    assert parse(text) == Caption(tuple(tags), parse(text).comma, "." if text.endswith(".") else "", "")


@pytest.mark.parametrize(
    "text",
    [
        "A breezy bossa nova with flute, guitar",
        "Fast driving instrumental hard rock with distorted power-chord guitars, a lead guitar melody",
        "Melancholic, introspective, and slow-paced, the track features soft piano.",
        "Upbeat, driving rock. The guitars enter, and we go.",
        "Guitar plays softly, drums enter. Then silence, and rain.",
        "Dreamy, slow.",
        "Медленно, грустно.",
        "잔잔한 피아노, 슬픈 발라드입니다.",
        "充满怀旧气息，很慢",
        "the band is loud, fast",
        "Ein langsames Lied, Gitarre, Geige",
        "一首忧伤的民谣，木吉他伴奏，女声轻柔。",
        "歌曲节奏明快，旋律优美。副歌部分情绪高涨，令人难忘。",
        "这首歌很慢，带有雨声",
        "切ないバラード、ピアノと女性ボーカル、静かな夜の雰囲気。",
        "夜の街を走るような、明るい曲",
        "ピアノが静かに鳴る、雨の音",
    ],
)
def test_a_sentence_is_left_whole(text):
    assert parse(text).tags == () and parse(text).sentences == text


@pytest.mark.parametrize(
    ("text", "tags", "sentences"),
    [
        ("tag, tag. A sentence with commas, and more.", ("tag", "tag"), "A sentence with commas, and more."),
        ("pop, dark\nA slow song, with rain", ("pop", "dark"), "A slow song, with rain"),
        ("zxc_style, A slow folk ballad with guitar, oboe", ("zxc_style",), "A slow folk ballad with guitar, oboe"),
        ("ZhangNaYing, My_style. A slow song, sad.", ("ZhangNaYing", "My_style"), "A slow song, sad."),
        ("pop. Slow piano, then rain.\nMore, and more", ("pop",), "Slow piano, then rain.\nMore, and more"),
        ("pop\nSlow piano. Rain.", ("pop",), "Slow piano. Rain."),
        ("Zhang. A slow waltz, sad.", ("Zhang",), "A slow waltz, sad."),
        ("民谣，女声。这首歌很慢，带有雨声。", ("民谣", "女声"), "这首歌很慢，带有雨声。"),
        ("流行, 女声. 这是一首歌，很好听。", ("流行", "女声"), "这是一首歌，很好听。"),
        ("ロック、女声。夜の街を走る、明るい曲です。", ("ロック", "女声"), "夜の街を走る、明るい曲です。"),
    ],
)  # fmt: skip
def test_tags_stand_before_the_first_sentence(text, tags, sentences):
    caption = parse(text)
    assert (caption.tags, caption.sentences) == (tags, sentences)
    assert caption.with_tags(tags) == text
    assert caption.with_tags(tags[:1]).endswith(sentences) and parse(caption.with_tags(tags[:1])).tags == tags[:1]
    assert caption.with_tags([]) == sentences


@pytest.mark.parametrize("tag", ["zxc", "Zhang", "Zhang Na Ying", "zxc style", "民谣", "ボーカル"])
@pytest.mark.parametrize(
    "text",
    [
        "A song, with rain.",
        "Song plays, and ends.",
        "一首民谣，很慢。",
        "夜の街を走る、曲です。",
        "pop, sad. The end is near.",
    ],
)
def test_a_tag_put_before_sentences_is_a_tag_when_it_is_read_again(tag, text):
    caption = parse(text)
    new = caption.with_tags([tag, *caption.tags])
    assert parse(new).tags == (tag, *caption.tags) and new.endswith(caption.sentences)
    assert parse(new).with_tags([tag, *caption.tags]) == new


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("a,b", "a,b,x"),
        ("a, b", "a, b, x"),
        ("a，b", "a，b，x"),
        ("a、b", "a、b、x"),
        ("a\nb", "a\nb\nx"),
        ("钢琴", "钢琴，x"),
    ],
)
def test_the_comma_stays_as_it_was_written(text, joined):
    assert parse(text).with_tags([*parse(text).tags, "x"]) == joined


def test_what_reads_as_a_sentence_is_no_tag():
    for wrong in (["a slow song with rain"], ["这是一首歌"], ["", ","]):
        with pytest.raises(UserError):
            tag_list(wrong)
    with pytest.raises(UserError, match="'it is slow' reads as a sentence"):
        parse("pop").with_tags(["pop", "it is slow"])
    assert tag_list(["a, b", "c"]) == ["a", "b", "c"]


def test_spellings_of_one_tag():
    assert len({normal(t) for t in ("Female Vocal", "female_vocal", "ｆｅｍａｌｅ  vocal")}) == 1
    assert normal("C#") != normal("C")
