"""What shapes a note bank: the numbers of its config.json, checked, and how amplitudes become latents and back."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from acestep_core import UserError
from acestep_core.audio import RATE_HZ
from acestep_core.checkpoint import NOTE_BANK, read_config
from acestep_core.files import write_json
from acestep_core.parts import CHANNELS, HOP

VERSION = 1
NOISES = 4
_WHOLE = {"lowest_pitch": (24, 60), "noise_seed": (0, 2**31)}
_BETWEEN = {"tuning_hz": (400.0, 480.0), "window_semitones": (1.0, 4.0)}
_HINT = "write them as a note bank that works has them"


@dataclass(frozen=True)
class Bank:
    """Channels 0 to `tones` - 1 are semitones from MIDI pitch `lowest_pitch` up, the others are noise, low to high.

    A latent is (log(1 + amplitude / floor) - mean) / std; all semitones share these numbers, so that a shift by one
    channel is a transposition. Amplitudes are a sinusoid's peak or a noise's root mean square, full scale being 1.
    """

    version: int = VERSION
    sampling_rate: int = RATE_HZ
    hop_length: int = HOP
    tones: int = CHANNELS - NOISES
    lowest_pitch: int = 36
    tuning_hz: float = 440.0
    tone_floor: float = 0.001
    tone_mean: float = 0.55
    tone_std: float = 1.1
    noise_bands_hz: tuple[tuple[float, float], ...] = ((30.0, 62.0), (2e3, 5e3), (5e3, 9e3), (9e3, 16e3))
    noise_floors: tuple[float, ...] = (0.003,) * NOISES
    noise_means: tuple[float, ...] = (0.2, 0.05, 0.15, 0.15)
    noise_stds: tuple[float, ...] = (0.7, 0.5, 0.5, 0.5)
    noise_seed: int = 0
    window_semitones: float = 2.0
    """An octave's analysis window lasts this long over the spacing of its lowest semitones."""

    @property
    def tone_hz(self) -> np.ndarray:
        return self.tuning_hz * 2.0 ** ((self.lowest_pitch - 69 + np.arange(self.tones)) / 12)

    def latents(self, amplitudes: np.ndarray) -> np.ndarray:
        """float32 [T, 64] of amplitudes [T, 64]."""
        floor, mean, std = self._scales()
        return ((np.log1p(amplitudes / floor) - mean) / std).astype(np.float32)

    def amplitudes(self, latents: np.ndarray) -> np.ndarray:
        """Amplitudes [T, 64] from 0 to 1 of latents; what lies below silence is silence."""
        floor, mean, std = self._scales()
        loud = np.clip(latents.astype(np.float64) * std + mean, 0.0, np.log1p(1.0 / floor))
        return np.expm1(loud) * floor

    def config(self) -> dict[str, Any]:
        """What config.json holds."""
        return {"_class_name": NOTE_BANK, **asdict(self)}

    def _scales(self) -> tuple[np.ndarray, ...]:
        return tuple(
            np.concatenate([np.full(self.tones, tone), noise])
            for tone, noise in (
                (self.tone_floor, self.noise_floors),
                (self.tone_mean, self.noise_means),
                (self.tone_std, self.noise_stds),
            )
        )


def read_bank(folder: Path) -> Bank:
    """The bank that config.json describes. Raises `UserError` telling all that is missing or wrong in it."""
    names = [f.name for f in fields(Bank)]
    config = read_config(folder, names)
    wrong = list(_problems(config))
    if wrong:
        raise UserError(f"{folder / 'config.json'} describes no note bank: {'; '.join(wrong)}", _HINT)
    given = {n: config[n] for n in names}
    given["noise_bands_hz"] = tuple(tuple(map(float, pair)) for pair in config["noise_bands_hz"])
    return Bank(**{n: tuple(v) if isinstance(v, list) else v for n, v in given.items()})


def write_bank(folder: Path, bank: Bank) -> None:
    """The whole codec as a checkpoint's folder vae/."""
    write_json(folder / "config.json", bank.config())


def _problems(config: Mapping[str, Any]) -> Iterator[str]:
    fixed = {"version": VERSION, "sampling_rate": RATE_HZ, "hop_length": HOP, "tones": CHANNELS - NOISES}
    for name, value in fixed.items():
        if config[name] != value:
            yield f"{name} is {config[name]!r} and can be {value} alone"
    for name, (least, most) in _WHOLE.items():
        if not (_whole(config[name]) and least <= config[name] <= most):
            yield f"{name} is {config[name]!r} and no whole number from {least} to {most}"
    for name in ("tone_floor", "tone_std"):
        if not _positive(config[name]):
            yield f"{name} is {config[name]!r} and no number above 0"
    for name, (least, most) in _BETWEEN.items():
        if not (_number(config[name]) and least <= config[name] <= most):
            yield f"{name} is {config[name]!r} and no number from {least:g} to {most:g}"
    if not _number(config["tone_mean"]):
        yield f"tone_mean is {config['tone_mean']!r} and no number"
    for name, check in (("noise_floors", _positive), ("noise_means", _number), ("noise_stds", _positive)):
        if not (_four(config[name]) and all(map(check, config[name]))):
            yield f"{name} is {config[name]!r} and not {NOISES} numbers" + (" above 0" if check is _positive else "")
    if not (_four(config["noise_bands_hz"]) and all(map(_range, config["noise_bands_hz"]))):
        yield f"noise_bands_hz is {config['noise_bands_hz']!r} and not {NOISES} pairs of rising frequencies"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _positive(value: Any) -> bool:
    return _number(value) and value > 0


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _four(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == NOISES


def _range(value: Any) -> bool:
    pair = isinstance(value, list | tuple) and len(value) == 2 and all(map(_positive, value))
    return pair and value[0] < value[1] <= RATE_HZ / 2
