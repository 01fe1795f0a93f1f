"""Captions that stand where lyrics belong, and lyrics where a caption belongs, told by simple rules.

Wrong guesses cost a note, so each rule needs several signs; the words are English, Chinese and Japanese.
"""

import re
from collections.abc import Iterator
from itertools import islice

from acestep_core.lyrics import has_times

# what captions name and songs seldom sing of; two spellings of one thing count once
_TERMS = re.compile(
    r"\b(?:(?P<voice>(?:fe)?male (?:voice|vocals?|singer|lead)|vocals|vocalist|rapper|falsetto|choir|a ?cappella)"
    r"|(?P<tempo>\d{2,3} ?bpm|bpm|tempo|mid-?tempo|up-?tempo|downtempo)"
    r"|(?P<keys>piano|keyboards?|synth(?:s|esi[sz]ers?|-?pop|wave)?|organ|rhodes|arpeggios?)"
    r"|(?P<strings>strings|violins?|cellos?|orchestra(?:l|tion)?)"
    r"|(?P<guitar>(?:acoustic |electric )?guitars?|ukulele|banjo|riffs?)"
    r"|(?P<bass>bass ?(?:line)?|808s?|sub-?bass)"
    r"|(?P<drums>drums?|percussion|snares?|hi-?hats?|kick drum|drum machine|breakbeats?)"
    r"|(?P<winds>saxophones?|sax|trumpets?|brass|flutes?|horn section)"
    r"|(?P<genre>ballad|edm|house|techno|trance|hip[- ]hop|trap|r&b|indie|folk|jazz|metal|punk|reggae|ambient|lo-?fi"
    r"|disco|funk|soul|country|rock|pop|blues|bossa nova|city pop|genre)"
    r"|(?P<sound>reverb|distort(?:ed|ion)|instrumental|arrangement|production|mix|melod(?:y|ic)|groove|harmon(?:y|ies)"
    r"|atmospher(?:e|ic)|cinematic))\b"
    r"|(?P<voice_>[男女]声|[男女]聲|人声|女性ボーカル|男性ボーカル|ボーカル|合唱|コーラス|说唱|ラップ)"
    r"|(?P<tempo_>节奏|節奏|拍子|テンポ|快板|慢板)"
    r"|(?P<keys_>钢琴|鋼琴|ピアノ|合成器|シンセ|キーボード|オルガン)"
    r"|(?P<strings_>弦乐|弦樂|小提琴|ストリングス|バイオリン|管弦|オーケストラ|二胡|古筝)"
    r"|(?P<guitar_>吉他|ギター)|(?P<bass_>贝斯|貝斯|ベース)|(?P<drums_>鼓点|鼓声|架子鼓|鼓组|ドラム|パーカッション|打击乐)"
    r"|(?P<winds_>萨克斯|小号|サックス|トランペット|笛子|フルート)"
    r"|(?P<genre_>摇滚|搖滾|流行|民谣|民謠|电子|電子|爵士|抒情|嘻哈|国风|ロック|ポップ|バラード|ジャズ|フォーク|歌谣|エレクトロ)"
    r"|(?P<sound_>编曲|編曲|旋律|伴奏|曲风|曲風|氛围|雰囲気|音色|メロディ|アレンジ|混响)",
    re.IGNORECASE,
)
_SECTION = re.compile(
    r"\s*[\[(【（]\s*(?:verse|chorus|pre-?chorus|bridge|intro|outro|hook|refrain|drop|interlude|post-?chorus|ad-?lib"
    r"|主歌|副歌|前奏|间奏|間奏|尾奏|尾声|桥段|橋段|导歌|イントロ|アウトロ|サビ|[ABC]メロ|大サビ|ブリッジ|間奏)"
    r"[^\])】）]*[\])】）]\s*",
    re.IGNORECASE,
)
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]")
_ENTRY = re.compile(r"\s*(?:[-*•]\s|[\w /]{2,20}[:：])")
FEW_LINES, MANY_LINES = 3, 6
_LONG_LINE, _TERMS_OF_A_CAPTION = 60, 3


def reads_like_caption(text: str) -> bool:
    """Three things of music (voice, tempo, instruments, genre, sound) in at most three lines and no section tag."""
    lines = list(islice(_lines(text), FEW_LINES + 1))
    if not 0 < len(lines) <= FEW_LINES or any(map(_SECTION.match, lines)):
        return False
    return len(_things(text)) >= _TERMS_OF_A_CAPTION


def reads_like_lyrics(text: str) -> bool:
    """Times, a line that is a section tag, or six and more short lines that name at most one thing of music."""
    lines = list(_lines(text))
    if has_times(text) or any(map(_SECTION.fullmatch, lines)):
        return True
    if len(lines) < MANY_LINES or any(map(_ENTRY.match, lines)):
        return False
    short = sum(len(line) + len(_WIDE.findall(line)) <= _LONG_LINE for line in lines)
    return short >= 0.8 * len(lines) and len(_things(text)) <= 1


def _lines(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if line.strip())


def _things(text: str) -> set[str]:
    return {(found.lastgroup or "").rstrip("_") for found in _TERMS.finditer(text)}
