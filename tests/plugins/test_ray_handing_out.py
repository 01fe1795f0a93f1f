"""Units are handed out and taken back, whatever dies: with workers that are no processes."""

import random
from collections import Counter
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from acestep_core import UserError
from acestep_core.data import Problem

pytest.importorskip("ray", reason="the extra 'ray' is not installed")

from acestep_plugins.executors.ray.handing_out import HandingOut


class Deaths:
    """Stands in for the library: answers come in any order, and workers die as told."""

    def __init__(self, seed: int, share: float, deadly: set[int]):
        self.random, self.share, self.deadly = random.Random(seed), share, deadly
        self.done: Counter[int] = Counter()

    def wait(self, answers: list, num_returns: int, timeout: float) -> tuple[list, list]:
        return [self.random.choice(answers)] if answers else [], []

    def get(self, answer: "Answer") -> list[str]:
        from ray.exceptions import ActorDiedError

        if answer.member.dead or self.deadly & set(answer.units) or self.random.random() < self.share:
            answer.member.dead = True
            raise ActorDiedError()
        self.done.update(answer.units)
        return [f"made {n}" for n in answer.units]


class Answer:
    def __init__(self, member: Any, units: list[int]):
        self.member, self.units = member, units


class Workers:
    """A crew that has another worker as soon as one has died."""

    none_was_ready = False

    def __init__(self, count: int, group: int):
        self.group, self.lost_with = group, []
        self.members = [self.member() for _ in range(count)]

    def member(self) -> Any:
        made = SimpleNamespace(group=self.group, starting=None, units=set(), dead=False,
                               node=SimpleNamespace(called="there"))  # fmt: skip
        made.actor = SimpleNamespace(work=SimpleNamespace(remote=lambda units: Answer(made, units)))
        return made

    def lost(self, member: Any, why: str) -> None:
        self.members.remove(member)
        self.members.append(self.member())


def handing_out(count: int, library: Deaths, *, workers=3, group=1, at_once=1, tries=3, stop=None) -> HandingOut:
    bench = SimpleNamespace(at_once=at_once, patient=True)
    made = HandingOut(Workers(workers, group), range(count), bench, tries, 60.0, stop or Event())
    made._ray = library
    return made


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("group", "at_once"), [(1, 1), (1, 4), (6, 1)])
def test_every_unit_comes_once_whoever_dies(seed: int, group: int, at_once: int):
    library = Deaths(seed, 0.3, set())
    found = list(handing_out(40, library, group=group, at_once=at_once, tries=100).results())
    assert sorted(found) == [(n, f"made {n}") for n in range(40)]
    assert set(library.done.values()) == {1}


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("group", "at_once"), [(1, 1), (1, 4), (6, 1)])
def test_a_unit_that_kills_its_workers_takes_no_other_with_it(seed: int, group: int, at_once: int):
    found = dict(handing_out(40, Deaths(seed, 0.0, {7, 23}), group=group, at_once=at_once, tries=2).results())
    assert len(found) == 40 and {n for n, made in found.items() if isinstance(made, Problem)} == {7, 23}
    assert "2 workers died over it" in str(found[7])


def test_after_a_stop_those_begun_come_and_no_other():
    stop = Event()
    coming = handing_out(40, Deaths(0, 0.0, set()), workers=2, at_once=3, stop=stop).results()
    first = next(coming)
    stop.set()
    assert len({n for n, _ in [first, *coming]}) == 6


def test_workers_that_never_get_ready_are_not_waited_for_without_end():
    made = handing_out(1, SimpleNamespace(wait=lambda *a, **more: ([], [])), workers=1)
    made._crew.none_was_ready, made._latest = True, 0.0
    made._crew.members[0].group, made._crew.members[0].starting = None, object()
    with pytest.raises(UserError, match="No worker of the Ray cluster was ready within 60 s"):
        list(made.results())
