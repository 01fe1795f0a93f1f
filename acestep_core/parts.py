"""What the pipelines need of a loaded model, whatever library runs it.

Arrays between parts are the backend's own (torch, MLX); at the edges they are numpy. Latents are [T, 64] at 25 Hz,
waves [2, S] at 48 kHz. An item's result never depends on those that share a pass with it. A part that works otherwise
than expected, such as in smaller pieces where memory is short, adds a sentence to its list `notes`; what there is no
memory for at all is an `OutOfMemory`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

    from acestep_core.checkpoint import ModelInfo

FRAME_RATE_HZ = 25
HOP = 1920  # samples of 48 kHz audio per latent frame
CHANNELS = 64
MIN_FRAMES = 128  # the DiT's shortest input, 5.12 s (conditioning_target.py of the reference)


class TextPart(Protocol):
    """The text encoder with its tokenizer."""

    def count(self, text: str) -> int:
        """Tokens of a text, special ones included."""

    def spans(self, text: str) -> list[tuple[int, int]]:
        """First character of each of those tokens and the one behind its last; to time lyrics, may be missing."""

    def caption(self, text: str) -> Any:
        """Hidden states [L, text width] of a caption text."""

    def lyrics(self, text: str) -> Any:
        """Token embeddings [L, text width] of a lyric text."""


class CodecPart(Protocol):
    """The audio codec."""

    def encode(self, wave: "np.ndarray", seed: int) -> "np.ndarray":
        """Latents float32 [T, 64] of a wave [2, S]; a posterior sample drawn with `seed`, if it has any spread."""

    def decode(self, latents: Any) -> "np.ndarray":
        """Wave float32 [2, T * 1920] of latents [T, 64]."""

    def pieces(self, latents: Any) -> "Iterator[np.ndarray]":
        """`decode`, piece by piece [2, n], as they are ready."""


class Decoder(Protocol):
    """The trainable network inside the DiT, as adapters see it."""

    module: Any

    def linears(self) -> Mapping[str, Any]:
        """Linear layers by their name in the original checkpoint, such as layers.0.self_attn.q_proj."""

    def convolutions(self) -> Mapping[str, Any]:
        """One-dimensional convolutions likewise: files of the reference's trainer change these too."""

    def others(self) -> Mapping[str, tuple[Any, str]]:
        """Every other weight, as (module, attribute), by its own original name, such as layers.0.mlp_norm.weight."""

    def module_path(self, name: str) -> str:
        """Attribute path inside `module` of the layer with that original name."""


@dataclass(frozen=True)
class Look:
    """A velocity that is asked for: x [T, 64] at t, what is heard (`prepared`), and the context [T, 128]."""

    x: Any
    t: float
    condition: Any
    context: Any


class DitPart(Protocol):
    """Condition encoder, diffusion transformer and what belongs to them."""

    info: "ModelInfo"
    decoder: Decoder
    dtype_name: str
    device_name: str
    about: Mapping[str, Any]
    """What else of how it runs changes numbers and so belongs into a record, such as 8-bit weights."""

    @property
    def about(self) -> Mapping[str, Any]:
        """What a record says of how it works beside device and precision, such as which weights have 8 bits."""

    def condition(self, caption: Any, lyrics: Any, timbre: Any | None = None) -> Any:
        """Condition [L, width] of text states and a timbre reference [T, 64] (None = silence)."""

    def null_condition(self, length: int) -> Any:
        """The learned empty condition [length, width]."""

    def silence_frames(self, frames: int) -> Any:
        """The codec's latents of silence [T, 64]."""

    def context(self, source: Any, mask: Any) -> Any:
        """Context [T, 128] of source latents [T, 64] and a mask [T, 1] that is 1 where something is to be made."""

    def text2music_context(self, frames: int) -> Any:
        """Context [T, 128]: silence as source, everything to be made."""

    def codes(self, latents: Any) -> list[int]:
        """The 5 Hz audio codes of latents [T, 64]."""

    def from_codes(self, codes: Sequence[int]) -> Any:
        """Latents [5 x codes, 64] as the model makes them of audio codes."""

    def hints(self, latents: Any) -> Any:
        """Latents [T, 64] as they are after having been audio codes."""

    def noise(self, seed: int, frames: int) -> Any:
        """Standard normal [T, 64] in float32, the same on every device."""

    def prepared(self, condition: Any) -> Any:
        """The condition as `velocity` takes it many times over: good until an adapter or its scale changes."""

    def velocity(self, x: Any, t: float, condition: Any, context: Any) -> Any:
        """noise - data as the model sees it at x [T, 64], float32. The condition is plain or `prepared`."""

    def velocities(self, looks: "Sequence[Look]") -> list[Any]:
        """`velocity` of several items, of whatever lengths, in one pass; all conditions are `prepared`.

        Each is what it is alone, to rounding. Raises `OutOfMemory` where fewer at once may fit.
        """

    def attention(self, look: Look, heads: Mapping[int, Sequence[int]], tokens: int) -> "np.ndarray":
        """Cross-attention weights float32 [heads, tokens, patches] of the first `tokens` of the condition.

        `heads` names heads by layer, and no layer behind the last of them is computed. To time lyrics, may be missing.
        """

    def at_once(self, frames: int) -> int:
        """How many items of that length had best share a pass, if there are as many: 1 where sharing gains nothing."""

    def numpy(self, array: Any) -> "np.ndarray":
        """float32 numpy copy."""

    def array(self, array: "np.ndarray") -> Any:
        """A numpy array as one that x and velocities can be added to, float32."""


@dataclass(frozen=True)
class Demand:
    """Bytes of device memory: what a part's weights take as long as it is loaded, and its work on top at most."""

    weights: int
    work: int


@dataclass(frozen=True)
class Saving:
    """Options of a backend, and whether its parts take turns under them; `note` says what that takes beside memory."""

    options: Mapping[str, Any]
    one_at_a_time: bool
    note: str = ""
