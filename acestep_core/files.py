"""Files written whole or not at all, and names for file contents."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

_BLOCK = 64 * 1024


def write_text(path: Path, text: str) -> None:
    """Write under a temporary name, then rename: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def write_bytes(path: Path, content: bytes) -> None:
    """As `write_text`, with every byte as given."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_arrays(path: Path, arrays: "Mapping[str, np.ndarray]", header: Mapping[str, str]) -> None:
    """A safetensors file with string metadata, renamed into place when complete. Same content, same bytes."""
    from safetensors.numpy import save

    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(in_order(save(dict(arrays), metadata=dict(header))))
    temporary.replace(path)


def in_order(safetensors: bytes) -> bytes:
    """The same safetensors file with a sorted header; the library writes metadata in an order that changes."""
    end = 8 + int.from_bytes(safetensors[:8], "little")
    header = json.dumps(json.loads(safetensors[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # keeps the tensors aligned
    return len(header).to_bytes(8, "little") + header + safetensors[end:]


def content_id(path: Path) -> str:
    """12 hex digits from the size and three 64 KiB blocks: stable under renames, the same for equal files."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as f:
        for start in (0, max(0, size // 2 - _BLOCK // 2), max(0, size - _BLOCK)):
            f.seek(start)
            digest.update(f.read(_BLOCK))
    return digest.hexdigest()[:12]


def text_id(*texts: str) -> str:
    """12 hex digits that change when any of the texts does."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def decode_text(raw: bytes) -> str:
    """UTF-8, with or without a byte-order mark. Raises `UserError` for any other encoding instead of guessing."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError("is UTF-16, not UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise UserError(f"is not UTF-8 (byte {e.start})") from None
    if "\0" in text:
        raise UserError("is no text file")
    return text
