"""What is to be heard of a training, and when."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from acestep_core.errors import UserError
from acestep_core.options import as_dict, check_values, option

COUNT = 2
Format = Literal["flac", "wav", "mp3", "ogg", "opus"]


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """Which samples a training makes. None of this changes what is learnt."""

    every: int | None = option(
        None, "steps between samples, 0 = only at the start and the end; as often as checkpoints unless given", ge=0
    )
    count: int | None = option(
        None, f"how many at a time, 0 = none; all prompts, or {COUNT} where they come from the songs", ge=0, le=64
    )
    prompts: Path | list | None = option(
        None, "prompts: a .txt with a caption per line, .jsonl, .json or .toml; captions of the songs unless given"
    )
    seconds: float = option(15.0, "length of each where its prompt does not say it", gt=0, le=600)
    seed: int = option(42, "seed of the first; the others have those after it", ge=0, lt=2**62)
    steps: int | None = option(None, "solver steps; the model's own unless given", ge=1, le=1000)
    format: Format = option("flac", "kind of file")
    spectrograms: bool = option(False, "draw each, which needs matplotlib")

    def options(self) -> dict[str, Any]:
        """Values as plain types, for run.toml."""
        said = as_dict(self)
        return said | ({"prompts": str(self.prompts.resolve())} if isinstance(self.prompts, Path) else {})


def check_samples(settings: SampleSettings) -> list[UserError]:
    """What is wrong before anything is read or made."""
    errors = check_values(settings, "samples")
    if settings.spectrograms and settings.count != 0 and not errors:
        from acestep_core.plots import check_picture

        try:
            check_picture(Path("sample.png"))
        except UserError as e:
            errors.append(e)
    return errors
