"""What can be downloaded under a short name, and which of a repository's files are wanted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Literal

from acestep_core.checkpoint import LM_PREFIX, TEXT, VAE
from acestep_core.errors import UserError
from acestep_core.options import nearest

Kind = Literal["model", "codec", "text encoder", "language model", "other"]

_OWNER = "ACE-Step"
MAIN = f"{_OWNER}/Ace-Step1.5"

# Never code, never pickles, but for the one tensor the original folders keep in a .pt (read with weights_only).
WANTED = ("*.json", "*.safetensors", "silence_latent.pt", "vocab.txt", "merges.txt", "*.tiktoken", "tokenizer.model",
          "chat_template.jinja", "LICENSE", "LICENSE.*", "NOTICE", "NOTICE.*", "README.md")  # fmt: skip
CARD = "README.md"


@dataclass(frozen=True)
class Part:
    """A folder of a checkpoint and where it is published."""

    name: str
    """Also the folder it is put into."""
    repo: str
    folder: str = ""
    """Its place in the repository; empty for the whole of it."""
    kind: Kind = "model"
    about_gb: float | None = None
    """Size of the released weights in bfloat16, to know before the hub is asked."""
    about: str = ""


def _own(name: str, about_gb: float, about: str, kind: Kind = "model") -> Part:
    return Part(name, f"{_OWNER}/{name}", "", kind, about_gb, about)


def _main(name: str, about_gb: float, about: str, kind: Kind = "model") -> Part:
    return Part(name, MAIN, name, kind, about_gb, about)


PARTS: dict[str, Part] = {
    p.name: p
    for p in (
        _main("acestep-v15-turbo", 4.7, "8 steps"),
        _own("acestep-v15-turbo-shift1", 4.7, "8 steps, made for shift 1"),
        _own("acestep-v15-turbo-shift3", 4.7, "8 steps, made for shift 3"),
        _own("acestep-v15-turbo-continuous", 4.7, "8 steps, made for any shift"),
        _own("acestep-v15-sft", 4.7, "50 steps with guidance"),
        _own("acestep-v15-base", 4.7, "50 steps with guidance, all tasks; the one to train on"),
        _own("acestep-v15-xl-turbo", 9.0, "wider, 8 steps"),
        _own("acestep-v15-xl-sft", 9.0, "wider, 50 steps with guidance"),
        _own("acestep-v15-xl-base", 9.0, "wider, 50 steps with guidance, all tasks"),
        _main(VAE, 0.33, "sound to latents and back; every model needs it", "codec"),
        _main(TEXT, 1.2, "reads captions and lyrics; every model needs it", "text encoder"),
        _own(f"{LM_PREFIX}0.6B", 1.2, "plans songs", "language model"),
        _main(f"{LM_PREFIX}1.7B", 3.4, "plans songs", "language model"),
        _own(f"{LM_PREFIX}4B", 8.0, "plans songs", "language model"),
    )
}
NEEDED = (PARTS[VAE], PARTS[TEXT])  # by every model


def find(name: str) -> list[Part]:
    """The parts a name means: a short one, `owner/name`, or `owner/name/folder`. Raises `UserError` for others."""
    short = {n.casefold(): p for n, p in PARTS.items()}
    if name.casefold() in short:
        return [short[name.casefold()]]
    owner, _, rest = name.partition("/")
    repo, _, folder = rest.partition("/")
    if not owner or not repo or not all(_plain(p) for p in (owner, repo, *filter(None, folder.split("/")))):
        hint = f"{nearest(name, PARTS)}; repositories of others are given as owner/name"
        raise UserError(f"There is no model called '{name}'", hint)
    known = [p for p in PARTS.values() if p.repo.casefold() == f"{owner}/{repo}".casefold()]
    folder = folder.strip("/")
    found = [p for p in known if p.folder == folder or not folder]
    return found or [Part(PurePosixPath(folder or repo).name, f"{owner}/{repo}", folder, "other")]


def wanted(paths: Iterable[str], folder: str) -> Iterator[str]:
    """Those of a repository's files that make up the part at `folder` of it, and nothing below that folder."""
    for path in paths:
        inside = PurePosixPath(path)
        fits = any(fnmatchcase(inside.name, pattern) for pattern in WANTED)
        if fits and _plain(inside.name) and str(inside.parent) == (folder or "."):
            yield path


def _plain(name: str) -> bool:
    """Whether a name can be a folder's: what a hub says must not lead out of the folder asked for."""
    return bool(name) and not name.startswith(".") and not set(name) & set('\\:*?"<>|') and name.isprintable()
