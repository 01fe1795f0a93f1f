"""Names of the decoder's layers: as in the original checkpoints, as diffusers has them, and flattened.

The original name, such as layers.0.self_attn.q_proj, is the one used everywhere here.
"""

import re

# original name -> diffusers name, inside every attention block and at the patch convolutions
RENAMES = {
    ".q_proj.": ".to_q.",
    ".k_proj.": ".to_k.",
    ".v_proj.": ".to_v.",
    ".o_proj.": ".to_out.0.",
    ".q_norm.": ".norm_q.",
    ".k_norm.": ".norm_k.",
    "proj_in.1.": "proj_in_conv.",
    "proj_out.1.": "proj_out_conv.",
}
_FLAT = (
    (r"layers_(\d+)_(self|cross)_attn_(?:([qkvo])_proj|to_(?:([qkv])|out_0))",
     lambda m: f"layers.{m[1]}.{m[2]}_attn.{m[3] or m[4] or 'o'}_proj"),
    (r"layers_(\d+)_mlp_(gate|up|down)_proj", r"layers.\1.mlp.\2_proj"),
    (r"(time_embed(?:_r)?)_(linear_1|linear_2|time_proj)", r"\1.\2"),
    (r"proj_(in|out)_(?:1|conv)", r"proj_\1.1"),
    (r"condition_embedder", "condition_embedder"),
    (r"layers_(\d+)_(self|cross)_attn_(?:([qk])_norm|norm_([qk]))",
     lambda m: f"layers.{m[1]}.{m[2]}_attn.{m[3] or m[4]}_norm"),
    (r"layers_(\d+)_(self_attn|cross_attn|mlp)_norm", r"layers.\1.\2_norm"),
    (r"norm_out", "norm_out"),
)  # fmt: skip


def to_diffusers(key: str) -> str:
    """Name of a tensor in diffusers' modules for its name in the original checkpoint."""
    for original, renamed in RENAMES.items():
        key = key.replace(original, renamed)
    return key


def to_original(key: str) -> str:
    """The inverse of `to_diffusers`."""
    for original, renamed in RENAMES.items():
        key = key.replace(renamed, original)
    return key


def layer_to_diffusers(name: str) -> str:
    return to_diffusers(f"{name}.").removesuffix(".")


def layer_to_original(name: str) -> str:
    return to_original(f"{name}.").removesuffix(".")


def flattened(name: str) -> str:
    """layers_0_self_attn_q_proj of layers.0.self_attn.q_proj."""
    return name.replace(".", "_")


def unflattened(flat: str) -> str | None:
    """The inverse of `flattened`, of original and of diffusers' names; None for a name no decoder has."""
    for pattern, name in _FLAT:
        if found := re.fullmatch(pattern, flat):
            return name(found) if callable(name) else found.expand(name)
    return None
