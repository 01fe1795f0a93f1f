"""A sliding layer's attention at real width: windows cut out in blocks vs one dense mask, time and peak memory.

16 heads of 128, 8 of them for keys, a window of 128 tokens to each side, 12.5 tokens per second, float32 on the CPU.
Rounds are interleaved and each time is divided by the dense one of the same round; memory is the growth of a process
of its own. Prints median ratios.

Targets: time at most 0.30 at 240 s and 0.12 at 600 s; memory at most 1.0 at 240 s and 0.5 at 600 s.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from acestep_plugins.backends.pt.attention import attend_locally

WINDOW, SECONDS = 128, (60, 240, 600)
TARGETS = {60: (None, None), 240: (0.30, 1.0), 600: (0.12, 0.5)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak:
        print(peak_growth(given.peak[0], int(given.peak[1])))
        return
    print(f"{'seconds':>8}{'tokens':>8}{'time':>8}{'target':>9}{'memory':>8}{'target':>9}")
    for seconds in SECONDS:
        times = ratio_of_times(seconds, given.rounds)
        memory = measured_apart("local", seconds) / measured_apart("dense", seconds)
        targets = [f"<= {t:.2f}" if t else "" for t in TARGETS[seconds]]
        print(f"{seconds:8}{tokens(seconds):8}{times:8.2f}{targets[0]:>9}{memory:8.2f}{targets[1]:>9}", flush=True)


def tokens(seconds: int) -> int:
    return seconds * 25 // 2


def made(seconds: int) -> list[torch.Tensor]:
    """Queries, keys and values as a projection leaves them: [B, L, heads, head size], seen as [B, heads, L, ...]."""
    torch.manual_seed(0)
    return [torch.randn(1, tokens(seconds), n, 128).transpose(1, 2) for n in (16, 8, 8)]


def local(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    return attend_locally(query, key, value, WINDOW)


def dense(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """With the additive mask that a model without local attention makes."""
    places = torch.arange(query.shape[2])
    mask = torch.zeros(len(places), len(places))
    mask.masked_fill_((places[:, None] - places[None]).abs() > WINDOW, torch.finfo(torch.float32).min)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=True)


KINDS = {"local": local, "dense": dense}


@torch.inference_mode()
def ratio_of_times(seconds: int, rounds: int) -> float:
    given, ratios = made(seconds), []
    for number in range(rounds + 1):
        times = {}
        for name, attention in KINDS.items():
            start = time.perf_counter()
            attention(*given)
            times[name] = time.perf_counter() - start
        if number:  # the first round warms up
            ratios.append(times["local"] / times["dense"])
    return statistics.median(ratios)


def measured_apart(kind: str, seconds: int) -> float:
    command = [sys.executable, __file__, "--peak", kind, str(seconds)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@torch.inference_mode()
def peak_growth(kind: str, seconds: int) -> int:
    """KiB that the process grew by while it attended once, after a short piece warmed it up. Linux only."""
    KINDS[kind](*made(20))
    given = made(seconds)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = status("VmRSS")
    KINDS[kind](*given)
    return status("VmHWM") - before


def status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


if __name__ == "__main__":
    main()
