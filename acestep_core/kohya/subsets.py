"""A part of a dataset whose songs are treated alike, with every setting and where it was said."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acestep_core.data import Song
from acestep_core.dataset import Dataset
from acestep_core.errors import UserError
from acestep_core.kohya.keys import KEYS, SHAPING, VARIANTS

DEFAULT = "default"


@dataclass
class Subset:
    """Songs of a folder or a metadata file. `values` has every key; `origins` says of those given where it stands."""

    name: str
    folder: Path | None = None
    metadata: Path | None = None
    dataset: int = 0
    values: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    songs: list[Song] = field(default_factory=list)

    def __getitem__(self, key: str) -> Any:
        return self.values.get(key, KEYS[key].default)

    def settings(self) -> dict[str, dict[str, Any]]:
        """Key -> value and origin, of all keys."""
        return {k: {"value": self[k], "from": self.origins.get(k, DEFAULT)} for k in KEYS}

    def variants(self) -> dict[str, Any]:
        """Keys that ask for prompts that change while training or for songs that weigh less, and what shapes them."""
        asked = {k: self[k] for k in VARIANTS if self[k]}
        shaping = {k: self[k] for k in SHAPING if self[k] != KEYS[k].default}
        return asked | shaping if asked else {}

    @property
    def tag(self) -> str:
        """The words that the captions of these songs should have in common, "" if none were said."""
        return self["trigger"] or self["class_tokens"] or ""


@dataclass
class KohyaDataset(Dataset):
    """A dataset of subsets. `songs` has those of all, in order."""

    subsets: list[Subset] = field(default_factory=list)

    def save(self, path: str | Path) -> None:
        """As any dataset's; raises `UserError` for one whose prompts vary, which dataset.json has no words for."""
        asked = asked_variants(self)
        if asked:
            problem = f"A dataset.json cannot hold {', '.join(asked)}"
            raise UserError(problem, "take that out of the file, or go on with the file itself")
        super().save(path)


def asked_variants(dataset: Dataset) -> dict[str, list[str]]:
    """Keys by which the dataset asks for prompts that vary or songs that weigh less -> the places that say so."""
    found: dict[str, list[str]] = {}
    for subset in dataset.subsets if isinstance(dataset, KohyaDataset) else ():
        for key in subset.variants():
            if key in VARIANTS:
                places = found.setdefault(key, [])
                place = subset.origins.get(key, DEFAULT)
                places += [] if place in places else [place]
    return found
