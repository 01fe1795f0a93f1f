"""Asks a Qwen2.5-Omni about a piece of audio: one on this machine, or one behind a chat server of one's own."""

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from acestep_core import FatalError, UserError, option
from acestep_core.once import Once
from acestep_core.services import Call, Remote

if TYPE_CHECKING:
    from pathlib import Path

    from acestep_core.uploads import Estimate, Limits, Piece
    from acestep_plugins.acestep_omni.thinker import Thinker

LARGEST_BYTES = 20_000_000  # of one upload; a third more as base64
CUT_OFF = 0.3  # confidence of an answer that did not come to its end: such a model mostly went round in circles


@dataclass(frozen=True)
class Heard:
    """What the model wrote, and whether it came to an end by itself."""

    text: str
    whole: bool


class Omni(Remote):
    """Options of both kinds."""

    title = "The audio chat server"

    base_url: str = option("", "a chat server that takes audio, such as http://localhost:8000/v1; empty: this machine")
    key_env: str = option("", "NAME of the environment variable that holds the server's key; empty for none")
    model: str = option("", "folder or name of the model; a name is downloaded once, or is what the server calls it")
    offline: bool = option(False, "never download: the model must be a folder or in the cache already")
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "where it runs on this machine")
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = option("auto", "auto: float32 on the CPU, else bfloat16")
    max_tokens: int = option(2048, "the longest answer about a piece", ge=1)
    temperature: float = option(0.0, "0: always the likeliest word", ge=0, le=2)
    repetition_penalty: float = option(1.0, "above 1, such as 1.1, against going round in circles", gt=0, le=2)

    def __post_init__(self) -> None:
        if self.base_url:
            super().__post_init__()
        self._once = Once(self._load)

    def hear(self, prompt: str, piece: "Piece", song: str) -> Heard:
        if self.base_url:
            return self._from_server(prompt, piece, song)
        wave = _mono(piece.path)
        with self._once.alone() as thinker:
            return Heard(*thinker.answer(prompt, wave, self.max_tokens, self.temperature, self.repetition_penalty))

    def limits_of(self, longest_min: float) -> "Limits":
        """What a chat server takes. This machine has no limit of size, but the model's of length."""
        from acestep_core.uploads import Limits

        return Limits(LARGEST_BYTES, longest_min * 60, ("WAV", "MP3"))

    def estimate_of(self, audio: "Path", longest_min: float) -> "Estimate | None":
        """What sending the file would take; None on this machine, whose speed nobody has measured."""
        from acestep_core.uploads import estimate

        return estimate(audio, self.limits_of(longest_min), None) if self.base_url else None

    def close(self) -> None:
        if self.base_url:
            super().close()
        self._once.drop()

    def _load(self) -> "Thinker":
        try:
            from acestep_plugins.acestep_omni.thinker import Thinker

            return Thinker(self.model, self.device, self.dtype, self.offline)
        except (ImportError, OSError, ValueError, RuntimeError) as e:
            reason = " ".join(str(e).split())[:300]
            hint = "give the folder of the model with -o model=FOLDER, or a server's address with -o base_url="
            raise FatalError(f"'{self.name}' cannot load the model '{self.model}' ({reason})", hint) from e

    def _from_server(self, prompt: str, piece: "Piece", song: str) -> Heard:
        audio = {"data": base64.b64encode(piece.path.read_bytes()).decode(), "format": piece.format.lower()}
        content = [{"type": "text", "text": prompt}, {"type": "input_audio", "input_audio": audio}]
        body: dict[str, Any] = {"model": self.model, "messages": [{"role": "user", "content": content}],
                                "max_tokens": self.max_tokens, "temperature": self.temperature}  # fmt: skip
        if self.repetition_penalty != 1.0:  # no field of OpenAI's own: strict servers refuse it
            body["repetition_penalty"] = self.repetition_penalty
        return _heard(self.service.json(Call("POST", "chat/completions", song, json=body)), song)


def _heard(answer: dict[str, Any], song: str) -> Heard:
    choices = answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        content = "".join(str(p.get("text", "")) for p in content if isinstance(p, dict))
    if not isinstance(content, str):
        raise UserError(f"{Omni.title} answered for {song} without a text", "check base_url and model")
    return Heard(content, choice.get("finish_reason") != "length")


def _mono(path: "Path") -> Any:
    """float32 [S] at 16 kHz."""
    import numpy as np

    from acestep_core.audio import read_blocks
    from acestep_core.uploads import RATE_HZ

    return np.concatenate([block.mean(axis=1) for block in read_blocks(path, RATE_HZ)])
