"""The diffusion transformer with its condition encoder and audio tokenizer, as diffusers' modules."""

import types
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from acestep_core import UserError
from acestep_core.checkpoint import read_model
from acestep_core.layer_names import layer_to_diffusers, layer_to_original, to_original
from acestep_core.parts import CHANNELS, Look
from acestep_plugins.backends.pt.compiled import Compiled
from acestep_plugins.backends.pt.device import Place
from acestep_plugins.backends.pt.dit_modules import build_decoder, build_detokenizer, build_encoder, build_tokenizer
from acestep_plugins.backends.pt.folder import check_foreign, fill, read_tensors
from acestep_plugins.backends.pt.joined import Joined
from acestep_plugins.backends.pt.looking import cross_attention
from acestep_plugins.backends.pt.memory import shortage
from acestep_plugins.backends.pt.quantised import Converted, Kind, quantise
from acestep_plugins.backends.pt.transformer import Prepared
from acestep_plugins.backends.pt.windows import Kernel, chosen, kernel

_GPU_AT_ONCE = 8


class Dit:
    """`DitPart` on diffusers. Tokenizer and detokenizer are read on first use."""

    def __init__(
        self,
        folder: Path,
        place: Place,
        attention: Kernel = "auto",
        quantization: Kind = "none",
        compiled: bool = False,
    ):
        self.info = read_model(folder)
        self._place = place
        self._joined = Joined(place)
        check_foreign(folder)
        with torch.device("meta"):
            modules = {"decoder": build_decoder(self.info.config), "encoder": build_encoder(self.info.config)}
        modules["decoder"].use_own_layers(kernel(chosen(attention, place)))
        self.converted = _filled(modules, folder, place, quantization)
        self.decoder, self.encoder = PtDecoder(modules["decoder"]), modules["encoder"]
        self.null_embedding = _null_condition(folder).to(place.device, place.dtype)
        self.silence = _silence(folder).to(place.device, place.dtype)
        float32_time(self.decoder.module)
        if self.info.xl:
            _prepend_timbre_token(self.encoder.timbre_encoder)
        self._compiled = Compiled(self.decoder.module) if compiled else None  # after everything that changes modules
        self.notes = [] if self.converted is None else [str(self.converted)]

    @property
    def dtype_name(self) -> str:
        return str(self._place.dtype).removeprefix("torch.")

    @property
    def device_name(self) -> str:
        return str(self._place.device)

    @property
    def about(self) -> Mapping[str, Any]:
        weights = {} if self.converted is None else {"weights": str(self.converted)}
        return weights | ({"compiled": True} if self._compiled else {})

    @torch.inference_mode()
    def condition(self, caption: torch.Tensor, lyrics: torch.Tensor, timbre: torch.Tensor | None = None) -> Any:
        if timbre is None:
            timbre = self.silence_frames(int(self.info.config.get("timbre_fix_frame", 750)))
        packed, mask = self.encoder(
            text_hidden_states=self._in(caption)[None],
            text_attention_mask=_ones(caption),
            lyric_hidden_states=self._in(lyrics)[None],
            lyric_attention_mask=_ones(lyrics),
            refer_audio_acoustic_hidden_states_packed=self._in(timbre)[None],
            refer_audio_order_mask=torch.zeros(1, dtype=torch.long, device=self._place.device),
        )
        return packed[0, mask[0]]

    def null_condition(self, length: int) -> torch.Tensor:
        return self.null_embedding[0].expand(length, -1)

    def silence_frames(self, frames: int) -> torch.Tensor:
        """The codec's latents of silence [frames, 64], repeated if the checkpoint holds fewer."""
        repeats = -(-frames // self.silence.shape[0])
        return self.silence.repeat(repeats, 1)[:frames]

    def context(self, source: Any, mask: Any) -> torch.Tensor:
        latents = self._in(source)
        return torch.cat([latents, self._in(mask).expand_as(latents)], dim=-1)

    def text2music_context(self, frames: int) -> torch.Tensor:
        return self.context(self.silence_frames(frames), torch.ones(frames, 1))

    @torch.inference_mode()
    def codes(self, latents: Any) -> list[int]:
        _, indices = self.tokenizer.tokenize(self._in(latents)[None], self.silence[None])
        return indices[0, :, 0].tolist()

    @torch.inference_mode()
    def from_codes(self, codes: Sequence[int]) -> torch.Tensor:
        indices = torch.tensor(codes, device=self._place.device)[None, :, None]
        quantized = self.tokenizer.quantizer.get_output_from_indices(indices)
        return self.detokenizer(quantized.to(self._place.dtype))[0]

    def hints(self, latents: Any) -> torch.Tensor:
        return self.from_codes(self.codes(latents))[: len(latents)]

    def noise(self, seed: int, frames: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(frames, CHANNELS, generator=generator).to(self._place.device)

    @torch.inference_mode()
    def prepared(self, condition: torch.Tensor) -> Prepared:
        return self.decoder.module.prepare(self._in(condition)[None])

    @torch.inference_mode()
    def velocity(
        self, x: torch.Tensor, t: float, condition: torch.Tensor | Prepared, context: torch.Tensor
    ) -> torch.Tensor:
        return self.predict(x, t, condition, context)

    def predict(
        self, x: torch.Tensor, t: float, condition: torch.Tensor | Prepared, context: torch.Tensor
    ) -> torch.Tensor:
        """`velocity` with gradients."""
        time = torch.full((1,), float(t), device=self._place.device)
        output = self._run(
            f"a denoising step of {len(x)} frames",
            hidden_states=self._in(x)[None],
            timestep=time,
            timestep_r=time,
            encoder_hidden_states=condition if isinstance(condition, Prepared) else self._in(condition)[None],
            context_latents=self._in(context)[None],
        )
        return output[0].float()

    @torch.inference_mode()
    def velocities(self, looks: Sequence[Look]) -> list[torch.Tensor]:
        if len(looks) == 1:
            (look,) = looks
            return [self.velocity(look.x, look.t, look.condition, look.context)]
        frames = " + ".join(str(len(look.x)) for look in looks)
        output = self._run(f"a denoising step of {frames} frames", **self._joined.inputs(looks))
        return [v[: len(look.x)].float() for v, look in zip(output, looks, strict=True)]

    @torch.inference_mode()
    def attention(self, look: Look, heads: Mapping[int, Sequence[int]], tokens: int) -> Any:
        time = torch.full((1,), float(look.t), device=self._place.device)
        begun = (self._in(look.x)[None], time, time, self._in(look.context)[None])
        with shortage(f"the attention of {len(look.x)} frames", "name fewer --heads"):
            return cross_attention(self.decoder.module, begun, look.condition, heads, tokens)

    def _run(self, what: str, **inputs: Any) -> torch.Tensor:
        if self._compiled:
            self._compiled.heed()
        with shortage(what, "make it shorter; see: acestep-core models plan DIR"):
            return self.decoder.module(**inputs)[0]

    def at_once(self, frames: int) -> int:
        """A CPU is busy with one item; a GPU works on as many as there are, and says when memory is short."""
        return 1 if self._place.device.type == "cpu" else _GPU_AT_ONCE

    def array(self, array: Any) -> torch.Tensor:
        return torch.as_tensor(array, dtype=torch.float32, device=self._place.device)

    def numpy(self, array: torch.Tensor) -> Any:
        return array.float().cpu().numpy()

    @cached_property
    def tokenizer(self) -> nn.Module:
        """Latents [B, T, 64] to 5 Hz codes."""
        return fill(build_tokenizer(self.info.config), self.info.folder, "tokenizer.", self._place)

    @cached_property
    def detokenizer(self) -> nn.Module:
        """5 Hz codes back to latents [B, T, 64]."""
        return fill(build_detokenizer(self.info.config), self.info.folder, "detokenizer.", self._place)

    def _in(self, array: Any) -> torch.Tensor:
        return torch.as_tensor(array).to(self._place.device, self._place.dtype)


class PtDecoder:
    """`Decoder`: diffusers' transformer, its linear layers under their original names."""

    def __init__(self, module: nn.Module):
        self.module = module
        named = [(layer_to_original(n), m) for n, m in module.named_modules()]
        self._linears = {n: m for n, m in named if isinstance(m, nn.Linear)}
        self._convolutions = {n: m for n, m in named if isinstance(m, nn.Conv1d)}
        self._others = dict(_others(module))

    def linears(self) -> Mapping[str, nn.Linear]:
        """As they were before any adapter: a layer stays the same object however often it is wrapped."""
        return self._linears

    def convolutions(self) -> Mapping[str, nn.Conv1d]:
        return self._convolutions

    def others(self) -> Mapping[str, tuple[nn.Module, str]]:
        return self._others

    def module_path(self, name: str) -> str:
        return layer_to_diffusers(name)


def _others(decoder: nn.Module) -> Iterator[tuple[str, tuple[nn.Module, str]]]:
    for path, module in decoder.named_modules():
        if not isinstance(module, nn.Linear | nn.Conv1d):
            for name, _ in module.named_parameters(path, recurse=False):
                yield to_original(name), (module, name.rpartition(".")[2])


def _filled(modules: Mapping[str, nn.Module], folder: Path, place: Place, kind: Kind) -> Converted | None:
    """Read the weights of both; those that are converted reach the device as 8 bits, so that it need not hold more."""
    first = place if kind == "none" else Place(torch.device("cpu"), place.dtype)
    for name, module in modules.items():
        fill(module, folder, f"{name}.", first)
    converted = None if kind == "none" else quantise(modules, kind, place.device)
    for module in modules.values():
        module.to(place.device)
    return converted


def _null_condition(folder: Path) -> torch.Tensor:
    """[1, 1, width]"""
    for _, tensor in read_tensors(folder, "null_condition_emb"):
        return tensor
    raise UserError(f"{folder}: missing null_condition_emb", "download it again")


def _silence(folder: Path) -> torch.Tensor:
    """silence_latent.pt is stored [1, 64, N]; returned [N, 64]. The only pickle read, and only its tensors."""
    path = folder / "silence_latent.pt"
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{folder} lacks silence_latent.pt", "download it again") from None
    except Exception as e:  # torch.load raises whatever the unpickler meets
        raise UserError(f"{path} is damaged ({type(e).__name__})", "download it again") from e
    if stored.ndim != 3 or stored.shape[:2] != (1, CHANNELS):
        raise UserError(f"{path} has shape {tuple(stored.shape)}, expected (1, {CHANNELS}, N)", "download it again")
    return stored[0].T.contiguous()


def _ones(states: torch.Tensor) -> torch.Tensor:
    return torch.ones(1, states.shape[0], dtype=torch.bool, device=states.device)


def float32_time(decoder: nn.Module) -> None:
    """t stays float32 up to the sinusoid; in bfloat16 1000·t would have steps of 4."""

    def forward(self: nn.Module, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        waves = self.time_sinusoid(t * self.scale).to(self.linear_1.weight.dtype)
        embedding = self.linear_2(self.act1(self.linear_1(waves)))
        return embedding, self.time_proj(self.act2(embedding)).unflatten(1, (6, -1))

    for name in ("time_embed", "time_embed_r"):
        module = getattr(decoder, name)
        module.forward = types.MethodType(forward, module)


def _prepend_timbre_token(timbre_encoder: nn.Module) -> None:
    """XL pools its learned special token, which diffusers leaves out; 2B pools the first acoustic frame."""

    class TokenFirst(nn.Module):
        def __init__(self, linear: nn.Module, token: nn.Parameter):
            super().__init__()
            self.linear, self.token = linear, token

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            frames = self.linear(x)
            return torch.cat([self.token.expand(frames.shape[0], 1, -1), frames], dim=1)

    timbre_encoder.embed_tokens = TokenFirst(timbre_encoder.embed_tokens, timbre_encoder.special_token)
