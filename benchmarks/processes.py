"""What training in two processes adds to a step: agreeing on a message, and adding up the gradients of a LoRA r64.

Starts two processes on the CPU by itself. The step is forward and backward through four layers of the real width with
750 tokens (60 s of audio), batch 1, float32, in both at once; the exchange begins when both are done with it. Prints
medians and the share of the step.

Target: the exchange takes at most 0.02 of the step.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from step import CONFIG, FRAMES, make_inputs

from acestep_core.processes import Processes, joined
from acestep_core.registry import registry
from acestep_plugins.backends.pt.dit import PtDecoder
from acestep_plugins.backends.pt.dit_modules import build_decoder
from acestep_plugins.backends.pt.exchange import Exchange

TARGET = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with joined() as processes:
        if processes.count == 1:
            again = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *sys.argv]
            raise SystemExit(subprocess.run(again).returncode)
        measure(processes, given.rounds)


def measure(processes: Processes, rounds: int) -> None:
    torch.set_num_threads(1)
    decoder, inputs = PtDecoder(build_decoder(CONFIG).requires_grad_(False)), make_inputs()
    attached = registry().make("adapters", "lora", {"rank": 64}).attach(decoder)
    exchange = Exchange(processes, attached.parameters)

    def step() -> None:
        decoder.module(**inputs, return_dict=False)[0].square().mean().backward()

    times: dict[str, list[float]] = {"step": [], "agreeing": [], "gradients": []}
    for _ in range(rounds):
        for parameter in attached.parameters.values():
            parameter.grad = None
        for name, work in (("step", step), ("agreeing", lambda: None), ("gradients", exchange.add_up)):
            processes.all(lambda: None)
            times[name].append(seconds(work if name != "agreeing" else lambda: processes.all(lambda: 0.5)))
    if processes.main:
        report(times, sum(p.numel() for p in attached.parameters.values()))


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def report(times: dict[str, list[float]], parameters: int) -> None:
    print(f"2 processes, 4 layers of width 2048, {FRAMES // 2} tokens, {parameters:,} parameters")
    for name, found in times.items():
        print(f"{name:10} {1000 * statistics.median(found):9.1f} ms")
    pairs = zip(times["agreeing"], times["gradients"], times["step"], strict=True)
    share = statistics.median((2 * a + g) / s for a, g, s in pairs)  # a step agrees on its losses, and on going on
    print(f"share of the step {share:.3f} (target: at most {TARGET:.2f})")


if __name__ == "__main__":
    main()
