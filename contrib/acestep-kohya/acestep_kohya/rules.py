"""What must hold between the arguments of one call, which the scripts find out late, or never."""

from collections.abc import Callable, Iterator
from typing import Any

from acestep_core import UserError
from acestep_kohya.arguments import SECRETS
from acestep_kohya.call import ADDED, CHANGED, LEFT_OUT, Call
from acestep_kohya.template import shown

NETWORK = "networks.lora"
LOWEST_ADAPTIVE_RATE = 0.1
"""D-Adaptation and Prodigy find the rate themselves; theirs is a factor, about 1. The scripts warn below this."""
_BROKEN = {
    "reduce_lr_on_plateau": 'write lr_scheduler = "cosine"',
    "cosine_warmup_with_min_lr": 'write lr_scheduler = "cosine_with_min_lr"',
}
# a and b -> why not both; the remedy is always to take one of them out
_NOT_BOTH = {
    ("cache_latents", "color_aug"): "cached latents cannot change",
    ("cache_latents", "random_crop"): "cached latents cannot change",
    ("cache_latents_to_disk", "color_aug"): "cached latents cannot change",
    ("cache_latents_to_disk", "random_crop"): "cached latents cannot change",
    ("use_8bit_adam", "optimizer_type"): "both choose the optimizer",
    ("use_lion_optimizer", "optimizer_type"): "both choose the optimizer",
    ("use_8bit_adam", "use_lion_optimizer"): "both choose the optimizer",
    ("v_pred_like_loss", "v_parameterization"): "the loss is that of v already",
    ("network_train_unet_only", "network_train_text_encoder_only"): "nothing would be left to train",
    ("full_fp16", "full_bf16"): "there is one precision",
}
# a -> what it needs
_NEEDS = {
    "adaptive_noise_scale": "noise_offset",
    "scale_v_pred_loss_like_noise_pred": "v_parameterization",
    "dim_from_weights": "network_weights",
    "sample_every_n_steps": "sample_prompts",
    "sample_every_n_epochs": "sample_prompts",
    "sample_at_first": "sample_prompts",
    "base_weights_multiplier": "base_weights",
    "save_state_to_huggingface": "huggingface_repo_id",
    "resume_from_huggingface": "resume",
}


def apply_rules(call: Call) -> None:
    """Adds what is missing, makes equal what must be, and puts every contradiction into the call's errors."""
    _network(call)
    _one_rate(call)
    _scheduler(call)
    _together(call)
    _worth_knowing(call)


def secrets_in(call: Call) -> Iterator[UserError]:
    """Keys that everybody who lists the machine's processes would see on the command line."""
    for name in [n for n in SECRETS if n in call.values]:
        problem = f"{call.where(name)}: {name} would be seen by all who list this machine's processes"
        yield UserError(problem, f"take it out and set {SECRETS[name]} in the environment")


def is_adaptive(optimizer: Any) -> bool:
    """Whether it finds its learning rate itself, and so has one for all; a class may be named by its path."""
    name = str(optimizer or "").lower().rpartition(".")[2]
    return name.startswith("dadapt") or name == "prodigy"


def _network(call: Call) -> None:
    row = call.rows.get("network_module")
    if "network_module" in call.schema.arguments and (row is None or row.status == LEFT_OUT):
        call.put("network_module", NETWORK, ADDED, "the script fails without one")


def _one_rate(call: Call) -> None:
    """An adaptive optimizer raises, or takes the first for all, where the groups have several rates."""
    optimizer = call.get("optimizer_type")
    if not is_adaptive(optimizer):
        return
    idle = {"text_encoder_lr"} if call.values.get("network_train_unet_only") else set()
    names = [n for n in ("unet_lr", "learning_rate", "text_encoder_lr") if n in call.values and n not in idle]
    rates: dict[str, Any] = {n: call.values[n] for n in names}
    leader = next(iter(rates), None)
    if leader is None or leader == "text_encoder_lr":
        rate = call.get("learning_rate")
        call.wrong("learning_rate", f"{optimizer} needs a learning_rate of about 1, and none is given"
                   f" (the script's own is {rate})", "add learning_rate = 1.0")  # fmt: skip
        return
    low = {n: r for n, r in rates.items() if any(one <= LOWEST_ADAPTIVE_RATE for one in _each(r))}
    for name in low:
        call.wrong(name, f"{name} = {_told(rates[name])} is no rate for {optimizer}, which finds it itself and takes"
                   " this as a factor", f"write {name} = 1.0")  # fmt: skip
    if not low:
        _made_equal(call, rates, leader, optimizer)


def _made_equal(call: Call, rates: dict[str, Any], leader: str, optimizer: str) -> None:
    rate = rates[leader]
    for name in [n for n, r in rates.items() if any(one != rate for one in _each(r))]:
        was = f"{name} = {_told(rates[name])}"
        if call.template.own.get("equal_lr", True):
            call.put(name, rate, CHANGED, f"{was} is no use: {optimizer} has one rate for all, {leader}")
            call.notes.append(f"{was} is passed as {rate}: {optimizer} has one rate for all groups; "
                              "[kohya] equal_lr = false leaves it as it is")  # fmt: skip
        else:
            call.notes.append(f"{was} is passed though {leader} is {rate}: most versions of {optimizer} refuse that")


def _scheduler(call: Call) -> None:
    name, warmup = call.get("lr_scheduler"), call.get("lr_warmup_steps") or 0
    custom = call.values.get("lr_scheduler_type")
    if custom or name is None:
        return
    if name == "constant" and warmup:
        call.wrong("lr_warmup_steps", f"lr_warmup_steps = {warmup} does not go with the lr_scheduler constant",
                   'write lr_scheduler = "constant_with_warmup", or take it out')  # fmt: skip
    if name in _BROKEN:
        call.wrong("lr_scheduler", f"the lr_scheduler {name} fails in these scripts", _BROKEN[name])
    if name == "cosine_with_min_lr" and "lr_scheduler_min_lr_ratio" not in call.values:
        call.wrong("lr_scheduler", f"{name} needs lr_scheduler_min_lr_ratio", "add lr_scheduler_min_lr_ratio = 0.1")
    if name == "adafactor" and str(call.get("optimizer_type") or "").lower() != "adafactor":
        call.wrong("lr_scheduler", "the lr_scheduler adafactor goes with the optimizer Adafactor alone",
                   'write lr_scheduler = "constant"')  # fmt: skip


def _together(call: Call) -> None:
    given: Callable[[str], bool] = call.values.__contains__
    for (one, other), why in _NOT_BOTH.items():
        if given(one) and given(other):
            call.wrong(one, f"{one} and {other} do not go together: {why}", "take one of them out")
    for name, needed in _NEEDS.items():
        if given(name) and needed in call.schema.arguments and not given(needed):
            call.wrong(name, f"{name} does nothing, or fails, without {needed}", f"add {needed}, or take {name} out")


def _worth_knowing(call: Call) -> None:
    """Defaults that surprise, and values without effect."""
    rank, alpha = call.values.get("network_dim"), call.get("network_alpha")
    if rank is not None and rank > 1 and alpha is not None and "network_alpha" not in call.values:
        call.notes.append(f"there is no network_alpha: it is {alpha}, so the network works at {alpha}/{rank}")
    rate = call.get("learning_rate")
    if not {"learning_rate", "unet_lr"} & call.rows.keys() and rate is not None:
        call.notes.append(f"there is no learning_rate: it is {rate}")
    if {"max_train_steps", "max_train_epochs"} <= call.values.keys():
        call.notes.append("max_train_steps is passed over: max_train_epochs counts")


def _each(rate: Any) -> list[Any]:
    return rate if isinstance(rate, list) else [rate]


def _told(rate: Any) -> str:
    return shown(rate[0] if isinstance(rate, list) and len(rate) == 1 else rate)
