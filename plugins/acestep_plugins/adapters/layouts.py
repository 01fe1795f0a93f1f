"""How programs name the layers and tensors of an adapter, and what those names mean here.

Every program has prefixes of its own for the same layer, q_proj or to_q, dots or underscores, and lora_A or lora_down.
Here a tensor has its layer's original name and a leaf: down, up and magnitude of LoRA; the names of LyCORIS and PEFT
for the rest.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from acestep_core.layer_names import flattened, layer_to_original, unflattened

PEFT, LYCORIS, COMFYUI = "base_model.model.", "lycoris_", "diffusion_model.decoder."
_PREFIXES = re.compile(r"((?:base_model\.model\.|base_model\.|diffusion_model\.|transformer\.|decoder\.|model\.)*)(.*)")
_FLAT = re.compile(r"((?:lycoris_|lora_unet_|lora_transformer_)(?:decoder_)?)([^.]*)\.(.*)")
_LEAF = re.compile(
    r"""(?P<layer>.+?)\.(?:
        (?P<lora>lora_A|lora_B|lora_down|lora_up|lora\.down|lora\.up)(?P<slot>\.[^.]+)?\.weight
      | lora_magnitude_vector(?:\.(?!weight)[^.]+)?(?P<m>(?:\.weight)?)
      | (?P<other>dora_scale|alpha|lokr_w[12](?:_[ab])?|lokr_t2|hada_w[12]_[ab]|hada_t[12]|oft_blocks|rescale
          |diff_b|diff|w_norm|b_norm)
      | (?P<oft>oft_R)(?:\.[^.]+)?\.weight
    )""",
    re.VERBOSE,
)
_LORA = {"lora_A": "down", "lora_down": "down", "lora.down": "down"}
_WRITTEN = {
    "down": "lora_A.weight",
    "up": "lora_B.weight",
    "magnitude": "lora_magnitude_vector",
    "oft_R": "oft_R.weight",
}
_OTHER = {"dora_scale": "magnitude", "w_norm": "diff", "b_norm": "diff_b"}
_KINDS = (("lokr", "lokr_"), ("loha", "hada_"), ("oft", "oft_"), ("lora", ("down", "up")), ("full", "diff"))


@dataclass(frozen=True)
class Name:
    """What a key of a file says: the layer's original name, the leaf, and how it was written."""

    layer: str
    leaf: str
    prefix: str
    written: str


def parsed(key: str) -> Name | None:
    """None for a key that no adapter of a known kind has."""
    if flat := _FLAT.fullmatch(key):
        prefix, layer = flat[1], unflattened(flat[2])
        if layer is None:
            return None
        key = f"{layer}.{flat[3]}"
    else:
        prefix, key = _PREFIXES.fullmatch(key).groups()
    found = _LEAF.fullmatch(key)
    if found is None:
        return None
    layer = layer_to_original(found["layer"])
    written = found["lora"] or found["other"] or found["oft"] or "lora_magnitude_vector"
    leaf = _LORA.get(written, "up") if found["lora"] else _OTHER.get(written, written)
    leaf = "magnitude" if leaf == "lora_magnitude_vector" else leaf
    return Name(layer, leaf, prefix, written + (found["slot"] or ""))


def kind_among(leaves: Iterable[str]) -> str | None:
    """lora, lokr, loha, oft or full, by the leaves of a layer or of a whole file."""
    leaves = set(leaves)
    return next((kind for kind, start in _KINDS if any(leaf.startswith(start) for leaf in leaves)), None)


def layout_words(names: Iterable[Name]) -> str:
    """Such as "names with base_model.model., lora_A and lora_B"."""
    names = list(names)
    prefix = next((n.prefix for n in names), "")
    written = sorted({n.written for n in names if n.written not in ("alpha", "rescale")})
    return f"names {'with ' + prefix if prefix else 'without prefix'}; {', '.join(written)}"


def key_of(kind: str, layer: str, leaf: str) -> str:
    """The key that our own files have."""
    if kind in ("lokr", "loha"):
        return f"{LYCORIS}{flattened(layer)}.{'dora_scale' if leaf == 'magnitude' else leaf}"
    if kind == "full":
        return f"{COMFYUI}{layer}.{leaf}"
    if leaf in ("oft_blocks", "rescale"):
        return f"{LYCORIS}{flattened(layer)}.{leaf}"
    return f"{PEFT}{layer}.{_WRITTEN[leaf]}"
