"""Kohya's arguments about the network, which together say what adapter is trained."""

from collections.abc import Mapping
from typing import Any

from acestep_core.options import nearest
from acestep_core.run_file.translation import Argument, Translation, is_true, number_of, unspoken

NETWORK = ("network_module", "network_args", "network_dim", "network_alpha", "network_dropout")
_ALGORITHMS = {"lora": "lora", "locon": "lora", "loha": "loha", "lokr": "lokr"}
_OF_CONVOLUTIONS = ("conv_dim", "conv_alpha", "use_tucker", "use_cp", "use_conv_cp")
_OF_LOKR = {"factor": "factor", "decompose_both": "decompose_both"}
_FULL = 10_000  # LyCORIS trains a LoKr of such a rank in full


def network(t: Translation) -> None:
    """The adapter, of the arguments that belong together."""
    module, options = t.given("network_module"), _pairs(t)
    said = module or next(t.arguments[n] for n in NETWORK if n in t.arguments)
    adapter = _adapter(t, module, options)
    if adapter is None:
        return
    t.put(module or Argument("network_module", "networks.lora", said.where), "adapter", "name", adapter)
    rank, alpha, dropout = (t.given(f"network_{name}") for name in ("dim", "alpha", "dropout"))
    extra = t.arguments.get("network_args", said)
    full = is_true(options.pop("full_matrix", False)) or (number_of(rank) or 0) >= _FULL
    if rank is not None and not (adapter == "lokr" and full):
        t.put(rank, "adapter", "dim" if adapter == "lokr" else "rank", rank.value)
    if alpha is not None and adapter == "lora":
        t.put(alpha, "adapter", "alpha", alpha.value)
    elif alpha is not None and (full or number_of(alpha) == number_of(rank)):
        t.unused(alpha, "the strength is 1 with it, as it is here")
    elif alpha is not None:
        t.refuse(alpha, f"has no meaning for {adapter}, whose strength is 1 here", "delete it, or make it network_dim")
    if dropout is not None and adapter == "lora":
        t.put(dropout, "adapter", "dropout", dropout.value)
    elif dropout is not None:
        t.refuse(dropout, f"is not done for {adapter}", "delete it")
    _network_options(t, adapter, extra, options)


def _network_options(t: Translation, adapter: str, extra: Argument, options: Mapping[str, Any]) -> None:
    meant = {"dora_wd": "dora"} | (
        {"factor": "factor", "decompose_both": "decompose_both"} if adapter == "lokr" else {}
    )
    for name, value in options.items():
        one = Argument(f"network_args {name}", value, extra.where)
        if name in meant:
            t.put(one, "adapter", meant[name], value if name == "factor" else is_true(value))
        elif name in _OF_CONVOLUTIONS:
            t.unused(one, "about convolutions, which this model's decoder does not have")
        elif not Argument(name, unspoken(value), "").empty:
            t.refuse(one, f"means nothing for {adapter}", nearest(name, meant))


def _adapter(t: Translation, module: Argument | None, options: dict[str, Any]) -> str | None:
    if module is None or module.value == "networks.lora":
        return "lora"
    if module.value != "lycoris.kohya":
        t.refuse(module, f"= {module.value!r} is not offered", "write networks.lora, or lycoris.kohya")
        return None
    algorithm = str(options.pop("algo", "lora")).lower()
    if algorithm not in _ALGORITHMS:
        t.refuse(module, f"with algo={algorithm} is not offered", nearest(algorithm, _ALGORITHMS))
    return _ALGORITHMS.get(algorithm)


def _pairs(t: Translation) -> dict[str, Any]:
    argument = t.given("network_args")
    found = {}
    for pair in argument.value if argument is not None and isinstance(argument.value, list) else ():
        name, equals, value = str(pair).partition("=")
        if equals:
            found[name.strip()] = value.strip()
        else:
            t.refuse(argument, f"has '{pair}', which is no KEY=VALUE", 'write ["algo=lokr", "factor=8"]')
    if argument is not None and not isinstance(argument.value, list):
        t.refuse(argument, "is no list", 'write ["algo=lokr", "factor=8"]')
    return found
