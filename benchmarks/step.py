"""What an adapter costs: forward and backward through four layers of the real width, plain frozen vs LoRA vs LoKr.

Width 2048, 750 tokens (60 s of audio), batch 1, float32 on the CPU. The rounds are interleaved and every time is
divided by the plain one of the same round, so a busy machine shifts all of them alike. Prints median ratios.

Targets: LoRA r64 at most 1.35, LoKr at most 1.40.
"""

import argparse
import statistics
import time

import torch

from acestep_core.registry import registry
from acestep_plugins.backends.pt.dit import PtDecoder
from acestep_plugins.backends.pt.dit_modules import build_decoder

CONFIG = {
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "num_hidden_layers": 4,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "in_channels": 192,
    "audio_acoustic_hidden_dim": 64,
    "patch_size": 2,
    "sliding_window": 128,
}
FRAMES, CONDITION = 1500, 300
TARGETS = {"plain frozen": None, "lora r64": 1.35, "lokr": 1.40}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    decoder = PtDecoder(build_decoder(CONFIG).requires_grad_(False))
    inputs = make_inputs()
    plugins = registry()
    adapters = {
        "plain frozen": None,
        "lora r64": plugins.make("adapters", "lora", {"rank": 64}),
        "lokr": plugins.make("adapters", "lokr"),
    }
    times: dict[str, list[float]] = {name: [] for name in adapters}
    for number in range(given.rounds + 1):
        for name, adapter in adapters.items():
            seconds = timed(decoder, adapter, inputs)
            if number:  # the first round warms up
                times[name].append(seconds)
    report(times, given.threads)


def make_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        "hidden_states": torch.randn(1, FRAMES, 64, requires_grad=True),  # as below a layer that trains
        "timestep": torch.full((1,), 0.5),
        "timestep_r": torch.full((1,), 0.5),
        "encoder_hidden_states": torch.randn(1, CONDITION, 2048),
        "context_latents": torch.randn(1, FRAMES, 128),
    }


def timed(decoder: PtDecoder, adapter, inputs: dict[str, torch.Tensor]) -> float:
    attached = adapter.attach(decoder) if adapter else None
    start = time.perf_counter()
    decoder.module(**inputs, return_dict=False)[0].square().mean().backward()
    seconds = time.perf_counter() - start
    inputs["hidden_states"].grad = None
    if attached:
        attached.detach()
    return seconds


def report(times: dict[str, list[float]], threads: int) -> None:
    plain = times["plain frozen"]
    print(f"4 layers of width 2048, {FRAMES // 2} tokens, {threads} threads, {len(plain)} rounds")
    print(f"{'':14}{'ratio':>8}{'lowest':>8}{'highest':>9}{'target':>9}")
    for name, seconds in times.items():
        ratios = [s / p for s, p in zip(seconds, plain, strict=True)]
        target = f"<= {TARGETS[name]:.2f}" if TARGETS[name] else ""
        print(f"{name:14}{statistics.median(ratios):8.2f}{min(ratios):8.2f}{max(ratios):9.2f}{target:>9}")


if __name__ == "__main__":
    main()
