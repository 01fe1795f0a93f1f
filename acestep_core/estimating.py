"""Estimates which layers matter for encoded songs, from the gradients of the base model's own weights.

Every song is one measurement, kept in a file of its own, so that a stopped estimate is gone on with. A gradient g of a
layer with n weights gives two scores: its sensitivity is the mean of |g| / √n over songs, noise and t; its Fisher the
mean of |g|² / n, which is the trace of the empirical Fisher information's diagonal for each parameter.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from acestep_core import provenance
from acestep_core.api import TimestepSampler
from acestep_core.encoded import EncodedSet
from acestep_core.errors import FatalError, OutOfMemory, UserError, raise_all
from acestep_core.files import text_id, write_json
from acestep_core.jobs import GradientJob, LayerGradients
from acestep_core.model import Model
from acestep_core.options import check_values, option
from acestep_core.registry import Registry, registry
from acestep_core.scores import LayerScore, Table, agreement, scores
from acestep_core.seeds import derived_seed
from acestep_core.training import stop_on_signals
from acestep_core.training_songs import check_model

FORMAT = "1"
RESULT, SONGS = "estimate.json", "songs"
# Where t lies for the song's outline and for its detail, after Side-Step (analysis/fisher/engine.py).
RANGES = {"structure": (0.6, 1.0), "texture": (0.0, 0.4)}


@dataclass(frozen=True, kw_only=True)
class EstimateSettings:
    """How to estimate."""

    focus: Literal["balanced", "structure", "texture"] = option(
        "balanced", "which t: structure 0.6 to 1, texture 0 to 0.4, evenly; balanced as the training sampler draws"
    )
    repeats: int = option(3, "how often all is measured anew, for the spread", ge=1, le=999)
    songs: int = option(50, "songs of a repeat, drawn for each; 0 = all", ge=0)
    draws: int = option(1, "noises and t for each song of a repeat", ge=1)
    gradient_checkpointing: float = option(
        1.0, "share of the layers computed twice to save memory; 0 is faster", ge=0, le=1
    )
    seed: int = option(42, "drives songs, noise and timesteps", ge=0)


@dataclass(frozen=True)
class Measurement:
    """One song of one repeat, and the (t, seed of the noise) at which it is looked at."""

    repeat: int
    index: int
    looks: tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class Estimate:
    """What was found; without `layers` where it was stopped, and then the same call goes on."""

    folder: Path
    layers: Sequence[LayerScore] = ()
    """The largest Fisher first."""
    agreement: float | None = None
    """How alike the repeats rank the layers: 1 = the same, 0 = by chance; None for one repeat."""
    measured: int = 0
    kept: int = 0
    total: int = 0
    problems: Mapping[str, str] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stopped(self) -> bool:
        return not self.layers


def estimate(
    encoded: str | Path | EncodedSet,
    model: Model,
    out: str | Path = "estimate",
    settings: EstimateSettings | None = None,
    *,
    sampler: str = "logit_normal",
    options: Mapping[str, Any] | None = None,
    plugins: Registry | None = None,
    on_song: Callable[[int, int, str], None] = lambda done, total, name: None,
    stop: Callable[[], bool] = lambda: False,
) -> Estimate:
    """Measure the songs into the folder `out`; what is there of the same model, songs and settings is kept.

    `sampler` and its `options` say which t `balanced` takes. `on_song` hears how many are done of how many, at the
    start and after each. Songs held out for validation are not looked at.
    A song that cannot be read is told in `problems`. Raises `UserError` where none can.
    """
    settings, plugins = settings or EstimateSettings(), plugins or registry()
    raise_all(check_values(settings, "estimate"), "The settings")
    songs = (encoded if isinstance(encoded, EncodedSet) else EncodedSet.open(encoded)).part("train")
    if not len(songs):
        raise UserError(f"All songs of {songs.folder} are held out", "save the dataset with a smaller --validation")
    check_model(songs, model)
    drawn = plugins.make("samplers", sampler, options) if settings.focus == "balanced" else None
    work = _Work(songs, model, Path(out), settings, measurements(len(songs), settings, drawn))
    with stop_on_signals() as asked:
        found = work.done(on_song, lambda: asked() or stop())
    counts = {"measured": work.measured, "kept": work.kept, "total": len(work.todo), "problems": work.problems}
    if found is None:
        return Estimate(Path(out), **counts)
    tables = [t for t in found if t]
    if not tables:
        raise UserError(f"No song of {songs.folder} could be measured: {next(iter(work.problems.values()))}",
                        "encode the songs again")  # fmt: skip
    layers = scores(tables)
    agreed = agreement(tables)
    record = _record(work, drawn, layers, agreed, plugins)
    write_json(Path(out) / RESULT, record)
    return Estimate(Path(out), layers, agreed, **counts, record=record)


def measurements(count: int, settings: EstimateSettings, sampler: TimestepSampler | None) -> list[Measurement]:
    """What is looked at, in order: in each repeat some of `count` songs, at t in equal strata of the distribution."""
    found = []
    for repeat in range(settings.repeats):
        chance = random.Random(derived_seed(settings.seed, f"estimate {repeat}"))
        chosen = sorted(chance.sample(range(count), min(settings.songs or count, count)))
        times = iter(_times(len(chosen) * settings.draws, settings.focus, sampler, chance))
        for index in chosen:
            looks = tuple((next(times), chance.getrandbits(48)) for _ in range(settings.draws))
            found.append(Measurement(repeat, index, looks))
    return found


def _times(count: int, focus: str, sampler: TimestepSampler | None, chance: random.Random) -> list[float]:
    places = list(range(count))
    chance.shuffle(places)
    u = [min(max((place + chance.random()) / count, 1e-7), 1 - 1e-7) for place in places]
    if sampler is None:
        low, high = RANGES[focus]
        return [low + (high - low) * v for v in u]
    import torch

    return sampler.sample(torch.tensor(u, dtype=torch.float64)).tolist()


class _Work:
    """Goes through the measurements, each kept in a file as soon as it is done."""

    def __init__(
        self, songs: EncodedSet, model: Model, out: Path, settings: EstimateSettings, todo: Sequence[Measurement]
    ):
        self.songs, self.model, self.out, self.settings, self.todo = songs, model, out, settings, todo
        self.measured = self.kept = 0
        self.problems: dict[str, str] = {}

    def done(self, on_song: Callable[[int, int, str], None], stop: Callable[[], bool]) -> list[list[Table]] | None:
        """Per repeat the tables of its songs; None where it was stopped. What is there already is looked for first."""
        found = [self._kept(m) for m in self.todo]
        self.kept = sum(table is not None for table in found)
        on_song(self.kept, len(self.todo), "")
        for place, m in enumerate(self.todo):
            if found[place] is not None or self.songs.names[m.index] in self.problems:
                continue
            if stop():
                return None
            found[place] = self._measured(m)
            if found[place] is not None:
                on_song(self.kept + self.measured, len(self.todo), self.songs.names[m.index])
        repeats: list[list[Table]] = [[] for _ in range(self.settings.repeats)]
        for m, table in zip(self.todo, found, strict=True):
            if table is not None:
                repeats[m.repeat].append(table)
        return repeats

    def _measured(self, m: Measurement) -> Table | None:
        name = self.songs.names[m.index]
        try:
            song = self.songs.load(m.index)
            job = GradientJob(self.model.dit, song, m.looks, self.settings.gradient_checkpointing)
            table = self.model.backend.gradients(job)
        except (FatalError, OutOfMemory):
            raise
        except UserError as e:
            self.problems[name] = f"{e.problem}; {e.hint}"
            return None
        self.measured += 1
        content = {"made_of": self._key(m), "layers": {n: asdict(g) for n, g in table.items()}}
        write_json(self._file(m), content)
        return table

    def _kept(self, m: Measurement) -> Table | None:
        try:
            content = json.loads(self._file(m).read_text(encoding="utf-8"))
            if content["made_of"] == self._key(m):
                return {name: LayerGradients(**layer) for name, layer in content["layers"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # not there, or not whole: it is measured
        return None

    def _file(self, m: Measurement) -> Path:
        return self.out / SONGS / f"{m.repeat:03}-{self.songs.ids[m.index]}.json"

    def _key(self, m: Measurement) -> str:
        """Names everything the numbers depend on."""
        entry = self.songs.manifest["songs"][m.index]
        backend = [self.model.backend.name, self.model.backend.options()]
        made_of = [FORMAT, self.model.hashes["dit"], entry["id"], entry.get("inputs"), m.looks, backend]
        return text_id(json.dumps(made_of, sort_keys=True))


def _record(
    work: _Work,
    sampler: TimestepSampler | None,
    layers: Sequence[LayerScore],
    agreed: float | None,
    plugins: Registry,
) -> dict[str, Any]:
    """What estimate.json says: the settings, what it was made of, and the layers by rank."""
    settings, backend = work.settings, work.model.backend
    drawn = {"name": sampler.name, **sampler.options()} if sampler else {"range": list(RANGES[settings.focus])}
    known = [k for k in plugins.known("backends") if k.name == backend.name][:1]
    known += [plugins.find("samplers", sampler.name)] if sampler else []
    looked_at = [{"repeat": m.repeat, "song": work.songs.ids[m.index], "looks": m.looks} for m in work.todo]
    return {
        "format": FORMAT,
        "model": {"variant": work.model.info.variant, "hash": work.model.hashes["dit"]},
        "settings": asdict(settings),
        "t": drawn,
        "data": {"songs": work.songs.ids, "inputs": work.songs.inputs, "left_out": dict(work.problems)},
        "measurements": looked_at,
        "backend": {"name": backend.name, **backend.options()},
        "plugins": provenance.origins(known, plugins),
        "versions": provenance.versions(),
        "agreement": agreed,
        "layers": [asdict(layer) for layer in layers],
    }
