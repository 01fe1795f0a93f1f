"""What a dataset TOML says of prompts that vary and of songs that only keep the model as it is (is_reg).

The order of things is Kohya's (library/train_util.py, process_caption): a wildcard is resolved, tags are cut at the
separator, some keep their place, the others are shuffled and left out, all are joined with ", "; the trigger, which is
ours, is put to them last.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from pathlib import Path

from acestep_core.dataset import Dataset
from acestep_core.errors import UserError
from acestep_core.kohya.keys import UNDONE, VARIANTS
from acestep_core.kohya.subsets import DEFAULT, KohyaDataset, Subset, asked_variants
from acestep_core.options import nearest
from acestep_core.wording import Pieces, VariantRule


def applied(dataset: Dataset, ignored: Collection[str] = ()) -> list[str]:
    """A warning per key that is `ignored`; songs for `is_reg` get their repeats, or lose them where it is ignored.

    Raises `UserError` for what is asked and cannot be done, unless that is ignored.
    """
    wrong = [name for name in ignored if name not in VARIANTS]
    if wrong:
        raise UserError(f"'{wrong[0]}' is nothing that can be ignored", nearest(wrong[0], VARIANTS))
    asked = asked_variants(dataset)
    left = [_told(k, asked[k]) for k in asked if k in UNDONE and k not in ignored]
    if left:
        keys = ",".join(k for k in asked if k in UNDONE and k not in ignored)
        raise UserError(f"Training does not do what the dataset asks for: {'; '.join(left)}",
                        f"take it out, or go on without it: --ignore {keys}")  # fmt: skip
    _balance(dataset, "is_reg" in ignored)
    if "enable_wildcard" in ignored:
        _first_lines(dataset)
    return [f"ignored as asked: {_told(k, places)}" for k, places in asked.items() if k in ignored]


def prior_songs(dataset: Dataset, ignored: Collection[str] = ()) -> dict[Path, str]:
    """Path of each song for `is_reg` -> the name of its subset."""
    if "is_reg" in ignored:
        return {}
    return {song.path: subset.name for subset in _subsets(dataset) if subset["is_reg"] for song in subset.songs}


def rules_of(dataset: Dataset, otherwise: VariantRule, ignored: Collection[str] = ()) -> Callable[[Path], VariantRule]:
    """The rule of a song by its path: what its subset says, and `otherwise` where that says nothing."""
    rules = {s.path: _rule(subset, otherwise, ignored) for subset in _subsets(dataset) for s in subset.songs}
    return lambda path: rules.get(path, otherwise)


def balance_notes(dataset: Dataset) -> list[str]:
    """How often songs for `is_reg` are shown so that they are as many as the others."""
    return [
        f"{subset.name} (is_reg): {len(subset.songs)} songs are shown {sum(s.repeats for s in subset.songs)} times "
        "an epoch, to be as many as the others"
        for subset in _subsets(dataset)
        if subset["is_reg"] and any(s.repeats != subset["num_repeats"] for s in subset.songs)
    ]


def _rule(subset: Subset, otherwise: VariantRule, ignored: Collection[str]) -> VariantRule:
    def said(key: str, default: object) -> object:
        return default if key in ignored or key not in subset.origins else subset[key]

    separator, secondary = subset["caption_separator"], subset["secondary_separator"]
    return VariantRule(
        shuffle=said("shuffle_caption", otherwise.shuffle),
        keep=said("keep_tokens", otherwise.keep),
        tag_dropout=said("caption_tag_dropout_rate", otherwise.tag_dropout),
        caption_dropout=said("caption_dropout_rate", otherwise.caption_dropout),
        empty_every_epochs=said("caption_dropout_every_n_epochs", 0),
        wildcards=said("enable_wildcard", False),
        cut=partial(_pieces, separator=separator, fence=subset["keep_tokens_separator"]),
        finish=partial(_without_secondary, secondary=secondary, separator=separator),
    )


def _pieces(text: str, keep: int, *, separator: str, fence: str) -> Pieces:
    """`fence` is keep_tokens_separator: what stands before the first and after the second one stays."""
    if fence and fence in text:
        fixed, flexible, last = (_tags(part, separator) for part in [*text.split(fence, 2), ""][:3])
    else:
        tags = _tags(text, separator)
        fixed, flexible, last = tags[:keep], tags[keep:], []

    def joined(moved: Sequence[str]) -> str:
        return ", ".join([*fixed, *moved, *last])

    return Pieces(tuple(flexible), joined)


def _tags(text: str, separator: str) -> list[str]:
    return [t.strip() for t in text.split(separator) if t.strip()]


def _without_secondary(text: str, *, secondary: str | None, separator: str) -> str:
    return text.replace(secondary, separator) if secondary else text


def _balance(dataset: Dataset, plain: bool) -> None:
    """As Kohya's trainers have it: one repeat more for one song after the other, until they are as many as the rest."""
    subsets = _subsets(dataset)
    for subset in subsets:
        for song in subset.songs if subset["is_reg"] else ():
            song.repeats = subset["num_repeats"]
    prior = [song for s in subsets if s["is_reg"] for song in s.songs if not song.problems]
    wanted = sum(x.repeats for s in subsets if not s["is_reg"] for x in s.songs if not x.problems)
    missing = wanted - sum(s.repeats for s in prior)
    if plain or not prior or missing <= 0:
        return
    for number, song in enumerate(prior):
        song.repeats += missing // len(prior) + (number < missing % len(prior))


def _first_lines(dataset: Dataset) -> None:
    for subset in _subsets(dataset):
        for song in subset.songs:
            song.caption = song.caption.split("\n")[0]


def _subsets(dataset: Dataset) -> list[Subset]:
    return dataset.subsets if isinstance(dataset, KohyaDataset) else []


def _told(key: str, places: Iterable[str]) -> str:
    return f"{key} ({', '.join(places or [DEFAULT])})"
