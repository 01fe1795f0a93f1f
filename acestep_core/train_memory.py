"""What memory a training takes, said before anything loads, and what would make it fit where it does not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from acestep_core.api import Adapter, Backend
from acestep_core.encoded import EncodedSet
from acestep_core.errors import UserError
from acestep_core.jobs import SongSize, TrainDemand, TrainWork
from acestep_core.parts import FRAME_RATE_HZ
from acestep_core.planning import RESERVE
from acestep_core.train_settings import TrainSettings

_LEAST_TOLD = 5_000_000  # bytes
_CROPS_S = (60, 30)
_PARTS = ("weights", "activations", "optimizer", "gradients", "adapter", "average")


@dataclass(frozen=True)
class Forecast:
    """What a training is expected to take of `room` bytes. Without a `demand` it says in `unknown` why."""

    demand: TrainDemand | None
    room: int | None
    unknown: str = ""
    remedy: str = ""
    """Options that make it fit where it does not; empty where none does."""

    @property
    def needed(self) -> int | None:
        """What has to be free: the peak, and what the driver and gaps between blocks take."""
        return None if self.demand is None else self.demand.peak + RESERVE

    @property
    def fits(self) -> bool | None:
        """None where either is unknown."""
        return None if self.needed is None or self.room is None else self.needed <= self.room

    def sentences(self) -> Iterator[str]:
        """For people: what it takes, and what to do where that is too much."""
        if self.demand is None:
            yield f"memory: not known beforehand ({self.unknown})"
            return
        sizes = {name: getattr(self.demand, name) for name in _PARTS} | {"driver and gaps": RESERVE}
        told = [f"{n} {_gb(size)}" for n, size in sorted(sizes.items(), key=lambda s: -s[1]) if size >= _LEAST_TOLD]
        free = "" if self.room is None else f" of {_gb(self.room)} GB free"
        yield f"memory: about {_gb(self.needed)} GB{free}: {', '.join(told)}"
        if self.fits is False:
            yield f"This is likely not to fit. {self._remedy()}"

    def describe(self) -> dict[str, Any]:
        """Plain facts."""
        demand = None if self.demand is None else {**asdict(self.demand), "peak": self.demand.peak}
        return {"demand": demand, "needed": self.needed, "room": self.room, "fits": self.fits,
                "unknown": self.unknown, "remedy": self.remedy}  # fmt: skip

    def _remedy(self) -> str:
        if self.remedy:
            return f"What would fit: {self.remedy}."
        return "Neither --gradient-checkpointing 1 nor shorter parts would fit: use a smaller model or adapter."


def work_of(songs: EncodedSet, held_out: EncodedSet, settings: TrainSettings, adapter: Adapter) -> TrainWork:
    """Of encoded songs; the headers of their files are read."""
    sizes = [songs.largest(i) for i in range(len(songs))]
    measured = [held_out.largest(i) for i in range(len(held_out))] if settings.validate_every else []
    return TrainWork(settings, adapter, [sizes[i] for i in songs.order], measured)


def forecast(backend: Backend, folder: Path, work: TrainWork, room: int | None) -> Forecast:
    """For the DiT in `folder` on a device that has `room` bytes free. Reads no weights.

    Raises `UserError` for what training would refuse as well.
    """
    demand, unknown = _demand(backend, folder, work)
    found = Forecast(demand, room, unknown)
    return replace(found, remedy=_remedy(backend, folder, work, room)) if found.fits is False else found


def _remedy(backend: Backend, folder: Path, work: TrainWork, room: int) -> str:
    """The mildest change that fits."""
    for changed, words in _thriftier(work):
        demand, _ = _demand(backend, folder, changed)
        if demand is not None and demand.peak + RESERVE <= room:
            return words
    return ""


def _thriftier(work: TrainWork) -> Iterator[tuple[TrainWork, str]]:
    """With less memory, and the options that say so. All but the last ones learn the same; the quickest come first."""
    s = work.settings
    single = {"batch_size": 1, "accumulation": s.accumulation * s.batch_size} if s.batch_size > 1 else {}
    changes: dict[str, float] = {}
    for share in (s.gradient_checkpointing, 0.5, 1.0):
        if share < s.gradient_checkpointing:
            continue
        for batch in ({}, single) if single else ({},):
            changes = batch | ({"gradient_checkpointing": share} if share > s.gradient_checkpointing else {})
            if changes:
                yield replace(work, settings=replace(s, **changes)), _words(changes)
    for seconds in _CROPS_S:
        yield (
            _cropped(replace(work, settings=replace(s, **changes)), seconds),
            (f"encode --crop-seconds {seconds}, and then train {_words(changes)}".removesuffix(", and then train ")),
        )


def _words(changes: Mapping[str, float]) -> str:
    return " ".join(f"--{name.replace('_', '-')} {value:g}" for name, value in changes.items())


def _cropped(work: TrainWork, seconds: int) -> TrainWork:
    def shorter(songs: Sequence[SongSize]) -> list[SongSize]:
        return [replace(song, frames=min(song.frames, seconds * FRAME_RATE_HZ)) for song in songs]

    return replace(work, shown=shorter(work.shown), measured=shorter(work.measured))


def _demand(backend: Backend, folder: Path, work: TrainWork) -> tuple[TrainDemand | None, str]:
    """(what it takes, why that is not known). An adapter of a stranger may not bear tensors without values."""
    try:
        demand = backend.train_demand(folder, work)
    except UserError:
        raise
    except Exception as e:  # a plugin's, on its own: training itself may well work
        return None, f"{work.adapter.name} could not be rehearsed: {type(e).__name__}: {str(e).partition(chr(10))[0]}"
    return demand, "" if demand is not None else f"the backend '{backend.name}' does not say it"


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f}" if size >= 0.95e8 else f"{size / 1e9:.2f}"
