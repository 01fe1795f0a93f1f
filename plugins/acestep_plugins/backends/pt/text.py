"""The text encoder: Qwen3 hidden states for captions, its token embeddings for lyrics."""

from pathlib import Path

import torch
from safetensors import SafetensorError

from acestep_core import UserError
from acestep_plugins.backends.pt.device import Place
from acestep_plugins.backends.pt.folder import read_names


class Text:
    """`TextPart` on transformers. Nothing is padded or cut."""

    def __init__(self, folder: Path, place: Place):
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        self._place = place
        _check_files(folder)
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
            self.model, info = AutoModel.from_pretrained(
                str(folder), dtype=place.dtype, local_files_only=True, trust_remote_code=False, output_loading_info=True
            )
        except (OSError, ValueError, KeyError, SafetensorError) as e:
            reason = str(e).splitlines()[0]
            raise UserError(f"{folder} holds no usable text encoder ({reason})", "download the folder again") from e
        _check_loading(folder, info)
        self.model = self.model.to(place.device).eval().requires_grad_(False)

    def count(self, text: str) -> int:
        return len(self.tokenizer(text)["input_ids"])

    def spans(self, text: str) -> list[tuple[int, int]]:
        return [(start, end) for start, end in self.tokenizer(text, return_offsets_mapping=True)["offset_mapping"]]

    @torch.inference_mode()
    def caption(self, text: str) -> torch.Tensor:
        return self.model(input_ids=self._ids(text)).last_hidden_state[0]

    @torch.inference_mode()
    def lyrics(self, text: str) -> torch.Tensor:
        return self.model.get_input_embeddings()(self._ids(text))[0]

    def _ids(self, text: str) -> torch.Tensor:
        return torch.tensor([self.tokenizer(text)["input_ids"]], device=self._place.device)


def _check_files(folder: Path) -> None:
    """Without its files transformers would make up a tokenizer; its words for damaged weights help nobody."""
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise UserError(f"{folder} has no tokenizer (tokenizer.json)", "download the folder again")
    for _ in read_names(folder):
        pass


def _check_loading(folder: Path, info: dict) -> None:
    """transformers fills gaps with random numbers and only logs it; that is an error here."""
    lines = [f"missing {k}" for k in info["missing_keys"]]
    lines += [f"unexpected {k}" for k in info["unexpected_keys"] if not k.startswith("lm_head.")]
    lines += [f"{k[0] if isinstance(k, tuple) else k} has a wrong shape" for k in info["mismatched_keys"]]
    if lines:
        raise UserError(f"{folder}: {len(lines)} tensors do not fit:\n  " + "\n  ".join(lines), "download it again")
