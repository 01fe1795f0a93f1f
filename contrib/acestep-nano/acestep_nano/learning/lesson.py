"""What the PyTorch backend's training loop is given: pieces as it asks for them, with conditions that learn too."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from acestep_core.jobs import EncodedSong, Showing, TrainJob
from acestep_core.seeds import derived_seed
from acestep_nano.learning.conditions import Conditions
from acestep_nano.learning.library import Learnt
from acestep_nano.learning.showing import Shown, frames_of, shown, whole


class Lesson:
    """The pieces of a model, and what each showing of them shows: a function of the seed."""

    def __init__(self, dit: Any, conditions: Conditions, pieces: Sequence[Learnt], held_out: int, seed: int,
                 tracks: bool, learns_encoder: bool):  # fmt: skip
        """`tracks`: whether tasks of single tracks are learnt; `learns_encoder`: whether the condition encoder is."""
        self._dit, self._conditions, self._seed, self._tracks = dit, conditions, seed, tracks
        self._learns_encoder = learns_encoder
        self._held_out, self._pieces = pieces[:held_out], pieces[held_out:]

    def __len__(self) -> int:
        """Pieces that are learnt from."""
        return len(self._pieces)

    def job(self, *, run: Any, settings: Any, adapter: Any, sampler: Any, loss: Callable[..., Any],
            optimizer: Callable[..., Any], stop: Callable[[], bool], resume_from: Path | None) -> TrainJob:  # fmt: skip
        return TrainJob(
            run=run, settings=settings, adapter=adapter, sampler=sampler, dit=self._dit,
            songs=[f"piece {p.seed}" for p in self._pieces], order=range(len(self._pieces)), frames=self._frames,
            load=self._load, load_fixed=lambda index: self._measured(self._pieces[index]),
            held_out=[f"piece {p.seed}" for p in self._held_out],
            load_held_out=lambda index: self._measured(self._held_out[index]), steps=settings.steps,
            resume_from=resume_from, stop=stop, loss=loss, optimizer=optimizer, completed=self._completed,
        )  # fmt: skip

    def _draws(self, showing: Showing) -> np.random.Generator:
        return np.random.default_rng(derived_seed(self._seed, f"showing {showing.epoch} {showing.place}"))

    def _frames(self, showing: Showing) -> int:
        return frames_of(self._pieces[showing.song], self._draws(showing))

    def _load(self, showing: Showing) -> EncodedSong:
        piece = self._pieces[showing.song]
        seen = shown(piece, self._draws(showing), self._tracks, self._silence)
        return self._song(piece, seen, seen.said)

    def _measured(self, piece: Learnt) -> EncodedSong:
        seen = whole(piece)
        with torch.no_grad():
            return self._song(piece, seen, self._conditions.of([seen.said])[0])

    def _song(self, piece: Learnt, seen: Shown, condition: Any) -> EncodedSong:
        return EncodedSong(str(piece.seed), f"piece {piece.seed}", seen.latents, condition, 1.0, self._context(seen))

    def _completed(self, songs: Sequence[EncodedSong]) -> list[EncodedSong]:
        """With conditions where until now there is what they are made of."""
        with torch.set_grad_enabled(self._learns_encoder):
            made = self._conditions.of([song.condition for song in songs])
        return [replace(song, condition=condition) for song, condition in zip(songs, made, strict=True)]

    def _context(self, seen: Shown) -> Any:
        if seen.source is None:
            return None
        source = self._dit.hints(seen.source).clone() if seen.hinted else torch.as_tensor(seen.source)
        mask = torch.ones(len(source), 1) if seen.mask is None else torch.as_tensor(seen.mask)
        return self._dit.context(source, mask)

    def _silence(self, frames: int) -> np.ndarray:
        return self._dit.numpy(self._dit.silence_frames(frames))
