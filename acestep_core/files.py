"""Files written whole or not at all, and names for file contents."""

import codecs
import hashlib
import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core.charsets import likely_charset
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


def array_bytes(arrays: "Mapping[str, np.ndarray]", header: Mapping[str, str]) -> bytes:
    """The content of a safetensors file with string metadata. Same arrays and header, same bytes."""
    from safetensors.numpy import save

    return in_order(save(dict(arrays), metadata=dict(header)))


def write_arrays(path: Path, arrays: "Mapping[str, np.ndarray]", header: Mapping[str, str]) -> None:
    """A safetensors file with string metadata, renamed into place when complete. Same content, same bytes."""
    write_bytes(path, array_bytes(arrays, header))


def in_order(safetensors: bytes) -> bytes:
    """The same safetensors file with a sorted header; the library writes metadata in an order that changes."""
    return b"".join(parts_in_order(safetensors))


def parts_in_order(safetensors: bytes) -> tuple[bytes, memoryview]:
    """`in_order` as header and tensors, which are not copied."""
    end = 8 + int.from_bytes(safetensors[:8], "little")
    header = json.dumps(json.loads(safetensors[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # keeps the tensors aligned
    return len(header).to_bytes(8, "little") + header, memoryview(safetensors)[end:]


def content_id(path: Path) -> str:
    """12 hex digits from the size and three 64 KiB blocks: stable under renames, the same for equal files."""
    with open(path, "rb", buffering=0) as f:
        size = f.seek(0, os.SEEK_END)
        digest = hashlib.sha256(str(size).encode())
        for start in (0, max(0, size // 2 - _BLOCK // 2), max(0, size - _BLOCK)):
            f.seek(start)
            digest.update(f.read(_BLOCK))
    return digest.hexdigest()[:12]


def text_id(*texts: str) -> str:
    """12 hex digits that change when any of the texts does."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def array_id(array: "np.ndarray") -> str:
    """12 hex digits that change when any number or the shape does."""
    digest = hashlib.sha256(f"{array.dtype} {array.shape}".encode())
    digest.update(array.tobytes())
    return digest.hexdigest()[:12]


def read_text(path: Path) -> str:
    """`decode_text` of a file."""
    return decode_text(path.read_bytes(), path)


def text_at(path: Path, if_missing: str) -> str:
    """`decode_text` of a file that the user named; `if_missing` is what to do where there is none."""
    try:
        return decode_text(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"There is no file {path}", if_missing) from None
    except OSError as e:
        raise UserError(f"{path} cannot be read ({e.strerror})", "check its permissions") from None
    except UserError as e:
        raise UserError(f"{path} {e.problem}", "save it again as UTF-8") from None


def decode_text(raw: bytes, path: str | Path | None = None) -> str:
    """UTF-8, with or without a byte-order mark, or UTF-16 with one. Raises `UserError` for any other encoding.

    What a text without a mark might be is told and never assumed: a wrong guess would turn lyrics into rubbish. With
    the `path` of the file the sentence names it and the remedy is a command.
    """
    name = f"{os.path.basename(path)} " if path else ""
    if is_utf16(raw):
        try:
            return raw.decode("utf-16")
        except UnicodeDecodeError:
            raise UserError(f"{name}begins as UTF-16 and does not go on so", "save it again as UTF-8") from None
    try:
        text = raw.removeprefix(codecs.BOM_UTF8).decode()  # many times as fast as utf-8-sig
        if "\0" not in text:
            return text
        problem = f"{name}is no text file"
    except UnicodeDecodeError as e:
        problem = f"{name}is not UTF-8 (byte {e.start})"
    found = likely_charset(raw)
    if found is None:
        raise UserError(problem, "save it again as UTF-8")
    remedy = f"run: acestep-core recode {shlex.quote(str(path))} --from {found.codec}" if path else "save it as UTF-8"
    raise UserError(f"{problem}, probably {found.name}", remedy)


def is_utf16(raw: bytes) -> bool:
    """Whether the bytes say themselves that they are UTF-16."""
    return raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
