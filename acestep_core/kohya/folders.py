"""`N_name` folders: the songs below are shown N times an epoch, and `name` is the caption of those that have none."""

from collections.abc import Sequence
from pathlib import Path

from acestep_core.data import Problem
from acestep_core.kohya.subsets import Subset

MOST = 1000
"""A larger number in front of a folder's name is taken for a year or a part of the name."""

_ORIGIN = "the folder's name"


def repeats_and_name(folder: str) -> tuple[int, str] | None:
    """(10, "my song") of '10_my song', (7, "") of '7'; None of a name that does not begin with a number."""
    number, _, name = folder.partition("_")
    return (int(number), name.strip()) if number.isascii() and number.isdecimal() else None


def folder_subsets(root: Path, txt: str | None) -> tuple[list[Subset], list[Problem]]:
    """(subsets, problems): the folders in `root` and what lies loose in it; `root` as a whole if none is named so."""
    inner = _inner(root)
    if not any(repeats_and_name(p.name) for p in inner):
        subset, problems = _subset(root, root.resolve().name, txt, recursive=True)
        return [subset] if subset else [], problems
    parts = [_subset(p, p.name, txt, recursive=True) for p in inner]
    loose = Subset(root.name, root, values={"txt_role": txt})
    return [*(s for s, _ in parts if s), loose], [p for _, problems in parts for p in problems]


def folders_that_look_so(root: Path) -> list[str]:
    """Names that Kohya's tools would read as repeats."""
    names = {p.name for p in _inner(root)} | {root.resolve().name}
    return sorted(n for n in names if "_" in n and repeats_and_name(n))


def note_on(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{shown}: each song counts once; if the number in front is meant as Kohya's repeats, give --kohya"


def _inner(root: Path) -> list[Path]:
    try:
        return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError:
        return []  # the scan tells what cannot be opened


def _subset(folder: Path, name: str, txt: str | None, recursive: bool) -> tuple[Subset | None, list[Problem]]:
    repeats, tokens = repeats_and_name(name) or (1, "")
    if not 1 <= repeats <= MOST:
        why = "asks for no repeats" if repeats < 1 else f"asks for {repeats} repeats, which is more than {MOST}"
        return None, [Problem(f"the folder {name} {why}: its songs are left out", "rename it to 1_NAME or 10_NAME")]
    values = {"num_repeats": repeats, "class_tokens": tokens or None, "txt_role": txt, "recursive": recursive}
    origins = {"num_repeats": _ORIGIN, "class_tokens": _ORIGIN} if repeats_and_name(name) else {}
    return Subset(name or folder.name, folder, values=values, origins=origins), []
