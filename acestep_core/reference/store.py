"""Writes encoded songs as the reference's trainers and Side-Step read them, and knows which are there already."""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core.data import INSTRUMENTAL, Song
from acestep_core.dataset_file import metadata_of
from acestep_core.errors import UserError
from acestep_core.files import write_json
from acestep_core.parts import DitPart
from acestep_core.reference import tensors

if TYPE_CHECKING:
    import numpy as np
    import torch

TOKENS = 769
"""256 of the caption, 512 of the lyrics and one of the timbre: what every condition of the reference has."""

_OURS = "acestep_core"  # a key of the metadata that the reference passes over


class ReferenceStore:
    """One .pt file a song, in the precision of the model, and a manifest of the reference's kind."""

    def __init__(self, folder: Path, dit: Callable[[], DitPart]):
        self._folder, self._dit = folder, dit

    def file(self, song_id: str) -> Path:
        return self._folder / f"{song_id}{tensors.ENDING}"

    def header(self, song_id: str) -> Mapping[str, str]:
        """What a song's file was made from; empty if there is none, or if others wrote it."""
        if not self.file(song_id).is_file():
            return {}
        try:
            facts = tensors.read(self.file(song_id)).get("metadata")
        except UserError:
            return {}
        return facts.get(_OURS, {}) if isinstance(facts, dict) else {}

    def latents(self, song_id: str) -> "np.ndarray":
        return tensors.read_song(self.file(song_id), "")[0]

    def frames(self, song_id: str) -> int:
        return tensors.read(self.file(song_id))["target_latents"].shape[0]

    def content(
        self, song: Song, caption: str, latents: "np.ndarray", conditions: "Mapping[str, np.ndarray]",
        header: Mapping[str, str],
    ) -> bytes:  # fmt: skip
        """What a song's file is to hold; the folder is not looked at."""
        import torch

        dit = self._dit()
        dtype = getattr(torch, dit.dtype_name)
        (condition,) = conditions.values()
        states, mask = padded(torch.from_numpy(condition))
        context = dit.numpy(dit.text2music_context(len(latents)))
        content = {
            "target_latents": torch.from_numpy(latents).to(dtype),
            "attention_mask": torch.ones(len(latents), dtype=dtype),
            "encoder_hidden_states": states.to(dtype),
            "encoder_attention_mask": mask,
            "context_latents": torch.from_numpy(context).to(dtype),
            "metadata": _metadata(song, caption) | {_OURS: dict(header)},
        }
        file = BytesIO()
        torch.save(content, file)
        return file.getvalue()

    def finish(self, entries: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
        """The manifest; what it says of the dataset is in `about["dataset"]`."""
        settings = about["dataset"]
        metadata = metadata_of(settings, len(entries), bool(settings["all_instrumental"]))
        files = [entry["file"] for entry in entries]
        write_json(self._folder / tensors.MANIFEST, {"metadata": metadata, "samples": files, "num_samples": len(files)})


def padded(condition: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
    """(states [769, width], mask bool [769]) of a condition [L, width]; a longer one stays as long as it is.

    The reference's transformer looks at padding as well. Filled with the condition itself, over and over, what it
    sees there has almost the same weights as without padding, since cross-attention knows no places.
    """
    import torch

    length = max(TOKENS, len(condition))
    return condition[torch.arange(length) % len(condition)], torch.arange(length) < len(condition)


def _metadata(song: Song, caption: str) -> dict[str, Any]:
    """As the reference's preprocessing writes it."""
    return {
        "audio_path": str(song.path.resolve()),
        "filename": song.path.name,
        "caption": caption,
        "lyrics": song.lyrics or INSTRUMENTAL,
        "duration": int(song.duration_s),
        "bpm": song.bpm,
        "keyscale": song.keyscale,
        "timesignature": song.timesignature,
        "language": song.language,
        "is_instrumental": song.instrumental,
        "preprocess_mode": "lora",
    }
