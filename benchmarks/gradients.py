"""Memory of measuring the gradients of frozen weights: let go of one by one, as `estimate` does, or all kept.

Four layers of the real width (2048), 60 s of latents, float32 on the CPU; each way in a process of its own, peak memory
above that of the loaded weights.

Target: what is let go of takes at most 0.6 of what is kept, in units of the weights' size.
"""

import argparse
import resource
import subprocess
import sys

from step import CONDITION, CONFIG, FRAMES

TARGET = 0.6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", choices=("kept", "let go of"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        print(measured(given.way))
        return
    found = {way: float(child(way)) for way in ("kept", "let go of")}
    for way, share in found.items():
        print(f"gradients {way:<10}  peak {share:.2f} of the weights' size above them")
    ratio = found["let go of"] / found["kept"]
    print(f"ratio {ratio:.2f} (target {TARGET}: {'met' if ratio <= TARGET else 'missed'})")


def child(way: str) -> str:
    command = [sys.executable, __file__, "--way", way]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]


def measured(way: str) -> float:
    """Peak memory above the weights, in units of their size."""
    import torch

    from acestep_plugins.backends.pt.checkpointing import checkpointing
    from acestep_plugins.backends.pt.dit import PtDecoder
    from acestep_plugins.backends.pt.dit_modules import build_decoder
    from acestep_plugins.backends.pt.gradients import squared_norms

    torch.set_num_threads(1)
    torch.manual_seed(0)
    decoder = PtDecoder(build_decoder(CONFIG).requires_grad_(False))
    weights = {n: m.weight for n, m in decoder.linears().items() if n.startswith("layers.")}
    size = sum(w.numel() * w.element_size() for w in weights.values())
    before = peak()
    with checkpointing(decoder.module, 1.0), torch.enable_grad():
        if way == "kept":
            for weight in weights.values():
                weight.requires_grad_(True)
            loss(decoder.module).backward()
        else:
            with squared_norms(weights):
                loss(decoder.module).backward()
    return (peak() - before) / size


def loss(module):
    import torch

    (velocity,) = module(
        hidden_states=torch.randn(1, FRAMES, 64),
        timestep=torch.full((1,), 0.5),
        timestep_r=torch.full((1,), 0.5),
        encoder_hidden_states=torch.randn(1, CONDITION, module.condition_embedder.in_features),
        context_latents=torch.randn(1, FRAMES, 128),
    )
    return velocity.square().mean()


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
