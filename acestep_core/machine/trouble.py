"""What a check finds, and the words that mend it."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement

OWN = "acestep-core"
PAGE = "PyTorch's page 'Start Locally'"


@dataclass(frozen=True)
class Trouble:
    """One sentence, and the command that mends it, with what else to know behind a #.

    Not `serious`: the work goes on, slower or not for long.
    """

    check: str
    problem: str
    mend: str
    serious: bool = True


def pip(packages: Iterable[str] = ("torch", "torchaudio"), *, anew: bool = False, build: str = "") -> str:
    """The line that installs packages in the versions this program takes; `build` names one the index lacks."""
    words = ["pip install", *["--force-reinstall"] * anew, *(f'"{needed(p)}"' for p in packages)]
    return " ".join(words) + (f" --index-url URL  # which {PAGE} shows for {build}" if build else "")


def needed(package: str) -> str:
    """A package with its versions as our own metadata has them; as it is if that does not speak of it."""
    try:
        lines = metadata.requires(OWN) or []
    except metadata.PackageNotFoundError:
        return package
    for requirement in map(Requirement, lines):
        if requirement.name == package and requirement.marker is None:
            return f"{package}{requirement.specifier}"
    return package
