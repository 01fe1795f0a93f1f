"""The workers of a run: as many on each machine as it has GPUs, replaced when they die while the machine lives."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from acestep_core.bench import Recipe
from acestep_core.errors import FatalError, UserError
from acestep_plugins.executors.ray.cluster import Node, alive, pinned
from acestep_plugins.executors.ray.worker import Refusal, Worker

_STARTS = 3  # of workers that die one after the other before they are ready
_CLOSING_S = 10


@dataclass(eq=False)
class Member:
    """One worker. `units` are the indices of those it works on; `group` is None until it is ready."""

    node: Node
    actor: Any
    starting: Any
    group: int | None = None
    units: set[int] = field(default_factory=set)


class Crew:
    """Starts workers, and says what became of them."""

    def __init__(self, nodes: Sequence[Node], recipe: Recipe, first: Any, workers: int | None, at_once: int):
        import ray

        self._ray, self._at_once, self._workers = ray, at_once, workers
        self._given = (ray.put(recipe), ray.put(first))
        self._failed_starts: Counter[Node] = Counter()
        self._lost: Counter[Node] = Counter()
        self._gone: set[Node] = set()
        self._ready = 0
        self.members = [self._started(node) for node in nodes for _ in range(_count(node, workers))]

    def is_ready(self, member: Member) -> None:
        """Its bench is made. Raises `UserError` if it cannot be, a `FatalError` once others have worked."""
        said = self._ray.get(member.starting)
        if isinstance(said, Refusal):
            name, kind = member.node.called, FatalError if self._ready else UserError
            raise kind(said.problem if name in said.problem else f"{name}: {said.problem}", said.hint)
        member.group, member.starting = said, None
        self._ready += 1
        self._failed_starts[member.node] = 0

    def lost(self, member: Member, why: str) -> None:
        """A worker has died: another takes its place if its machine lives. Raises `FatalError` if none is left."""
        self.members.remove(member)
        self._ray.kill(member.actor, no_restart=True)  # one that is only out of reach must not go on
        node = member.node
        self._lost[node] += 1
        self._failed_starts[node] += member.group is None
        if not alive(node):
            self._gone.add(node)
        elif self._failed_starts[node] < _STARTS:
            self.members.append(self._started(node))
        if not self.members:
            raise FatalError(f"No worker of the Ray cluster is left ({why})",
                             "see 'ray status' and Ray's logs; the same command goes on with the rest")  # fmt: skip

    @property
    def none_was_ready(self) -> bool:
        return self._ready == 0

    def disband(self) -> list[str]:
        """End every worker; what the user should know of them."""
        told = []
        closing = {m.actor.close.remote(): m for m in self.members if m.group is not None and not m.units}
        done, _ = self._ray.wait(list(closing), num_returns=len(closing), timeout=_CLOSING_S) if closing else ([], [])
        for answer in done:
            told += self._said(answer, closing[answer].node)
        for member in self.members:
            self._ray.kill(member.actor, no_restart=True)
        self.members = []
        return told + [f"{node.called}: {_deaths(count, node in self._gone)}" for node, count in self._lost.items()]

    def _said(self, answer: Any, node: Node) -> list[str]:
        from ray.exceptions import RayError

        try:
            return [f"{node.called}: {note}" for note in self._ray.get(answer)]
        except RayError as e:
            return [f"{node.called}: a worker failed while it was closed: {str(e).strip().splitlines()[-1]}"]

    def _started(self, node: Node) -> Member:
        options = pinned(node, **_share(node, self._workers), max_restarts=0, max_concurrency=self._at_once)
        actor = self._ray.remote(Worker).options(**options).remote()
        return Member(node, actor, actor.start.remote(*self._given))


def _count(node: Node, workers: int | None) -> int:
    return workers or max(1, int(node.gpus))


def _share(node: Node, workers: int | None) -> dict[str, float]:
    """What each worker of a machine takes of it: of its GPUs, whole ones where there are enough; else processors."""
    count = _count(node, workers)
    if node.gpus >= 1:
        return {"num_cpus": 0, "num_gpus": 1 / math.ceil(count / int(node.gpus))}
    return {"num_cpus": max(1, int(node.cpus) // count) if count <= node.cpus else node.cpus / count, "num_gpus": 0}


def _deaths(count: int, gone: bool) -> str:
    what = "the machine is gone" if gone else f"{count} workers died" if count > 1 else "a worker died"
    return f"{what}; songs that were under way there were begun again"
