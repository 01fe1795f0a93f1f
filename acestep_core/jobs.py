"""What a backend is given to train, to measure gradients or to say what memory that takes, and what it gives back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core.processes import ALONE, Processes

if TYPE_CHECKING:
    import numpy as np

    from acestep_core.api import Adapter, TimestepSampler
    from acestep_core.parts import DitPart
    from acestep_core.run import Run
    from acestep_core.train_settings import TrainSettings


@dataclass(frozen=True)
class SongSize:
    """What a song brings into a pass: frames of latents and tokens of its condition."""

    frames: int
    tokens: int


@dataclass(frozen=True)
class TrainWork:
    """All that decides how much memory a training takes, besides the model.

    `settings` are resolved. `shown` are the songs of one epoch in the order of the job, each as large as it can be
    shown; `measured` are those whose loss is taken and not learnt from.
    """

    settings: "TrainSettings"
    adapter: "Adapter"
    shown: Sequence[SongSize]
    measured: Sequence[SongSize] = ()


@dataclass(frozen=True)
class TrainDemand:
    """Bytes of device memory at the moment of a training that needs most, by what they hold.

    `moment` is what is done then; `trainable` are numbers that are learnt.
    """

    weights: int
    adapter: int
    average: int
    optimizer: int
    gradients: int
    activations: int
    moment: str
    trainable: int

    @property
    def peak(self) -> int:
        held = self.weights + self.adapter + self.average + self.optimizer
        return held + self.gradients + self.activations


@dataclass(frozen=True)
class EncodedSong:
    """A song, or the part of it that is shown, ready for training; arrays are float32 numpy or the backend's, unpadded.

    Its loss counts with `weight` in what is learnt. `context` [T, 128] is what the model is told of a source (see
    `DitPart.context`); unless given, there is none and all is to be made.
    """

    id: str
    name: str
    latents: "np.ndarray"
    condition: Any
    weight: float = 1.0
    context: Any = None


@dataclass(frozen=True)
class Showing:
    """One time that an epoch (from 1) shows a song: the one at `place` in the order of the job."""

    song: int
    epoch: int
    place: int


@dataclass(frozen=True)
class TrainJob:
    """Everything a backend needs to train.

    One epoch shows the songs whose indices are in `order`, shuffled; a song that repeats is there as often. `load`
    reads what a showing shows, and `frames` says how long that is; `load_fixed` reads a song, by index, as it is
    measured, and `load_held_out` one for validation. `notes` are for the user, `facts` for the header of the adapter.

    `processes` train together: a step takes the settings' `accumulation` batches for each of them, and what is written
    and yielded counts in the first alone.
    """

    run: "Run"
    settings: "TrainSettings"
    adapter: "Adapter"
    sampler: "TimestepSampler"
    dit: "DitPart"
    songs: Sequence[str]
    order: Sequence[int]
    frames: Callable[[Showing], int]
    load: Callable[[Showing], EncodedSong]
    load_fixed: Callable[[int], EncodedSong]
    held_out: Sequence[str]
    load_held_out: Callable[[int], EncodedSong]
    steps: int
    resume_from: Path | None
    stop: Callable[[], bool]
    loss: Callable[..., Any]
    optimizer: Callable[..., Any]
    notes: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    processes: Processes = ALONE
    audition: Callable[[int], bool] = lambda step: False
    """Whether the caller wants an `Audition` after that step."""
    completed: Callable[[Sequence[EncodedSong]], Sequence[EncodedSong]] = lambda songs: songs
    """The songs of a batch with what learns too and is made anew for every step, such as conditions of an encoder."""


@dataclass(frozen=True)
class GradientJob:
    """A song, and the (t, seed of the noise) at which the gradients of the training loss are wanted."""

    dit: "DitPart"
    song: EncodedSong
    looks: Sequence[tuple[float, int]]
    checkpointing: float
    """Share of the layers computed twice to save memory."""


@dataclass(frozen=True)
class LayerGradients:
    """Sum of the squared gradient of a layer's weight [outputs, inputs], for each look."""

    inputs: int
    outputs: int
    squares: Sequence[float]


@dataclass(frozen=True)
class Step:
    """One optimizer step done; losses are without the weight of `loss_weight`.

    `d` is what an optimizer that finds its rate multiplies `lr` with.
    """

    step: int
    loss: float
    lr: float
    grad_norm: float
    t: tuple[float, ...]
    losses: tuple[float, ...]
    epoch: int
    d: float | None = None


@dataclass(frozen=True)
class Audition:
    """Until the training goes on, the DiT computes what would be exported after `step`: the caller may run it."""

    step: int
