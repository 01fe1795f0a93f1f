"""What a language model may say, as data: a sequence of parts; and the automaton over bytes that reads along.

Nothing here knows a tokenizer or a library. A position is (part, place inside it); several can be open at once, since
a line end may go on with a caption or begin the next field. All of them together are a `Positions`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

MARK, CODE = "mark", "code"
# Where a text may go on inside a character of UTF-8: (least, most) of the next byte and what follows it.
_WHOLE = 0
_TAILS: dict[int, tuple[int, int, int]] = {
    1: (0x80, 0xBF, _WHOLE), 2: (0x80, 0xBF, 1), 3: (0x80, 0xBF, 2),
    4: (0xA0, 0xBF, 1), 5: (0x80, 0x9F, 1), 6: (0x90, 0xBF, 2), 7: (0x80, 0x8F, 2),
    8: (0xA0, 0xBF, _WHOLE),  # what is below are control characters
}  # fmt: skip
_HEADS = ((0xC2, 0xC2, 8), (0xC3, 0xDF, 1), (0xE0, 0xE0, 4), (0xE1, 0xEC, 2), (0xED, 0xED, 5), (0xEE, 0xEF, 2),
          (0xF0, 0xF0, 6), (0xF1, 0xF3, 3), (0xF4, 0xF4, 7))  # fmt: skip

Symbol = int | tuple[str, str]
"""A byte, or (MARK, name) for a token that is no text, or (CODE, "") for any audio code."""
Stage = Literal[0, 1, 2]
"""Of a part that counts its tokens: fewer than its least, enough, or as many as there may be."""


class Part(ABC):
    """One piece of a grammar. `least` and `most` bound its tokens where it counts them."""

    counted: ClassVar[bool] = False
    least: int = 0
    most: int = 0

    @abstractmethod
    def start(self) -> Any: ...

    @abstractmethod
    def after(self, place: Any, symbol: Symbol, stage: Stage) -> Any:
        """The place after a symbol; None where it cannot come."""

    @abstractmethod
    def may_end(self, place: Any, stage: Stage) -> bool: ...


@dataclass(frozen=True)
class Text(Part):
    """These very words."""

    text: str

    def start(self) -> int:
        return 0

    def after(self, place: int, symbol: Symbol, stage: Stage) -> int | None:
        spelt = self.text.encode()
        return place + 1 if place < len(spelt) and symbol == spelt[place] else None

    def may_end(self, place: int, stage: Stage) -> bool:
        return place == len(self.text.encode())


@dataclass(frozen=True)
class OneOf(Part):
    """One of some texts; `surest`: the likeliest, never a drawn one."""

    choices: tuple[str, ...]
    surest: bool = False

    def start(self) -> bytes:
        return b""

    def after(self, place: bytes, symbol: Symbol, stage: Stage) -> bytes | None:
        if not isinstance(symbol, int):
            return None
        longer = place + bytes([symbol])
        return longer if longer in self._begun else None

    def may_end(self, place: bytes, stage: Stage) -> bool:
        return place in self._whole

    @cached_property
    def _whole(self) -> frozenset[bytes]:
        return frozenset(c.encode() for c in self.choices)

    @cached_property
    def _begun(self) -> frozenset[bytes]:
        return frozenset(w[:n] for w in self._whole for n in range(1, len(w) + 1))


@dataclass(frozen=True)
class Free(Part):
    """Text of at most `most` tokens, valid UTF-8 without control characters or `forbidden` ones, not empty.

    `lines`: 'one' line, 'many', or as YAML folds a long value ('folded': further lines begin with two spaces).
    """

    most: int
    lines: Literal["one", "folded", "many"] = "one"
    forbidden: str = "`"
    empty: bool = False
    counted: ClassVar[bool] = True

    def start(self) -> tuple[str, int]:
        return "start", _WHOLE

    def after(self, place: tuple[str, int], symbol: Symbol, stage: Stage) -> tuple[str, int] | None:
        line, tail = place
        if not isinstance(symbol, int):
            return None
        if tail:
            low, high, rest = _TAILS[tail]
            return ("text", rest) if low <= symbol <= high else None
        if stage == 2 and not line.startswith("indent"):
            return None  # a line that is begun gets its first character
        if symbol == 0x0A:
            return self._after_line_end(line)
        if symbol == 0x20:
            return self._after_space(line)
        if line in ("end", "indent") and self.lines == "folded":
            return None  # two spaces come first
        return self._inside(symbol)

    def _after_line_end(self, line: str) -> tuple[str, int] | None:
        if self.lines == "many":
            return "break", _WHOLE
        return ("end", _WHOLE) if self.lines == "folded" and line == "text" else None

    def _after_space(self, line: str) -> tuple[str, int] | None:
        nexts = {"text": "space", "space": "space", "end": "indent", "indent": "indented"}
        if self.lines == "many":
            nexts = {"text": "space", "space": "space", "break": "space", "start": "space"}
        return (nexts[line], _WHOLE) if line in nexts else None

    def _inside(self, symbol: int) -> tuple[str, int] | None:
        if symbol < 0x80:
            printed = symbol >= 0x20 and symbol != 0x7F or (symbol == 0x09 and self.lines == "many")
            return ("text", _WHOLE) if printed and chr(symbol) not in self.forbidden else None
        return next((("text", tail) for low, high, tail in _HEADS if low <= symbol <= high), None)

    def may_end(self, place: tuple[str, int], stage: Stage) -> bool:
        line, tail = place
        return tail == _WHOLE and (line in ("text", "space", "break") or (line == "start" and self.empty))


@dataclass(frozen=True)
class Mark(Part):
    """A token that is no text, such as <think>."""

    name: str

    def start(self) -> bool:
        return False

    def after(self, place: bool, symbol: Symbol, stage: Stage) -> bool | None:
        return True if not place and symbol == (MARK, self.name) else None

    def may_end(self, place: bool, stage: Stage) -> bool:
        return place


@dataclass(frozen=True)
class Codes(Part):
    """From `least` to `most` audio codes."""

    least: int
    most: int
    counted: ClassVar[bool] = True

    def start(self) -> int:
        return 0

    def after(self, place: int, symbol: Symbol, stage: Stage) -> int | None:
        return 0 if symbol == (CODE, "") and stage < 2 else None

    def may_end(self, place: int, stage: Stage) -> bool:
        return stage > 0


Position = tuple[int, Any]
Positions = frozenset[Position]


@dataclass(frozen=True)
class Grammar:
    """Parts one after another. Two that count their tokens never stand side by side."""

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if any(a.counted and b.counted for a, b in zip(self.parts, self.parts[1:], strict=False)):
            raise ValueError("two parts that count their tokens stand side by side")

    def start(self) -> Positions:
        return frozenset([(0, self.parts[0].start())] if self.parts else [(0, None)])

    def counting(self, positions: Positions) -> int | None:
        """The part that counts its tokens, if one goes on here or may begin."""
        reached = {i for i, _ in self.closed(positions, None, 0) if i < len(self.parts)}
        return min((i for i in reached if self.parts[i].counted), default=None)

    def stage(self, part: int | None, count: int) -> Stage:
        if part is None:
            return 0
        p = self.parts[part]
        return 2 if count >= p.most else 1 if count >= p.least else 0

    def after(self, positions: Positions, symbol: Symbol, part: int | None, stage: Stage) -> Positions:
        """Where one may be after a symbol; empty where it cannot come. `stage` is that of the counting `part`."""
        return frozenset(self._nexts(self.closed(positions, part, stage), symbol, part, stage))

    def closed(self, positions: Iterable[Position], part: int | None, stage: Stage) -> Positions:
        """These positions, and the starts of parts that may begin since those before may end."""
        found, waiting = set(), list(positions)
        while waiting:
            i, place = waiting.pop()
            if (i, place) in found:
                continue
            found.add((i, place))
            if i < len(self.parts) and self.parts[i].may_end(place, stage if i == part else self.stage(i, 0)):
                waiting.append((i + 1, self.parts[i + 1].start() if i + 1 < len(self.parts) else None))
        return frozenset(found)

    def done(self, positions: Positions, part: int | None, stage: Stage) -> bool:
        """Whether the whole may end here."""
        return (len(self.parts), None) in self.closed(positions, part, stage)

    def _nexts(self, positions: Positions, symbol: Symbol, part: int | None, stage: Stage) -> Iterator[Position]:
        for i, place in positions:
            if i < len(self.parts):
                inside = self.parts[i].after(place, symbol, stage if i == part else self.stage(i, 0))
                if inside is not None:
                    yield i, inside
