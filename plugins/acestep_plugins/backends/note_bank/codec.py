"""The note bank as a codec part."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from acestep_core import UserError
from acestep_core.parts import CHANNELS, HOP
from acestep_plugins.backends.note_bank.bank import read_bank
from acestep_plugins.backends.note_bank.envelopes import NEIGHBOURS
from acestep_plugins.backends.note_bank.partials import kept_power, tone_power
from acestep_plugins.backends.note_bank.percussion import noise_power
from acestep_plugins.backends.note_bank.synthesis import Synthesis

TILE = 128  # frames worked on at once where none are asked for
OVERLAP = 32  # frames to either side that reach into a frame's analysis


class NoteBank:
    """`CodecPart`: 48 kHz stereo <-> 25 Hz latents of 64 channels. Sound is made and heard in the middle."""

    def __init__(self, folder: Path, tile_frames: int = 0):
        self.bank = read_bank(folder)
        self.tile = tile_frames or TILE
        self.notes: list[str] = []
        self._synthesis = Synthesis(self.bank)

    def encode(self, wave: np.ndarray, seed: int) -> np.ndarray:
        """Latents float32 [T, 64]. There is nothing to draw: every seed gives the same."""
        if not np.isfinite(wave).all():
            raise UserError("The sound to encode holds values that are no numbers", "save the file again")
        mono = wave.mean(axis=0, dtype=np.float32)
        frames = -(-len(mono) // HOP)
        starts = range(0, frames, self.tile)
        parts = [self._heard(mono, start, min(start + self.tile, frames)) for start in starts]
        amplitudes = np.concatenate([np.zeros((0, CHANNELS)), *parts])
        return self.bank.latents(amplitudes)

    def _heard(self, mono: np.ndarray, start: int, end: int) -> np.ndarray:
        left = max(0, start - OVERLAP)
        right = end + OVERLAP
        part = mono[left * HOP : right * HOP]
        part = np.pad(part, (0, (right - left) * HOP - len(part)))
        tones = tone_power(part, self.bank, right - left)
        kept = kept_power(tones)
        power = np.concatenate([kept, noise_power(part, self.bank, tones, kept)], axis=1)
        return np.sqrt(power[start - left : end - left])

    def decode(self, latents: Any) -> np.ndarray:
        return np.concatenate([np.zeros((2, 0), np.float32), *self.pieces(latents)], axis=1)

    def pieces(self, latents: Any) -> Iterator[np.ndarray]:
        plain = torch.as_tensor(latents).to("cpu", torch.float32).numpy()
        padded = np.pad(self.bank.amplitudes(plain), (NEIGHBOURS, (0, 0)))
        for start in range(0, len(plain), self.tile):
            mono = self._synthesis.wave(padded[start : start + self.tile + sum(NEIGHBOURS)], start)
            yield np.stack([mono, mono])
