"""The grammar of each request: the fields it thinks about in the model's order, what the user gave already said."""

from acestep_core.errors import UserError
from acestep_core.lm.grammar import Codes as CodesPart
from acestep_core.lm.grammar import Free, Grammar, Mark, OneOf, Part, Text
from acestep_core.lm.requests import (
    CODE_RATE_HZ,
    FASTEST,
    LONGEST_S,
    SHORTEST_S,
    SLOWEST,
    Codes,
    Create,
    Metas,
    Plan,
    Request,
    Rewrite,
    Understand,
)
from acestep_core.lm.wording import END, THINK, THOUGHT, values
from acestep_core.prompts import KEYSCALES, LANGUAGES, TIMESIGNATURES

CAPTION_TOKENS, GENRE_TOKENS, LYRIC_TOKENS = 512, 64, 2048
NAMES = tuple(values(Metas()))
"""The fields as the model names them, in its order."""


def grammar(request: Request) -> Grammar:
    if isinstance(request, Codes):
        exact = request.exact
        least, most = (exact, exact) if exact is not None else (SHORTEST_S * CODE_RATE_HZ, LONGEST_S * CODE_RATE_HZ)
        return Grammar((CodesPart(least, most), Mark(END)))
    thinking = [Mark(THINK), Text("\n"), *_fields(request), Mark(THOUGHT)]
    if isinstance(request, Plan) or (isinstance(request, Understand) and not request.words):
        return Grammar(tuple(thinking))
    lyrics = Text(f"\n# Lyric\n{_instrumental(request)}") if _instrumental(request) else None
    rest = [lyrics] if lyrics else [Free(LYRIC_TOKENS, "many", forbidden="", empty=True)]
    return Grammar((*thinking, *rest, Mark(END)))


def _instrumental(request: Request) -> str:
    return "[Instrumental]" if isinstance(request, Create) and request.instrumental else ""


def _fields(request: Plan | Understand | Create | Rewrite) -> list[Part]:
    given, parts = values(request.metas), []
    skip = request.skip if isinstance(request, Plan) else frozenset()
    for name in NAMES:
        known = given[name] not in (None, "")
        if known and "\n" in str(given[name]):
            raise UserError(f"The {name} to think about has several lines", "write it as one line")
        if known:
            parts.append(Text(f"{name}: {given[name]}\n"))
        elif name not in skip:
            parts += [Text(f"{name}: "), _value(name), Text("\n")]
    return parts


def _value(name: str) -> Part:
    numbers = {"bpm": range(SLOWEST, FASTEST + 1), "duration": range(SHORTEST_S, LONGEST_S + 1)}
    if name in numbers:
        return OneOf(tuple(map(str, numbers[name])))
    known = {"keyscale": KEYSCALES, "language": LANGUAGES, "timesignature": TIMESIGNATURES}
    if name in known:
        return OneOf(known[name], surest=name == "language")
    return Free(CAPTION_TOKENS, "folded") if name == "caption" else Free(GENRE_TOKENS)
