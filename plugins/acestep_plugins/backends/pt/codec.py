"""The audio codec: AutoencoderOobleck in overlapping tiles, so that memory does not grow, or a note bank."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from acestep_core import UserError
from acestep_core.checkpoint import NOTE_BANK, read_config
from acestep_core.errors import OutOfMemory
from acestep_core.files import array_id
from acestep_core.parts import CHANNELS, HOP, CodecPart
from acestep_core.remembered import Remembered
from acestep_plugins.backends.note_bank.codec import NoteBank
from acestep_plugins.backends.pt.device import Place, free_bytes, release
from acestep_plugins.backends.pt.folder import fill
from acestep_plugins.backends.pt.memory import shortage

# The real codec's encoder looks 6.9 latent frames to either side, its decoder 9; with more a tile equals the whole.
ENCODE_OVERLAP, DECODE_OVERLAP = 8, 12
_CPU_TILE, _SMALL_TILE, _LARGE_TILE = 64, 256, 512
MIN_TILE = 16  # below this most of the work would be overlap
_SONGS = 2  # whose latents are kept
_CONFIG = ("encoder_hidden_size", "downsampling_ratios", "channel_multiples", "decoder_channels")
_LARGE_BYTES = 16 * 2**30
OOBLECK = "AutoencoderOobleck"


def open_codec(folder: Path, place: Place, tile_frames: int = 0) -> CodecPart:
    """The codec that config.json names. Raises `UserError` for one that is not known."""
    name = read_config(folder).get("_class_name", OOBLECK)
    if name == NOTE_BANK:
        return NoteBank(folder, tile_frames)
    if name != OOBLECK:
        raise UserError(
            f"{folder / 'config.json'} names the codec '{name}', which is not known",
            f"it can be {OOBLECK} or {NOTE_BANK}; download the folder again",
        )
    return Codec(folder, place, tile_frames)


class Codec:
    """`CodecPart`: 48 kHz stereo <-> 25 Hz latents of 64 channels."""

    def __init__(self, folder: Path, place: Place, tile_frames: int = 0):
        config = {k: v for k, v in read_config(folder, _CONFIG).items() if not k.startswith("_")}
        with torch.device("meta"):
            vae = oobleck(**config)
        if vae.hop_length != HOP or config.get("decoder_input_channels", CHANNELS) != CHANNELS:
            raise UserError(f"{folder} is no ACE-Step codec: hop {vae.hop_length}, expected {HOP}", "use the original")
        self.vae = fill(vae, folder, "", place)
        self._place = place
        self.tile = tile_frames or tile_for(place)
        self.notes: list[str] = []
        self._heard = Remembered(_SONGS)  # variants of a song differ in their seed alone
        _fold_weight_norm(self.vae)

    def encode(self, wave: np.ndarray, seed: int) -> np.ndarray:
        parameters = self._heard.get(array_id(wave), lambda: self._parameters(wave))
        frames = parameters.shape[1]
        mean, scale = parameters.chunk(2, dim=0)
        std = torch.nn.functional.softplus(scale) + 1e-4  # as in diffusers' OobleckDiagonalGaussianDistribution
        noise = torch.randn(frames, CHANNELS, generator=torch.Generator().manual_seed(seed))
        return np.ascontiguousarray((mean + std * noise.T).T.numpy())

    @torch.inference_mode()
    def _parameters(self, wave: np.ndarray) -> torch.Tensor:
        """Mean and scale of a wave's latents, [128, T] on the CPU."""
        frames = -(-wave.shape[1] // HOP)
        parameters = torch.empty(2 * CHANNELS, frames)
        for start, end, tile in self._tiled(frames, ENCODE_OVERLAP, lambda *t: self._encode_tile(wave, *t), "encode"):
            parameters[:, start:end] = tile
        return parameters

    def decode(self, latents: torch.Tensor) -> np.ndarray:
        return np.concatenate(list(self.pieces(latents)), axis=1)

    def pieces(self, latents: torch.Tensor) -> Iterator[np.ndarray]:
        frames = len(latents)
        for _, _, tile in self._tiled(frames, DECODE_OVERLAP, lambda *t: self._decode_tile(latents, *t), "decode"):
            yield tile

    def _tiled(
        self, frames: int, overlap: int, work: Callable[[int, int, int, int], Any], name: str
    ) -> Iterator[tuple[int, int, Any]]:
        """(start, end, what `work` makes) of every tile. Where memory is short, the tiles get smaller, for good."""
        start = 0
        while start < frames:
            left, _, end, right = tile_at(start, frames, self.tile, overlap)
            try:
                with shortage(
                    f"the codec to {name} {right - left} frames", "free some; see: acestep-core models plan DIR"
                ):
                    made = work(left, start, end, right)
            except OutOfMemory:
                if self.tile // 2 < MIN_TILE:
                    raise
                self._halve(name)
                continue
            yield start, end, made
            start = end

    def _halve(self, name: str) -> None:
        release(self._place.device)
        self.notes.append(f"memory was short to {name}: tiles of {self.tile // 2} frames instead of {self.tile}")
        self.tile //= 2

    def _encode_tile(self, wave: np.ndarray, left: int, start: int, end: int, right: int) -> torch.Tensor:
        part = wave[:, left * HOP : right * HOP]
        padded = np.pad(part, ((0, 0), (0, (right - left) * HOP - part.shape[1])))
        x = torch.from_numpy(padded)[None].to(self._place.device, self._place.dtype)
        return self.vae.encode(x).latent_dist.parameters[0, :, start - left : end - left].float().cpu()

    @torch.inference_mode()
    def _decode_tile(self, latents: torch.Tensor, left: int, start: int, end: int, right: int) -> np.ndarray:
        z = latents[left:right].T[None].to(self._place.device, self._place.dtype)
        return self.vae.decode(z).sample[0, :, (start - left) * HOP : (end - left) * HOP].float().cpu().numpy()


def oobleck(encoder_width: int | None = None, **config: Any) -> torch.nn.Module:
    """diffusers' AutoencoderOobleck, without the warning about its own use of weight_norm.

    It ties what comes out of the encoder to the width inside; a tiny codec has another, and so a hundredth of the work.
    """
    from diffusers import AutoencoderOobleck

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        if encoder_width is None:
            return AutoencoderOobleck(**config)
        vae = AutoencoderOobleck(**config | {"encoder_hidden_size": encoder_width})
        last = vae.encoder.conv2
        wider = torch.nn.Conv1d(last.in_channels, config["encoder_hidden_size"], last.kernel_size, padding=last.padding)
        vae.encoder.conv2 = torch.nn.utils.weight_norm(wider)
        return vae


def tile_at(start: int, frames: int, tile: int, overlap: int) -> tuple[int, int, int, int]:
    """(left, start, end, right) in frames: [start, end) is kept of the window [left, right)."""
    end = min(start + tile, frames)
    return max(0, start - overlap), start, end, min(frames, end + overlap)


def tile_for(place: Place) -> int:
    """Latent frames worked on at once where the user does not say."""
    free = free_bytes(place.device)
    if free is None:
        return _CPU_TILE
    return _LARGE_TILE if free > _LARGE_BYTES else _SMALL_TILE


def _fold_weight_norm(module: torch.nn.Module) -> None:
    """Weights are fixed here, so their normalisation is computed once instead of in every call."""
    for layer in module.modules():
        if hasattr(layer, "weight_g"):
            torch.nn.utils.remove_weight_norm(layer)
            layer.weight.requires_grad_(False)
