"""A finished clip, and the record beside it that says all of what made it."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core.adapters import UsedAdapter
from acestep_core.audio import RATE_HZ
from acestep_core.audio_format import AudioSettings
from acestep_core.files import content_id, text_id
from acestep_core.model import Model
from acestep_core.provenance import used_plugins, versions
from acestep_core.registry import Registry
from acestep_core.request import GenerateRequest
from acestep_core.saving import save

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Clip:
    """A generated wave float32 [2, S] at 48 kHz, and the record that makes it again."""

    wave: "np.ndarray"
    record: Mapping[str, Any]

    def save(self, path: str | Path, settings: AudioSettings | None = None) -> Path:
        """Write the audio in the format of the extension, and the record beside it as `<file>.json`."""
        return save(self, Path(path), settings or AudioSettings())


def record_of(
    model: Model,
    requests: Sequence[GenerateRequest],
    options: Mapping[str, Any],
    adapters: Sequence[UsedAdapter],
    plugins: Registry,
) -> dict[str, Any]:
    """What the records of requests that share their passes have in common."""
    return {
        "options": {k: dict(v) for k, v in options.items() if v},
        "adapters": [{"path": str(a.path), "scale": a.scale, "hash": adapter_hash(a.path)} for a in adapters],
        "sources": {str(p): content_id(p) for p in sounds_of(requests)},
        "model": {"folder": model.info.folder.name, "variant": model.info.variant, "hashes": model.hashes},
        "plugins": used_plugins(requests, plugins),
        "versions": versions(),
    }


def sounds_of(requests: Sequence[GenerateRequest]) -> Iterator[Path]:
    """The files that clips are made of."""
    for request in requests:
        yield from (p for p in (request.timbre, getattr(request.task, "source", None)) if p)


def request_record(request: GenerateRequest) -> dict[str, Any]:
    return {**asdict(request), "timbre": request.timbre and str(request.timbre), "task": request.task.record()}


def audio_record(wave: "np.ndarray") -> dict[str, Any]:
    return {"rate_hz": RATE_HZ, "samples": wave.shape[1], "sha256": hashlib.sha256(wave.tobytes()).hexdigest()}


def adapter_hash(path: Path) -> str:
    """Names the weights of an adapter, wherever it lies."""
    files = sorted(p for p in path.rglob("*") if p.suffix in (".safetensors", ".json")) if path.is_dir() else [path]
    return text_id(*(hashlib.sha256(f.read_bytes()).hexdigest() for f in files))
