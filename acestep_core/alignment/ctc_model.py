"""A CTC model in a folder of transformers, such as a wav2vec 2.0: what it hears in audio, frame by frame."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core.alignment.ctc import Alphabet
from acestep_core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

_WINDOW_S, _AROUND_S = 30, 2  # its attention sees all of a window, so that a whole song would take too much memory
_HINT = "give the folder of a transformers CTC model, such as a Wav2Vec2ForCTC"


class CtcModel:
    """Reads nothing from the network. Raises `UserError` for a folder that holds no such model."""

    def __init__(self, folder: Path):
        import torch

        _json(folder / "config.json")
        self._model = _loaded(folder)
        preparing = _json(folder / "preprocessor_config.json", {})
        self.rate_hz = int(preparing.get("sampling_rate", 16_000))
        self._normalised = bool(preparing.get("do_normalize", True))
        self._hop = int(self._model.config.inputs_to_logits_ratio)
        self._place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model.to(self._place)
        self.alphabet = _alphabet(folder, int(self._model.config.pad_token_id or 0))

    @property
    def frame_s(self) -> float:
        return self._hop / self.rate_hz

    def hear(self, wave: "np.ndarray", on_frames: Callable[[int, int], None] = lambda done, total: None) -> Any:
        """Log-probabilities [frames, tokens] of a wave [S] at `rate_hz`, in windows that overlap."""
        import torch

        wave = torch.as_tensor(wave, dtype=torch.float32)
        if self._normalised:
            wave = (wave - wave.mean()) / (wave.var(unbiased=False) + 1e-7).sqrt()
        frames = -(-len(wave) // self._hop)
        window, around = (round(s * self.rate_hz / self._hop) for s in (_WINDOW_S, _AROUND_S))
        behind = (around + 2) * self._hop + frames * self._hop - len(wave)
        padded = torch.nn.functional.pad(wave, (around * self._hop, behind))
        heard = []
        for start in range(0, frames, window):
            count = min(window, frames - start)
            piece = padded[start * self._hop : (start + count + 2 * around + 2) * self._hop]
            with torch.inference_mode():
                logits = self._model(piece[None].to(self._place)).logits[0, around : around + count]
            heard.append(logits.float().log_softmax(-1).cpu())
            on_frames(start + count, frames)
        return torch.cat(heard)


def _loaded(folder: Path) -> Any:
    from safetensors import SafetensorError
    from transformers import AutoModelForCTC
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model, info = AutoModelForCTC.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as e:
        raise UserError(f"{folder} holds no usable CTC model ({str(e).splitlines()[0]})", _HINT) from e
    lacking = [k for k in info["missing_keys"] if "masked_spec_embed" not in k]
    if lacking or model.main_input_name != "input_values" or not hasattr(model.config, "inputs_to_logits_ratio"):
        why = f"it lacks {lacking[0]}" if lacking else "it does not read waves"
        raise UserError(f"{folder} holds no usable CTC model ({why})", _HINT)
    return model.eval()


def _alphabet(folder: Path, blank: int) -> Alphabet:
    tokens = _json(folder / "vocab.json")
    if not all(isinstance(v, int) for v in tokens.values()):
        raise UserError(f"{folder / 'vocab.json'} is no table of letters", "give a model of one language")
    return Alphabet(tokens, blank, tokens.get("|"))


def _json(path: Path, if_missing: Any = None) -> Any:
    if if_missing is not None and not path.is_file():
        return if_missing
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise UserError(f"{path} cannot be read ({type(e).__name__})", _HINT) from e
    if not isinstance(found, dict):
        raise UserError(f"{path} is no JSON object", _HINT)
    return found
