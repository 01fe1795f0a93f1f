"""A learning rate that was searched for: the file that tells it, and for which trainings it holds."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acestep_core.config import dump_toml
from acestep_core.errors import UserError

FORMAT = "1"
RESULT, PICTURE = "lr_find.json", "lr_find.png"
SHAPING = ("batch_size", "accumulation", "clip_norm", "loss_weight", "snr_gamma", "null_condition")
"""Settings of training that a rate depends on."""


@dataclass(frozen=True)
class FoundRate:
    """What was found; without a `rate` where the search was stopped, and then the same call goes on."""

    folder: Path
    rate: float | None = None
    plateau: float | None = None
    step: int = 0
    stable: bool = True
    why: str = ""
    kept: bool = False
    """Whether it was there already."""
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stopped(self) -> bool:
        return self.rate is None

    def describe(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {"learning_rate": self.rate, "plateau": self.plateau, "step": self.step, "stable": self.stable,
                "why": self.why, "kept": self.kept, "result": str(self.folder / RESULT),
                "picture": str(self.folder / PICTURE)}  # fmt: skip


def made_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Of a run's record what a rate depends on, without open settings."""
    tables = {name: record[name] for name in ("adapter", "sampler", "model", "backend")}
    tables["data"] = {k: v for k, v in record["data"].items() if k != "held_out"}
    tables["train"] = {name: record["train"].get(name) for name in SHAPING}
    return tomllib.loads(dump_toml(tables))


def origin(found: FoundRate) -> dict[str, Any]:
    """What the run.toml of a training at this rate says of it."""
    plateau = {"plateau": found.plateau, "stable": found.stable}
    return {"learning_rate": found.rate, **plateau, "why": found.why, "file": str(found.folder / RESULT)}


def read_result(file: Path) -> dict[str, Any] | None:
    """What a result says; None for one that is not there, or was written by another version."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            return None
        content["made_of"], content["search"]["recipe"], content["rate"] + content["plateau"]
        return content
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise UserError(f"{file} is damaged ({e})", "delete it, and the rate is searched for again") from e


def result(out: Path, content: Mapping[str, Any]) -> FoundRate:
    """What the result in that folder says."""
    values = {name: content[name] for name in ("rate", "plateau", "step", "stable", "why")}
    return FoundRate(out, **values, record=content)
