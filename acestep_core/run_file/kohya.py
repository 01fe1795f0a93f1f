"""Kohya's names for the settings of a training: what each means here, what is not used, what is refused.

Names and meanings follow train_network.py of sd-scripts, which does not mind in which table an argument stands.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from acestep_core.errors import UserError
from acestep_core.options import nearest
from acestep_core.run_file.kohya_names import IGNORED, REFUSED
from acestep_core.run_file.kohya_network import NETWORK, network
from acestep_core.run_file.translation import Argument, Row, Translation, as_float, is_true

SUFFIX = "_arguments"
SECTIONS = ("model_arguments", "training_arguments", "network_arguments", "dataset_arguments")
Place = tuple[str, str]

SAME: Mapping[str, Place] = {
    "pretrained_model_name_or_path": ("model", "folder"),
    "max_grad_norm": ("optimizer", "clip_norm"),
    "lr_scheduler_min_lr_ratio": ("schedule", "final_rate"),
    "train_batch_size": ("train", "batch_size"),
    "gradient_accumulation_steps": ("train", "accumulation"),
    "seed": ("train", "seed"),
    "validate_every_n_steps": ("train", "validate_every"),
    "save_every_n_steps": ("save", "every"),
    "save_every_n_epochs": ("save", "every_epochs"),
    "save_last_n_epochs": ("save", "keep"),
    "metadata_trigger_phrase": ("save", "trigger"),
    "metadata_author": ("save", "author"),
    "metadata_license": ("save", "license"),
    "sample_every_n_steps": ("sample", "every"),
    "sample_prompts": ("sample", "prompts"),
}
"""Arguments that mean the same under another name."""
_OPTIMIZERS = {
    "adamw": "adamw", "adamw8bit": "adamw8bit", "adafactor": "adafactor", "prodigy": "prodigy",
    "adamwschedulefree": "schedulefree", "dadaptation": "dadaptation", "dadaptadam": "dadaptation",
    "dadaptadampreprint": "dadaptation",
}  # fmt: skip
_SCHEDULES = {"constant": "constant", "constant_with_warmup": "constant", "linear": "linear", "cosine": "cosine",
              "cosine_with_restarts": "restarts", "cosine_with_min_lr": "cosine"}  # fmt: skip
_PRECISIONS = {"no": "float32", "fp16": "float16", "bf16": "bfloat16"}
_ALWAYS = {"prior_loss_weight": "1.0", "loss_type": "l2", "save_model_as": "safetensors"}


def translated(arguments: Mapping[str, Argument]) -> tuple[list[tuple[str, str, Any, str]], list[Row], list[UserError]]:
    """(section, key, value, where) of what means something here; a row for each argument; what is refused."""
    t = Translation(arguments)
    for argument in arguments.values():
        if argument.name not in NAMES:
            hint = nearest(argument.name, NAMES)
            t.refuse(argument, "is no argument of Kohya's", hint)
        elif argument.name in SAME:
            if argument.value not in (None, "", "None", "null"):
                t.put(argument, *SAME[argument.name], argument.value)
        elif argument.name in _MEANT:
            _MEANT[argument.name](t, argument)
        elif not argument.empty and argument.name in IGNORED:
            t.unused(argument, IGNORED[argument.name])
        elif not argument.empty:
            t.refuse(argument, *REFUSED[argument.name])
    if any(name in arguments for name in NETWORK):
        network(t)
    return t.settings, t.rows, t.errors


def _out(t: Translation, argument: Argument) -> None:
    folder, name = t.given("output_dir"), t.given("output_name")
    if argument is (folder or name):
        t.put(argument, "save", "out", str(Path(*(str(a.value) for a in (folder, name) if a is not None))))
    elif argument is name:
        t.unused(argument, "joined to output_dir")


def _rate(t: Translation, argument: Argument) -> None:
    unet = t.given("unet_lr")
    if argument.name == "learning_rate" and unet is not None:
        t.unused(argument, "unet_lr is said too, and is the one that is meant")
    elif not argument.empty:
        t.put(argument, "optimizer", "learning_rate", argument.value)


def _text_rate(t: Translation, argument: Argument) -> None:
    rates = argument.value if isinstance(argument.value, list) else [argument.value]
    if not all(Argument("", rate, "").empty for rate in rates):
        t.refuse(argument, "asks to train the text encoder, which stays as it is", "delete it")


def _optimizer(t: Translation, argument: Argument) -> None:
    if not argument.empty:
        t.chosen(argument, _OPTIMIZERS, "optimizer", "name")


def _eight_bit(t: Translation, argument: Argument) -> None:
    if not argument.empty:
        t.put(argument, "optimizer", "name", "adamw8bit")


def _optimizer_args(t: Translation, argument: Argument) -> None:
    for pair in argument.value if isinstance(argument.value, list) else [argument.value] if argument.value else []:
        name, _, value = str(pair).partition("=")
        if name.strip() == "weight_decay":
            t.put(argument, "optimizer", "weight_decay", value.strip())
        else:
            t.refuse(argument, f"has '{pair}', which is not offered", "delete it; weight_decay=0.01 can be said")


def _schedule(t: Translation, argument: Argument) -> None:
    if not argument.empty:
        t.chosen(argument, _SCHEDULES, "schedule", "name")


def _warmup(t: Translation, argument: Argument) -> None:
    text = str(argument.value).strip()
    if text.endswith("%") and as_float(text[:-1]) is not None:
        t.put(argument, "schedule", "warmup", as_float(text[:-1]) / 100)
    elif argument.value not in (None, "", "None", "null"):
        t.put(argument, "schedule", "warmup", argument.value)


def _cycles(t: Translation, argument: Argument) -> None:
    schedule = t.given("lr_scheduler")
    if schedule is not None and _SCHEDULES.get(str(schedule.value).lower()) == "restarts":
        t.put(argument, "schedule", "cycles", argument.value)
    elif not argument.empty:
        t.unused(argument, "only the schedule cosine_with_restarts has cycles")


def _length(t: Translation, argument: Argument) -> None:
    if argument.name == "max_train_steps" and t.given("max_train_epochs"):
        t.unused(argument, "max_train_epochs is said too, and is the one that counts for Kohya")
    elif not argument.empty:
        t.put(argument, "train", argument.name.removeprefix("max_train_"), argument.value)


def _checkpointing(t: Translation, argument: Argument) -> None:
    t.put(argument, "train", "gradient_checkpointing", 1.0 if is_true(argument.value) else 0.0)


def _precision(t: Translation, argument: Argument) -> None:
    if argument.value not in (None, ""):
        word = "no" if argument.value is False else argument.value
        t.chosen(Argument(argument.name, word, argument.where), _PRECISIONS, "backend", "dtype")


def _min_snr(t: Translation, argument: Argument) -> None:
    if not argument.empty:
        t.put(argument, "train", "loss_weight", "min_snr")
        t.put(argument, "train", "snr_gamma", argument.value)


def _logging(t: Translation, argument: Argument) -> None:
    kind = t.given("log_with")
    if argument is kind and kind.value != "tensorboard":
        t.refuse(argument, f"= {argument.value!r} is not offered", "write tensorboard")
    elif argument is (kind or t.given("logging_dir")):
        t.put(argument, "extensions", "tensorboard", {})
    elif not argument.empty:
        t.unused(argument, "the events are written into the run folder")


def _songs(t: Translation, argument: Argument) -> None:
    if not argument.empty:
        t.unused(argument, "the songs are those of the encoded folder, which `encode` made of it")


def _fixed(t: Translation, argument: Argument) -> None:
    only = _ALWAYS[argument.name]
    same = as_float(argument.value) == as_float(only) if as_float(only) else str(argument.value).lower() == only
    if not argument.empty and not same:
        t.refuse(argument, f"= {argument.value!r} is not offered", f"delete it; it is {only}")


_MEANT: Mapping[str, Callable[[Translation, Argument], None]] = {
    "output_dir": _out, "output_name": _out, "learning_rate": _rate, "unet_lr": _rate, "text_encoder_lr": _text_rate,
    "optimizer_type": _optimizer, "use_8bit_adam": _eight_bit, "optimizer_args": _optimizer_args,
    "lr_scheduler": _schedule, "lr_warmup_steps": _warmup, "lr_scheduler_num_cycles": _cycles,
    "max_train_steps": _length, "max_train_epochs": _length, "gradient_checkpointing": _checkpointing,
    "mixed_precision": _precision, "min_snr_gamma": _min_snr, "log_with": _logging, "logging_dir": _logging,
    "dataset_config": _songs, **dict.fromkeys(_ALWAYS, _fixed), **dict.fromkeys(NETWORK, lambda t, argument: None),
}  # fmt: skip
NAMES = frozenset({*SAME, *_MEANT, *IGNORED, *REFUSED})
