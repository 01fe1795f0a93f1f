"""Lines of a given number of syllables in English, Chinese and Japanese: one note each in a tune.

English words show their syllables with a middle dot; a Chinese character and a Japanese kana is one each, so the kana
are whole ones.
"""

import random

TEMPLATES = (
    "ADJ NOUN", "the ADJ NOUN will VERB", "NOUN and NOUN VERB", "the NOUN will VERB WHERE", "I hear the NOUN WHERE",
    "the ADJ NOUN will VERB WHERE", "we sing of NOUN and NOUN", "oh ADJ NOUN come home", "NOUN, oh NOUN, VERB",
    "the ADJ NOUN and the ADJ NOUN VERB WHERE",
)  # fmt: skip
ENGLISH = {
    "ADJ": "bright, soft, warm, cold, gold·en, si·lent, slow, ten·der, blue, hap·py, qui·et, old, ear·ly, gen·tle",
    "NOUN": "rain, sun, riv·er, moon, light, win·dow, road, moun·tain, song, morn·ing, o·cean, star, fire, wind",
    "VERB": "shine, sing, wait, fall, dream, wan·der, run, sleep, re·mem·ber, rise",
    "WHERE": "to·night, a·gain, at dawn, by the sea, in the dark, for you, o·ver the hill",
}
CHINESE = {
    1: "啊, 哦, 呀",
    2: "月光, 星星, 春风, 小河, 远方, 花开, 回家, 歌唱, 天空, 微笑, 夜晚, 清晨, 梦里, 雨后, 山谷, 海边, 等你, 想念",
    3: "慢慢走, 静静听, 看星星, 轻轻唱, 不回头, 一起飞, 在路上, 有阳光",
}
JAPANESE = {
    1: "ね, よ, さ",
    2: "そら, ほし, うみ, はな, ゆき, かぜ, ゆめ, なみ, あめ, もり, あさ, よる",
    3: "ひかり, こころ, さくら, きみと, とおく, うたが, ひとり, そらに, みちを",
    4: "あるいて, うたおう, つきのよ, はるかぜ, わすれず, ほほえむ, かえろう",
}
DOT = "·"


def syllables(line: str, language: str) -> int:
    """How many notes a line takes, by the marks of `ENGLISH` or by its characters."""
    if language == "en":
        return sum(word.count(DOT) + 1 for word in line.split())
    return len(line.replace(" ", ""))


def lines(counts: list[int], language: str, rng: random.Random) -> list[str]:
    """A line for each count, with the dots of `ENGLISH` still in it."""
    make = {"en": _english, "zh": _chinese, "ja": _japanese}[language]
    return [make(count, rng) for count in counts]


def lyrics(sung: list[str]) -> str:
    """The words with section tags: a verse, and from three lines on a chorus of the second half."""
    shown = [line.replace(DOT, "") for line in sung]
    if len(shown) < 3:
        return "[Verse]\n" + "\n".join(shown)
    half = (len(shown) + 1) // 2
    return "[Verse]\n" + "\n".join(shown[:half]) + "\n\n[Chorus]\n" + "\n".join(shown[half:])


def _english(count: int, rng: random.Random) -> str:
    """Sentences are drawn until one fits; a syllable that is missing then is sung as la."""
    longest = ""
    for _ in range(60):
        words = [_one(ENGLISH[w], rng) if w in ENGLISH else w for w in rng.choice(TEMPLATES).split()]
        line = " ".join(words)
        if syllables(line, "en") == count:
            return line
        if syllables(longest, "en") < syllables(line, "en") < count:
            longest = line
    return " ".join([*longest.split(), *["la"] * (count - syllables(longest, "en"))])


def _chinese(count: int, rng: random.Random) -> str:
    return "".join(_one(CHINESE[size], rng) for size in _sizes(count, (2, 2, 3), rng))


def _japanese(count: int, rng: random.Random) -> str:
    return " ".join(_one(JAPANESE[size], rng) for size in _sizes(count, (2, 3, 3, 4), rng))


def _sizes(count: int, usual: tuple[int, ...], rng: random.Random) -> list[int]:
    sizes: list[int] = []
    while count:
        fitting = [s for s in usual if s == count or s + 2 <= count]
        sizes.append(rng.choice(fitting) if fitting else 1)
        count -= sizes[-1]
    return sizes


def _one(choice: str, rng: random.Random) -> str:
    return rng.choice(choice.split(", "))
