"""What a training script can be told: its arguments by name, whoever has listed them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FLAG, SWITCH, ONE, LIST = "flag", "switch", "one", "list"
WHOLE, NUMBER, STEPS, TEXT = "whole number", "number", "steps", "text"

REPLACED: Mapping[str, str] = {
    "use_8bit_adam": 'write optimizer_type = "AdamW8bit"',
    "use_lion_optimizer": 'write optimizer_type = "Lion"',
    "caption_extention": "write caption_extension",
}
"""Arguments that the scripts keep for old command lines -> what to write today."""

SECRETS: Mapping[str, str] = {"wandb_api_key": "WANDB_API_KEY", "huggingface_token": "HF_TOKEN"}
"""Arguments that nobody should see -> the environment variables that say the same."""


@dataclass(frozen=True)
class Argument:
    """One argument of a script. `name` is its key in a TOML, `option` what stands on the command line."""

    name: str
    option: str
    kind: str = ONE
    """FLAG stands alone, SWITCH has an `off` too, ONE takes a value, LIST any number of them."""
    type: str = TEXT
    """WHOLE, NUMBER, TEXT, or STEPS: a whole number, a share below 1 or a percentage."""
    choices: tuple[Any, ...] = ()
    default: Any = None
    count: int | None = None
    """How many values a LIST must have, if that is fixed."""
    on: bool = True
    """The value that puts a FLAG on the command line; False for one that turns something off."""
    off: str = ""
    required: bool = False
    deprecated: str = ""
    """What to do instead, "" for one that is in use."""


@dataclass(frozen=True)
class Schema:
    """All arguments of a script. `origin` says where they were read; `notes`, what there could not be."""

    script: str
    origin: str
    arguments: Mapping[str, Argument]
    notes: tuple[str, ...] = ()
    is_bundled: bool = False
