"""The audio codec (AutoencoderOobleck), in overlapping tiles, so that memory does not grow with length."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from acestep_core import UserError
from acestep_core.checkpoint import read_config
from acestep_core.parts import CHANNELS, HOP
from acestep_plugins.backends.pt.device import Place, free_bytes
from acestep_plugins.backends.pt.folder import fill

# The real codec's encoder looks 6.9 latent frames to either side, its decoder 9; with more a tile equals the whole.
ENCODE_OVERLAP, DECODE_OVERLAP = 8, 12
_CPU_TILE, _SMALL_TILE, _LARGE_TILE = 64, 256, 512
_CONFIG = ("encoder_hidden_size", "downsampling_ratios", "channel_multiples", "decoder_channels")
_LARGE_BYTES = 16 * 2**30


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
        _fold_weight_norm(self.vae)

    @torch.inference_mode()
    def encode(self, wave: np.ndarray, seed: int) -> np.ndarray:
        frames = -(-wave.shape[1] // HOP)
        padded = np.pad(wave, ((0, 0), (0, frames * HOP - wave.shape[1])))
        parameters = torch.cat(
            [self._encode_tile(padded, *t) for t in tiles(frames, self.tile, ENCODE_OVERLAP)], dim=-1
        )
        mean, scale = parameters.chunk(2, dim=0)
        std = torch.nn.functional.softplus(scale) + 1e-4  # as in diffusers' OobleckDiagonalGaussianDistribution
        noise = torch.randn(frames, CHANNELS, generator=torch.Generator().manual_seed(seed))
        return np.ascontiguousarray((mean + std * noise.T).T.numpy())

    def decode(self, latents: torch.Tensor) -> np.ndarray:
        return np.concatenate(list(self.pieces(latents)), axis=1)

    def pieces(self, latents: torch.Tensor) -> Iterator[np.ndarray]:
        for left, start, end, right in tiles(latents.shape[0], self.tile, DECODE_OVERLAP):
            yield self._decode_tile(latents, left, right)[:, (start - left) * HOP : (end - left) * HOP]

    @torch.inference_mode()
    def _decode_tile(self, latents: torch.Tensor, left: int, right: int) -> np.ndarray:
        z = latents[left:right].T[None].to(self._place.device, self._place.dtype)
        return self.vae.decode(z).sample[0].float().cpu().numpy()

    def _encode_tile(self, wave: np.ndarray, left: int, start: int, end: int, right: int) -> torch.Tensor:
        x = torch.from_numpy(wave[:, left * HOP : right * HOP])[None].to(self._place.device, self._place.dtype)
        return self.vae.encode(x).latent_dist.parameters[0, :, start - left : end - left].float().cpu()


def oobleck(**config: Any) -> torch.nn.Module:
    """diffusers' AutoencoderOobleck, without the warning about its own use of weight_norm."""
    from diffusers import AutoencoderOobleck

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return AutoencoderOobleck(**config)


def tiles(frames: int, tile: int, overlap: int) -> Iterator[tuple[int, int, int, int]]:
    """(left, start, end, right) in frames: [start, end) is kept of the window [left, right)."""
    for start in range(0, frames, tile):
        end = min(start + tile, frames)
        yield max(0, start - overlap), start, end, min(frames, end + overlap)


def tile_for(place: Place) -> int:
    """Latent frames of a tile by the memory that is free there."""
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
