"""A whole clip on a GPU at the real 2B shape with random weights: 8 steps and the codec, seconds and peak memory.

Once plain, once compiled, and both with 8-bit weights where torchao is installed; bfloat16, a condition of 600 tokens.
The first run of each warms up (and compiles) and is shown too. Without a GPU it says so and does nothing;
`--device cpu --layers 2 --seconds 6` tries the script itself.
"""

import argparse
import time
from collections.abc import Callable

import torch

from acestep_core import UserError
from acestep_core.schedule import shifted
from acestep_plugins.backends.pt.quiet import quiet

quiet()
from acestep_plugins.backends.pt.codec import DECODE_OVERLAP, oobleck, tile_at  # noqa: E402
from acestep_plugins.backends.pt.compiled import Compiled  # noqa: E402
from acestep_plugins.backends.pt.dit_modules import build_decoder  # noqa: E402
from acestep_plugins.backends.pt.quantised import quantise  # noqa: E402

CONFIG = {"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 24, "num_attention_heads": 16,
          "num_key_value_heads": 8, "head_dim": 128, "in_channels": 192, "audio_acoustic_hidden_dim": 64,
          "patch_size": 2, "sliding_window": 128}  # fmt: skip
CODEC = {"encoder_hidden_size": 128, "downsampling_ratios": [2, 4, 4, 6, 10], "channel_multiples": [1, 2, 4, 8, 16],
         "decoder_channels": 128, "decoder_input_channels": 64}  # fmt: skip
CONDITION, STEPS, TILE = 600, 8, 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--layers", type=int, default=CONFIG["num_hidden_layers"])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        print("there is no GPU here: nothing was measured. The script is ready; run it on a machine with one.")
        return
    device, frames = torch.device(given.device), round(given.seconds * 25)
    print(f"{torch.cuda.get_device_name(device) if device.type == 'cuda' else device}: "
          f"{given.layers} layers, {given.seconds:g} s, {STEPS} steps")  # fmt: skip
    print(f"{'':<16}{'first s':>9}{'steps s':>9}{'codec s':>9}{'weights GB':>12}{'steps GB':>10}{'codec GB':>10}")
    for kind in ("none", "int8"):
        for compiled in (False, True):
            try:
                report(kind, compiled, given.layers, frames, device, given.rounds)
            except UserError as e:
                print(f"{kind}: {e.problem}")


@torch.inference_mode()
def report(kind: str, compiled: bool, layers: int, frames: int, device: torch.device, rounds: int) -> None:
    torch.manual_seed(0)
    decoder, vae = made(layers, device)
    if kind != "none":
        quantise({"decoder": decoder}, kind, device)
    if compiled:
        Compiled(decoder)
    x, context = (torch.randn(1, frames, n).to(device, torch.bfloat16) for n in (64, 128))
    prepared = decoder.prepare(torch.randn(1, CONDITION, 2048).to(device, torch.bfloat16))
    weights = allocated(device)
    first, _ = timed(lambda: steps(decoder, x, context, prepared), device)
    runs = [timed(lambda: steps(decoder, x, context, prepared), device) for _ in range(rounds)]
    decoded = [timed(lambda: wave(vae, x), device) for _ in range(rounds)]
    name = f"{'8-bit' if kind == 'int8' else 'plain'}{', compiled' if compiled else ''}"
    seconds = f"{first:>9.2f}{min(s for s, _ in runs):>9.2f}{min(s for s, _ in decoded):>9.2f}"
    memory = f"{weights / 1e9:>12.2f}{runs[-1][1] / 1e9:>10.2f}{decoded[-1][1] / 1e9:>10.2f}"
    print(f"{name:<16}{seconds}{memory}", flush=True)


def made(layers: int, device: torch.device) -> tuple[torch.nn.Module, torch.nn.Module]:
    with torch.device(device):
        decoder, vae = build_decoder({**CONFIG, "num_hidden_layers": layers}), oobleck(**CODEC)
    return (m.to(device, torch.bfloat16).eval().requires_grad_(False) for m in (decoder, vae))


def steps(decoder: torch.nn.Module, x: torch.Tensor, context: torch.Tensor, prepared: object) -> torch.Tensor:
    times = shifted(STEPS, 3.0)
    for t, after in zip(times, times[1:], strict=False):
        now = torch.full((1,), t, device=x.device, dtype=x.dtype)
        x = x - decoder(x, now, now, prepared, context)[0] * (t - after)
    return x


def wave(vae: torch.nn.Module, latents: torch.Tensor) -> None:
    start, frames = 0, latents.shape[1]
    while start < frames:
        left, _, start, right = tile_at(start, frames, TILE, DECODE_OVERLAP)
        vae.decode(latents[:, left:right].transpose(1, 2)).sample.cpu()


def timed(work: Callable[[], object], device: torch.device) -> tuple[float, int]:
    """(seconds, peak bytes)"""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    spent = time.perf_counter() - start
    return spent, torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


def allocated(device: torch.device) -> int:
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0


if __name__ == "__main__":
    main()
