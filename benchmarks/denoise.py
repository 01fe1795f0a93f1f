"""Denoising steps of a decoder of real width and four layers: ours vs the same weights in diffusers' own classes.

Width 2048, a condition of 300 tokens, float32 on the CPU. Both are given the same input in turns; every time is divided
by that of diffusers in the same round. Prints median ratios, of processor time (which a busy machine hardly disturbs)
with its range and of wall time, and the difference of the results.

Targets: at most 0.93 at 240 s and 0.82 at 600 s.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from diffusers import AceStepTransformer1DModel
from step import CONDITION, CONFIG

from acestep_plugins.backends.pt.dit_modules import build_decoder

TARGETS = {60: None, 240: 0.93, 600: 0.82}


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2, help="denoising steps per measurement")
    parser.add_argument("--seconds", type=int, nargs="*", default=list(TARGETS))
    given = parser.parse_args()
    torch.manual_seed(0)
    ours = build_decoder(CONFIG).eval()
    theirs = AceStepTransformer1DModel(**CONFIG).eval()
    theirs.load_state_dict(ours.state_dict())
    print(f"{'seconds':>8}{'ratio':>8}{'lowest':>8}{'highest':>9}{'target':>9}{'wall':>8}{'difference':>12}")
    for seconds in given.seconds:
        x, condition = torch.randn(1, seconds * 25, 64), torch.randn(1, CONDITION, 2048)
        context, ratios, walls = torch.randn(1, seconds * 25, 128), [], []
        for number in range(given.rounds + 1):
            (cpu_theirs, wall_theirs), b = timed(theirs, x, condition, context, 1 if number == 0 else given.steps)
            (cpu_ours, wall_ours), a = timed(
                ours, x, ours.prepare(condition), context, 1 if number == 0 else given.steps
            )
            if number:  # the first round warms up
                ratios.append(cpu_ours / cpu_theirs)
                walls.append(wall_ours / wall_theirs)
        target, middle = f"<= {TARGETS[seconds]:.2f}" if TARGETS.get(seconds) else "", statistics.median(ratios)
        error = ((a - b).norm() / b.norm()).item()
        span = f"{min(ratios):8.2f}{max(ratios):9.2f}{target:>9}{statistics.median(walls):8.2f}"
        print(f"{seconds:8}{middle:8.2f}{span}{error:12.1e}", flush=True)


def timed(decoder: Callable, x: torch.Tensor, condition: object, context: torch.Tensor, steps: int) -> tuple:
    """((processor seconds, seconds), x after these Euler steps)."""
    cpu, wall = time.process_time(), time.perf_counter()
    for step in range(steps):
        t = torch.full((1,), 1 - step / 8)
        given = {"timestep": t, "timestep_r": t, "encoder_hidden_states": condition, "context_latents": context}
        x = x - decoder(hidden_states=x, **given, return_dict=False)[0] / 8
    return (time.process_time() - cpu, time.perf_counter() - wall), x


if __name__ == "__main__":
    main()
