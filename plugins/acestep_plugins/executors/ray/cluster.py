"""A Ray cluster that is there already: connecting to it, its machines, and whether they have what is needed."""

import os
import platform
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import acestep_core
from acestep_core.errors import UserError, raise_all

_CONNECT_S = 10
_ANSWER_S = 120  # for a machine to start a process of Python
_START = "start it with 'ray start --head', or give -o executor.address=HOST:PORT"


@dataclass(frozen=True)
class Node:
    """A machine of the cluster; `called` tells it apart from the others."""

    id: str
    called: str
    cpus: float
    gpus: float


@contextmanager
def connected(given: str) -> Iterator[str]:
    """The cluster's address while there is a connection, which ends with the block unless it was there before.

    Raises `UserError` if there is no such cluster; none is ever started.
    """
    ray = _ray()
    address = given or os.environ.get("RAY_ADDRESS") or "auto"
    if ray.is_initialized():
        yield address
        return
    try:
        if address != "auto":
            _listens(address)  # Ray itself would try for minutes
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, ValueError, ray.exceptions.RayError) as e:
        where = "on this machine" if address == "auto" else f"at {address}"
        raise UserError(f"No Ray cluster is running {where} ({line(e)})", _START) from e
    except RuntimeError as e:  # versions of Ray or Python that differ, and whatever else it says
        raise UserError(f"The Ray cluster at {address} does not take this process ({line(e)})",
                        "use the same versions of Ray and Python everywhere") from e  # fmt: skip
    try:
        yield address
    finally:
        ray.shutdown()


def usable_nodes(address: str) -> list[Node]:
    """The machines that have processors or GPUs to give. Raises `UserError` if there is none."""
    alive = [n for n in _ray().nodes() if n["Alive"]]
    hosts = [n["NodeManagerHostname"] for n in alive]
    found = []
    for node, host in zip(alive, hosts, strict=True):
        called = host if hosts.count(host) == 1 else f"{host} ({node['NodeID'][:6]})"
        found.append(Node(node["NodeID"], called, *(node["Resources"].get(r, 0.0) for r in ("CPU", "GPU"))))
    found = [n for n in found if n.cpus or n.gpus]
    if not found:
        raise UserError(f"The Ray cluster at {address} has no machine with processors or GPUs to give",
                        "run 'ray start --address=HOST:PORT' on those that are to work")  # fmt: skip
    return found


def check(nodes: Sequence[Node]) -> None:
    """Raises `UserError` telling every machine that lacks this version of acestep-core."""
    import ray
    from ray.exceptions import RayError

    asked = {node: ray.remote(_version_function()).options(**pinned(node, num_cpus=0)).remote() for node in nodes}
    errors = []
    for node, answer in asked.items():
        try:
            version = ray.get(answer, timeout=_ANSWER_S)
        except (RayError, TimeoutError) as e:
            errors.append(UserError(f"{node.called} does not answer ({line(e)})", "see: ray status"))
            continue
        if version != acestep_core.__version__:
            has = f"has acestep-core {version}" if version else "lacks acestep-core"
            errors.append(UserError(f"{node.called} {has}, {platform.node()} has {acestep_core.__version__}",
                                    f"pip install acestep-core=={acestep_core.__version__} there"))  # fmt: skip
    raise_all(errors, "The cluster")


def pinned(node: Node, **resources: Any) -> dict[str, Any]:
    """Options of a task or actor that runs on this machine and nowhere else."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node.id, soft=False), **resources}


def alive(node: Node) -> bool:
    return any(n["NodeID"] == node.id and n["Alive"] for n in _ray().nodes())


def _listens(address: str) -> None:
    """Raises `OSError` if nobody does there."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit()) or "://" in address:
        raise UserError(f"The address '{address}' is not that of a running cluster", "give HOST:PORT, or auto")
    socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()


def _version_function() -> Any:
    """An inner function travels as code, so it runs where acestep-core is missing or another."""

    def version() -> str | None:
        from importlib import metadata

        try:
            return metadata.version("acestep-core")
        except metadata.PackageNotFoundError:
            return None

    return version


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError as e:
        if e.name != "ray":
            raise
        raise UserError("The executor 'ray' needs the package ray", 'pip install "acestep-core[ray]"') from None
    return ray


def line(e: Exception) -> str:
    """What an error says first."""
    return (str(e).strip().splitlines() or [type(e).__name__])[0].rstrip(".")
