"""Qwen2.5-Omni's thinker, the part that listens and writes, through transformers.

transformers' processor for it demands torchvision for pictures nobody has here, so the input is put together from the
feature extractor and the tokenizer.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoTokenizer, Qwen2_5OmniThinkerForConditionalGeneration, WhisperFeatureExtractor

from acestep_core import FatalError
from acestep_core.uploads import RATE_HZ

AUDIO, ENDS = "<|AUDIO|>", ("<|im_end|>", "<|endoftext|>")  # of the model's tokenizer
TEMPLATE = (  # what the model's chat template makes of one message with a text and a piece of audio
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\n{prompt}<|audio_bos|>{audio}<|audio_eos|><|im_end|>\n<|im_start|>assistant\n"
)


class Thinker:
    """A model with its tokenizer, on a device. For one thread at a time."""

    def __init__(self, model: str, device: str, dtype: str, offline: bool):
        folder = Path(model).expanduser()
        where: dict[str, Any] = {"local_files_only": offline or folder.is_dir()}
        name = str(folder) if folder.is_dir() else model
        config = AutoConfig.from_pretrained(name, **where)
        config = getattr(config, "thinker_config", config)  # released folders hold talker and vocoder as well
        if config.model_type != "qwen2_5_omni_thinker":
            raise FatalError(f"'{model}' is no Qwen2.5-Omni but {config.model_type}", "give another -o model=")
        self.tokenizer = AutoTokenizer.from_pretrained(name, **where)
        if self.tokenizer.convert_tokens_to_ids(AUDIO) != config.audio_token_id:
            raise FatalError(f"The tokenizer of '{model}' is not the model's", "copy the whole folder again")
        self.extractor = WhisperFeatureExtractor(feature_size=config.audio_config.num_mel_bins)
        self.device = _device(device)
        wanted = _dtype(dtype, self.device)
        loaded, info = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(
            name, config=config, dtype=wanted, output_loading_info=True, **where
        )
        if info["missing_keys"]:
            some = ", ".join(sorted(info["missing_keys"])[:3])
            raise FatalError(f"'{model}' lacks {len(info['missing_keys'])} weights ({some})", "copy the folder again")
        self.model = loaded.to(self.device).eval()

    def answer(
        self, prompt: str, wave: np.ndarray, max_tokens: int, temperature: float, repetition_penalty: float
    ) -> tuple[str, bool]:
        """(what it writes about float32 [S] at 16 kHz, whether it came to an end by itself)."""
        inputs = self.inputs(prompt, wave)
        ends = [i for end in ENDS if (i := self.tokenizer.convert_tokens_to_ids(end)) is not None]
        sampling = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
        with torch.inference_mode(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            made = self.model.generate(**inputs, max_new_tokens=max_tokens, repetition_penalty=repetition_penalty,
                                       eos_token_id=ends, pad_token_id=ends[0], **sampling)  # fmt: skip
        written = made[0, inputs["input_ids"].shape[1] :]
        return self.tokenizer.decode(written, skip_special_tokens=True), bool(len(written)) and int(written[-1]) in ends

    def inputs(self, prompt: str, wave: np.ndarray) -> dict[str, torch.Tensor]:
        """What the model takes; the audio is never cut, whatever the extractor's own limit."""
        heard = self.extractor(wave, sampling_rate=RATE_HZ, return_attention_mask=True, padding="longest",
                               truncation=False, return_tensors="pt")  # fmt: skip
        text = TEMPLATE.format(prompt=prompt, audio=AUDIO * audio_tokens(int(heard["attention_mask"].sum())))
        told = self.tokenizer(text, return_tensors="pt", add_special_tokens=False)
        inputs = {
            "input_ids": told["input_ids"],
            "attention_mask": told["attention_mask"],
            "input_features": heard["input_features"].to(self.model.dtype),
            "feature_attention_mask": heard["attention_mask"],
        }
        return {name: value.to(self.device) for name, value in inputs.items()}


def audio_tokens(frames: int) -> int:
    """How many the model makes of so many frames of 10 ms: 25 a second (two convolutions, each halving)."""
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


def _device(name: str) -> str:
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def _dtype(name: str, device: str) -> torch.dtype:
    return getattr(torch, name if name != "auto" else "float32" if device == "cpu" else "bfloat16")
