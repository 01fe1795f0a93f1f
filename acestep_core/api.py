"""The base classes a plugin author subclasses, one per kind.

A plugin object is frozen once made: its options are dataclass fields declared with `option()`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from acestep_core.answers import Transcript, Value
from acestep_core.backend import Backend
from acestep_core.errors import UserError
from acestep_core.export_settings import Exported, ExportSettings
from acestep_core.plugin import Plugin

if TYPE_CHECKING:
    from threading import Event

    from acestep_core.bench import Bench
    from acestep_core.data import Song
    from acestep_core.parts import Decoder


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

    eight_bits: ClassVar[bool] = True
    """Whether it goes beside weights of 8 bits."""

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
        """By original layer name, what makes of the layer's weight (a float32 tensor) the changed one at scale 1.

        Tensors that are no layer's weight have their own names, such as proj_in.1.bias.
        """
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
