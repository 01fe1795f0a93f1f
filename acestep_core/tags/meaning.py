"""What a tag says that labels say too: tempo, key, metre, voices; and which pairs of tags exclude one another."""

import re
from functools import lru_cache

from acestep_core.data import BPM_RANGE, CHECKS
from acestep_core.tags.captions import normal

_BPM = re.compile(r"(?:tempo:? ?)?(\d{2,3})(?:\.\d+)? ?bpm")
_KEY = re.compile(r"(?:key:? ?|in )?([a-g](?: ?(?:#|♯|♭|b|sharp|flat))? ?(?:major|minor|maj|min))")
_METRE = re.compile(r"([2346])/[48](?: time| metre| meter| beat)?")
_SINGS = r"s?\b.*(?:vocal|voice|sing|rap|choir)"
_VOICES = {
    "female voice": rf"\b(?:female|wom[ae]n|girl|soprano|alto){_SINGS}|女声|女性ボーカル|女性歌手|女歌手",
    "male voice": rf"\b(?:male|man|men|boy|tenor|baritone){_SINGS}|男声|男性ボーカル|男歌手",
    "voice": r"\b(?:vocals?|voices?|sing(?:er|ing)s?|rap(?:per|ping)?|choir)\b|\ba cap+ella\b"
    "|[男女人]声|歌声|ボーカル|ラップ|说唱|合唱",
}
_NO_VOICE = re.compile(
    r"^(?:purely )?instrumental(?: (?:music|track|only))?$|\b(?:no|without) vocals?\b|纯音乐|インスト|器乐"
)
_CUT_VOICE = re.compile(r"\bvocal (?:chop|sample|cut)s?\b|\bvocaloid\b|\bvoice memo\b")
_BOTH = re.compile(r"\b(?:duet|and|male[/&-]female)\b|男女|デュエット|对唱")
OPPOSITES = (
    ("slow tempo", "fast tempo", r"slow(?: tempo|-?paced)?|慢速|スロー", r"fast(?: tempo|-?paced)?|快速|アップテンポ"),
    ("low energy", "high energy", r"(?:low|calm)[- ]energy", r"(?:high[- ]energy|energetic)"),
    ("quiet", "loud", r"quiet|soft", r"loud|aggressive"),
    ("major", "minor", r"major(?: key| scale)?", r"minor(?: key| scale)?"),
    ("mono", "stereo", r"mono", r"(?:wide )?stereo"),
    ("live", "studio", r"live(?: recording| performance)?", r"studio(?: recording)?"),
)
_LANGUAGES = {
    "english": "en", "japanese": "ja", "korean": "ko", "mandarin": "zh", "chinese": "zh", "cantonese": "yue",
    "french": "fr", "german": "de", "spanish": "es", "italian": "it", "portuguese": "pt", "russian": "ru",
    "英语": "en", "日语": "ja", "韩语": "ko", "中文": "zh", "国语": "zh", "粤语": "yue", "日本語": "ja", "英語": "en",
}  # fmt: skip
_SUNG = re.compile(rf"({'|'.join(_LANGUAGES)})(?: language)? ?(?:vocals?|lyrics|singing|rap|singer|ボーカル|歌词|演唱)")


@lru_cache(maxsize=1 << 14)
def bpm_of(tag: str) -> int | None:
    found = _BPM.fullmatch(normal(tag))
    return int(found[1]) if found and BPM_RANGE[0] <= int(found[1]) <= BPM_RANGE[1] else None


@lru_cache(maxsize=1 << 14)
def key_of(tag: str) -> str:
    """'C# minor' as labels write it, else ""."""
    found = _KEY.fullmatch(normal(tag))
    if found is None:
        return ""
    text = re.sub(r" ?sharp", "#", re.sub(r" ?flat", "b", found[1]))
    try:
        return str(CHECKS["keyscale"](text))
    except ValueError:
        return ""


@lru_cache(maxsize=1 << 14)
def metre_of(tag: str) -> str:
    found = _METRE.fullmatch(normal(tag))
    return found[1] if found else ""


@lru_cache(maxsize=1 << 14)
def language_of(tag: str) -> str:
    """The code of the language that is sung, where the tag says so."""
    found = _SUNG.fullmatch(normal(tag))
    return _LANGUAGES[found[1]] if found else ""


@lru_cache(maxsize=1 << 14)
def voices_of(tag: str) -> frozenset[str]:
    """Of 'female voice', 'male voice', 'voice' and 'no voice' what the tag says."""
    text = normal(tag)
    if _NO_VOICE.search(text):
        return frozenset({"no voice"})
    if _CUT_VOICE.search(text):
        return frozenset()
    found = {name for name, pattern in _VOICES.items() if re.search(pattern, text)}
    return frozenset(found | {"voice"} if found else found)


@lru_cache(maxsize=1 << 14)
def for_both(tag: str) -> bool:
    """Whether the tag says that a man and a woman sing."""
    return bool(_BOTH.search(normal(tag)))


@lru_cache(maxsize=1 << 14)
def sides_of(tag: str) -> frozenset[str]:
    """The sides of `OPPOSITES` the tag takes."""
    text = normal(tag)
    pairs = [(name, p) for one, other, p, q in OPPOSITES for name, p in ((one, p), (other, q))]
    return frozenset(name for name, pattern in pairs if re.fullmatch(pattern, text))


def of(tag: str) -> tuple[object, ...]:
    """Everything the tag says that can be wrong; () for most tags."""
    return tuple(
        filter(None, (bpm_of(tag), key_of(tag), metre_of(tag), language_of(tag), voices_of(tag), sides_of(tag)))
    )
