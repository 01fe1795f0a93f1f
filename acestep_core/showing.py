"""What one showing of a song is: which of its prompts, and which part of it, out of (seed, epoch, place) alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from acestep_core.jobs import Showing
from acestep_core.seeds import derived_seed

_RANGE = 2.0**56  # of `derived_seed`


@dataclass(frozen=True)
class View:
    """Frames [start, start + frames) of a song under one of its conditions, named as in its file."""

    condition: str
    start: int
    frames: int


def drawn(entry: Mapping[str, Any], length: int, showing: Showing, seed: int) -> View:
    """How a song of a manifest is shown that has `length` frames."""

    def lot(what: str) -> float:
        return derived_seed(seed, f"{what} {showing.epoch} {showing.place}") / _RANGE

    cropped = "crop" in entry and lot("crop or whole") < entry["crop"]["share"]
    condition = _condition(entry, _prompt(entry.get("prompts", ()), showing.epoch, lot("prompt")), cropped)
    if not cropped:
        return View(condition, 0, length)
    part = _part(entry, length)
    return View(condition, int(lot("crop") * (length - part + 1)), part)


def measured(entry: Mapping[str, Any], length: int) -> View:
    """What a song is measured with: its first prompt, and its middle if it is shown in parts."""
    condition = _condition(entry, 0, "crop" in entry)
    part = _part(entry, length) if "crop" in entry else length
    return View(condition, (length - part) // 2, part)


def longest(entry: Mapping[str, Any], length: int) -> int:
    """Frames of a song in the longest of its views."""
    return _part(entry, length) if entry.get("crop", {"share": 0})["share"] >= 1 else length


def _part(entry: Mapping[str, Any], length: int) -> int:
    """Frames of a part; a file's header may have said that the song is longer than it is."""
    return min(entry["crop"]["frames"], length)


def _condition(entry: Mapping[str, Any], prompt: int, cropped: bool) -> str:
    if "prompts" not in entry:
        return "condition"
    return f"crop.{prompt}" if cropped else f"condition.{prompt}"


def _prompt(prompts: Sequence[Mapping[str, Any]], epoch: int, lot: float) -> int:
    """Index of the prompt where the lot (0 to 1) falls among their weights, unless one is due in this epoch."""
    due = [i for i, p in enumerate(prompts) if p.get("every_epochs") and epoch % p["every_epochs"] == 0]
    if due or not prompts:
        return due[0] if due else 0
    rest = lot * sum(p["weight"] for p in prompts)
    for index, prompt in enumerate(prompts):
        rest -= prompt["weight"]
        if rest < 0:
            return index
    return max(range(len(prompts)), key=lambda i: prompts[i]["weight"])
