"""How to encode: every setting with its bounds."""

from dataclasses import dataclass
from typing import Literal

from acestep_core.data import LONGEST_S, SHORTEST_S
from acestep_core.errors import UserError, raise_all
from acestep_core.options import option
from acestep_core.wording import VariantRule

Format = Literal["safetensors", "reference"]


@dataclass(frozen=True, kw_only=True)
class EncodeSettings:
    """What decides the encoded numbers, but for songs and model."""

    format: Format = option("safetensors", "reference writes the .pt files that the reference's trainers read")
    seed: int = option(
        0, "draws the codec's posterior sample and the prompts that vary, together with the song's id", ge=0
    )
    min_seconds: float = option(SHORTEST_S, "shorter songs are left out; this is the model's limit", ge=SHORTEST_S)
    max_seconds: float = option(LONGEST_S, "longer songs are left out, never cut", gt=SHORTEST_S, le=LONGEST_S)
    variants: int = option(8, "prompts per caption whose tags are shuffled or left out", ge=1, le=1000)
    shuffle_tags: bool = option(False, "show the tags of captions in other orders; sentences stay as they are")
    keep_tags: int = option(0, "tags at the start, the trigger among them, that keep their place", ge=0)
    tag_dropout: float = option(0.0, "share of the other tags that is left out of a prompt", ge=0, le=1)
    caption_dropout: float = option(0.0, "share of showings with an empty caption", ge=0, le=1)
    crop_seconds: float | None = option(
        None, "show longer songs in random parts of this length, whose prompts say so", ge=SHORTEST_S, le=LONGEST_S
    )
    crop_share: float = option(1.0, "share of the showings of longer songs that are parts", gt=0, le=1)
    crop_lyrics: Literal["whole", "none"] = option(
        "whole", "what a part says of its lyrics: those of the whole song, or nothing"
    )
    prior_weight: float = option(1.0, "weight of the loss of songs that are is_reg in a dataset TOML", ge=0)

    @property
    def rule(self) -> VariantRule:
        """How prompts vary where the dataset says nothing of it."""
        return VariantRule(self.shuffle_tags, self.keep_tags, self.tag_dropout, self.caption_dropout)


def check_settings(settings: EncodeSettings) -> None:
    """Raises `UserError` telling everything that contradicts itself or would do nothing."""
    s, plain = settings, settings.format == "safetensors"
    varying = s.shuffle_tags or s.tag_dropout or s.caption_dropout or s.crop_seconds is not None
    told = (
        (s.min_seconds > s.max_seconds, "--min-seconds is above --max-seconds", "swap them"),
        (s.crop_seconds is None and (s.crop_share != 1 or s.crop_lyrics != "whole"),
         "--crop-share and --crop-lyrics do nothing without parts", "add --crop-seconds 60"),
        (s.keep_tags > 0 and not (s.shuffle_tags or s.tag_dropout),
         "--keep-tags does nothing while tags are neither shuffled nor left out", "add --shuffle-tags"),
        (not plain and varying, "the reference's files have one prompt a song and no parts",
         "leave --shuffle-tags, --tag-dropout, --caption-dropout and --crop-seconds out"),
    )  # fmt: skip
    raise_all([UserError(problem, hint) for wrong, problem, hint in told if wrong], "The settings")
