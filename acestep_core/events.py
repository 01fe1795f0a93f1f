"""What is told while clips are made."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from acestep_core.clip import Clip
from acestep_core.errors import UserError
from acestep_core.request import GenerateRequest

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Progress:
    """Where an item is: `stage` is text, steps or decode (then in latent frames)."""

    item: int
    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class Preview:
    """What an item would sound like if the way went on straight from step `step` (from 1): float32 [2, S]."""

    item: int
    step: int
    wave: "np.ndarray"


@dataclass(frozen=True)
class Made:
    """An item is finished."""

    item: int
    clip: Clip
    request: GenerateRequest


@dataclass(frozen=True)
class Failed:
    """An item cannot be made; the others go on."""

    item: int
    error: UserError


Event = Progress | Preview | Made | Failed
