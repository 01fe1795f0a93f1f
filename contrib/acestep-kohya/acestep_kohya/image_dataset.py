"""The dataset TOML (or JSON) of image trainings: what the scripts' own schema lets stand where, told all at once."""

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acestep_core import UserError
from acestep_core.files import text_at
from acestep_core.kohya.positions import lines_of, said_twice
from acestep_core.options import nearest
from acestep_kohya.images import CAPTIONS, Images, Part, images_in, part_of, with_dot
from acestep_kohya.template import shown

_Check = tuple[str, Callable[[Any], bool]]
_INT: _Check = ("a whole number", lambda v: type(v) is int)
_FLOAT: _Check = ("a number with a point, such as 0.0", lambda v: type(v) is float)
_RATE: _Check = ("a number", lambda v: type(v) in (int, float))
_BOOL: _Check = ("true or false", lambda v: type(v) is bool)
_STR: _Check = ("text", lambda v: type(v) is str)
_SIZE: _Check = ("a whole number or two, such as [512, 512]", lambda v: _INT[1](v) or _pair(v, int))
_RANGE: _Check = ("two numbers with points, such as [1.0, 3.0]", lambda v: _pair(v, float))
_TABLE: _Check = ("a table", lambda v: isinstance(v, dict))
GENERAL, DATASET, SUBSET = "G", "D", "S"
# where a key may stand: [general], [[datasets]], [[datasets.subsets]]; what it must be, and its names
_KEYS: Mapping[str, tuple[str, _Check]] = {
    name: (places, kind)
    for places, kind, names in (
        ("GD", _INT, "batch_size min_bucket_reso max_bucket_reso bucket_reso_steps validation_seed"),
        ("GD", _SIZE, "resolution"),
        ("GD", _BOOL, "enable_bucket bucket_no_upscale"),
        ("GD", _FLOAT, "validation_split network_multiplier"),
        ("GDS", _INT, "num_repeats keep_tokens caption_dropout_every_n_epochs token_warmup_min"),
        ("GDS", _RATE, "caption_dropout_rate caption_tag_dropout_rate token_warmup_step"),
        ("GDS", _BOOL, "shuffle_caption enable_wildcard color_aug flip_aug random_crop cache_info"),
        ("GDS", _STR, "resize_interpolation caption_separator keep_tokens_separator secondary_separator caption_prefix "
                      "caption_suffix caption_extension class_tokens"),
        ("GDS", _RANGE, "face_crop_aug_range"),
        ("GDS", _TABLE, "custom_attributes"),
        ("S", _BOOL, "is_reg alpha_mask"),
        ("S", _STR, "image_dir metadata_file conditioning_data_dir"),
    )
    for name in names.split()
}  # fmt: skip


def images_of_dataset(path: Path, fallback: Mapping[str, Any]) -> Images:
    """Its folders; `fallback` has what the run says (batch_size, caption_extension, num_repeats).

    Raises `UserError` for a file that is no dataset at all.
    """
    text = text_at(path, "check dataset_config")
    reader = _Reader(path, lines_of(text) if path.suffix.lower() != ".json" else {}, fallback)
    reader.read(_content(path, text))
    return reader.found


def _content(path: Path, text: str) -> Mapping[str, Any]:
    try:
        content = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError) as e:
        again = [f"'{name}' of line {first} stands again in line {line}" for name, line, first in said_twice(text)]
        raise UserError(f"{path} cannot be read ({'; '.join(again) or e})", "correct it") from None
    if not isinstance(content, dict) or not isinstance(content.get("datasets"), list):
        raise UserError(f"{path} is no dataset: it has no [[datasets]]", "begin with\n[[datasets]]\n  "
                        '[[datasets.subsets]]\n  image_dir = "FOLDER"')  # fmt: skip
    return content


@dataclass
class _Reader:
    path: Path
    lines: Mapping[tuple[str | int, ...], int]
    fallback: Mapping[str, Any]
    found: Images = field(default_factory=Images)

    def read(self, content: Mapping[str, Any]) -> None:
        for name in [n for n in content if n not in ("general", "datasets")]:
            self._error((name,), f"nothing reads '{name}'", nearest(name, ("general", "datasets")))
        general = self._table(content.get("general", {}), ("general",), GENERAL)
        for number, dataset in enumerate(content["datasets"]):
            place = ("datasets", number)
            if not isinstance(dataset, dict) or not isinstance(dataset.get("subsets"), list):
                self._error(place, "the dataset has no [[datasets.subsets]]", "add one with an image_dir")
                continue
            layer = general | self._table({k: v for k, v in dataset.items() if k != "subsets"}, place, DATASET)
            self._check_layer(layer, place)
            for i, subset in enumerate(dataset["subsets"]):
                inner = (*place, "subsets", i)
                self._subset(layer | self._table(subset, inner, SUBSET), inner, number)

    def _table(self, table: Any, place: tuple[str | int, ...], letter: str) -> dict[str, Any]:
        if not isinstance(table, dict):
            self._error(place, f"'{place[0]}' is no table", f"write [{place[0]}]")
            return {}
        good = {}
        for name, value in table.items():
            problem, hint = _mistake(name, value, letter)
            if problem:
                self._error((*place, name), problem, hint)
            else:
                good[name] = value
        return good

    def _check_layer(self, layer: Mapping[str, Any], place: tuple[str | int, ...]) -> None:
        if layer.get("resolution") is None and self.fallback.get("resolution") is None:
            self._error(place, "the dataset has no resolution", "add resolution = 512")
        if layer.get("enable_bucket") and layer.get("batch_size", self.fallback["batch_size"]) > 1:
            self.found.loose.append("buckets may end in batches that are not full: there may be more steps")
        if layer.get("validation_split"):
            self.found.loose.append("validation_split takes images out: there may be fewer steps")

    def _subset(self, values: Mapping[str, Any], place: tuple[str | int, ...], dataset: int) -> None:
        if values.get("metadata_file") and not values.get("image_dir"):
            self.found.loose.append(f"the images of {values['metadata_file']} are not counted")
            return
        given = values.get("image_dir")
        if not given:
            self._error(place, "the subset names no images", 'add image_dir = "FOLDER"')
            return
        folder = Path(given)
        if not folder.is_dir():
            self._error((*place, "image_dir"), f"there is no folder {given}", "check the path")
            return
        images = images_in(folder)
        repeats = values.get("num_repeats", self.fallback.get("num_repeats", 1))
        if repeats < 1:
            self._error((*place, "num_repeats"), f"num_repeats = {repeats} leaves the folder out", "write 1 or more")
            return
        extension = with_dot(values.get("caption_extension", self.fallback.get("caption_extension") or CAPTIONS))
        captioned = part_of(folder, images, extension, self.found)
        size = values.get("batch_size", self.fallback["batch_size"])
        self.found.parts.append(Part(given, len(images), captioned, repeats, values.get("class_tokens", ""),
                                     values.get("is_reg", False), dataset, size))  # fmt: skip

    def _error(self, place: tuple[str | int, ...], problem: str, hint: str) -> None:
        while place and place not in self.lines:
            place = place[:-1]
        where = f"{self.path.name} line {self.lines[place]}" if place else self.path.name
        self.found.errors.append(UserError(f"{where}: {problem}", hint))


def _mistake(name: str, value: Any, letter: str) -> tuple[str, str]:
    """(problem, hint) of a key in a table; empty if it is right."""
    if name not in _KEYS:
        return f"nothing reads '{name}'", nearest(name, [k for k, (places, _) in _KEYS.items() if letter in places])
    places, (wanted, fits) = _KEYS[name]
    if letter not in places:
        return f"'{name}' has no meaning here", f"write it under {_place(places)}"
    return ("", "") if fits(value) else (f"{name} = {shown(value)} must be {wanted}", "")


def _place(places: str) -> str:
    names = {GENERAL: "[general]", DATASET: "[[datasets]]", SUBSET: "[[datasets.subsets]]"}
    return " or ".join(names[letter] for letter in places)


def _pair(value: Any, kind: type) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(v) is kind for v in value)
