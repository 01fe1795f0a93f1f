"""Works on songs on a Ray cluster that is there already: models are held by actors, one on each GPU."""

from collections.abc import Iterator, Sequence
from threading import Event
from typing import Any

from acestep_core import Executor, hookimpl, option
from acestep_core.bench import Bench


class Ray(Executor):
    """Sends songs to the workers of a Ray cluster and takes what they made; this process alone writes files.

    Every machine needs the same packages, and the songs, the model and the folder the command runs in under the same
    paths. Keys of services are read from the environment that Ray was started in there.
    """

    name = "ray"
    address: str = option("", "of the cluster, host:port; unless given, RAY_ADDRESS, else the one of this machine")
    workers: int | None = option(None, "on each machine; unless given, one for each of its GPUs, else one", ge=1)
    tries: int = option(3, "how often a song is begun, should its worker die each time", ge=2)
    wait_s: float = option(300.0, "seconds in which the first worker has to be ready", gt=0)

    def __post_init__(self) -> None:
        self._notes: list[str] = []

    def run(self, bench: Bench, units: Sequence[Any], stop: Event) -> Iterator[tuple[int, Any]]:
        from acestep_plugins.executors.ray import cluster
        from acestep_plugins.executors.ray.crew import Crew
        from acestep_plugins.executors.ray.handing_out import HandingOut

        self._notes = []
        recipe = bench.recipe()
        with cluster.connected(self.address) as address:
            nodes = cluster.usable_nodes(address)
            cluster.check(nodes)
            crew = Crew(nodes, recipe, units[0], self.workers, bench.at_once)
            try:
                yield from HandingOut(crew, units, bench, self.tries, self.wait_s, stop).results()
            finally:
                self._notes = crew.disband()

    def notes(self) -> list[str]:
        return list(self._notes)


@hookimpl
def acestep_executors():
    return [Ray]
