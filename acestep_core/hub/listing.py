"""What a hub says a repository holds, and the questions every hub is asked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from acestep_core.errors import FatalError, UserError


@dataclass(frozen=True)
class RemoteFile:
    path: str
    """In the repository, with slashes."""
    size: int
    sha256: str = ""
    blob: str = ""
    """git's SHA-1 of a small file that the hub keeps in git itself. Either hash may be unknown."""

    @property
    def digest(self) -> str:
        return self.sha256 or self.blob


@dataclass(frozen=True)
class Listing:
    """A repository at one commit."""

    repo: str
    revision: str
    files: Mapping[str, RemoteFile]


@dataclass(frozen=True)
class Address:
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Hub(Protocol):
    name: str
    """What is given to --source."""
    endpoint: str
    advice: str
    """What to try where it cannot be reached."""
    key_advice: str
    """What to do where it wants to know who asks."""

    def listing(self, repo: str, revision: str | None) -> Listing:
        """Raises `UserError` for a repository that cannot be had, `FatalError` where no other could either."""
        ...

    def address(self, listing: Listing, file: RemoteFile) -> Address:
        """Where the bytes of a file are."""
        ...


def unreachable(hub: Hub, e: Exception) -> FatalError:
    return FatalError(f"{hub.endpoint} cannot be reached ({type(e).__name__})", hub.advice)


def no_hub(hub: Hub, e: Exception) -> UserError:
    """The error for an answer that cannot be read: a login page, another service, or a token that cannot be sent."""
    if isinstance(e, UnicodeError):
        return FatalError("The token holds characters that no token has", hub.key_advice)
    return FatalError(f"{hub.endpoint} does not answer as a hub does ({type(e).__name__})", hub.advice)


def refused(hub: Hub, what: str, status: int) -> UserError:
    """The error for a status that is none of success."""
    if status == 401:
        return UserError(f"{hub.endpoint} wants to know who asks for {what} (401)", hub.key_advice)
    if status == 403:
        return UserError(f"{hub.endpoint} does not let you have {what} (403)",
                         f"accept its terms on its page there, then {hub.key_advice}")  # fmt: skip
    if status in (404, 410):
        return UserError(f"{hub.endpoint} does not have {what} ({status})", "check the name and --revision")
    return FatalError(f"{hub.endpoint} answers {status} for {what}", f"try again later, or {hub.advice}")


def licence(card: str) -> str:
    """What the head of a model card says under `license`; empty where it says nothing."""
    head = re.match(r"\ufeff?---\s*?\n(.*?)\n---", card.replace("\r\n", "\n"), re.DOTALL)
    if not head:
        return ""
    said = re.search(r"^license:[ \t]*(.*(?:\n[ \t]*-[ \t]+.*)*)", head[1], re.MULTILINE)
    name = re.search(r"^license_name:[ \t]*(.+)", head[1], re.MULTILINE)
    listed = re.findall(r"[\w.+-]*\w", re.sub(r"\s#.*", "", said[1])) if said else []
    if listed == ["other"] and name:
        listed = [name[1].strip(" \"'")]
    return ", ".join(listed)
