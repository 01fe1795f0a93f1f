"""Which encoding a text that is not UTF-8 probably is. A hint for a person, never a reason to decode.

Each encoding is judged by how many of the characters outside ASCII are the commonest ones of its languages, in which
a wrong encoding spells next to none.
"""

import codecs
import re
from dataclasses import dataclass

from acestep_core.errors import UserError

_KANA = "".join(map(chr, (*range(0x3041, 0x3094), *range(0x30A1, 0x30F7)))) + "ー、。「」・！？　"
_JAPANESE = _KANA + "夜電車君声聞雨街日人今僕私心空愛夢手風花海月星光前見一二大歌曲恋涙青春夏秋冬朝時女男性"
_CHINESE = (
    "的一是不了人我在有他這为之大來以個中上們到說國和地也子時道出而要於就下得可你年生自會那後能對著事其里所去行過家"
    "这来个们说国时会对着过发为无还没让给爱风梦泪飞见从将样让谁听声离难灯街车窗边远"
    "十用發天如然作方成者多日都三小二無同么經法當起與好看學進種將還分此心前面又定見只主沒公從"
    "悲伤钢琴曲女男慢快节奏弦乐吉他鼓谣摇滚流行抒調调鋼節樂"
    "愛情月夜風雨想夢手淚歌飛海星光亮代表裡樣讓誰聽聲離難燈車窗邊遠，。！？、：；（）「」　"
)
_KOREAN = (
    "이다는가에을를은의고하지도나기사로아너한그내대리어있해안수게마라자서일보만없여주시거면말정비야오우인날밤길"
    "눈물노래별꿈손잡아요네까처럼때위난더같을속번모든잊혀져버린꽃바람하늘들"
)
_ENCODINGS = (  # codec, what people call it, the commonest characters
    ("cp932", "Shift-JIS", _JAPANESE),
    ("euc_jp", "EUC-JP", _JAPANESE),
    ("gb18030", "GB18030", _CHINESE),
    ("big5", "Big5", _CHINESE),
    ("cp949", "EUC-KR", _KOREAN),
    ("cp1251", "Windows-1251", "оеаинтсрвлкмдпуябьгзычйш"),
    ("koi8_r", "KOI8-R", "оеаинтсрвлкмдпуябьгзычйш"),
    ("cp1253", "Windows-1253", "αοιετσνηυρπκμλάίόέήύςω"),
    ("cp1252", "Windows-1252", "àâäáãåçéèêëíìîïñóòôöõúùûüßœæøÄÖÜÉÅØ¡¿«»‘’“”–—…°´"),
    ("cp1250", "Windows-1250", "ąćęłńóśźżáčďéěíňřšťúůýžőűöüäăâîşţĄŁŚŻŹČŘŠŽ„”’–…"),
    ("cp1254", "Windows-1254", "çğıöşüİŞÇÖÜâî’“”–…"),
    ("utf-16-le", "UTF-16 without a byte-order mark", _JAPANESE + _CHINESE + _KOREAN),
    ("utf-16-be", "UTF-16 without a byte-order mark", _JAPANESE + _CHINESE + _KOREAN),
)
_LETTERS = {"cp1251", "koi8_r", "cp1253"}  # whole words are outside ASCII here
_SINGLE = {"cp1252", "cp1250", "cp1254"}  # single letters are
_SURE = 0.25


@dataclass(frozen=True)
class Charset:
    """An encoding: what Python calls it and what people do."""

    codec: str
    name: str


def likely_charset(raw: bytes) -> Charset | None:
    """The encoding that makes the most sense of these bytes; None if none makes much."""
    zeros = raw[:4096:2].count(0), raw[1:4096:2].count(0)
    if max(zeros) > len(raw[:4096]) / 8:
        codec = "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
        return Charset(codec, "UTF-16 without a byte-order mark") if _decoded(raw, codec) is not None else None
    score, best = max(((_score(raw, *entry), Charset(*entry[:2])) for entry in _ENCODINGS), key=lambda found: found[0])
    return best if score > _SURE else None


def decode_as(raw: bytes, codec: str) -> str:
    """The text in that encoding. Raises `UserError` where it is none."""
    try:
        name = codecs.lookup(codec).name
        text = raw.decode(codec)
    except LookupError:
        raise UserError(f"There is no encoding '{codec}'", "use a name such as shift_jis, gb18030 or cp1252") from None
    except UnicodeDecodeError as e:
        found = likely_charset(raw)
        hint = f"try {found.codec}" if found else "open it in an editor and save it as UTF-8"
        raise UserError(f"is not {name} (byte {e.start})", hint) from None
    return text.removeprefix("\ufeff")


def _decoded(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        return None


def _score(raw: bytes, codec: str, _name: str, common: str) -> float:
    """The share of common characters among those outside ASCII; control and private characters count against it."""
    text = _decoded(raw, codec)
    outside = [c for c in text or "" if c > "\x7f"]
    if text is None or not outside:
        return 0.0
    odd = sum(c < "\xa0" or "\ue000" <= c <= "\uf8ff" or "\uff61" <= c <= "\uff9f" for c in outside)
    share = (sum(c in common for c in outside) - 2 * odd) / len(outside)
    if codec in _SINGLE:
        return share * _isolated(raw)
    return share * _in_words(text) if codec in _LETTERS else share


def _in_words(text: str) -> float:
    """The share of letters outside ASCII that stand in words of them alone, spelt as words are."""
    words = re.findall(r"[^\W\d_]+", text)
    letters = sum(c > "\x7f" for c in "".join(words))
    whole = [w for w in words if len(w) > 1 and min(w) > "\x7f" and (w[1:].islower() or w.isupper())]
    return sum(map(len, whole)) / letters if letters else 0.0


def _isolated(raw: bytes) -> float:
    """The share of bytes outside ASCII in runs of one, as accented letters stand, or, counted less, of two."""
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", raw)]
    return sum({1: 1.0, 2: 1.2}.get(n, 0.0) for n in runs) / sum(runs)
