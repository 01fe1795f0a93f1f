"""The codec in tiles vs in one piece: difference, time and peak memory over the length of a song.

Real strides, kernels and encoder; a decoder of 16 channels in place of 128, so that this ends today. Random weights,
float32 on the CPU, tiles of 64 frames (2.6 s). Every case runs in a process of its own; memory is its growth during the
call, without the result itself (the first half minute still fills the allocator's pools). In one piece only what fits a
small machine is done. Linux only.

Targets: differences at most -60 dB; memory in tiles at most 1.25 of that of the shortest length.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from acestep_core.parts import FRAME_RATE_HZ, HOP
from acestep_plugins.backends.pt.codec import Codec, oobleck
from acestep_plugins.backends.pt.device import choose

TILE = 64
CASES = {"decode": ((60, 240, 600), 60), "encode": ((20, 40), 20)}
CONFIG = {"encoder_hidden_size": 128, "downsampling_ratios": [2, 4, 4, 6, 10], "channel_multiples": [1, 2, 4, 8, 16],
          "decoder_channels": 16, "decoder_input_channels": 64}  # fmt: skip
DIFFERENCE_TARGET_DB, FLAT_TARGET = -60.0, 1.25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(CASES))
    parser.add_argument("--seconds", type=int, nargs="*", help="lengths in place of those of the table")
    parser.add_argument("--case", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(measured(*given.case)))
        return
    with tempfile.TemporaryDirectory() as name:
        write_codec(Path(name))
        for what, (lengths, most_whole) in CASES.items():
            if given.only in (None, what):
                report(Path(name), what, given.seconds or lengths, most_whole)


def report(folder: Path, what: str, lengths: tuple[int, ...], most_whole: int) -> None:
    print(f"{what:<8}{'seconds':>8}{'tiled s':>9}{'whole s':>9}{'ratio':>7}{'tiled MB':>10}{'whole MB':>10}{'dB':>9}")
    peaks = []
    for seconds in lengths:
        tiled = apart(folder, what, TILE, seconds)
        peaks.append(tiled["bytes"])
        line = f"{'':<8}{seconds:>8}{tiled['seconds']:>9.1f}"
        if seconds > most_whole:
            print(f"{line}{'':>16}{tiled['bytes'] / 1e6:>10.0f}", flush=True)
            continue
        whole = apart(folder, what, 10**6, seconds)
        a, b = (np.load(folder / f"{what}-{tile}.npy") for tile in (TILE, 10**6))
        difference = 20 * np.log10(np.abs(a - b).max() / np.abs(b).max() + 1e-12)
        line += f"{whole['seconds']:>9.1f}{tiled['seconds'] / whole['seconds']:>7.2f}{tiled['bytes'] / 1e6:>10.0f}"
        print(f"{line}{whole['bytes'] / 1e6:>10.0f}{difference:>9.1f}  {verdict(difference < DIFFERENCE_TARGET_DB)}")
    growth = max(peaks) / peaks[0]
    print(f"memory in tiles grows {growth:.2f} from {lengths[0]} to {lengths[-1]} s  {verdict(growth <= FLAT_TARGET)}")


def apart(folder: Path, what: str, tile: int, seconds: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--case", str(folder), what, str(tile), str(seconds)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measured(folder: str, what: str, tile: str, seconds: str) -> dict[str, float]:
    codec, frames = Codec(Path(folder), choose("cpu", "float32"), int(tile)), int(seconds) * FRAME_RATE_HZ
    latents = torch.randn(frames, 64, generator=torch.Generator().manual_seed(0))
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, (2, frames * HOP)).astype(np.float32)
    warm_up = {"decode": lambda: codec.decode(latents[:8]), "encode": lambda: codec.encode(wave[:, : 8 * HOP], 0)}
    work = {"decode": lambda: codec.decode(latents), "encode": lambda: codec.encode(wave, 0)}[what]
    warm_up[what]()
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before, start = status("VmRSS"), time.perf_counter()
    result = work()
    spent, grown = time.perf_counter() - start, status("VmHWM") - before - result.nbytes
    np.save(Path(folder) / f"{what}-{tile}.npy", result)
    return {"seconds": spent, "bytes": grown}


def write_codec(folder: Path) -> None:
    torch.manual_seed(0)
    vae = oobleck(**CONFIG)
    with torch.no_grad():
        vae.encoder.conv2.bias[64:] = -20.0  # a posterior without spread
    (folder / "config.json").write_text(json.dumps(CONFIG))
    save_file(vae.state_dict(), folder / "diffusion_pytorch_model.safetensors")


def status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def verdict(met: bool) -> str:
    return "target met" if met else "target missed"


if __name__ == "__main__":
    main()
