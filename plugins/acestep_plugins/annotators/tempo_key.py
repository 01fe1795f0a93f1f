"""Tempo, key and metre from the sound itself: no network, no model, the same answer every time.

Source of the method: Grosche and Müller 2011 (Fourier tempogram), Ellis 2007 (beats), Klapuri, Eronen and Astola 2006
(tempo and metre together), Krumhansl 1990 and Sha'ath 2011 (key profiles), de Clercq and Temperley 2011 (chords).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from acestep_core import Annotator, Value, hookimpl, option

if TYPE_CHECKING:
    import numpy as np

    from acestep_core.data import Song

RATE_HZ = 22_050  # pulses and chords lie below 11 kHz; half the samples of 44.1 kHz
CENTRE_BPM = 110.0  # people tap near 120 (van Noorden and Moelants 1999); pop records lie a little lower


@dataclass(frozen=True)
class Analysis:
    """What was found; None where there is no beat or no key. Confidences are 0 to 1.

    `bpm` counts quarter notes, in 6/8 ("6") dotted quarters. `alternatives` are other readings of the same pulse
    (half, double, two thirds and so on) with their share of the evidence, the likeliest first.
    """

    bpm: float | None = None
    bpm_confidence: float = 0.0
    alternatives: tuple[tuple[float, float], ...] = ()
    keyscale: str | None = None
    key_confidence: float = 0.0
    timesignature: str | None = None
    metre_confidence: float = 0.0
    tuning_cents: float | None = None


class TempoKey(Annotator):
    name = "tempo_key"

    centre: float = option(CENTRE_BPM, "the tempo expected most, in BPM: decides between a pulse and its octaves",
                           ge=40, le=240)  # fmt: skip
    least: float = option(0.0, "values with less confidence than this are left out", ge=0, le=1)

    def annotate(self, song: "Song", wanted: Sequence[str]) -> Mapping[str, Value]:
        if not {"bpm", "keyscale", "timesignature"} & set(wanted):
            return {}
        found = analyse(song.path, self.centre)
        octaves = tuple(round(bpm) for bpm, _ in found.alternatives)
        values = {
            "bpm": Value(found.bpm and round(found.bpm), found.bpm_confidence, octaves),
            "keyscale": Value(found.keyscale, found.key_confidence),
            "timesignature": Value(found.timesignature, found.metre_confidence),
        }
        return {k: v for k, v in values.items() if k in wanted and _usable(v, self.least)}


def analyse(path: Path, centre: float = CENTRE_BPM) -> Analysis:
    """Tempo, key and metre of an audio file. Raises `UserError` for one that cannot be read."""
    from acestep_core.audio import read_stereo

    return analyse_wave(read_stereo(path, RATE_HZ), centre)


def analyse_wave(wave: "np.ndarray", centre: float = CENTRE_BPM) -> Analysis:
    """Tempo, key and metre of a wave [2, S] at `RATE_HZ`."""
    from acestep_plugins.annotators.key import find_key
    from acestep_plugins.annotators.metre import find_metre
    from acestep_plugins.annotators.spectrum import hear
    from acestep_plugins.annotators.tempo import find_pulses

    sound = hear(wave, RATE_HZ)
    if sound is None:
        return Analysis()
    key = find_key(sound)
    pulses = find_pulses(sound, centre)
    if not pulses:
        return Analysis(keyscale=key.name, key_confidence=key.confidence, tuning_cents=key.tuning_cents)
    metre = find_metre(sound, pulses, centre)
    return Analysis(
        bpm=metre.bpm,
        bpm_confidence=metre.bpm_confidence,
        alternatives=metre.alternatives,
        keyscale=key.name,
        key_confidence=key.confidence,
        timesignature=metre.timesignature,
        metre_confidence=metre.confidence,
        tuning_cents=key.tuning_cents,
    )


def _usable(value: Value, least: float) -> bool:
    return value.value is not None and (value.confidence or 0.0) >= least


@hookimpl
def acestep_annotators():
    return [TempoKey]
