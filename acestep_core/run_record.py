"""What a training says of itself: run.toml, and the header of the adapter file."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from acestep_core import provenance
from acestep_core.adapter_facts import trained_facts
from acestep_core.api import TimestepSampler
from acestep_core.encoded import EncodedSet
from acestep_core.model import Model
from acestep_core.registry import Registry
from acestep_core.train_plan import TrainPlan
from acestep_core.train_settings import TrainSettings


def run_record(
    plan: TrainPlan, model: Model, encoded: EncodedSet, names: Mapping[str, str], plugins: Registry
) -> dict[str, Any]:
    """What run.toml says: everything the result depends on, and who made it."""
    used = [plugins.find(kind, name) for kind, name in names.items()]
    backends = [k for k in plugins.known("backends") if k.name == model.backend.name]
    songs = plan.songs
    return {
        "train": asdict(plan.settings),
        "processes": {"count": plan.processes},
        "adapter": {"name": used[0].qualified, **plan.adapter.options()},
        "sampler": {"name": used[1].qualified, **plan.sampler.options()},
        "model": {"variant": model.info.variant, "hash": model.hashes["dit"]},
        "data": {
            "songs": songs.ids,
            "inputs": songs.inputs,
            "held_out": encoded.part("validation").ids,
            **_repeats(songs),
        },  # fmt: skip
        "paths": {"encoded": str(songs.folder.resolve()), "model": str(model.info.folder.resolve())},
        "backend": {"name": model.backend.name, **model.backend.options()},
        "plugins": provenance.origins([*used, *backends[:1]], plugins),
        "extensions": provenance.extensions(plugins),
        "versions": provenance.versions(),
    }


def _repeats(songs: EncodedSet) -> dict[str, Any]:
    """Per song how often an epoch shows it; nothing if all are shown once."""
    counts = Counter(songs.order)
    return {"repeats": [counts[i] for i in range(len(songs))]} if len(songs.order) > len(songs) else {}


def header_facts(model: Model, sampler: TimestepSampler, songs: EncodedSet, settings: TrainSettings) -> dict[str, str]:
    """For the header of the adapter file."""
    given = {"trigger": settings.trigger, "author": settings.author, "license": settings.license}
    return trained_facts(model.info, model.hashes["dit"], sampler, songs, given)
