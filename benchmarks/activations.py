"""What the parts need in memory beside their weights, from which `acestep-core models plan` computes.

Peak growth of a process while a part works once, at real widths with few layers (in inference they use the same
memory one after another) and random weights, on the CPU; Linux only. From two sizes each: bytes per frame or token.
The decoder is also measured with the block sizes that local attention has on a GPU. Weights of 8 bits are made whole
one layer at a time, which the plan adds from the shapes.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

SIZES_2B = {"hidden_size": 2048, "intermediate_size": 6144, "num_attention_heads": 16, "num_key_value_heads": 8}
SIZES_XL = {"hidden_size": 2560, "intermediate_size": 9728, "num_attention_heads": 32, "num_key_value_heads": 8}
DECODER = {"head_dim": 128, "in_channels": 192, "audio_acoustic_hidden_dim": 64, "patch_size": 2, "sliding_window": 128,
           "num_hidden_layers": 2, "encoder_hidden_size": 2048}  # fmt: skip
CODEC = {"encoder_hidden_size": 128, "downsampling_ratios": [2, 4, 4, 6, 10], "channel_multiples": [1, 2, 4, 8, 16],
         "decoder_channels": 128, "decoder_input_channels": 64}  # fmt: skip
CASES = {  # (what, dtype): two sizes
    ("decoder 2B", "float32"): (1500, 6000),
    ("decoder 2B", "bfloat16"): (1500, 6000),
    ("decoder 2B, blocks of a GPU", "float32"): (1500, 6000),
    ("decoder XL", "float32"): (1500, 6000),
    ("codec decode", "float32"): (8, 24),
    ("codec encode", "float32"): (8, 24),
    ("text encoder", "float32"): (256, 1024),
    ("condition encoder", "float32"): (512, 2048),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="cases whose name begins so")
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak:
        print(peak_growth(given.peak[0], getattr(torch, given.peak[1]), int(given.peak[2])))
        return
    print(f"{'part':<30}{'dtype':<10}{'sizes':>12}{'peaks MB':>18}{'KB each':>10}{'values each':>13}")
    for (what, dtype), sizes in CASES.items():
        if given.only and not what.startswith(given.only):
            continue
        low, high = (measured_apart(what, dtype, n) for n in sizes)
        each = (high - low) / (sizes[1] - sizes[0])
        values = each / getattr(torch, dtype).itemsize
        peaks = f"{low / 1e6:.1f} {high / 1e6:.1f}"
        print(
            f"{what:<30}{dtype:<10}{sizes[0]:>6}{sizes[1]:>6}{peaks:>18}{each / 1e3:>10.1f}{values:>13.0f}", flush=True
        )


def measured_apart(what: str, dtype: str, size: int) -> int:
    command = [sys.executable, __file__, "--peak", what, dtype, str(size)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@torch.inference_mode()
def peak_growth(what: str, dtype: torch.dtype, size: int) -> int:
    """Bytes; a small piece of work goes first, since libraries take memory of their own once."""
    torch.manual_seed(0)
    work = {"decoder": decoder, "codec": codec, "text": text, "condition": conditions}[what.split()[0]](what, dtype)
    work(4)
    given_back = Path("/proc/self/clear_refs")
    given_back.write_text("5")  # the peak counts from here
    before = status("VmRSS")
    work(size)
    return status("VmHWM") - before


def decoder(what: str, dtype: torch.dtype) -> Callable[[int], object]:
    from acestep_plugins.backends.pt import attention
    from acestep_plugins.backends.pt.dit_modules import build_decoder

    if "GPU" in what:
        attention._CPU_BLOCK, attention._CPU_GROUP = attention._GPU_BLOCK, attention._GPU_GROUP
    module = build_decoder({**DECODER, **(SIZES_XL if "XL" in what else SIZES_2B)}).to(dtype).eval()
    prepared, t = module.prepare(torch.randn(1, 300, 2048).to(dtype)), torch.full((1,), 0.5).to(dtype)

    def work(frames: int) -> object:
        x, context = (torch.randn(1, frames, n).to(dtype) for n in (64, 128))
        return module(x, t, t, prepared, context)

    return work


def codec(what: str, dtype: torch.dtype) -> Callable[[int], object]:
    from acestep_plugins.backends.pt.codec import oobleck

    vae = oobleck(**CODEC).to(dtype).eval()
    for layer in vae.modules():
        if hasattr(layer, "weight_g"):
            torch.nn.utils.remove_weight_norm(layer)
    if "decode" in what:
        return lambda frames: vae.decode(torch.randn(1, 64, frames).to(dtype)).sample
    return lambda frames: vae.encode(torch.randn(1, 2, frames * 1920).to(dtype)).latent_dist.parameters


def text(what: str, dtype: torch.dtype) -> Callable[[int], object]:
    from transformers import Qwen3Config, Qwen3Model

    config = Qwen3Config(vocab_size=1000, hidden_size=1024, intermediate_size=3072, num_hidden_layers=2,
                         num_attention_heads=16, num_key_value_heads=8, head_dim=128)  # fmt: skip
    model = Qwen3Model(config).to(dtype).eval()
    return lambda tokens: model(input_ids=torch.zeros(1, tokens, dtype=torch.long)).last_hidden_state


def conditions(what: str, dtype: torch.dtype) -> Callable[[int], object]:
    from acestep_plugins.backends.pt.dit_modules import build_encoder

    sizes = {"text_hidden_dim": 1024, "timbre_hidden_dim": 64, "num_lyric_encoder_hidden_layers": 2,
             "num_timbre_encoder_hidden_layers": 1, "head_dim": 128, "sliding_window": 128}  # fmt: skip
    encoder = build_encoder(SIZES_2B | sizes).to(dtype).eval()

    def work(tokens: int) -> object:
        mask = torch.ones(1, tokens, dtype=torch.bool)
        return encoder(
            text_hidden_states=torch.randn(1, 256, 1024).to(dtype), text_attention_mask=mask[:, :1].expand(1, 256),
            lyric_hidden_states=torch.randn(1, tokens, 1024).to(dtype), lyric_attention_mask=mask,
            refer_audio_acoustic_hidden_states_packed=torch.randn(1, 750, 64).to(dtype),
            refer_audio_order_mask=torch.zeros(1, dtype=torch.long),
        )  # fmt: skip

    return work


def status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


if __name__ == "__main__":
    main()
