"""One look of the model at a clip that is nearly done: where in time its heads look for each token of the lyrics."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from acestep_core.adapters import UsedAdapter
from acestep_core.alignment.words import LyricTokens, lyric_tokens, sung_lines
from acestep_core.checkpoint import ModelInfo
from acestep_core.conditioning import conditions, read_words, words_of
from acestep_core.errors import UserError
from acestep_core.model import Model
from acestep_core.options import option
from acestep_core.parts import FRAME_RATE_HZ, MIN_FRAMES, Look
from acestep_core.registry import Registry, registry
from acestep_core.request import GenerateRequest, resolve
from acestep_core.seeds import derived_seed
from acestep_core.source import context_of, fitted, read_source, read_timbre

if TYPE_CHECKING:
    import numpy as np

# Layers and heads of the released 2B models that follow the lyrics (lyric_alignment_common.py); others say their own.
_OF_2B: Mapping[int, Sequence[int]] = {2: [6], 3: [10, 11], 4: [3], 5: [8, 9], 6: [8]}
_2B = (24, 16)  # layers, heads
_CONFIG = "lyric_alignment_layers_config"
_ONE = re.compile(r"(\d+):(\d+(?:\+\d+)*)")


@dataclass(frozen=True, kw_only=True)
class Listening:
    """How the model looks at a clip to be timed."""

    heads: str = option("", "layers and heads that follow lyrics, such as 2:6,3:10+11, or all; else the model's own")
    t: float = option(0.125, "how noisy the clip is when looked at; 0.125 = the last of 8 steps", gt=0, le=1)
    noise_seed: int = option(42, "seed of that noise", ge=0)


@dataclass(frozen=True)
class Heard:
    """Attention weights [heads, tokens, frames] of the lyrics' tokens; a frame lasts `frame_s`."""

    weights: "np.ndarray"
    tokens: LyricTokens
    frame_s: float


def listen(
    model: Model,
    request: GenerateRequest,
    wave: "np.ndarray",
    listening: Listening | None = None,
    adapters: Sequence[UsedAdapter] = (),
    plugins: Registry | None = None,
) -> Heard:
    """Where the lyrics of `request` are in the wave [2, S] that was made of it.

    The wave goes through the codec once more, so that a clip can be timed that lies in a file. Raises `UserError` for
    lyrics without words.
    """
    listening, plugins = listening or Listening(), plugins or registry()
    request = resolve(request, model.info)
    sung_lines(request.lyrics)
    heads = heads_of(model.info, listening.heads)
    latents, song, timbre = model.working("codec", lambda c: _sounds(request, wave, c))
    words = words_of(request, model.text)
    tokens = lyric_tokens(request.lyrics, request.language, _spans(model.text, words.lyrics))
    read_words(model, words)  # before the dit comes, where parts take turns
    with model.adapters.heard(adapters, plugins):
        dit = model.dit
        frames = max(len(latents), MIN_FRAMES)
        t, noise = listening.t, dit.noise(listening.noise_seed, frames)
        x = noise * t + dit.array(fitted(latents, dit, frames)) * (1 - t)
        context = context_of(request.task, song, dit, frames, request.reference_mode)
        prepared = dit.prepared(conditions(model, words, timbre)[0])
        weights = _attention(dit, Look(x, t, prepared, context), heads, tokens.last)
    width = round(frames / weights.shape[2])  # latent frames in one of the transformer's
    kept = -(-len(latents) // width)
    return Heard(weights[:, tokens.first :, :kept], tokens, width / FRAME_RATE_HZ)


def heads_of(info: ModelInfo, asked: str = "") -> dict[int, tuple[int, ...]]:
    """Heads by layer: those asked for, else those the model's config names, else the released 2B models'.

    Raises `UserError` for what is not there, and for a model of which nobody knows.
    """
    layers, heads = info.layers, int(info.config["num_attention_heads"])
    if asked == "all":
        return {layer: tuple(range(heads)) for layer in range(layers)}
    found = _read(asked) if asked else _named(info)
    wrong = [f"{la}:{h}" for la, hs in found.items() for h in hs if not (0 <= la < layers and 0 <= h < heads)]
    if wrong:
        raise UserError(f"There is no head {wrong[0]}", f"layers go from 0 to {layers - 1}, heads to {heads - 1}")
    return found


def _named(info: ModelInfo) -> dict[int, tuple[int, ...]]:
    named = info.config.get(_CONFIG)
    if not named and (info.layers, int(info.config["num_attention_heads"])) == _2B:
        named = _OF_2B
    if not named:
        raise UserError(f"{info.folder / 'config.json'} does not say which heads follow lyrics ({_CONFIG})",
                        "give --heads, such as 2:6,3:10+11, or --heads all")  # fmt: skip
    try:
        return {int(layer): tuple(map(int, heads)) for layer, heads in sorted(named.items(), key=lambda i: int(i[0]))}
    except (ValueError, TypeError, AttributeError) as e:
        raise UserError(f"{info.folder / 'config.json'}: {_CONFIG} is no table of heads", "give --heads") from e


def _read(asked: str) -> dict[int, tuple[int, ...]]:
    found: dict[int, tuple[int, ...]] = {}
    for piece in asked.replace(" ", "").split(","):
        one = _ONE.fullmatch(piece)
        if one is None:
            raise UserError(f"--heads {asked}: '{piece}' is no layer with heads", "write 2:6,3:10+11, or all")
        found[int(one[1])] = found.get(int(one[1]), ()) + tuple(map(int, one[2].split("+")))
    return dict(sorted(found.items()))


def _sounds(request: GenerateRequest, wave: "np.ndarray", codec: Any) -> tuple[Any, Any, Any]:
    """(latents of the clip, the task's song, latents of the timbre)"""
    seed = request.seed or 0
    song = read_source(request.task, codec, derived_seed(seed, "source"))
    timbre = None if request.timbre is None else read_timbre(request.timbre, codec, derived_seed(seed, "timbre"))
    return codec.encode(wave, 0), song, timbre


def _spans(text: Any, lyrics: str) -> Sequence[tuple[int, int]]:
    if not hasattr(text, "spans"):
        raise UserError("This backend's text part does not say where its tokens are", "use the backend pt")
    return text.spans(lyrics)


def _attention(dit: Any, look: Look, heads: Mapping[int, Sequence[int]], tokens: int) -> "np.ndarray":
    if not hasattr(dit, "attention"):
        raise UserError("This backend does not show where the model looks", "use the backend pt")
    return dit.attention(look, heads, tokens)
