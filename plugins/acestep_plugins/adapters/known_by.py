"""Which program knows which kind of adapter, and what to do where it does not."""

from collections.abc import Iterator

from acestep_core import UserError
from acestep_plugins.adapters.stored import Stored
from acestep_plugins.adapters.whole import of_layer

_WHOLE, _NORMS = "a change of whole weights", "a change of norms and tables"
# Kinds by program, OFT by the side that its blocks turn. The reference hears LyCORIS' LoKr and whatever PEFT knows.
_KNOWN = {
    "reference": {"LoRA", "DoRA", "LoKr", "OFT of inputs"},
    "diffusers": {"LoRA", "DoRA"},
    "comfyui": {"LoRA", "DoRA", "LoKr", "LoHa", "OFT of outputs", "DoRA of inputs", _WHOLE, _NORMS},
    "lycoris": {"LoRA", "DoRA", "LoKr", "LoHa", "OFT of outputs", "DoRA of inputs", _WHOLE},
}
_NAMES = {"reference": "the reference", "diffusers": "diffusers", "comfyui": "ComfyUI", "lycoris": "LyCORIS"}
_WORDS = {"lora": "LoRA", "lokr": "LoKr", "loha": "LoHa"}


def check_known(stored: Stored, to: str) -> None:
    """Raise `UserError`, with the ways that remain, if a program knows no such adapter."""
    there = dict.fromkeys(word for name in stored.layers for word in _words(stored, name))
    unknown = [word for word in there if word not in _KNOWN[to]]
    ways = "use --to lora-svd for the nearest LoRA, or --to merged"
    if unknown:
        others = [name for name, known in _KNOWN.items() if set(there) <= known]
        also = f"; as it is: --to {' or '.join(others)}" if others else ""
        raise UserError(f"{stored.path} is {' and '.join(unknown)}, which {_NAMES[to]} does not know", ways + also)
    single = {"LoKr" in there, "OFT of inputs" in there} if to == "reference" else set()
    if True in single and len({w for w in there if not w.startswith("DoRA")}) > 1:
        raise UserError(f"{stored.path} is {' and '.join(there)}, of which the reference reads one kind a file", ways)


def _words(stored: Stored, name: str) -> Iterator[str]:
    leaves, kind = stored.layers[name], stored.kind_of(name)
    if kind == "oft":
        yield "OFT of inputs" if "oft_R" in leaves else "OFT of outputs"
        return
    if kind == "full":
        yield _WHOLE if of_layer(name, leaves) else _NORMS
        return
    yield _WORDS[kind]
    if "magnitude" in leaves:
        yield "DoRA" if leaves["magnitude"].shape[1] == 1 else "DoRA of inputs"
