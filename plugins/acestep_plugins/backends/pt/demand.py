"""How much memory the parts need, computed from config.json and the headers of the weights.

Weights are counted exactly. What work takes on top is counted in values per frame or token; the factors below were
measured by benchmarks/activations.py on the CPU, at the widths of 2B and XL (growth of the process, rounded up).
"""

import json
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core import UserError
from acestep_core.checkpoint import read_config, read_model, weight_files, weightless
from acestep_core.lm.requests import CODE_RATE_HZ
from acestep_core.parts import CHANNELS, FRAME_RATE_HZ, HOP, Demand

# A decoder step has about three values per token as wide as the MLP at once, nine of the width, two of the attention:
# at 2B 20,100 per frame measured and 20,480 counted, at XL 29,500 and 30,208.
_MLP, _WIDTH, _ATTENTION = 3, 9, 2
# The text encoder at the same count has eighteen of its width: 26,900 per token measured, 27,648 counted.
_TEXT_WIDTH = 18
# Per channel and sample at its full rate the codec has about eleven values to decode (2.4 to 2.7 million per frame
# measured, 2.7 counted) and six to encode.
_DECODE, _ENCODE = 11, 6
# The most that training knew (conditioning_text.py of the reference): lyrics, caption; and a timbre reference.
_LYRICS, _CAPTION, _TIMBRE = 2048, 256, 750
# What a language model reads before audio codes: those, its own caption with the metas, and the template around them.
_PROMPT = _LYRICS + _CAPTION + 512
_PAIR = 2  # guidance reads every song twice
_SCORED = 4  # at most a quarter of all tokens' outputs are gathered, more are made whole
_OVERLAP = 24  # frames that a tile of the codec sees beyond its own, on both sides together
# A note bank's tables, and a frame of a tile: 153 MB measured at 512 frames, 66 MB at 128, always on the CPU.
_NOTE_BANK, _NOTE_BANK_FRAME = 50 * 2**20, 256 * 1024
_WORK_SHARE = 1.1  # blocks are freed a little later than they could be


@dataclass(frozen=True)
class Precision:
    """Bytes a value takes, and whether the blocks' weights take one byte instead."""

    value: int
    eight_bits: bool = False


def of_dit(folder: Path, precision: Precision, seconds: float, batch: int) -> Demand:
    """Decoder and condition encoder, without what only covers and audio codes need."""
    info = read_model(folder)
    weights, largest = 0, 0
    for name, shape in shapes(folder):
        if name.startswith(("tokenizer.", "detokenizer.")):
            continue
        weights += _bytes(name, shape, precision)
        largest = max(largest, math.prod(shape))
    c = info.config
    tokens = math.ceil(seconds * FRAME_RATE_HZ / c.get("patch_size", 2))
    heads, keys = (c[n] * c["head_dim"] for n in ("num_attention_heads", "num_key_value_heads"))
    per_token = _MLP * c["intermediate_size"] + _WIDTH * info.hidden_size + _ATTENTION * heads
    step = batch * (tokens * per_token * precision.value + seconds * FRAME_RATE_HZ * CHANNELS * 4 * 10)
    conditions = batch * (1 if info.turbo else 2)
    held = conditions * (_LYRICS + _CAPTION + 1) * info.layers * 2 * keys * precision.value
    once = (_LYRICS + _TIMBRE) * per_token * precision.value  # conditions are made one after another
    whole = largest * (precision.value + 4) if precision.eight_bits else 0  # one layer's weight, made whole to be used
    return Demand(weights, round((max(step + held, once) + whole) * _WORK_SHARE))


def of_text(folder: Path, precision: Precision) -> Demand:
    config = read_config(folder, ("hidden_size", "intermediate_size"))
    weights = sum(_bytes(name, shape, Precision(precision.value)) for name, shape in shapes(folder))
    per_token = _MLP * config["intermediate_size"] + _TEXT_WIDTH * config["hidden_size"]
    lyrics = _LYRICS * config["hidden_size"]
    return Demand(weights, round((2 * _CAPTION * per_token + lyrics) * precision.value * _WORK_SHARE))


def of_codec(folder: Path, precision: Precision, tile_frames: int, seconds: float) -> Demand:
    if weightless(folder):
        return Demand(0, _NOTE_BANK + _NOTE_BANK_FRAME * tile_frames)
    config = read_config(folder, ("encoder_hidden_size", "decoder_channels"))
    weights = sum(_bytes(name, shape, Precision(precision.value)) for name, shape in shapes(folder))
    encoder = config.get("encoder_width") or config["encoder_hidden_size"]
    values = max(_ENCODE * encoder, _DECODE * config["decoder_channels"])
    frames = min(math.ceil(seconds * FRAME_RATE_HZ), tile_frames + _OVERLAP)
    return Demand(weights, round(frames * HOP * values * precision.value * _WORK_SHARE))


def of_lm(folder: Path, precision: Precision, seconds: float, batch: int) -> Demand:
    """The 5 Hz language model, to think as many songs of that length through at once, with guidance."""
    c = read_config(folder, ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                             "num_key_value_heads", "head_dim", "vocab_size"))  # fmt: skip
    value, rows = precision.value, batch * _PAIR
    weights = sum(_bytes(name, shape, Precision(value)) for name, shape in shapes(folder))
    row = 2 * c["num_key_value_heads"] * c["head_dim"] * value  # keys and values of a token in one layer
    # one layer is there twice while it grows, and for attention once more, written out for every head
    layers = c["num_hidden_layers"] + 1 + c["num_attention_heads"] / c["num_key_value_heads"]
    per_token = _MLP * c["intermediate_size"] + _TEXT_WIDTH * c["hidden_size"]
    read = rows * _PROMPT * (per_token * value + row * layers)
    held = rows * (_PROMPT + seconds * CODE_RATE_HZ) * row * layers
    scores = c["vocab_size"] * (rows * (2 * value + 4) + c["hidden_size"] * value / _SCORED)
    return Demand(weights, round(max(read, held + scores) * _WORK_SHARE))


def shapes(folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """(name, shape) of every tensor, from the headers alone."""
    for path in weight_files(folder):
        for name, entry in _header(path).items():
            if name != "__metadata__":
                yield name, tuple(entry["shape"])


def _header(path: Path) -> Mapping[str, Any]:
    """The start of a safetensors file, which is read even where the rest is missing or sparse."""
    try:
        with path.open("rb") as f:
            (length,) = struct.unpack("<Q", f.read(8))
            return json.loads(f.read(length)) if length < 2**28 else {}[length]
    except (OSError, ValueError, KeyError, struct.error) as e:
        raise UserError(f"{path} is no readable safetensors file ({type(e).__name__})", "download it again") from e


def _bytes(name: str, shape: tuple[int, ...], precision: Precision) -> int:
    converted = precision.eight_bits and ".layers." in name and len(shape) == 2 and name.endswith(".weight")
    if converted:
        return math.prod(shape) + shape[0] * precision.value  # a scale per row
    return math.prod(shape) * precision.value
