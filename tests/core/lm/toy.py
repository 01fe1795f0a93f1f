"""A vocabulary small enough to try everything: the bytes of a few letters, some pairs, the marks, three codes."""

from collections.abc import Iterator

from acestep_core.lm.grammar import Codes, Free, Grammar, Mark, OneOf, Part, Text
from acestep_core.lm.vocabulary import Vocabulary

SINGLE = [bytes([b]) for b in b"ab: \n`12"] + [b"\xe5", b"\x85", b"\x89"]
PAIRS = [
    b"ab",
    b"a:",
    b": ",
    b"\n ",
    b"\n  ",
    b"\nb",
    b"\nb: ",
    b"12",
    b"a\n",
    b"\xe5\x85",
    b"\x85\x89",
    b"a\xe5",
    b"  a",
]
TEXTS = SINGLE + PAIRS
MARKS = {"<think>": len(TEXTS), "</think>": len(TEXTS) + 1, "<|im_end|>": len(TEXTS) + 2}
CODES = [len(TEXTS) + 3 + i for i in range(3)]
VOCABULARY = Vocabulary([*TEXTS, None, None, None, None, None, None], MARKS, CODES)

Said = tuple[str | bytes, ...]
"""What tokens say one after another: texts joined, each mark and code by itself."""


def said(tokens: list[int]) -> Said:
    names = {i: n for n, i in MARKS.items()} | dict.fromkeys(CODES, "code")
    found: list[str | bytes] = []
    for token in tokens:
        if token in names:
            found.append(names[token])
        elif found and isinstance(found[-1], bytes):
            found[-1] += TEXTS[token]
        else:
            found.append(TEXTS[token])
    return tuple(found)


def language(grammar: Grammar, longest: int) -> set[Said]:
    """Everything the grammar can say whose free texts have at most `longest` bytes: from its meaning, part by part."""
    whole: set[Said] = {()}
    for part in grammar.parts:
        whole = {_joined(a, b) for a in whole for b in _alone(part, longest)}
    return whole


def _joined(a: Said, b: Said) -> Said:
    if a and b and isinstance(a[-1], bytes) and isinstance(b[0], bytes):
        return (*a[:-1], a[-1] + b[0], *b[1:])
    return a + b


def _alone(part: Part, longest: int) -> set[Said]:
    if isinstance(part, Text):
        return {(part.text.encode(),)}
    if isinstance(part, OneOf):
        return {(c.encode(),) for c in part.choices}
    if isinstance(part, Mark):
        return {(part.name,)}
    if isinstance(part, Codes):
        return {("code",) * n for n in range(part.least, part.most + 1)}
    assert isinstance(part, Free)
    return {(t,) if t else () for t in _free(part, longest)}


def _free(part: Free, longest: int) -> Iterator[bytes]:
    """By filtering every string of these characters."""
    characters = [bytes([b]) for b in b"ab: `12\n"] + [
        b"\xe5" + bytes([x, y]) for x in b"\x85\x89" for y in b"\x85\x89"
    ]
    texts = {b""}
    for _ in range(longest):
        texts |= {t + c for t in texts for c in characters if len(t + c) <= longest}
    yield from (t for t in texts if _fits(part, t.decode()))


def _fits(part: Free, text: str) -> bool:
    if not text:
        return part.empty
    if set(text) & set(part.forbidden):
        return False
    if part.lines == "many":
        return True
    first, *others = text.split("\n")
    if part.lines == "one" and others:
        return False
    lines = [first, *(line[2:] for line in others)]
    indented = all(line.startswith("  ") for line in others)
    return indented and all(line[:1] not in ("", " ") for line in lines) and all(
        not line.endswith(" ") for line in lines[:-1])  # fmt: skip
