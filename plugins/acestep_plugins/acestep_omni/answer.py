"""Reads what the models write, however they dress it up: headings missing or in bold, code fences, talk around it."""

import re

from acestep_core.languages import language_code
from acestep_core.section_tags import is_tag, names_section, words_of

_SPECIAL = re.compile(r"<\|[^<>|]*\|>")
_FENCE = re.compile(r"\s*(?:```|~~~)\s*\w*\s*")
_HEADING = re.compile(r"\s*(?:#{1,6}\s*|\*\*|__)?(languages?|lyrics?)(?:\*\*|__)?\s*(:?)(?:\*\*|__)?\s*(.*?)\s*", re.I)
_OTHER_HEADING = re.compile(r"\s*#{1,6}\s+\S.*")
_TALK = re.compile(r"(?!\s*\[).*\b(?:transcri|lyrics|here is|here are|here's|sure).*:\s*", re.I)
_BRACKET = re.compile(r"\s*(?:#{1,6}\s*)?[*_]*[\[(]?\s*([^\[\]()*_]+?)\s*[\])]?[*_]*:?\s*")


def parse_transcript(answer: str) -> tuple[str, list[str]]:
    """(lyrics with their section tags, codes of the languages in the order given) of an answer that should hold
    `# Languages` and `# Lyrics`. Lyrics without a word are ""."""
    lines = _plain_lines(answer)
    parts = _parts(lines)
    codes = _codes(parts.get("language", []))
    lyrics = parts["lyric"] if "lyric" in parts else parts.get("rest", [])
    text = "\n".join(map(_cleaned_tag, lyrics)).strip()
    text = re.sub(r"\n{3,}", "\n\n", text)
    return (text if words_of(text) else ""), codes


def plain_caption(answer: str) -> str:
    """The description on one line, without headings and marks."""
    lines = [line for line in _plain_lines(answer) if not _OTHER_HEADING.fullmatch(line)]
    if len(lines) > 1 and _TALK.fullmatch(lines[0]):
        lines = lines[1:]
    return " ".join(" ".join(lines).replace("**", "").split())


def _plain_lines(answer: str) -> list[str]:
    lines = [line.rstrip() for line in _SPECIAL.sub("", answer).splitlines()]
    return [line for line in lines if not _FENCE.fullmatch(line)]


def _parts(lines: list[str]) -> dict[str, list[str]]:
    """Lines by the heading above them: language, lyric; 'rest' is what stands under neither."""
    found: dict[str, list[str]] = {}
    now = "rest"
    for line in lines:
        heading = _heading(line, marked=now == "lyric")
        if heading is not None:
            now, rest = heading
            found[now] = [rest] if rest else []
        elif now == "language" and found[now] and _ends_languages(line, found[now]):
            now = "rest"  # no heading of the lyrics: they begin after the languages
            found.setdefault(now, []).append(line)
        elif _OTHER_HEADING.fullmatch(line) and not names_section(line.strip(" #")):
            now = "other"
        elif now == "rest" and not found.get("rest") and (not line.strip() or _TALK.fullmatch(line)):
            continue
        else:
            found.setdefault(now, []).append(line)
    return found


def _heading(line: str, marked: bool) -> tuple[str, str] | None:
    """(language or lyric, what stands behind it on the line); `marked`: only with # or in bold, for it may be sung."""
    match = _HEADING.fullmatch(line)
    if match is None or is_tag(line):
        return None
    has_mark = re.match(r"\s*(#|\*\*|__)", line) is not None
    good = has_mark or (not marked and (bool(match[2]) or not match[3]))
    return (match[1].lower().rstrip("s"), match[3]) if good else None


def _ends_languages(line: str, before: list[str]) -> bool:
    if not line.strip() or not any(b.strip() for b in before):
        return False
    return is_tag(line) or not before[-1].strip() or not _codes([line])


def _codes(lines: list[str]) -> list[str]:
    named = [w.strip(" -*`._()'\"") for line in lines for w in re.split(r"[,;/|&]|\band\b", line)]
    return list(dict.fromkeys(code for n in named if len(n.split()) <= 2 and (code := language_code(n))))


def _cleaned_tag(line: str) -> str:
    """`**[Verse 1]**`, `## Chorus` and `[Outro` as the tags they are meant to be; other lines as they are."""
    inside = _BRACKET.fullmatch(line)
    dressed = inside is not None and line.strip()[:1] in "[#*_(" and line.strip() != inside[1]
    return f"[{inside[1]}]" if inside is not None and dressed and names_section(inside[1]) else line.strip()
