"""A training before it begins: what is trained on, by what, how long, and with how much memory. No weights are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.api import Adapter, TimestepSampler
from acestep_core.encoded import EncodedSet
from acestep_core.model import Model
from acestep_core.registry import Registry, registry
from acestep_core.train_memory import Forecast, forecast, work_of
from acestep_core.train_settings import TrainSettings, resolved, steps_per_epoch
from acestep_core.training_songs import trained_on


@dataclass(frozen=True)
class TrainPlan:
    """`settings` are resolved; songs held out for validation are never trained on."""

    songs: EncodedSet
    held_out: EncodedSet
    adapter: Adapter
    sampler: TimestepSampler
    settings: TrainSettings
    processes: int = 1
    """How many train together."""

    def memory(self, model: Model, room: int | None) -> Forecast:
        """What the training will take of `room` bytes. Asked before the model is loaded, that is what is free."""
        work = work_of(self.songs, self.held_out, self.settings, self.adapter)
        return forecast(model.backend, model.info.folder, work, room)

    def describe(self) -> dict[str, Any]:
        """Plain facts."""
        each = steps_per_epoch(len(self.songs.order), self.settings, self.processes)
        return {
            "songs": len(self.songs), "shown_an_epoch": len(self.songs.order), "held_out": len(self.held_out),
            "steps": self.settings.steps, "steps_an_epoch": each, "epochs": round(self.settings.steps / each, 2),
            "learning_rate": self.settings.learning_rate,
            "adapter": {"name": self.adapter.name, **self.adapter.options()},
            "sampler": {"name": self.sampler.name, **self.sampler.options()},
        }  # fmt: skip


def plan_train(
    encoded: str | Path | EncodedSet,
    model: Model,
    *,
    adapter: str = "lokr",
    sampler: str = "logit_normal",
    settings: TrainSettings | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    plugins: Registry | None = None,
    processes: int = 1,
) -> TrainPlan:
    """What `train` would do with the same arguments. Raises `UserError` telling what is wrong with them."""
    plugins, options = plugins or registry(), options or {}
    encoded = encoded if isinstance(encoded, EncodedSet) else EncodedSet.open(encoded)
    songs, held_out = trained_on(encoded), encoded.part("validation")
    made = plugins.make("adapters", adapter, options.get("adapter"))
    drawn_by = plugins.make("samplers", sampler, options.get("sampler"))
    facts = {"turbo": model.info.turbo, "held_out": len(held_out) > 0, "processes": processes}
    shown = len(songs.order)
    told = resolved(settings or TrainSettings(), shown=shown, rate=made.learning_rate, **facts)
    return TrainPlan(songs, held_out, made, drawn_by, told, processes)
