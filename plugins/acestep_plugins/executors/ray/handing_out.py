"""Hands units out to free workers and takes the results; what a dead worker had goes to another."""

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from threading import Event
from typing import Any

from acestep_core.bench import Bench
from acestep_core.data import Problem
from acestep_core.errors import UserError
from acestep_plugins.executors.ray.cluster import line
from acestep_plugins.executors.ray.crew import Crew, Member

_TOGETHER = 8  # units at most in one piece, since their results come back in one
_LOOK_S = 0.5  # how often to see whether somebody stopped the run


class HandingOut:
    """One run. A unit is waiting, with one worker, or done; so each is done once, whoever dies."""

    def __init__(self, crew: Crew, units: Sequence[Any], bench: Bench, tries: int, wait_s: float, stop: Event):
        import ray

        self._ray, self._crew, self._units, self._bench = ray, crew, units, bench
        self._most, self._stop = tries, stop
        self._latest = time.monotonic() + wait_s
        self._wait_s = wait_s
        self._waiting = deque(range(len(units)))
        self._begun: Counter[int] = Counter()
        self._pieces: dict[Any, tuple[Member, list[int]]] = {}

    def results(self) -> Iterator[tuple[int, Any]]:
        """(index, result) as they come."""
        try:
            yield from self._until_done()
        except KeyboardInterrupt:
            if not self._bench.patient:
                raise
            self._stop.set()
            yield from self._until_done()
            raise

    def _until_done(self) -> Iterator[tuple[int, Any]]:
        while self._goes_on():
            if not self._stop.is_set():
                self._hand_out()
            starting = {m.starting: m for m in self._crew.members if m.starting is not None}
            done, _ = self._ray.wait([*self._pieces, *starting], num_returns=1, timeout=_LOOK_S)
            for answer in done:
                if answer in starting:
                    self._ready(starting[answer])
                else:
                    yield from self._taken(answer)
            if not done and self._crew.none_was_ready and time.monotonic() > self._latest:
                raise UserError(f"No worker of the Ray cluster was ready within {self._wait_s:g} s",
                                "see 'ray status' for what else uses it, or give -o executor.wait_s=900")  # fmt: skip

    def _goes_on(self) -> bool:
        if self._stop.is_set():
            return bool(self._pieces) and self._bench.patient
        return bool(self._pieces or self._waiting)

    def _hand_out(self) -> None:
        for member in self._crew.members:
            while self._waiting and (piece := self._piece_for(member)):
                units = [self._units[n] for n in piece]
                self._begun.update(piece)
                member.units.update(piece)
                self._pieces[member.actor.work.remote(units)] = member, piece

    def _piece_for(self, member: Member) -> list[int]:
        """What it is given now. A unit whose worker died works alone, so that it can take no other with it again."""
        if member.group is None or any(self._begun[n] > 1 for n in member.units):
            return []
        if self._begun[self._waiting[0]]:
            return [] if member.units else [self._waiting.popleft()]
        if len(member.units) >= self._bench.at_once:
            return []
        piece: list[int] = []
        while self._waiting and not self._begun[self._waiting[0]] and len(piece) < min(member.group, _TOGETHER):
            piece.append(self._waiting.popleft())
        return piece

    def _ready(self, member: Member) -> None:
        from ray.exceptions import RayError

        try:
            self._crew.is_ready(member)
        except RayError as e:
            self._crew.lost(member, line(e))

    def _taken(self, answer: Any) -> Iterator[tuple[int, Any]]:
        from ray.exceptions import RayError, RayTaskError

        if answer not in self._pieces:  # of a worker that died meanwhile
            return
        member, piece = self._pieces.pop(answer)
        member.units.difference_update(piece)
        try:
            made = self._ray.get(answer)
        except RayTaskError as e:
            problem = Problem(f"{type(e.cause).__name__}: {e.cause}", "report it to the makers of the plugin")
            made = [problem] * len(piece)
        except RayError as e:
            yield from self._dead(member, piece, line(e))
            return
        yield from zip(piece, made, strict=True)

    def _dead(self, member: Member, piece: list[int], why: str) -> Iterator[tuple[int, Any]]:
        """All its units wait again, behind the others; those begun too often are given up."""
        lost = sorted({*piece, *member.units})
        self._pieces = {a: (m, p) for a, (m, p) in self._pieces.items() if m is not member}
        problem = Problem(f"{self._most} workers died over it, the last on {member.node.called} ({why})",
                          "see Ray's logs there; it may need more memory")  # fmt: skip
        given_up = [n for n in lost if self._begun[n] >= self._most]
        self._waiting.extend(n for n in lost if n not in given_up)
        yield from ((n, problem) for n in given_up)
        self._crew.lost(member, why)
