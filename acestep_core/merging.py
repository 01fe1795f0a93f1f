"""Writes a model folder in which an adapter is part of the weights: the original layout, readable by every program.

The header of a weight file does not change, so it is copied and only the changed tensors are overwritten: one layer
at a time is in memory.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core.checkpoint import ModelInfo, weight_files
from acestep_core.errors import UserError
from acestep_core.files import write_json

if TYPE_CHECKING:
    import torch

RECORD = "merged.json"
_PREFIX, _SUFFIX = "decoder.", ".weight"


def base_weight(model: ModelInfo) -> "Callable[[str], torch.Tensor]":
    """Gives the weight of a decoder layer by its original name, float32, read when it is asked for."""
    files = _files_of(model)

    def weight(layer: str) -> "torch.Tensor":
        from safetensors import safe_open

        with safe_open(str(files[layer]), "pt") as f:
            return f.get_tensor(f"{_PREFIX}{layer}{_SUFFIX}").float()

    return weight


def check_model(path: Path, facts: Mapping[str, Any], model: ModelInfo) -> None:
    """Raise `UserError` for an adapter of another size of model."""
    width = facts.get("model_width")
    if width is not None and width != model.hidden_size:
        raise UserError(f"{path} was made for a model of width {width}, {model.folder} has {model.hidden_size}",
                        "use the model it was trained on")  # fmt: skip


def write_merged(
    model: ModelInfo,
    changes: "Mapping[str, Callable[[torch.Tensor], torch.Tensor]]",
    scale: float,
    out: Path,
    record: Mapping[str, Any],
    on_layer: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Copy the model to the new folder `out` with these layers changed; `record` is kept beside them.

    Raises `UserError` naming every layer that the model lacks, before anything is written.
    """
    files = _files_of(model)
    missing = [name for name in changes if name not in files]
    if missing:
        raise UserError(f"{model.folder} lacks {len(missing)} of {len(changes)} layers of the adapter:\n  "
                        + "\n  ".join(missing), "was it trained on another size of model (2B, XL)?")  # fmt: skip
    out.mkdir(parents=True)
    touched = {files[name] for name in changes}
    for source in sorted(p for p in model.folder.iterdir() if p.is_file()):
        _copy(source, out / source.name, link=source in weight_files(model.folder) and source not in touched)
    weight = base_weight(model)
    for i, (name, change) in enumerate(changes.items()):
        before = weight(name)
        _overwrite(out / files[name].name, f"{_PREFIX}{name}{_SUFFIX}", before + scale * (change(before) - before))
        on_layer(i + 1, len(changes))
    write_json(out / RECORD, record)


def _files_of(model: ModelInfo) -> dict[str, Path]:
    """The file that holds each layer's weight, by the layer's original name."""
    found = {}
    for file in weight_files(model.folder):
        for key in _header(file)[0]:
            if key.startswith(_PREFIX) and key.endswith(_SUFFIX):
                found[key.removeprefix(_PREFIX).removesuffix(_SUFFIX)] = file
    return found


def _header(file: Path) -> tuple[dict[str, Any], int]:
    """(what the header says of each tensor, where the tensors begin) of a safetensors file."""
    with open(file, "rb") as f:
        length = int.from_bytes(f.read(8), "little")
        return json.loads(f.read(length)), 8 + length


def _overwrite(file: Path, key: str, tensor: "torch.Tensor") -> None:
    import torch

    header, start = _header(file)
    dtype = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}.get(header[key]["dtype"])
    if dtype is None or list(tensor.shape) != header[key]["shape"]:
        raise UserError(f"{file} holds {key} as {header[key]['dtype']} {header[key]['shape']}, which cannot be merged",
                        "merge into the original, unquantised model")  # fmt: skip
    stored = tensor.detach().to(dtype).contiguous().view(torch.uint8).numpy().tobytes()
    first, last = header[key]["data_offsets"]
    assert len(stored) == last - first
    with open(file, "r+b") as f:
        f.seek(start + first)
        f.write(stored)
        f.seek(start + first)
        if f.read(last - first) != stored:
            raise UserError(f"{file} does not read back as it was written", "is the disk full or damaged?")


def _copy(source: Path, to: Path, link: bool) -> None:
    if link:
        try:
            os.link(source, to)
            return
        except OSError:
            pass  # another disk, or a file system without links
    shutil.copyfile(source, to)
