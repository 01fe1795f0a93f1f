"""Conditions of a batch out of encoders that learn: what the product's own parts make of each song, in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence


@dataclass(frozen=True)
class Said:
    """What a song is conditioned on: the two texts, and the latents [T, 64] of a sound whose timbre is meant."""

    caption: str
    lyrics: str
    timbre: Any = None


class Conditions:
    """Of a DiT and a text encoder of the PyTorch backend. Texts are tokenised once."""

    def __init__(self, dit: Any, text: Any):
        self._dit, self._text = dit, text
        self._timbre_frames = int(dit.info.config["timbre_fix_frame"])
        self._tokens: dict[str, torch.Tensor] = {}

    def of(self, batch: Sequence[Said]) -> list[torch.Tensor]:
        """[L, width] of each; gradients reach what learns of both."""
        captions, said = self._padded([s.caption for s in batch])
        lyrics, sung = self._padded([s.lyrics for s in batch])
        packed, mask = self._dit.encoder(
            # Each token sees those before it alone, so that what is padded behind changes nothing.
            text_hidden_states=self._text.model(input_ids=captions).last_hidden_state,
            text_attention_mask=said,
            lyric_hidden_states=self._text.model.get_input_embeddings()(lyrics),
            lyric_attention_mask=sung,
            refer_audio_acoustic_hidden_states_packed=torch.stack([self._timbre(s.timbre) for s in batch]),
            refer_audio_order_mask=torch.arange(len(batch), device=captions.device),
        )
        return [row[there] for row, there in zip(packed, mask, strict=True)]

    def _padded(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        rows = [self._ids(text) for text in texts]
        lengths = torch.tensor([len(r) for r in rows])
        ids = pad_sequence(rows, batch_first=True)
        mask = torch.arange(ids.shape[1]) < lengths[:, None]
        return ids.to(self._dit.device_name), mask.to(self._dit.device_name)

    def _ids(self, text: str) -> torch.Tensor:
        if text not in self._tokens:
            self._tokens[text] = torch.tensor(self._text.tokenizer(text)["input_ids"])
        return self._tokens[text]

    def _timbre(self, latents: Any) -> torch.Tensor:
        if latents is None:
            return self._dit.silence_frames(self._timbre_frames)
        heard = torch.as_tensor(latents).to(self._dit.device_name)
        return heard.repeat(-(-self._timbre_frames // len(heard)), 1)[: self._timbre_frames]
