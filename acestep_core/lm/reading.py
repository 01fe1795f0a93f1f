"""Reads a grammar along tokens: which may come next, and where one is after them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acestep_core.errors import UserError
from acestep_core.lm.grammar import CODE, MARK, Grammar, OneOf, Positions, Stage, Symbol
from acestep_core.lm.vocabulary import Vocabulary

if TYPE_CHECKING:
    import numpy as np

_DEAD, _UNKNOWN = -1, -2


@dataclass(frozen=True)
class State:
    """Where one is after some tokens; follows from them alone. `count` is the tokens of the part that counts them."""

    positions: Positions
    count: int = 0


@dataclass(frozen=True, eq=False)
class Allowed:
    """Tokens that may come next, sorted; `surest`: the likeliest is to be taken."""

    ids: "np.ndarray"
    surest: bool


class Reader:
    """A grammar over a vocabulary. Remembers what it has found, so that a step costs two lookups."""

    def __init__(self, grammar: Grammar, vocabulary: Vocabulary):
        self.grammar, self.vocabulary = grammar, vocabulary
        self._allowed: dict[tuple[Positions, Stage], Allowed] = {}
        self._after: dict[tuple[Positions, Stage, int], Positions] = {}
        self._tables: dict[tuple[int | None, Stage], _Table] = {}
        self._done: dict[tuple[Positions, Stage], bool] = {}
        self._counting: dict[Positions, int | None] = {}
        self._marks = {token: (MARK, name) for name, token in vocabulary.marks.items()}

    def start(self) -> State:
        return State(self.grammar.start())

    def walk(self, tokens: Iterable[int], state: State | None = None) -> State:
        """The state after tokens. Raises `ValueError` for one that cannot come there."""
        state = self.start() if state is None else state
        for token in tokens:
            state = self.after(state, token)
        return state

    def after(self, state: State, token: int) -> State:
        part, stage = self._place(state)
        key = (state.positions, stage, token)
        if key not in self._after:
            self._after[key] = self._read(state.positions, token, part, stage)
        positions = self._after[key]
        if not positions:
            raise ValueError(f"token {token} cannot come here")
        inside = any(i == part for i, _ in positions)
        return State(positions, state.count + 1 if inside else 0)

    def allowed(self, state: State) -> Allowed:
        """Raises `UserError` where no token of this vocabulary can go on."""
        part, stage = self._place(state)
        key = (state.positions, stage)
        if key not in self._allowed:
            self._allowed[key] = self._find(state.positions, part, stage)
        return self._allowed[key]

    def done(self, state: State) -> bool:
        """Whether all that the grammar asks for is said, and nothing more can be."""
        part, stage = self._place(state)
        key = (state.positions, stage)
        if key not in self._done:
            self._done[key] = self.grammar.done(state.positions, part, stage)
        return self._done[key]

    def _place(self, state: State) -> tuple[int | None, Stage]:
        """The part that counts its tokens here, and how far it is."""
        if state.positions not in self._counting:
            self._counting[state.positions] = self.grammar.counting(state.positions)
        part = self._counting[state.positions]
        return part, self.grammar.stage(part, state.count)

    def _read(self, positions: Positions, token: int, part: int | None, stage: Stage) -> Positions:
        text = self.vocabulary.texts[token]
        if text and token not in self._marks and token not in self.vocabulary.code_of:
            return self._table(part, stage).read(positions, text)
        symbol: Symbol = (CODE, "") if token in self.vocabulary.code_of else self._marks.get(token, (MARK, ""))
        return self.grammar.after(positions, symbol, part, stage)

    def _table(self, part: int | None, stage: Stage) -> "_Table":
        if (part, stage) not in self._tables:
            self._tables[part, stage] = _Table(self.grammar, part, stage)
        return self._tables[part, stage]

    def _find(self, positions: Positions, part: int | None, stage: Stage) -> Allowed:
        import numpy as np

        ids = [self._texts(positions, part, stage)]
        for token, mark in self._marks.items():
            if self.grammar.after(positions, mark, part, stage):
                ids.append(np.array([token]))
        if self.grammar.after(positions, (CODE, ""), part, stage):
            ids.append(self.vocabulary.codes)
        found = np.sort(np.concatenate(ids)).astype(np.int64)
        if not len(found) and not self.grammar.done(positions, part, stage):
            raise UserError("The tokenizer cannot spell what the grammar asks for", "give the folder of a 5Hz LM")
        closed = self.grammar.closed(positions, part, stage)
        inside = [self.grammar.parts[i] for i, _ in closed if i < len(self.grammar.parts)]
        return Allowed(found, any(isinstance(p, OneOf) and p.surest for p in inside))

    def _texts(self, positions: Positions, part: int | None, stage: Stage) -> "np.ndarray":
        """Ids of the tokens of text whose every byte can come: all of them are led through the automaton at once."""
        import numpy as np

        table = self._table(part, stage)
        start = table.index(positions)
        firsts = [ids for byte, ids in enumerate(self.vocabulary.by_first_byte) if len(ids) and table.to(start, byte)]
        ids = np.concatenate(firsts) if firsts else np.zeros(0, dtype=np.int64)
        matrix, lengths = self.vocabulary.table
        states, passed, place = np.full(len(ids), start), [], 0
        while len(ids):
            passed.append(ids[lengths[ids] == place])
            going = lengths[ids] > place
            ids, states = ids[going], states[going]
            states = table.lead(states, matrix[ids, place]) if len(ids) else states
            ids, states = ids[states != _DEAD], states[states != _DEAD]
            place += 1
        return np.concatenate(passed) if passed else ids


class _Table:
    """Transitions by byte between numbered positions, filled in as they are needed."""

    def __init__(self, grammar: Grammar, part: int | None, stage: Stage):
        import numpy as np

        self._grammar, self._part, self._stage = grammar, part, stage
        self._numbers: dict[Positions, int] = {}
        self._positions: list[Positions] = []
        self._next = np.full((64, 256), _UNKNOWN, dtype=np.int32)

    def index(self, positions: Positions) -> int:
        import numpy as np

        if positions not in self._numbers:
            self._numbers[positions] = len(self._positions)
            self._positions.append(positions)
            if len(self._positions) > len(self._next):
                self._next = np.concatenate([self._next, np.full_like(self._next, _UNKNOWN)])
        return self._numbers[positions]

    def read(self, positions: Positions, text: bytes) -> Positions:
        """Where one is after all bytes of a text; empty where one of them cannot come."""
        state = self.index(positions)
        for byte in text:
            state = self._step(state, byte)
            if state == _DEAD:
                return frozenset()
        return self._positions[state]

    def to(self, state: int, byte: int) -> bool:
        return self._step(state, byte) != _DEAD

    def lead(self, states: "np.ndarray", given: "np.ndarray") -> "np.ndarray":
        import numpy as np

        nexts = self._next[states, given]
        missing = nexts == _UNKNOWN
        if missing.any():
            for key in np.unique(states[missing] * 256 + given[missing]).tolist():
                self._step(*divmod(key, 256))
            nexts = self._next[states, given]
        return nexts

    def _step(self, state: int, byte: int) -> int:
        if self._next[state, byte] == _UNKNOWN:
            after = self._grammar.after(self._positions[state], byte, self._part, self._stage)
            number = self.index(after) if after else _DEAD
            self._next[state, byte] = number
        return int(self._next[state, byte])
