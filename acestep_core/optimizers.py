"""The optimizers that can be named, and the packages they come from, known before anything is loaded."""

import importlib.util
from dataclasses import dataclass
from typing import Literal

from acestep_core.errors import UserError

OptimizerName = Literal["adamw", "adamw8bit", "adafactor", "prodigy", "schedulefree", "dadaptation"]


@dataclass(frozen=True)
class Optimizer:
    """What the settings need to know of one."""

    package: str = ""
    """The one to install besides; its module has the same name."""
    finds_rate: bool = False
    """Its own rate is multiplied by ours, which is 1 unless somebody knows better."""
    averages: bool = False
    """It keeps an average of the weights in place of a falling rate."""

    @property
    def plain(self) -> bool:
        """Whether it wants a rate that does not fall by itself."""
        return self.finds_rate or self.averages


OPTIMIZERS: dict[str, Optimizer] = {
    "adamw": Optimizer(),
    "adamw8bit": Optimizer("bitsandbytes"),
    "adafactor": Optimizer(),
    "prodigy": Optimizer("prodigyopt", finds_rate=True),
    "schedulefree": Optimizer("schedulefree", averages=True),
    "dadaptation": Optimizer("dadaptation", finds_rate=True),
}


def check_optimizer(name: str) -> None:
    """Raise `UserError` with the line that installs the package it needs, if that is missing. Imports nothing."""
    package = OPTIMIZERS[name].package
    if package and importlib.util.find_spec(package) is None:
        hint = f"pip install {package}, or give another --optimizer"
        raise UserError(f"The optimizer '{name}' needs the package {package}, which is not installed", hint)
