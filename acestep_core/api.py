"""The base classes a plugin author subclasses, one per kind.

A plugin object is frozen once made: its options are dataclass fields declared with `option()`; attributes whose
names start with an underscore are its own state.
"""

import sys
from abc import ABC, ABCMeta, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

from acestep_core.answers import Transcript, Value
from acestep_core.errors import FatalError, UserError, raise_all
from acestep_core.export_settings import Exported, ExportSettings
from acestep_core.options import as_dict, check_values, option

if TYPE_CHECKING:
    from threading import Event

    from acestep_core.bench import Bench
    from acestep_core.data import Song
    from acestep_core.parts import (
        Decoder,
        Demand,
        GradientJob,
        LayerGradients,
        Saving,
        TrainDemand,
        TrainJob,
        TrainWork,
    )


class _PluginMeta(ABCMeta):
    """Checks and freezes the options of an object right after it was made."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        made = super().__call__(*args, **kwargs)
        raise_all(check_values(made, cls.name or cls.__name__), f"'{cls.name or cls.__name__}'")
        object.__setattr__(made, "_frozen", frozenset(f.name for f in fields(made)))
        return made


@dataclass_transform(kw_only_default=True, field_specifiers=(option, field))
class Plugin(metaclass=_PluginMeta):
    """What every kind shares: a name, options, and `close()` to let go of what it holds."""

    name: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        about = cls.__doc__ or getattr(sys.modules.get(cls.__module__), "__doc__", None)
        dataclass(kw_only=True, eq=False, repr=False)(cls)
        cls.__doc__ = about  # where there was none, dataclass() has put a signature that says nothing

    def __setattr__(self, key: str, value: Any) -> None:
        if key in getattr(self, "_frozen", ()):
            raise AttributeError(f"option '{key}' of '{self.name}' is frozen; make a new object")
        object.__setattr__(self, key, value)

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v!r}" for k, v in self.options().items())
        return f"{type(self).__name__}({shown})"

    def options(self) -> dict[str, Any]:
        """Option values as plain JSON types, secrets masked."""
        return as_dict(self)

    def close(self) -> None:
        """Let go of files, processes and memory. Called at the end, may be called twice."""


class Transcriber(Plugin):
    """Turns a song into lyrics."""

    @abstractmethod
    def transcribe(self, audio: Path, *, language: str | None = None) -> Transcript:
        """The words of the audio file; `language` is a hint. Raises `UserError` if the file cannot be heard."""

    def add_tags(self, audio: Path, lyrics: str) -> str:
        """The lyrics with section tags such as [Verse] on lines of their own, and not a word changed.

        The core checks that, and takes the tags alone. Most transcribers cannot do it and leave this as it is.
        """
        raise UserError(f"The transcriber '{self.name}' cannot add section tags to lyrics", "use --transcriber gemini")


class Annotator(Plugin):
    """Finds metadata of a song: caption, bpm, keyscale, timesignature, language, genre."""

    @abstractmethod
    def annotate(self, song: "Song", wanted: Sequence[str]) -> Mapping[str, Value]:
        """Values for some of the `wanted` fields; a field it does not know is absent."""


class Attached(ABC):
    """An adapter sitting on a decoder. Tensor parameters are float32 whatever the base is."""

    notes: Sequence[str] = ()
    """What the user should know, such as an option that has no effect at this size."""

    @property
    @abstractmethod
    def parameters(self) -> Mapping[str, Any]:
        """Trainable tensors by stable name."""

    @property
    @abstractmethod
    def scale(self) -> float:
        """Strength: 0 = base model, 1 = as trained; negative and above 1 are allowed."""

    @abstractmethod
    def set_scale(self, scale: float) -> None:
        """Change the strength, at once and without reloading."""

    @abstractmethod
    def save(self, folder: Path, info: Mapping[str, str]) -> None:
        """Write files that load at this strength in every program; `info` goes into the file's header."""

    @abstractmethod
    def load(self, path: Path) -> None:
        """Read weights into this adapter. Raises `UserError` listing every key that does not match."""

    @abstractmethod
    def merge(self) -> None:
        """Add the change, at the present scale, to the base weights for good, and take the adapter off."""

    @abstractmethod
    def detach(self) -> None:
        """Take the adapter off; the base is bit for bit what it was."""


class Adapter(Plugin):
    """A way to change a decoder with few parameters."""

    learning_rate: ClassVar[float] = 1e-4
    """Peak rate used when the user gives none."""

    exports: ClassVar[tuple[str, ...]] = ()
    """Programs for which `export` can write a file, besides a merged model."""

    @abstractmethod
    def attach(self, decoder: "Decoder") -> Attached:
        """Put a fresh adapter on the decoder; right after this the decoder computes what it did before."""

    @classmethod
    @abstractmethod
    def recognises(cls, path: Path) -> bool:
        """Whether `path` (a file or folder) holds weights of this kind. Must not raise."""

    @classmethod
    @abstractmethod
    def from_files(cls, path: Path) -> "Adapter":
        """An adapter with the options that fit the weights in `path`; attached, it takes them from `load`."""

    @classmethod
    def describe(cls, path: Path) -> Mapping[str, Any]:
        """Facts about a file for `adapters show`, as plain JSON types."""
        return {"kind": cls.name}

    @classmethod
    def changes(cls, path: Path) -> Mapping[str, Callable[[Any], Any]]:
        """By original layer name, what makes of the layer's weight (a float32 tensor) the changed one at scale 1."""
        raise UserError(f"The adapter '{cls.name}' cannot be merged from its file", "use it with --adapter")

    @classmethod
    def export(
        cls,
        path: Path,
        to: str,
        out: Path,
        settings: ExportSettings,
        *,
        scale: float = 1.0,
        weights: Callable[[str], Any] | None = None,
        on_layer: Callable[[int, int], None] = lambda done, total: None,
    ) -> Exported:
        """Write the adapter at a strength for another program (one of `exports`) to the file or folder `out`.

        `weights` gives a layer's base weight, for kinds whose change depends on it. Raises `UserError` where that is
        missing, where the program knows no such adapter, and where what was written does not read back the same.
        """
        raise UserError(f"The adapter '{cls.name}' cannot be written for {to}", "use it with --adapter")


class TimestepSampler(Plugin):
    """A distribution of t on [0, 1] (1 = noise, 0 = data), given by its quantile function."""

    @abstractmethod
    def sample(self, u: Any) -> Any:
        """t [B] for uniform u [B] in (0, 1); monotone, so that stratified u give stratified t."""

    def schedule(self, steps: int) -> list[float]:
        """`steps` + 1 falling values from 1 to exactly 0 for generation: here, equal shares of the distribution."""
        import torch

        u = torch.arange(steps - 1, 0, -1, dtype=torch.float64) / steps
        return [1.0, *(float(t) for t in self.sample(u)), 0.0]

    def observe(self, t: Any, loss: Any) -> None:
        """Learn from the losses [B] seen at t [B]; most samplers do not."""


class Solver(Plugin):
    """Integrates dx/dt = velocity from noise to data. Arithmetic only, so torch, numpy and MLX arrays all work."""

    @abstractmethod
    def solve(
        self,
        velocity: Callable[..., Any],
        x: Any,
        t: Sequence[float],
        noise: Callable[[], Any],
        on_step: Callable[[int, Any], Any],
    ) -> Any:
        """x at t[-1], from x at t[0].

        `velocity(x, t)` estimates noise - data; pass `corrector=True` for a second look at the same step.
        `noise()` draws fresh standard normal noise shaped like x. After step i (from 0) go on from `on_step(i, x)`:
        what is to be kept of a song is put back there, and previews and progress are made.
        """


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


class Extension(Plugin):
    """Implements life-cycle hooks as methods marked with `hookimpl`; active only when the user names it."""


class Executor(Plugin):
    """Does work on songs, here or elsewhere."""

    @abstractmethod
    def run(self, bench: "Bench", units: Sequence[Any], stop: "Event") -> Iterator[tuple[int, Any]]:
        """(index of a unit, its result) as they get done, each once; a `Problem` for one whose workers died over it.

        Once `stop` is set no other unit is begun; those begun still come if the bench is patient. So it is at Ctrl-C,
        which is then raised. Only the caller writes files. Raises `UserError` where no unit can be done.
        """

    def notes(self) -> list[str]:
        """What the user should know of the last run."""
        return []


KINDS: dict[str, type | None] = {
    "transcribers": Transcriber,
    "annotators": Annotator,
    "adapters": Adapter,
    "samplers": TimestepSampler,
    "solvers": Solver,
    "backends": Backend,
    "executors": Executor,
    "extensions": Extension,
    "commands": None,
}
