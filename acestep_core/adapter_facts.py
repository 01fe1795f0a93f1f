"""What the header of an adapter file says: what it was trained from and how to use it. All values are text.

The names under modelspec. are those that other programs' lists of adapters show.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import acestep_core

if TYPE_CHECKING:
    from acestep_core.api import TimestepSampler
    from acestep_core.checkpoint import ModelInfo
    from acestep_core.encoded import EncodedSet

MADE_WITH = "made_with"
_SPEC = {
    "trigger": "modelspec.trigger_phrase",
    "author": "modelspec.author",
    "license": "modelspec.license",
}
_ARCHITECTURE = {"modelspec.sai_model_spec": "1.0.0", "modelspec.architecture": "ace-step-1.5"}


def trained_facts(
    model: "ModelInfo",
    model_hash: str,
    sampler: "TimestepSampler",
    songs: "EncodedSet",
    given: Mapping[str, str | None],
) -> dict[str, str]:
    """For the header of what a run trains. `given` is what the user says: trigger, author, license."""
    options: Mapping[str, Any] = sampler.options()
    known = {"trigger": ", ".join(songs.triggers) or None}
    facts = {
        "base_variant": model.variant,
        "base_hash": model_hash,
        "base_hidden_size": str(model.hidden_size),
        "base_layers": str(model.layers),
        "timestep_sampler": sampler.name,
        "timestep_sampler_options": json.dumps(options, sort_keys=True),
        "shift": f"{options.get('shift', model.default_shift):g}",
        "dataset_hash": songs.hash,
        "dataset_songs": str(len(songs)),
    }
    return facts | said(known | {k: v for k, v in given.items() if v is not None})


def said(given: Mapping[str, str | None]) -> dict[str, str]:
    """What the user says of an adapter, under every name it is looked for; and what program wrote the file."""
    told = {k: v for k, v in given.items() if v is not None}
    both = told | {_SPEC[k]: v for k, v in told.items() if k in _SPEC}
    return {MADE_WITH: f"acestep-core {acestep_core.__version__}", **_ARCHITECTURE, **both}
