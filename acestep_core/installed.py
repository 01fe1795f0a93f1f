"""What a models folder holds: which parts, how large, and whether each is all there. Reads headers, never weights."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.bundled import bundled
from acestep_core.checkpoint import NOTE_BANK, TEXT, VAE, ModelInfo, read_model, weight_files
from acestep_core.errors import UserError

_HEADER_LENGTH = 8  # bytes in front of a safetensors header
_LONGEST_HEADER = 100_000_000  # the format's own limit
SILENCE = "silence_latent.pt"
_SHARED = {VAE: "codec", TEXT: "text encoder"}


@dataclass(frozen=True)
class Installed:
    """A folder with a part of a checkpoint. `problems` are empty if it can be used as it is."""

    folder: Path
    kind: str
    model: ModelInfo | None = None
    parameters: int = 0
    size: int = 0
    """Bytes of all its files."""
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.folder.name


def installed(root: Path) -> list[Installed]:
    """Every part in `root`, models first. Raises `UserError` if there is no such folder."""
    root, _ = bundled(root)
    if not root.is_dir():
        raise UserError(f"There is no folder {root}", f"acestep-core models download acestep-v15-turbo --to {root}")
    folders = [root, *sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))]
    found = [examine(p) for p in folders if _is_part(p)]
    order = ("model", "codec", "text encoder", "language model")
    return sorted(found, key=lambda p: order.index(p.kind) if p.kind in order else len(order))


def examine(folder: Path) -> Installed:
    """One part's folder, which need not exist."""
    if not folder.is_dir():
        return Installed(folder, _SHARED.get(folder.name, "model"), problems=("is not there",))
    try:
        config = (folder / "config.json").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        config = ""
    kind = kind_of(config) or _kind_by_name(folder.name)
    problems = list(_problems(folder, kind))
    model, parameters = None, 0
    try:
        if kind == "model":
            model = read_model(folder)
        parameters = sum(_parameters(f) for f in weight_files(folder))
    except UserError as e:
        problems.append(e.problem.replace(f"{folder}/", "").replace(f"{folder} ", ""))
    size = sum(p.stat().st_size for p in folder.iterdir() if p.is_file())
    return Installed(folder, kind, model, parameters, size, tuple(dict.fromkeys(problems)))


def kind_of(config: str) -> str:
    """What a folder is by the text of its config.json; empty if that does not say."""
    try:
        said = json.loads(config)
    except ValueError:
        return ""
    if not isinstance(said, dict):
        return ""
    if said.get("model_type") == "acestep":
        return "model"
    if said.get("_class_name") in ("AutoencoderOobleck", NOTE_BANK):
        return "codec"
    if any(str(name).endswith("ForCausalLM") for name in said.get("architectures") or ()):
        return "language model"
    return "text encoder" if said.get("model_type") == "qwen3" else "other"


def _kind_by_name(name: str) -> str:
    return _SHARED.get(name) or ("language model" if "-lm-" in name else "model")


def _is_part(folder: Path) -> bool:
    if (folder / "adapter_config.json").is_file():
        return False
    names = [p.name for p in folder.iterdir()]
    return "config.json" in names or any(n.endswith((".safetensors", ".safetensors.index.json")) for n in names) or any(
        n.startswith(".") and n.endswith(".part") for n in names
    )  # fmt: skip


def _problems(folder: Path, kind: str) -> Iterator[str]:
    for path in sorted(folder.glob(".*.part")):
        name = path.name.removeprefix(".").removesuffix(".part").rpartition(".")[0]
        yield f"{name} has {path.stat().st_size / 1e9:.2f} GB so far"
    needed = {"model": ("config.json", SILENCE), "codec": ("config.json",)}.get(kind, ("config.json",))
    for name in needed:
        if not (folder / name).is_file():
            yield f"lacks {name}"
    words = any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json"))
    if kind in ("text encoder", "language model") and not words:
        yield "lacks tokenizer.json"


def _parameters(path: Path) -> int:
    """How many numbers a safetensors file holds. Raises `UserError` if it is cut off or none."""
    header = _header(path)
    size, begin = path.stat().st_size, _HEADER_LENGTH + header.length
    try:
        tensors = [t for name, t in header.content.items() if name != "__metadata__"]
        end = begin + max((int(t["data_offsets"][1]) for t in tensors), default=0)
        count = sum(math.prod(t["shape"]) for t in tensors)
    except (KeyError, TypeError, ValueError, IndexError) as e:
        raise UserError(f"{path.name} is damaged", "download it again") from e
    if size < end:
        raise UserError(f"{path.name} is cut off after {size} of {end} bytes", "download it again")
    return count


@dataclass(frozen=True)
class _Header:
    length: int
    content: Mapping[str, Any]


def _header(path: Path) -> _Header:
    with path.open("rb") as f:
        length = int.from_bytes(f.read(_HEADER_LENGTH), "little")
        try:
            content = json.loads(f.read(length)) if length <= _LONGEST_HEADER else None
        except ValueError:
            content = None
    if not isinstance(content, dict):
        raise UserError(f"{path.name} is damaged", "download it again")
    return _Header(length, content)
