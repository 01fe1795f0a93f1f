"""Words for what is heard in a piece, in English, Chinese and Japanese."""

STYLES = {
    "en": {
        "arpeggio": ("plucked arpeggios", "rippling harp arpeggios", "broken chords on a harp", "a running arpeggio"),
        "chords": ("organ chords on every beat", "steady block chords", "solid organ chords", "block chords"),
        "melody": ("a flute melody over soft chords", "a lead melody with a quiet backing",
                   "a singing flute tune", "a melody on the flute"),
        "bass riff": ("a driving bass riff", "a low bass riff", "a bass riff that repeats", "a heavy bass line"),
        "waltz": ("a waltz", "a ballroom waltz", "an accordion waltz", "a swaying waltz"),
        "bells": ("ringing bells", "chiming bells", "a music box of bells", "high glass bells"),
    },
    "zh": {
        "arpeggio": ("竖琴琶音", "流动的琶音", "分解和弦"),
        "chords": ("风琴和弦", "柱式和弦", "整齐的和弦"),
        "melody": ("长笛旋律", "柔和伴奏上的旋律", "悠扬的主旋律"),
        "bass riff": ("贝斯重复段", "低沉的贝斯", "有力的贝斯线"),
        "waltz": ("华尔兹", "圆舞曲", "手风琴圆舞曲"),
        "bells": ("钟声", "清脆的铃声", "八音盒般的铃声"),
    },
    "ja": {
        "arpeggio": ("ハープのアルペジオ", "流れるアルペジオ", "分散和音"),
        "chords": ("オルガンの和音", "刻むコード", "ブロックコード"),
        "melody": ("フルートのメロディー", "静かな伴奏の旋律", "歌うような主旋律"),
        "bass riff": ("ベースのリフ", "低いベースライン", "力強いベースリフ"),
        "waltz": ("ワルツ", "舞踏会のワルツ", "アコーディオンのワルツ"),
        "bells": ("鐘の音", "きらめくベル", "オルゴールのようなベル"),
    },
}  # fmt: skip
MOODS = {
    "en": {
        "major": ("happy", "cheerful", "bright", "sunny"), "minor": ("sad", "dark", "melancholic", "wistful"),
        "dorian": ("mysterious", "ancient", "dorian"), "pentatonic": ("simple", "folk-like", "pentatonic"),
    },
    "zh": {
        "major": ("欢快", "明亮", "愉快"), "minor": ("忧伤", "阴郁", "惆怅"), "dorian": ("神秘", "古老"),
        "pentatonic": ("五声音阶", "民间风格"),
    },
    "ja": {
        "major": ("明るい", "楽しい", "陽気な"), "minor": ("悲しい", "暗い", "切ない"),
        "dorian": ("神秘的な", "古風な"), "pentatonic": ("五音音階の", "素朴な"),
    },
}  # fmt: skip
DRUMS = {
    "en": (("without drums", "no drums", "no percussion"), ("with drums", "with kick, snare and hats", "a drum beat")),
    "zh": (("没有鼓", "无打击乐"), ("有鼓", "加鼓点")),
    "ja": (("ドラムなし", "打楽器なし"), ("ドラムあり", "ドラム入り")),
}  # (absent, present)
PACES = {"en": ("slow", "moderate", "lively", "fast"), "zh": ("缓慢", "中速", "轻快", "快速"),
         "ja": ("ゆっくりした", "中くらいのテンポの", "軽快な", "速い")}  # fmt: skip
PACE_BPM = (80, 112, 145)  # where the next word begins
SUNG = {"en": ("with sung words", "with a vocal tune", "with lyrics"), "zh": ("有歌词", "有演唱"),
        "ja": ("歌詞つき", "歌入り")}  # fmt: skip
METRES = {
    "en": {"2": ("in 2/4",), "3": ("in 3/4", "in triple time"), "4": ("in 4/4",), "6": ("in 6/8",)},
    "zh": {"2": ("二拍子",), "3": ("三拍子",), "4": ("四拍子",), "6": ("六八拍",)},
    "ja": {"2": ("2拍子",), "3": ("3拍子",), "4": ("4拍子",), "6": ("8分の6拍子",)},
}
GERMAN_ORDER = {"C": "ハ", "D": "ニ", "E": "ホ", "F": "ヘ", "G": "ト", "A": "イ", "B": "ロ"}  # Japanese names of notes
SIGNS = {"en": {"#": " sharp", "b": " flat"}, "zh": {"#": "升", "b": "降"}, "ja": {"#": "嬰", "b": "変"}}
THIRDS = {"en": {"major": "major", "minor": "minor"}, "zh": {"major": "大调", "minor": "小调"},
          "ja": {"major": "長調", "minor": "短調"}}  # fmt: skip


def pace(bpm: int, language: str) -> str:
    return PACES[language][sum(bpm >= limit for limit in PACE_BPM)]


def key_names(keyscale: str, language: str) -> tuple[str, ...]:
    """How the key is called; in English with the sign and with its name."""
    note, third = keyscale.split()
    letter, sign = note[0], note[1:].replace("♯", "#").replace("♭", "b")
    said, third_said = SIGNS[language].get(sign, ""), THIRDS[language][third]
    if language == "en":
        names = (f"{letter}{sign} {third}", f"{letter}{said} {third}")
        return tuple(dict.fromkeys(names))
    if language == "ja":
        return (f"{said}{GERMAN_ORDER[letter]}{third_said}",)
    return (f"{said}{letter}{third_said}",)
