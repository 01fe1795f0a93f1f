"""Everything that a run folder tells of a training, read once. No model is needed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from acestep_core.comparison import RunFacts, by_t, memory_of, read_run
from acestep_core.deltas import Deltas, read_deltas
from acestep_core.errors import UserError
from acestep_core.options import options_of
from acestep_core.registry import Registry
from acestep_core.run import Run
from acestep_core.run_file.places import PLUGINS, place_of
from acestep_core.samples.settings import SampleSettings
from acestep_core.samples.stored import Sample, stored_samples
from acestep_core.train_settings import TrainSettings, planned_steps, resolved

_COMPARED = 4  # the loss by t of the first share of the steps against that of the last


@dataclass(frozen=True)
class Setting:
    """A setting of a run under its name in run files, and what it is unless it is said."""

    name: str
    value: Any
    default: Any

    @property
    def changed(self) -> bool:
        return self.value != self.default


@dataclass(frozen=True)
class Facts:
    """A run, its records, and what was measured of its adapter and its samples."""

    run: RunFacts
    records: Sequence[Mapping[str, Any]]
    deltas: Deltas | None
    samples: Sequence[Sample]
    settings: Sequence[Setting]

    @cached_property
    def steps(self) -> list[Mapping[str, Any]]:
        return self.of("step")

    @property
    def train(self) -> Mapping[str, Any]:
        return self.run.settings["train"]

    @property
    def songs(self) -> int | None:
        """How many were trained on."""
        songs = self.run.settings.get("data", {}).get("songs")
        return None if songs is None else len(songs)

    @property
    def rates(self) -> list[tuple[int, float]]:
        """(step, lr), times d where the optimizer finds its rate."""
        return [(s["step"], s["lr"] * (1.0 if s.get("d") is None else s["d"])) for s in self.steps]

    @property
    def found_rates(self) -> list[float]:
        return [s["d"] for s in self.steps if s.get("d") is not None]

    @property
    def norms(self) -> list[tuple[int, float]]:
        return [(s["step"], s["grad_norm"]) for s in self.steps if "grad_norm" in s]

    @property
    def memory(self) -> Mapping[str, Any]:
        """What was forecast to be held at the peak, by kind, and what was taken."""
        demand = next((r["demand"] for r in reversed(self.of("forecast")) if r.get("demand")), {})
        told = {f"forecast: {k}": v for k, v in demand.items() if k not in ("moment", "trainable")}
        memory = memory_of(self.records)
        taken = {} if memory.measured is None else {f"taken, by the {memory.counted}": memory.measured}
        return told | taken

    @property
    def trainable(self) -> int | None:
        return next((r["trainable"] for r in reversed(self.of("start")) if "trainable" in r), None)

    @property
    def error(self) -> str | None:
        """What ended the run, if nothing came after."""
        last = self.records[-1] if self.records else {}
        return str(last.get("problem")) if last.get("event") == "error" else None

    @property
    def by_t_then(self) -> tuple[Sequence[float | None], Sequence[float | None]] | None:
        """Loss by t of the first and the last quarter of the steps; None of a run of less than eight."""
        share = len(self.steps) // _COMPARED
        if share < 2:
            return None
        first, last = self.steps[:share], self.steps[-share:]
        return tuple(
            by_t((t, loss) for s in part for t, loss in zip(s["t"], s["losses"], strict=True)) for part in (first, last)
        )  # type: ignore[return-value]

    def of(self, event: str) -> list[Mapping[str, Any]]:
        return [r for r in self.records if r.get("event") == event]

    @property
    def last_samples(self) -> list[Sample]:
        """Of each number the one with the adapter as it was last, or with the one that became the adapter."""
        return list({s.number: s for s in self.samples if s.step}.values())


def read_facts(folder: Path, plugins: Registry, name: str | None = None) -> Facts:
    """Raises `UserError` if the folder holds no run, or a damaged one."""
    found, run = read_run(folder, name), Run(folder)
    settings = list(_settings(found.settings, plugins))
    return Facts(found, list(run.metrics()), read_deltas(run), stored_samples(folder), settings)


def _settings(recorded: Mapping[str, Any], plugins: Registry) -> Iterator[Setting]:
    defaults = _train_defaults(recorded, plugins)
    for field, value in recorded.get("train", {}).items():
        yield Setting(".".join(place_of(field)), value, defaults.get(field))
    for section, (kind, name) in PLUGINS.items():
        table = dict(recorded.get(section, {}))
        chosen = str(table.pop("name", name))
        yield Setting(f"{section}.name", chosen.removesuffix("@acestep-core"), name)
        declared = _declared(kind, chosen, plugins)
        yield from (Setting(f"{section}.{k}", v, _as_recorded(declared.get(k))) for k, v in table.items())
    shown = {k: o.default for k, o in options_of(SampleSettings).items()}
    yield from (Setting(f"sample.{k}", v, shown.get(k)) for k, v in recorded.get("sample", {}).items())


def _train_defaults(recorded: Mapping[str, Any], plugins: Registry) -> dict[str, Any]:
    """What a run of this length with these songs, model and adapter has where nothing is said."""
    data, train = recorded.get("data", {}), recorded["train"]
    shown = sum(data.get("repeats", [])) or len(data.get("songs", [])) or 1
    facts = {"turbo": recorded.get("model", {}).get("variant") == "turbo", "held_out": bool(data.get("held_out"))}
    try:
        rate = plugins.load("adapters", recorded["adapter"]["name"]).learning_rate
        plain = resolved(TrainSettings(steps=train["steps"]), shown=shown, rate=rate, **facts)
    except (UserError, KeyError):
        return {k: o.default for k, o in options_of(TrainSettings).items()}
    said = {k: getattr(plain, k) for k in options_of(TrainSettings)}
    return said | {"steps": planned_steps(shown, TrainSettings())}


def _declared(kind: str, name: str, plugins: Registry) -> dict[str, Any]:
    try:
        return {k: None if o.required else o.default for k, o in options_of(plugins.load(kind, name)).items()}
    except UserError:
        return {}  # a plugin that is gone: what it was told is shown all the same


def _as_recorded(value: Any) -> Any:
    """As TOML gives it back."""
    return list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
