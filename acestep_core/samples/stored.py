"""The samples of a run on disk: samples/base/01.flac of the model alone, samples/step-000500/01.flac with the adapter.

The record beside each says what made it, and how far it is from the model alone.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core.audio import RATE_HZ, read_stereo
from acestep_core.saving import record_path
from acestep_core.spectrogram import spectrogram

if TYPE_CHECKING:
    import numpy as np

FOLDER, BASE = "samples", "base"
_STEP = re.compile(r"step-(\d+)")
_AUDIBLE_DB = -50.0  # against the loudest cell: what is below plays no part in the difference
_NUMBERED = re.compile(r"(\d+)\.(flac|wav|mp3|ogg|opus)")


@dataclass(frozen=True)
class Sample:
    """A clip of a run; `step` is 0 for the model alone, `difference_db` what `difference_db` gave against that."""

    path: Path
    number: int
    step: int
    record: Mapping[str, Any]

    @property
    def request(self) -> Mapping[str, Any]:
        return self.record["request"]

    @property
    def difference_db(self) -> float | None:
        about = self.record.get("sample")
        told = about.get("difference_db") if isinstance(about, dict) else None
        return float(told) if isinstance(told, int | float) else None


def folder_of(run: Path, step: int) -> Path:
    return run / FOLDER / (f"step-{step:06d}" if step else BASE)


def stored_samples(run: Path) -> list[Sample]:
    """Every whole sample, by number, then step. One with the adapter counts if it is of the base's request."""
    found = sorted(_found(run), key=lambda s: (s.number, s.step))
    bases = {s.number: s.request for s in found if not s.step}
    return [s for s in found if bases.get(s.number) == s.request]


def _found(run: Path) -> Iterator[Sample]:
    for path in sorted((run / FOLDER).glob("*/*")):
        named, numbered = _STEP.fullmatch(path.parent.name), _NUMBERED.fullmatch(path.name)
        if numbered is None or (named is None and path.parent.name != BASE):
            continue
        record = read_record(path)
        if record is not None:
            yield Sample(path, int(numbered[1]), int(named[1]) if named else 0, record)


def read_record(audio: Path) -> Mapping[str, Any] | None:
    """What is told of a sample; None if it, or its record, is not there or not whole."""
    try:
        record = json.loads(record_path(audio).read_text(encoding="utf-8"))
        return record if audio.is_file() and isinstance(record["request"], dict) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def difference_db(one: Path, other: Path) -> float:
    """Mean distance of the levels of two files, over all pitches and times that can be heard in either.

    About 1 dB is the least that an ear tells apart; two seeds of one prompt are some 10 dB apart.
    """
    return wave_difference_db(read_stereo(one), read_stereo(other))


def wave_difference_db(one: "np.ndarray", other: "np.ndarray") -> float:
    import numpy as np

    length = min(one.shape[1], other.shape[1])
    a, b = (spectrogram(wave[:, :length], RATE_HZ)[0] for wave in (one, other))
    floor = max(a.max(), b.max()) + _AUDIBLE_DB
    a, b = np.maximum(a, floor), np.maximum(b, floor)
    heard = (a > floor) | (b > floor)
    return float(np.abs(a - b)[heard].mean()) if heard.any() else 0.0
