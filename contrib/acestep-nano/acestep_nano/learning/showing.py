"""What a step shows of a piece: a task, a part of the piece, the words, and what is heard of a source."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from acestep_core.data import INSTRUMENTAL
from acestep_core.parts import FRAME_RATE_HZ
from acestep_core.prompts import caption_text, lyric_text, metas_text
from acestep_core.tasks import Complete, Cover, Extract, Lego, Repaint, Text2Music
from acestep_nano.learning.conditions import Said
from acestep_nano.learning.library import Learnt

LENGTHS, _SHARES = (192, 256, 384), (0.25, 0.5, 0.25)
"""Frames of which a piece is shown, 7.7 to 15.4 s; a shorter one is shown whole."""
_FROM_START = 0.6  # of what has a source; what has none begins with a beat
_TRACKS = 0.5  # of the times a piece is shown whose tracks are known
_TASKS = {"text2music": 0.7, "cover": 0.15, "repaint": 0.15}
_SAID = 0.95  # of key and metre each
_TIMBRE = 0.1
_LEAST, _MOST = 0.2, 0.8  # of a piece that a repaint makes anew


@dataclass(frozen=True)
class Shown:
    """`source` [T, 64] and `mask` [T, 1] are None where there is no source; `hinted` says to hear it as codes."""

    latents: np.ndarray
    said: Said
    source: np.ndarray | None = None
    mask: np.ndarray | None = None
    hinted: bool = False


def frames_of(piece: Learnt, rng: np.random.Generator) -> int:
    return min(len(piece.latents), int(rng.choice(LENGTHS, p=_SHARES)))


def shown(piece: Learnt, rng: np.random.Generator, tracks: bool, silence: Callable[[int], np.ndarray]) -> Shown:
    """Drawn with `rng`. With `tracks` the tasks of single tracks occur too, where the piece has them."""
    frames = frames_of(piece, rng)
    task = _task(piece, rng, tracks)
    begins = task == "text2music" or rng.random() < _FROM_START
    start = 0 if begins else int(rng.integers(0, len(piece.latents) - frames + 1))
    part = slice(start, start + frames)
    latents, source, mask, hinted = _cut(piece.latents, part), None, None, False
    if task == "cover":
        source, hinted = latents, True
        instruction = Cover().instruction
    elif task == "repaint":
        mask = _region(frames, rng)
        source = np.where(mask > 0, silence(frames), latents)
        instruction = Repaint().instruction
    elif task == "text2music":
        instruction = Text2Music().instruction
    else:
        latents, source, instruction = _of_track(task, piece, part, rng)
    timbre = None
    if task == "text2music" and rng.random() < _TIMBRE:
        timbre = _cut(piece.latents, slice(len(piece.latents) // 2, None))
    return Shown(latents, _said(piece, frames, instruction, timbre, rng), source, mask, hinted)


def whole(piece: Learnt) -> Shown:
    """As it is measured."""
    latents = _cut(piece.latents, slice(0, LENGTHS[1]))
    metas = metas_text(piece.bpm, piece.timesignature, piece.keyscale, len(latents) / FRAME_RATE_HZ)
    caption = caption_text(piece.captions[0], metas)
    return Shown(latents, Said(caption, _lyrics(piece)))


def said_of(piece: Learnt, rng: np.random.Generator) -> Said:
    """What one showing says."""
    instruction = str(rng.choice([Text2Music().instruction, Cover().instruction, Repaint().instruction]))
    return _said(piece, frames_of(piece, rng), instruction, None, rng)


def _task(piece: Learnt, rng: np.random.Generator, tracks: bool) -> str:
    if tracks and piece.track and rng.random() < _TRACKS:
        return str(rng.choice(["extract", "lego", "complete"]))
    return str(rng.choice(list(_TASKS), p=list(_TASKS.values())))


def _of_track(task: str, piece: Learnt, part: slice, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, str]:
    """(what is to be made, the source, the instruction)"""
    mixed, alone, rest = (_cut(latents, part) for latents in (piece.latents, piece.alone, piece.rest))
    if task == "extract":
        return alone, mixed, Extract(track=piece.track).instruction
    if task == "lego":
        return alone, rest, Lego(track=piece.track).instruction
    others = tuple(t for t in piece.tracks if t != piece.track) if rng.random() < 0.5 else ()
    return mixed, alone, Complete(tracks=others).instruction


def _region(frames: int, rng: np.random.Generator) -> np.ndarray:
    """[T, 1], 1 in one stretch, which often is the beginning or the end."""
    length = int(frames * rng.uniform(_LEAST, _MOST))
    start = int(rng.choice([0, frames - length, rng.integers(0, frames - length + 1)]))
    mask = np.zeros((frames, 1), np.float32)
    mask[start : start + length] = 1
    return mask


def _said(piece: Learnt, frames: int, instruction: str, timbre: Any, rng: np.random.Generator) -> Said:
    key = piece.keyscale if rng.random() < _SAID else ""
    metre = piece.timesignature if rng.random() < _SAID else ""
    metas = metas_text(piece.bpm, metre, key, frames / FRAME_RATE_HZ)
    return Said(caption_text(str(rng.choice(piece.captions)), metas, instruction), _lyrics(piece), timbre)


def _lyrics(piece: Learnt) -> str:
    return lyric_text(piece.lyrics or INSTRUMENTAL, piece.language)


def _cut(latents: np.ndarray, part: slice) -> np.ndarray:
    return latents[part].astype(np.float32)
