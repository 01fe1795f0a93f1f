"""What survives the note bank: tempo, key and onsets of composed pieces, of the originals and of the decoded ones.

Tempo (Acc2: within 4 %, or its double, half, triple or third) and key are what the annotator `tempo_key` finds in
either, against the pieces' own. Onsets are peaks of its envelope, picked alike in both; F counts those of the decoded
within 70 ms of one of the original's, each used once. `true` is F of either against the notes and strokes themselves.

Targets: tempo 0.95 of the originals', key 0.9 of the originals', onsets 0.9, encoding 20 s in less than 0.5 s.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from clips.compose import NAMES, clips
from clips.styles import style_clips
from clips.synth import synthesised
from tempo_key import FLATS, OCTAVES

from acestep_core.audio import RATE_HZ
from acestep_plugins.annotators.spectrum import hear
from acestep_plugins.annotators.tempo_key import RATE_HZ as HEARD_HZ
from acestep_plugins.annotators.tempo_key import analyse_wave
from acestep_plugins.backends.note_bank.bank import Bank, write_bank
from acestep_plugins.backends.note_bank.codec import NoteBank

NEAR_S = 0.07
TOGETHER_S = 0.03  # notes of one chord, as people play it
COLUMNS = ("tempo", "key", "true", "onsets", "encode", "decode", "level")


@dataclass(frozen=True)
class Piece:
    """A wave [2, S] at 48 kHz, what is true of it, and when its notes begin."""

    name: str
    wave: np.ndarray
    bpm: float
    key: tuple[int, str]
    onsets_s: np.ndarray


def plain(seed: int, count: int) -> Iterator[Piece]:
    """Half of the pieces are patterns, half are styles, in plain waves that have all their harmonics."""
    for clip in (*clips(seed, count // 2), *style_clips(seed, count - count // 2)):
        starts = [time * 60 / clip.bpm for _, _, notes in clip.parts for time, *_ in notes]
        name = f"{clip.bpm} {clip.key} {clip.metre} {'drums' if clip.drums else ''}"
        yield Piece(name, synthesised(clip, RATE_HZ), clip.bpm, (clip.tonic, clip.mode), apart(starts))


def nano(seed: int, count: int) -> Iterator[Piece]:
    """What acestep-nano composes (pip install contrib/acestep-nano)."""
    from acestep_nano.composing import compose
    from acestep_nano.rendering import render

    for piece in map(compose, range(seed, seed + count)):
        starts = [n.start_s for n in piece.notes] + [h.time_s for h in piece.hits]
        name = f"{piece.bpm} {piece.keyscale} {piece.style} {'drums' if piece.drums else ''}"
        yield Piece(name, render(piece), piece.bpm, key_of(piece.keyscale), apart(starts))


def apart(starts_s: list[float]) -> np.ndarray:
    """Times without those that follow another at once."""
    starts = np.sort(starts_s)
    return starts[np.diff(starts, prepend=-1.0) > TOGETHER_S]


def key_of(name: str) -> tuple[int, str]:
    note, mode = name.split()
    return NAMES.index(FLATS.get(note, note)), mode


MUSIC = {"plain": plain, "nano": nano}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", choices=MUSIC, default="plain")
    parser.add_argument("--seed", type=int, default=202)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--misses", action="store_true", help="show each piece that was heard otherwise when decoded")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_bank(Path(folder), Bank())
        codec = NoteBank(Path(folder))
    rows = [measured(codec, piece, given.misses) for piece in MUSIC[given.music](given.seed, given.count)]
    show(np.mean(rows, axis=0), len(rows))


def show(mean: np.ndarray, count: int) -> None:
    original, decoded = mean[:3], mean[3:]
    print(f"{count} pieces{'':<3}" + "".join(f"{name:>9}" for name in COLUMNS))
    print(f"{'original':<12}" + "".join(f"{v:>9.3f}" for v in original))
    print(f"{'decoded':<12}" + "".join(f"{v:>9.3f}" for v in (*decoded,)))
    print(f"{'kept':<12}" + "".join(f"{v:>9.3f}" for v in decoded[:2] / original[:2]))
    print(f"{'target':<12}{0.95:>9}{0.9:>9}{'':>9}{0.9:>9}{0.5:>9}   (seconds for 20 s; level in dB of the original's)")


def measured(codec: NoteBank, piece: Piece, misses: bool) -> list[float]:
    start = time.process_time()
    latents = codec.encode(piece.wave, 0)
    between = time.process_time()
    decoded = codec.decode(latents)
    end = time.process_time()
    share = 20 * RATE_HZ / piece.wave.shape[1]
    heard = [facts(piece, wave) for wave in (piece.wave, decoded)]
    level = 20 * np.log10(rms(decoded) / rms(piece.wave))
    times = [(between - start) * share, (end - between) * share, level]
    (first, picked), (second, again) = heard
    if misses and first != second:
        print(f"{piece.name}: {first} -> {second}")
    true = [f_measure(found, piece.onsets_s) for found in (picked, again)]
    return [*first, true[0], *second, true[1], f_measure(again, picked), *times]


def facts(piece: Piece, wave: np.ndarray) -> tuple[tuple[bool, bool], np.ndarray]:
    """Whether tempo and key are found, and the onsets in seconds."""
    low = soxr.resample(wave.T, RATE_HZ, HEARD_HZ).T
    found = analyse_wave(low)
    tempo = any(bool(found.bpm) and abs(found.bpm / (piece.bpm * o) - 1) <= 0.04 for o in OCTAVES)
    return (tempo, found.keyscale is not None and key_of(found.keyscale) == piece.key), onsets(low)


def onsets(wave: np.ndarray, threshold: float = 0.1, apart_s: float = 0.05) -> np.ndarray:
    """Times of the peaks of the annotator's onset envelope that stand out from its largest ones."""
    sound = hear(wave, HEARD_HZ)
    envelope = sound.onsets / np.quantile(sound.onsets, 0.99)
    reach = round(apart_s * sound.rate_hz)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(envelope, reach), 2 * reach + 1)
    return np.nonzero((envelope == windows.max(axis=1)) & (envelope > threshold))[0] / sound.rate_hz


def f_measure(found: np.ndarray, wanted: np.ndarray) -> float:
    """Of pairs within `NEAR_S`, taken from the left, each time used once."""
    hits, at = 0, 0
    for time_s in wanted:
        while at < len(found) and found[at] < time_s - NEAR_S:
            at += 1
        if at < len(found) and found[at] <= time_s + NEAR_S:
            hits, at = hits + 1, at + 1
    return 2 * hits / max(1, len(found) + len(wanted))


def rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(wave**2)))


if __name__ == "__main__":
    main()
