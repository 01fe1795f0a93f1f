"""Training steps on a GPU at the real 2B shape with random weights: seconds per step and peak memory by length.

Ours and the plain loop of train_step.py, bfloat16, batch 1, with the LoRA and LoKr of that script. Without a GPU it
says so and does nothing; `--device cpu --layers 1 --seconds 4` tries the script itself.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from train_step import Bench


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--seconds", type=int, nargs="*", default=(60, 120, 240))
    parser.add_argument("--dtype", default="bfloat16", choices=("float32", "bfloat16"))
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    device = torch.device(given.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("there is no GPU here: nothing was measured. The script is ready; run it on a machine with one.")
        return
    print(f"{torch.cuda.get_device_name() if given.device != 'cpu' else 'cpu'}: {given.layers} layers, {given.dtype}")
    print(f"{'':<26}{'seconds':>8}{'s a step':>10}{'GB':>8}{'beside the weights':>20}")
    for seconds in given.seconds:
        with tempfile.TemporaryDirectory() as folder:
            shape = argparse.Namespace(layers=given.layers, seconds=seconds, dtype=given.dtype)
            bench = Bench(shape, Path(folder), device)
            weights = sum(w.nbytes for w in bench.weights.values())
            for way in ("plain lora", "ours lora, checkpointed", "ours lora", "ours lokr"):
                each, peak = measured(bench.steps(way), device, given.rounds)
                memory = f"{peak / 1e9:8.2f}{(peak - weights) / 1e9:20.2f}" if device.type == "cuda" else ""
                print(f"{way:<26}{seconds:>8}{each:>10.3f}{memory}", flush=True)


def measured(steps: Iterator[Any], device: torch.device, rounds: int) -> tuple[float, int]:
    """(median seconds of a step, peak bytes), after two steps that warm up."""
    times, cuda = [], device.type == "cuda"
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    for _ in range(rounds + 2):
        start = time.perf_counter()
        next(steps)
        if cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated() if cuda else 0
    steps.close()
    return statistics.median(times[2:]), peak


if __name__ == "__main__":
    main()
