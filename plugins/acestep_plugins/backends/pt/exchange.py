"""What processes that train together exchange of tensors: the weights they start with, and the gradients of a step.

No DDP wrapper: the loop itself adds up gradients over batches as parts of one exact mean, in an epoch's last step a
process may have no batch at all, and an adapter is so small that one sum after the last batch costs less than hooks
that overlap it with the backward pass. For the same reason the optimizer's state is not sharded.
"""

import os
import socket
from collections.abc import Mapping

import torch
import torch.distributed as dist

from acestep_core import UserError
from acestep_core.processes import Processes

_BACKENDS = {"cuda": "nccl", "xpu": "xccl"}  # without the one of its device, tensors go by way of the CPU


class Exchange:
    """The trained parameters of one process, in step with those of the others. Alone it does nothing."""

    def __init__(self, processes: Processes, parameters: Mapping[str, torch.Tensor]):
        self._processes, self._parameters = processes, list(parameters.values())
        if processes.count == 1:
            return
        device = self._parameters[0].device
        backend = _BACKENDS.get(device.type, "")
        own = bool(backend) and dist.is_backend_available(backend)
        check_places(processes.all(lambda: self._prepared(device, own)))
        with processes.listening():
            self._group = dist.new_group(backend=backend) if own else processes.group
            self._start_alike()

    def add_up(self) -> None:
        """Every parameter's gradient becomes the sum over all processes; one that none has stays without.

        To be called right after something was agreed upon, so that no process is missing.
        """
        if self._processes.count == 1:
            return
        with self._processes.listening():
            for place, parameter in zip(self._places, self._parameters, strict=True):
                place.zero_() if parameter.grad is None else place.copy_(parameter.grad)
            self._there.copy_(torch.tensor([float(p.grad is not None) for p in self._parameters]))
            dist.all_reduce(self._sent, group=self._group)
            for place, parameter, found in zip(self._places, self._parameters, self._there.tolist(), strict=True):
                if found:
                    parameter.grad = place.to(parameter.device)

    def _prepared(self, device: torch.device, own: bool) -> tuple[str, ...]:
        """Makes room for what is sent once and for all: no process alone can lack it while the others wait."""
        sizes = [p.numel() for p in self._parameters]
        self._sent = torch.zeros(sum(sizes) + len(sizes), device=device if own else "cpu")
        *pieces, self._there = self._sent.split([*sizes, len(sizes)])
        self._places = [piece.view_as(p) for piece, p in zip(pieces, self._parameters, strict=True)]
        return _place(device)

    @torch.no_grad()
    def _start_alike(self) -> None:
        for place, parameter in zip(self._places, self._parameters, strict=True):
            place.copy_(parameter)
        dist.broadcast(self._sent, group=self._group, group_src=0)
        for place, parameter in zip(self._places, self._parameters, strict=True):
            parameter.copy_(place)


def check_places(places: list[tuple[str, ...]]) -> None:
    """Raises `UserError` where two processes have one GPU: their exchange would fail in words of its own."""
    for rank, place in enumerate(places):
        if place and place in places[:rank]:
            device = place[-1]
            raise UserError(
                f"Processes {places.index(place)} and {rank} both train on {device} of {place[0]}",
                "say -o backend.device=cuda, and each takes one of its own",
            )


def _place(device: torch.device) -> tuple[str, ...]:
    """Names a GPU among those of all machines; empty for the CPU, which many share."""
    if device.type == "cpu":
        return ()
    return socket.gethostname(), os.environ.get("CUDA_VISIBLE_DEVICES", ""), str(device)
