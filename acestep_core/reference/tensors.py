"""Reads the reference's .pt files as they are: no code in them is run, and what is padded is taken off.

Source of the fields: DatasetBuilder.preprocess_to_tensors and PreprocessedTensorDataset of the reference's
acestep/training. A file has latents [T, 64], a condition padded to 769 tokens, masks of both, and a context that is
the same silence for every song.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core.data import LONGEST_S
from acestep_core.errors import UserError, raise_all
from acestep_core.files import content_id
from acestep_core.parts import CHANNELS, FRAME_RATE_HZ
from acestep_core.prompts import CAPTION_TOKENS, LYRIC_TOKENS

if TYPE_CHECKING:
    import numpy as np
    import torch

ENDING = ".pt"
MANIFEST = "manifest.json"
FIELDS = ("target_latents", "attention_mask", "encoder_hidden_states", "encoder_attention_mask", "context_latents")
_DIMENSIONS = (2, 1, 2, 1, 2)
_MOST_FRAMES = int(LONGEST_S * FRAME_RATE_HZ) + 1
_MOST_TOKENS = 2 * (CAPTION_TOKENS + LYRIC_TOKENS)
_AGAIN = "preprocess that song again, or take the file away"
_ROUNDING = 0.01  # between silence in the file's precision and in the model's


def is_one(path: Path) -> bool:
    """Whether a file is called as these are; the ones that a broken preprocessing leaves are not."""
    return path.name.endswith(ENDING) and not path.name.endswith(f".tmp{ENDING}") and not path.name.startswith(".")


def are_in(folder: Path) -> bool:
    """Whether a folder holds such songs: its manifest says so, or it has none and there are such files."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return folder.is_dir() and any(map(is_one, folder.iterdir()))
    except (OSError, ValueError):
        return False  # whoever opens it tells what is wrong
    return isinstance(content, dict) and isinstance(content.get("samples"), list)


def manifest_of(folder: Path) -> dict[str, Any]:
    """A manifest in our own terms. Raises `UserError` that tells everything that is wrong with the files."""
    songs: list[dict[str, Any]] = []
    errors: list[UserError] = []
    for path in _files(folder):
        try:
            songs.append(_entry(path, folder))
        except UserError as e:
            errors.append(e)
    raise_all(errors, str(folder))
    if not songs:
        raise UserError(f"{folder} holds no preprocessed song", "preprocess again")
    return {"format": "reference", "songs": songs}


def read_song(path: Path, condition: str, start: int = 0, frames: int | None = None) -> "tuple[np.ndarray, np.ndarray]":
    """(latents, condition) float32, without padding; there is one condition, whatever it is called."""
    import numpy as np

    content = read(path)
    length = _valid_frames(content, path) if frames is None else frames
    latents = content["target_latents"][start : start + length].float().numpy()
    states = content["encoder_hidden_states"][content["encoder_attention_mask"].bool()].float().numpy()
    if not (np.isfinite(latents).all() and np.isfinite(states).all()):
        raise UserError(f"{path} holds NaN or infinite numbers", _AGAIN)
    return latents, states


def tokens_of(path: Path) -> int:
    """The length of a song's condition, without padding."""
    return int(read(path)["encoder_attention_mask"].bool().sum())


def read(path: Path) -> "Mapping[str, torch.Tensor]":
    """The fields of a file, checked for their shapes; their numbers are read when they are used."""
    content = _loaded(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no song but {type(content).__name__}", _AGAIN)
    missing = [name for name in FIELDS if name not in content]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}", _AGAIN)
    wrong = next((text for name, dims in zip(FIELDS, _DIMENSIONS, strict=True)
                  if (text := _wrong(content[name], dims))), "") or _unfitting(content)  # fmt: skip
    if wrong:
        raise UserError(f"{path}: {wrong}", _AGAIN)
    return content


def check_with(folder: Path, entries: list[Mapping[str, Any]], dit: Any) -> list[str]:
    """Notes on files that can be trained on with this model.

    Raises `UserError` for those made with another model, or for something else than making a song out of text.
    """
    width = dit.null_condition(1).shape[-1]
    longest = max(entry["frames"] for entry in entries)
    silence = dit.numpy(dit.silence_frames(longest))
    errors, own = [], []
    for entry in entries:
        path = folder / entry["file"]
        try:
            if _holds_itself(read(path), path, width, silence):
                own.append(entry["name"])
        except UserError as e:
            errors.append(e)
    raise_all(errors, str(folder))
    if not own:
        return []
    shown = ", ".join(own[:3]) + (f" and {len(own) - 3} more" if len(own) > 3 else "")
    return [f"{shown}: preprocessed in the mode lokr, with the song itself as context; silence takes its place"]


def _holds_itself(content: Mapping[str, Any], path: Path, width: int, silence: "np.ndarray") -> bool:
    """Whether the context is the song itself instead of silence. Raises `UserError` if it is neither."""
    import numpy as np

    found = content["encoder_hidden_states"].shape[1]
    if found != width:
        raise UserError(f"{path} was made with another model: its condition is {found} wide, this one's {width}",
                        "train with the model that it was preprocessed with")  # fmt: skip
    frames = _valid_frames(content, path)
    source, mask = content["context_latents"][:frames].float().numpy().reshape(frames, 2, CHANNELS).swapaxes(0, 1)
    if not (mask == 1).all():
        raise UserError(f"{path} is about filling gaps in a song, which is not trained here", _AGAIN)
    expected = silence[:frames]
    if (np.abs(source - expected) <= _ROUNDING * (1 + np.abs(expected))).all():
        return False
    if np.array_equal(source, content["target_latents"][:frames].float().numpy()):
        return True
    raise UserError(f"{path}: its context is neither this model's silence nor the song itself",
                    "train with the model that it was preprocessed with")  # fmt: skip


def _files(folder: Path) -> Iterator[Path]:
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        yield from sorted(filter(is_one, folder.iterdir()))
        return
    names = list(dict.fromkeys(map(str, content["samples"])))
    # Older ones count from the folder in which the program ran.
    found = {n: next((p for p in (folder / n, Path(n), folder / Path(n).name) if p.is_file()), None) for n in names}
    missing = [n for n, path in found.items() if path is None]
    if missing:
        raise UserError(f"{folder} lacks {', '.join(missing)}", "preprocess again")
    yield from (path for path in found.values() if path is not None)


def _entry(path: Path, folder: Path) -> dict[str, Any]:
    content = read(path)
    facts = content.get("metadata")
    facts = facts if isinstance(facts, dict) else {}
    frames = _valid_frames(content, path)
    caption = facts.get("caption") if isinstance(facts.get("caption"), str) else ""
    name = facts.get("filename") if isinstance(facts.get("filename"), str) else ""
    file = path.relative_to(folder) if path.is_relative_to(folder) else path.resolve()
    return {"id": path.stem, "file": str(file), "name": name or path.name, "caption": caption,
            "duration_s": round(frames / FRAME_RATE_HZ, 3), "inputs": content_id(path), "split": None, "repeats": 1,
            "frames": frames, "prompts": [{"caption": caption, "weight": 1.0}]}  # fmt: skip


def _loaded(path: Path) -> Any:
    import warnings

    import torch

    def load(**how: bool) -> Any:
        with warnings.catch_warnings():  # about protocols; whatever is wrong is told below
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, **how)

    try:
        try:
            return load(mmap=True)
        except RuntimeError:  # files of old versions cannot be mapped
            return load()
    except OSError as e:
        raise UserError(f"{path} cannot be read ({e.strerror})", "check its permissions") from None
    except Exception as e:  # whatever an unpickler meets in a file that is something else
        raise UserError(f"{path} holds more than tensors, or is damaged ({type(e).__name__})", _AGAIN) from e


def _wrong(tensor: Any, dimensions: int) -> str:
    import torch

    plain = isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided and tensor.device.type == "cpu"
    if not plain or tensor.is_complex() or tensor.is_quantized:
        return "one of its fields is no plain tensor"
    if tensor.ndim != dimensions:
        return f"a field has {tensor.ndim} dimensions instead of {dimensions}"
    return ""


def _unfitting(content: "Mapping[str, torch.Tensor]") -> str:
    latents, mask, states, states_mask, context = (content[name] for name in FIELDS)
    frames, tokens = latents.shape[0], states.shape[0]
    checks: tuple[tuple[Callable[[], bool], str], ...] = (
        (lambda: latents.shape[1] != CHANNELS, f"its latents have {latents.shape[1]} channels instead of {CHANNELS}"),
        (lambda: not 1 <= frames <= _MOST_FRAMES, f"it has {frames} frames, the model takes {_MOST_FRAMES}"),
        (lambda: not 1 <= tokens <= _MOST_TOKENS, f"its condition has {tokens} tokens"),
        (lambda: context.shape != (frames, 2 * CHANNELS), f"its context has the shape {tuple(context.shape)}"),
        (lambda: mask.shape[0] != frames or states_mask.shape[0] != tokens, "a mask is not as long as what it masks"),
        (lambda: not bool(states_mask.bool().any()), "its condition is empty"),
    )
    return next((text for is_wrong, text in checks if is_wrong()), "")


def _valid_frames(content: "Mapping[str, torch.Tensor]", path: Path) -> int:
    """Frames that are no padding."""
    mask = content["attention_mask"].bool()
    frames = int(mask.sum())
    if not frames or not bool(mask[:frames].all()):
        raise UserError(f"{path}: its mask has gaps", _AGAIN)
    return frames
