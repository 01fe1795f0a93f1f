"""The base class of backends: libraries that run the model's parts and train on them."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from acestep_core.errors import FatalError, UserError
from acestep_core.plugin import Plugin

if TYPE_CHECKING:
    from acestep_core.jobs import GradientJob, LayerGradients, TrainDemand, TrainJob, TrainWork
    from acestep_core.parts import Demand, Saving


class Backend(Plugin):
    """A library that runs the model's parts."""

    parts: ClassVar[frozenset[str]] = frozenset()
    """Which of text, codec, dit, lm, train it can do."""

    several_processes: ClassVar[bool] = False
    """Whether `train` shares a step between the processes of its job."""

    def check(self) -> None:
        """Raise `UserError` saying what is missing on this machine and the command that mends it."""

    def settings(self) -> dict[str, Any]:
        """The options as they are used on this machine, 'auto' and the like resolved: they stand in every record."""
        return self.options()

    def fits(self, size: int) -> bool:
        """Whether parts of `size` bytes of weights and the work with them fit the device together."""
        return True

    def release(self) -> None:
        """Hand back cached device memory after parts were dropped."""

    def room(self) -> int | None:
        """Bytes of memory that are free on the device now; None where it cannot be asked."""
        return None

    def demand(self, part: str, folder: Path, seconds: float, batch: int) -> "Demand":
        """What a part needs to make that many clips of that length at once. Reads no weights, only what they are."""
        raise UserError(f"The backend '{self.name}' does not know what memory it needs", "use --backend pt")

    def savings(self, elsewhere: bool) -> "Iterable[Saving]":
        """Ways to run, the ones that cost least first and those that need least last, for `models plan`.

        Each holds all options that matter, those the user gave unchanged. `elsewhere`: the plan is for another GPU.
        """
        raise UserError(f"The backend '{self.name}' does not know how to save memory", "use --backend pt")

    @abstractmethod
    def load(self, part: str, folder: Path) -> Any:
        """The part (see `acestep_core.parts`) read from the checkpoint folder. Raises `UserError`."""

    def train(self, job: "TrainJob") -> Iterator[Any]:
        """Run a training job, yielding a `Step` per optimizer step, the `Path` of each checkpoint, and dicts to log."""
        raise UserError(f"The backend '{self.name}' cannot train", "use --backend pt")

    def train_demand(self, folder: Path, work: "TrainWork") -> "TrainDemand | None":
        """What a training of the DiT in `folder` takes at its peak; None where that is not known. Reads no weights."""
        return None

    def gradients(self, job: "GradientJob") -> "Mapping[str, LayerGradients]":
        """How large the gradients of the linear layers in the decoder's blocks are, by original name.

        No more than one layer's gradient need be held. Raises `UserError` where a gradient is not finite.
        """
        raise FatalError(f"The backend '{self.name}' cannot measure gradients", "use --backend pt")

    def write_tiny(self, folder: Path, variant: str) -> int:
        """Write a complete checkpoint with random weights ('turbo' or 'base'); its size in bytes."""
        raise UserError(f"The backend '{self.name}' cannot make checkpoints", "use --backend pt")
