"""The pieces a model learns from, as latents on disk: composed, played and encoded once, in files of many pieces."""

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from acestep_core.errors import UserError
from acestep_nano.captions import captions
from acestep_nano.composing import compose
from acestep_nano.rendering import stems

PER_FILE = 40
TRACKS = {"melody": "synth", "chords": "keyboard", "bass": "bass", "drums": "drums"}
"""What the model's tasks call the parts of a piece."""


@dataclass(frozen=True)
class Learnt:
    """A piece as it is learnt from: latents float16 [T, 64] of all of it, and of some of one track alone and the rest.

    `tracks` are those that sound; `track` is "" where there is no such pair.
    """

    seed: int
    captions: tuple[str, ...]
    bpm: int
    keyscale: str
    timesignature: str
    style: str
    lyrics: str
    language: str
    latents: np.ndarray
    tracks: tuple[str, ...]
    track: str = ""
    alone: np.ndarray | None = None
    rest: np.ndarray | None = None


def write_library(
    folder: Path,
    codec: Callable[[], Any],
    seed: int,
    pieces: int,
    with_stems: float,
    on_file: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Compose and encode what is missing, on all cores. `codec` makes the codec part, once in each process."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"pieces-{n:04d}.safetensors" for n in range(-(-pieces // PER_FILE))]
    wanted = [
        (path, [seed * 1_000_000 + i for i in range(n * PER_FILE, min(pieces, (n + 1) * PER_FILE))])
        for n, path in enumerate(files)
        if not path.is_file()
    ]
    done = len(files) - len(wanted)
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), _begin, (codec,)) as pool:
        for _ in pool.imap_unordered(partial(_write, with_stems), wanted):
            done += 1
            on_file(done, len(files))


def read_library(folder: Path) -> list[Learnt]:
    """In the order of the seeds. Raises `UserError` where there are none."""
    files = sorted(folder.glob("pieces-*.safetensors"))
    if not files:
        raise UserError(f"{folder} holds no pieces", "let the training compose them")
    return [piece for path in files for piece in _read(path)]


_codec: Any = None


def _begin(codec: Callable[[], Any]) -> None:
    import torch

    global _codec
    torch.set_num_threads(1)
    _codec = codec()


def _write(with_stems: float, wanted: tuple[Path, list[int]]) -> None:
    path, seeds = wanted
    tensors: dict[str, np.ndarray] = {}
    about = []
    for seed in seeds:
        piece, rng = compose(seed), np.random.default_rng(seed)
        sounding = {TRACKS[part]: wave for part, wave in stems(piece).items() if wave.any()}
        facts = {name: getattr(piece, name) for name in _FACTS}
        facts |= {"seed": seed, "captions": captions(piece), "tracks": sorted(sounding)}
        tensors[f"{seed}"] = _encoded(sum(sounding.values()))
        if len(sounding) > 1 and rng.random() < with_stems:
            facts["track"] = track = str(rng.choice(facts["tracks"]))
            tensors[f"{seed}.alone"] = _encoded(sounding.pop(track))
            tensors[f"{seed}.rest"] = _encoded(sum(sounding.values()))
        about.append(facts)
    temporary = path.with_suffix(".tmp")
    save_file(tensors, str(temporary), {"pieces": json.dumps(about, ensure_ascii=False)})
    temporary.replace(path)


_FACTS = ("bpm", "keyscale", "timesignature", "style", "lyrics", "language")


def _encoded(wave: np.ndarray) -> np.ndarray:
    return np.asarray(_codec.encode(wave, 0), np.float16)


def _read(path: Path) -> Iterator[Learnt]:
    with safe_open(str(path), "np") as opened:
        there = set(opened.keys())
        for facts in json.loads(opened.metadata()["pieces"]):
            seed = facts["seed"]
            facts |= {name: tuple(facts[name]) for name in ("captions", "tracks")}
            pair = {n: opened.get_tensor(f"{seed}.{n}") for n in ("alone", "rest") if f"{seed}.{n}" in there}
            yield Learnt(**facts, latents=opened.get_tensor(f"{seed}"), **pair)
