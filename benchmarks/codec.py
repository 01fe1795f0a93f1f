"""What makes the codec fast on the CPU, and what working in tiles changes: tiny codec, 20 s of noise.

Encode time with and without `keep_freed_memory` of the PyTorch backend, each in its own process, since it cannot be
taken back. The two are interleaved and compared within a round, so a busy machine shifts both alike; prints median
ratios of the time on the clock and of the processor time. Then the largest difference between tiled and untiled
results, in dBFS; the encoder's is heard through the untiled decoder.

Targets: ratio of processor time at least 1.5, differences below -100 dBFS.
"""

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from acestep_core.audio import RATE_HZ
from acestep_core.parts import HOP
from acestep_core.registry import registry
from acestep_plugins.backends.pt.codec import Codec
from acestep_plugins.backends.pt.device import choose, keep_freed_memory

SECONDS = 20
RATIO_TARGET, DIFFERENCE_TARGET_DB = 1.5, -100.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--time", choices=["kept", "returned"], help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.time:
        print(*encode_seconds(given.model, keep=given.time == "kept"))
        return
    with tempfile.TemporaryDirectory() as folder:
        registry().make("backends", "pt").write_tiny(Path(folder), "turbo")
        report_speed(Path(folder), given.rounds, given.threads)
        report_tiles(Path(folder))


def encode_seconds(model: Path, keep: bool) -> tuple[float, float]:
    """Clock and processor time of the second call: the first one's memory is what is kept or not."""
    if keep:
        keep_freed_memory()
    codec, wave = codec_of(model), noise()
    codec.encode(wave[:, : 5 * RATE_HZ], seed=0)
    start, worked = time.perf_counter(), time.process_time()
    codec.encode(wave, seed=0)
    return time.perf_counter() - start, time.process_time() - worked


def report_speed(model: Path, rounds: int, threads: int) -> None:
    pairs = [(measured(model, "returned", threads), measured(model, "kept", threads)) for _ in range(rounds)]
    print(f"encode {SECONDS} s of audio, {threads} threads, {rounds} rounds (median)")
    print(f"{'freed memory is':<20}{'returned':>10}{'kept':>10}{'ratio':>8}  (range)")
    for at, name in enumerate(("seconds", "processor seconds")):
        returned, kept = (statistics.median(one[at] for one in same) for same in zip(*pairs, strict=True))
        ratios = [returned[at] / kept[at] for returned, kept in pairs]
        ratio, span = statistics.median(ratios), f"({min(ratios):.2f} to {max(ratios):.2f})"
        target = verdict(ratio >= RATIO_TARGET) if at else ""
        print(f"{name:<20}{returned:>10.2f}{kept:>10.2f}{ratio:>8.2f}  {span}  {target}".rstrip())


def measured(model: Path, how: str, threads: int) -> list[float]:
    command = [sys.executable, __file__, "--time", how, "--model", str(model), "--threads", str(threads)]
    return [float(x) for x in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()]


def report_tiles(model: Path) -> None:
    wave = noise()
    whole, tiled = codec_of(model, tile_frames=SECONDS * RATE_HZ // HOP), codec_of(model)
    latents = whole.encode(wave, seed=0)
    heard = whole.decode(torch.from_numpy(latents))
    encoded = whole.decode(torch.from_numpy(tiled.encode(wave, seed=0)))
    decoded = tiled.decode(torch.from_numpy(latents))
    print(f"\n{'tiled against whole':<20}{'dBFS':>9}")
    for name, result in (("encode", encoded), ("decode", decoded)):
        difference = dbfs(result - heard)
        print(f"{name:<20}{difference:>9.1f}  {verdict(difference < DIFFERENCE_TARGET_DB)}")
    print(f"(the wave itself peaks at {dbfs(heard):.1f} dBFS)")


def codec_of(model: Path, tile_frames: int = 0) -> Codec:
    return Codec(model / "vae", choose("cpu", "float32"), tile_frames)


def noise() -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (2, SECONDS * RATE_HZ)).astype(np.float32)


def dbfs(wave: np.ndarray) -> float:
    peak = float(np.abs(wave).max())
    return 20 * math.log10(peak) if peak else -math.inf


def verdict(met: bool) -> str:
    return "target met" if met else "target missed"


if __name__ == "__main__":
    main()
