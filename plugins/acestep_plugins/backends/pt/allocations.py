"""Counts the memory that work takes by doing it with tensors that have no values: everything is allocated and let go of
as in earnest, and nothing is computed.
"""

import weakref
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_ITEM = torch.ops.aten._local_scalar_dense.default


class Allocations(TorchDispatchMode):
    """Within, every tensor on the meta device is counted from its making until it is let go of.

    What was there before is not. A number that is read out of such a tensor is 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self._serials: dict[int, int] = {}  # of the storages that live, by address
        self._changes: list[tuple[int, int, str]] = []  # serial, bytes more or less, moment
        self._kinds: dict[int, str] = {}
        self._moment = ""

    @contextmanager
    def during(self, moment: str) -> Iterator[None]:
        """What is counted meanwhile is said to happen then."""
        before, self._moment = self._moment, moment
        yield
        self._moment = before

    def call(self, tensors: Iterable[torch.Tensor], kind: str) -> None:
        """Say what tensors are, until they are gone."""
        for tensor in tensors:
            serial = self._serials.get(tensor.untyped_storage()._cdata)
            if serial is not None:
                self._kinds[serial] = kind

    def peak(self) -> tuple[str, Mapping[str, int]]:
        """(moment, bytes of each kind) when most was there; what was called nothing is of the kind ''."""
        most = total = place = 0
        for i, (_, change, _) in enumerate(self._changes):
            total += change
            if total > most:
                most, place = total, i
        kinds: dict[str, int] = defaultdict(int)
        for serial, change, _ in self._changes[: place + 1]:
            kinds[self._kinds.get(serial, "")] += change
        return (self._changes[place][2] if self._changes else ""), kinds

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is _ITEM and args[0].is_meta:
            return 1.0 if args[0].is_floating_point() else 1
        for tensor in _tensors(args):
            self._see(tensor, there=True)
        result = func(*args, **(kwargs or {}))
        for tensor in _tensors(result if isinstance(result, list | tuple) else (result,)):
            self._see(tensor, there=False)
        return result

    def _see(self, tensor: torch.Tensor, there: bool) -> None:
        storage = tensor.untyped_storage()
        address = storage._cdata
        if address in self._serials:
            return
        serial = self._serials[address] = len(self._changes)
        size = 0 if there or not tensor.is_meta else storage.nbytes()
        self._changes.append((serial, size, self._moment))
        weakref.finalize(storage, self._gone, address, serial, size).atexit = False

    def _gone(self, address: int, serial: int, size: int) -> None:
        del self._serials[address]
        self._changes.append((serial, -size, self._moment))


def _tensors(values: Iterable[Any]) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
