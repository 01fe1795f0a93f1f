"""Writes a model folder in which adapters are part of the weights: the original layout, readable by every program.

The header of a weight file does not change, so it is copied and only the changed tensors are overwritten: one layer
at a time is in memory. A file has its name when all of it was compared, so that one that was killed goes on there.
"""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core.checkpoint import TEXT, VAE, Checkpoint, ModelInfo, weight_files
from acestep_core.errors import UserError
from acestep_core.files import write_json

if TYPE_CHECKING:
    import torch

RECORD = "merged.json"
_PLAN = ".plan.json"
_PREFIX, _SUFFIX = "decoder.", ".weight"
_BLOCK = 8 * 1024 * 1024

Changes = Sequence[tuple[Mapping[str, Callable[[Any], Any]], float]]
"""Of each adapter, by layer, what makes of a weight (float32) the changed one; and its strength.

A tensor that is no layer's weight, such as a bias, has its own name: proj_in.1.bias.
"""


def base_weight(model: ModelInfo) -> "Callable[[str], torch.Tensor]":
    """Gives the weight of a decoder layer by its original name, float32, read when it is asked for."""
    places = _places_of(model)

    def weight(layer: str) -> "torch.Tensor":
        from safetensors import safe_open

        if layer not in places:
            raise UserError(f"{model.folder} has no layer {layer}", "was it trained on another size of model (2B, XL)?")
        file, key = places[layer]
        with safe_open(str(file), "pt") as f:
            return f.get_tensor(key).float()

    return weight


def check_model(path: Path, facts: Mapping[str, Any], model: ModelInfo) -> None:
    """Raise `UserError` for an adapter of another size of model."""
    width = facts.get("model_width")
    if width is not None and width != model.hidden_size:
        raise UserError(f"{path} was made for a model of width {width}, {model.folder} has {model.hidden_size}",
                        "use the model it was trained on")  # fmt: skip


@dataclass(frozen=True)
class _Copy:
    source: Path
    to: Path
    changed: Mapping[str, str]
    """Keys of the changed tensors by the name that an adapter has for them."""

    @property
    def linked(self) -> bool:
        """Whether it can share the space of the original. Files that people edit never do."""
        return not self.changed and self.source.suffix == ".safetensors"


def write_merged(
    model: Checkpoint,
    changes: Changes,
    out: Path,
    record: Mapping[str, Any],
    on_layer: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Copy the model and its parts to the folder `out` with layers changed; how many. `record` is kept beside them.

    The change of a layer is the sum of what each adapter would change, times its strength. Raises `UserError` naming
    every layer that the model lacks, and for a full disk, before anything is written.
    """
    layers = list(dict.fromkeys(name for of_one, _ in changes for name in of_one))
    copies = list(_copies(model, layers, out))
    _check_room(copies, out)
    _begin(out, record)
    done = 0
    for copy in copies:
        if not copy.to.exists():
            part = copy.to.with_name(f".{copy.to.name}.part")
            copy.to.parent.mkdir(parents=True, exist_ok=True)
            written = _written(copy, part, changes, lambda n, done=done: on_layer(done + n, len(layers)))
            _check_same(copy.source, part, written)
            part.replace(copy.to)
        done += len(copy.changed)
    write_json(out / model.dit.folder.name / RECORD, record)
    (out / _PLAN).unlink()
    return len(layers)


def _copies(model: Checkpoint, layers: Sequence[str], out: Path) -> Iterable[_Copy]:
    places = _places_of(model.dit)
    missing = [name for name in layers if name not in places]
    if missing:
        raise UserError(f"{model.dit.folder} lacks {len(missing)} of {len(layers)} layers of the adapter:\n  "
                        + "\n  ".join(missing), "was it trained on another size of model (2B, XL)?")  # fmt: skip
    parts = [model.dit.folder, *(p for name in (VAE, TEXT) if (p := model.root / name).is_dir())]
    for folder in parts:
        for source in sorted(p for p in folder.rglob("*") if p.is_file()):
            to = out / folder.name / source.relative_to(folder)
            yield _Copy(source, to, {n: places[n][1] for n in layers if places[n][0] == source})


def _check_room(copies: Iterable[_Copy], out: Path) -> None:
    """Links are not counted on another disk, where they become copies."""
    there = next(p for p in out.absolute().parents if p.exists())
    needed = sum(c.source.stat().st_size for c in copies
                 if not c.to.exists() and not (c.linked and c.source.stat().st_dev == there.stat().st_dev))  # fmt: skip
    free = shutil.disk_usage(there).free
    if needed > free:
        raise UserError(f"The merged model needs {math.ceil(needed / 2**20)} MiB, and {there} has {free // 2**20} free",
                        "make room, or give an --out on another disk")  # fmt: skip


def _begin(out: Path, record: Mapping[str, Any]) -> None:
    """What another adapter or model left there goes."""
    plan = json.dumps(record, sort_keys=True)
    if out.exists() and (not (out / _PLAN).is_file() or (out / _PLAN).read_text(encoding="utf-8") != plan):
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / _PLAN).write_text(plan, encoding="utf-8")


def _written(copy: _Copy, to: Path, changes: Changes, told: Callable[[int], None]) -> dict[str, str]:
    """The digest of every tensor that was changed, as it was to be written."""
    to.unlink(missing_ok=True)
    _duplicate(copy, to)
    digests = {}
    for i, (name, key) in enumerate(copy.changed.items()):
        digests[key] = _overwrite(to, key, _changed(copy.source, key, [(c[name], s) for c, s in changes if name in c]))
        told(i + 1)
    return digests


def _changed(file: Path, key: str, changes: Iterable[tuple[Callable[[Any], Any], float]]) -> Any:
    import torch
    from safetensors import safe_open

    with safe_open(str(file), "pt") as f, torch.no_grad():
        before = f.get_tensor(key).float()
        return before + sum(scale * (change(before) - before) for change, scale in changes)


def _places_of(model: ModelInfo) -> dict[str, tuple[Path, str]]:
    """(file, key) of each layer's weight by the layer's original name, and of the decoder's other tensors by theirs."""
    found = {}
    for file in weight_files(model.folder):
        for key in _header(file)[0]:
            if key.startswith(_PREFIX):
                found[key.removeprefix(_PREFIX).removesuffix(_SUFFIX)] = file, key
    return found


def _header(file: Path) -> tuple[dict[str, Any], int]:
    """(what the header says of each tensor, where the tensors begin) of a safetensors file."""
    with open(file, "rb") as f:
        length = int.from_bytes(f.read(8), "little")
        return json.loads(f.read(length)), 8 + length


def _overwrite(file: Path, key: str, tensor: "torch.Tensor") -> str:
    """In the precision that is there; the digest of the bytes."""
    import torch

    header, start = _header(file)
    dtype = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}.get(header[key]["dtype"])
    if dtype is None or list(tensor.shape) != header[key]["shape"]:
        raise UserError(f"{file.name} holds {key} as {header[key]['dtype']} {header[key]['shape']}, which cannot be "
                        "merged", "merge into the original, unquantised model")  # fmt: skip
    rounded = tensor.detach().to(dtype).contiguous()
    if not torch.isfinite(rounded).all():
        raise UserError(f"{key} becomes NaN or infinite", "give a smaller --scale, or an earlier checkpoint")
    stored = rounded.view(torch.uint8).numpy().tobytes()
    with open(file, "r+b") as f:
        f.seek(start + header[key]["data_offsets"][0])
        f.write(stored)
    return hashlib.sha256(stored).hexdigest()


def _check_same(source: Path, copy: Path, changed: Mapping[str, str]) -> None:
    """Raise `UserError` unless the copy has these tensors changed as they were meant to be, and no other byte."""
    if os.path.samefile(source, copy):
        return
    spans = []
    if changed:
        header, start = _header(copy)
        spans = sorted((*(start + at for at in header[key]["data_offsets"]), digest) for key, digest in changed.items())
    same = source.stat().st_size == copy.stat().st_size
    with open(source, "rb") as a, open(copy, "rb") as b:
        for first, last, digest in spans:
            same = same and _equal(a, b, first - b.tell())
            same = same and hashlib.sha256(b.read(last - first)).hexdigest() == digest
            a.seek(last), b.seek(last)
        same = same and _equal(a, b, source.stat().st_size - b.tell())
    if not same:
        raise UserError(f"{source.name} does not read back as it was written", "is the disk full or damaged?")


def _equal(a: Any, b: Any, length: int) -> bool:
    """Whether the next bytes of two open files are the same."""
    for left in range(length, 0, -_BLOCK):
        count = min(left, _BLOCK)
        if a.read(count) != b.read(count):
            return False
    return True


def _duplicate(copy: _Copy, to: Path) -> None:
    if copy.linked:
        try:
            os.link(copy.source, to)
            return
        except OSError:
            pass  # another disk, or a file system without links
    shutil.copyfile(copy.source, to)
