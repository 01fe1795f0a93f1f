"""The keys of a dataset TOML: where each may stand, what it may be, and what Kohya's keys for pictures mean here.

Names, places and defaults follow Kohya's own schema (library/config_util.py); keys that end in `_seconds`, `audio_dir`,
`recursive`, `txt_role`, `trigger` and `trigger_position` are ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from acestep_core.data import LONGEST_S, MOST_REPEATS
from acestep_core.scan import TxtMeaning

GENERAL, DATASET, SUBSET = "G", "D", "S"
PLACES = {GENERAL: "[general]", DATASET: "[[datasets]]", SUBSET: "[[datasets.subsets]]"}
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


@dataclass(frozen=True)
class Key:
    """One key: `places` are letters of `PLACES`, inherited from left to right."""

    type: type
    places: str
    default: Any = None
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    def wrong(self, value: Any) -> str:
        """What the value must be instead, else ""."""
        number = self.type is float and isinstance(value, int | float) and not isinstance(value, bool)
        if not number and type(value) is not self.type:
            return f"must be {_WORDS[self.type]}"
        if self.choices and value not in self.choices:
            return f"must be one of {', '.join(self.choices)}"
        if self.least is not None and not value >= self.least:
            return f"must be at least {self.least:g}"
        if self.most is not None and value > self.most:
            return f"must be at most {self.most:g}"
        return ""


def _rate() -> Key:
    return Key(float, "GDS", 0.0, 0.0, 1.0)


KEYS: Mapping[str, Key] = {
    "audio_dir": Key(str, "S"),
    "image_dir": Key(str, "S"),
    "metadata_file": Key(str, "S"),
    "is_reg": Key(bool, "S", False),
    "recursive": Key(bool, "GDS", False),
    "num_repeats": Key(int, "GDS", 1, 1, MOST_REPEATS),
    "class_tokens": Key(str, "GDS"),
    "trigger": Key(str, "GDS"),
    "trigger_position": Key(str, "G", "prepend", choices=("prepend", "append", "replace")),
    "caption_extension": Key(str, "GDS"),
    "txt_role": Key(str, "GDS", choices=get_args(TxtMeaning)),
    "caption_prefix": Key(str, "GDS"),
    "caption_suffix": Key(str, "GDS"),
    "caption_separator": Key(str, "GDS", ","),
    "batch_size": Key(int, "GD", 1, 1),
    "enable_bucket": Key(bool, "GD", False),
    "min_bucket_seconds": Key(float, "GD", 10.0, 0.08),
    "max_bucket_seconds": Key(float, "GD", LONGEST_S, 0.08, LONGEST_S),
    "bucket_step_seconds": Key(float, "GD", 10.0, 0.08, LONGEST_S),
    "shuffle_caption": Key(bool, "GDS", False),
    "keep_tokens": Key(int, "GDS", 0, 0),
    "keep_tokens_separator": Key(str, "GDS", ""),
    "secondary_separator": Key(str, "GDS"),
    "enable_wildcard": Key(bool, "GDS", False),
    "caption_dropout_rate": _rate(),
    "caption_dropout_every_n_epochs": Key(int, "GDS", 0, 0),
    "caption_tag_dropout_rate": _rate(),
    "token_warmup_min": Key(int, "GDS", 1, 0),
    "token_warmup_step": Key(float, "GDS", 0.0, 0.0),
}

VARIANTS = ("shuffle_caption", "enable_wildcard", "caption_dropout_rate", "caption_dropout_every_n_epochs",
            "caption_tag_dropout_rate", "token_warmup_step", "is_reg")  # fmt: skip
"""Keys that ask for prompts that vary or songs that weigh less, when they are neither absent, false nor 0."""

UNDONE = ("token_warmup_step",)
"""Those that cannot be done: the conditions of a run are made before its first step."""

SHAPING = ("keep_tokens", "keep_tokens_separator", "secondary_separator", "token_warmup_min")
"""Keys that change nothing by themselves, only how the variants are made."""

_SIZE = "is about the size of pictures, not about songs"
_LOOK = "changes how pictures look, which means nothing for songs"
_HELD = ("is not how songs are held out here", "delete it; run: acestep-core dataset save FILE --validation 0.1")
# Kohya's keys that are not ours -> (why, what to do)
FOREIGN: Mapping[str, tuple[str, str]] = {
    "resolution": (_SIZE, "delete it; songs are sorted by length, see max_bucket_seconds"),
    "min_bucket_reso": (_SIZE, "write min_bucket_seconds"),
    "max_bucket_reso": (_SIZE, "write max_bucket_seconds"),
    "bucket_reso_steps": (_SIZE, "write bucket_step_seconds"),
    "bucket_no_upscale": (_SIZE, "delete it; songs are never stretched"),
    "resize_interpolation": (_SIZE, "delete it"),
    "random_crop": (_LOOK, "delete it; give encode --crop-seconds 60"),
    "flip_aug": (_LOOK, "delete it"),
    "color_aug": (_LOOK, "delete it"),
    "face_crop_aug_range": (_LOOK, "delete it"),
    "alpha_mask": ("is about transparent pictures, not about songs", "delete it"),
    "conditioning_data_dir": ("is about pictures for ControlNet, not about songs", "delete it"),
    "validation_split": _HELD,
    "validation_seed": _HELD,
    "network_multiplier": ("is not done: an adapter is trained at one strength", "delete it"),
    "custom_attributes": ("is read by nothing here", "delete it"),
    "cache_info": ("is not needed: what is encoded already is known by its content", "delete it"),
}
