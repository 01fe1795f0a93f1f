"""A caption read as tags and sentences. Tags are what stands before the first sentence; from there on nothing changes.

A sentence is a piece between commas that is long or has the words of a sentence, or a text from a capital letter
to its full stop. When in doubt it is a sentence: a tag that is left alone costs less than a sentence cut in two.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from acestep_core.errors import UserError

MOST_WORDS = 5
MOST_CHARACTERS = 8  # Chinese and Japanese; a katakana word counts as two
MOST_BEFORE_STOP = 5  # the same where '。' ends a list, as it ends a sentence more often

_COMMA = re.compile(r"\s*[,，、]\s*")
_END = re.compile(r"\s*\n\s*|[.!?]+(?=\s|$)\s*|[。！？]+\s*")
_ABBREVIATED = re.compile(
    r"(?:^|[\s,(])(?:(?-i:[A-Z])|feat|ft|vs|no|vol|op|mr|mrs|ms|dr|st|jr|sr|approx|inst|e\.g|i\.e)$", re.I
)
_CJK = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uff66-\uff9f々〆ー"
_WORD = re.compile(rf"[^\W{_CJK}]+(?:['’&/.+#-]+[^\W{_CJK}]+)*")
_KATAKANA = re.compile(r"[\u30a0-\u30ff\u31f0-\u31ff\uff66-\uff9f]+")
_OPENING = re.compile(  # words that open a clause, not a tag
    r"(?:an?|the|this|these|it|its|it's|there|she|he|they|we|and|but|or|with|while|which|that|who|where|when|as|then|"
    r"featuring|including|driven by|accompanied|backed by|followed by|built|set in|"
    r"eine?|der|das|une?|le|les|el|los|las)\s",
    re.I,
)
_NO_ARTICLE = re.compile(r"a\s+(?:capp?ella\b|(?:flat\s+|sharp\s+)?(?:major|minor)\b)", re.I)
_VERB = re.compile(r"\s(?:is|are|was|were|has|have|had|that|which|while|its|their|sings?|plays?|features?)\s", re.I)
_NEW_SENTENCE = re.compile(r"(?:A|An|This)\s(?!(?:flat |sharp )?(?:major|minor)\b)")
_CHINESE = re.compile(
    r"[是了着]|一[首曲段种支]|这[首曲是段种]|(?:充满|营造|展现|伴随).{3}|以及|"
    r"^(?:和(?![声弦风音谐])|与|以|由|在|并|而|为|带有|搭配|配以|让|使)"
)
_CHINESE_SUBJECT = re.compile(
    r"(?:旋律|节奏|歌声|人声|嗓音|编曲|鼓点|情绪|氛围|整体|歌曲|音乐|曲风|副歌|主歌|前奏|间奏|尾奏|全曲|全歌|本曲|此曲|该曲|歌词)."
)
_JAPANESE = re.compile(
    r"(?<=[\u30a0-\u30ff\u4e00-\u9fff々])[はがをにでとも](?=.)|を|(?:です|ます|した|する|いる|ある|れる|られ|だ)$"
)
_KOREAN = re.compile(r"(?:니다|[이하한된있인린]다|[해예어아]요)$")


@dataclass(frozen=True)
class Caption:
    """Tags, what stands between two of them, what ends them (". " or "\\n"), and the sentences that follow."""

    tags: tuple[str, ...] = ()
    comma: str = ", "
    end: str = ""
    sentences: str = ""

    def with_tags(self, tags: Sequence[str]) -> str:
        """The caption with these tags and the sentences untouched; read again, it has just these tags.

        Raises `UserError` where a tag would be taken for a sentence.
        """
        if not tags:
            return self.sentences
        for end in dict.fromkeys(self._ends()):
            text = self.comma.join(tags) + end + self.sentences
            again = parse(text)
            if (again.tags, again.sentences) == (tuple(tags), self.sentences):
                return text
        wrong = next((t for t in tags if parse(t).tags != (t,)), ", ".join(tags))
        raise UserError(f"'{wrong}' reads as a sentence or has a comma, not as a tag", "use fewer words")

    def _ends(self) -> tuple[str, ...]:
        if not self.sentences:
            return self.end, ""
        stop = "。" if is_cjk(self.sentences[0]) else ". "
        return (self.end, stop, "\n") if self.tags else (stop, "\n")


@lru_cache(maxsize=1 << 14)
def parse(text: str) -> Caption:
    """Tags and sentences of a caption."""
    text = text.strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and not _COMMA.search(text) and not any(_END.search(x) or _is_clause(x) for x in lines):
        return Caption(tuple(lines), "\n")
    head, end, rest = _first_segment(text)
    pieces = _pieces(head)
    if _is_prose(pieces, end, not rest):
        return _before_a_sentence(text)
    return Caption(tuple(pieces), _comma_of(text), end, rest)


@lru_cache(maxsize=1 << 14)
def normal(tag: str) -> str:
    """What two spellings of one tag have in common: width, case, underscores and spaces do not count."""
    return " ".join(unicodedata.normalize("NFKC", tag).casefold().replace("_", " ").split())


def tag_list(texts: Sequence[str]) -> list[str]:
    """Tags as a person gives them, each text one or several with commas. Raises `UserError` for what is none."""
    tags = [t for text in texts for t in _COMMA.split(text.strip()) if t]
    if not tags:
        raise UserError("No tag was given", "name one, such as 'female vocal'")
    wrong = next((t for t in tags if parse(t).tags != (t,)), None)
    if wrong is not None:
        raise UserError(f"'{wrong}' reads as a sentence, not as a tag", "use fewer words")
    return tags


def _first_segment(text: str) -> tuple[str, str, str]:
    """(text before the first full stop or line end, that end, the rest)"""
    for found in _END.finditer(text):
        before, rest = text[: found.start()], text[found.end() :]
        abbreviated = found[0].startswith(".") and rest and _ABBREVIATED.search(before)
        wrapped = "\n" in found[0] and before.rstrip()[-1:] in tuple(",，、")
        if not (abbreviated or wrapped):
            return before, found[0], rest
    return text, "", ""


def _before_a_sentence(text: str) -> Caption:
    """Tags before 'A slow song …' or 'This …': a capital article after a comma begins a sentence."""
    for comma in _COMMA.finditer(text):
        before, after = text[: comma.start()], text[comma.end() :]
        pieces = _pieces(before)
        if not pieces or _END.search(before) or _is_prose(pieces, "", False):
            break
        if _NEW_SENTENCE.match(after):
            return Caption(tuple(pieces), _comma_of(text), comma[0], after)
    return Caption((), ", " if not is_cjk(text[:1]) else _comma_of(text), "", text)


def _pieces(text: str) -> list[str]:
    return [p for p in _COMMA.split(text.strip()) if p]


def _is_prose(pieces: Sequence[str], end: str, last: bool) -> bool:
    if any(_is_clause(p) for p in pieces):
        return True
    if end[:1] in ("。", "！", "？"):
        return last or any(_weight(p) > MOST_BEFORE_STOP or _CHINESE_SUBJECT.match(p) for p in pieces)
    if end[:1] in (".", "!", "?") and pieces and _is_capitalised(pieces[0]):
        return len(pieces[0].split()) > 2 if len(pieces) == 1 else not all(p[0].isupper() for p in pieces)
    return False


def _is_capitalised(piece: str) -> bool:
    """As a sentence begins; 'ZhangNaYing' and 'My_style' are names."""
    word = piece.split()[0]
    return word[0].isupper() and word[1:] == word[1:].lower() and not re.search(r"[\d_]", word)


def _is_clause(piece: str) -> bool:
    if len(_WORD.findall(piece)) > MOST_WORDS or _weight(piece) > MOST_CHARACTERS:
        return True
    opened = _OPENING.match(piece) and not _NO_ARTICLE.match(piece)
    return bool(opened or any(clause.search(piece) for clause in (_VERB, _CHINESE, _JAPANESE, _KOREAN)))


def _weight(piece: str) -> int:
    """Chinese and Japanese characters; a katakana word counts as two."""
    return 2 * len(_KATAKANA.findall(piece)) + sum(map(is_cjk, _KATAKANA.sub("", piece)))


def is_cjk(character: str) -> bool:
    """Whether it is kana or a Chinese character."""
    return bool(re.match(f"[{_CJK}]", character))


def _comma_of(text: str) -> str:
    """The first comma as it is written; where there is none, that of the script."""
    found = _COMMA.search(text)
    if found is not None:
        mark = found[0].strip()
        return mark if mark != "," else ", " if found[0] != "," else ","
    if re.search("[\u3040-\u30ff]", text):
        return "、"
    return "，" if re.search("[\u4e00-\u9fff]", text) else ", "
