"""What Kohya's arguments become, one after the other: settings, rows of a table for people, and refusals."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from acestep_core.errors import UserError
from acestep_core.options import nearest


@dataclass(frozen=True)
class Argument:
    """One of Kohya's, and where it was said."""

    name: str
    value: Any
    where: str

    @property
    def empty(self) -> bool:
        """Whether it asks for nothing."""
        return self.value in (None, False, 0, "", "None", "null") or self.value == []


@dataclass(frozen=True)
class Row:
    """What became of an argument: `here` is "section.key = value", or empty with the reason it is not used."""

    name: str
    value: Any
    here: str
    why: str = ""


@dataclass
class Translation:
    arguments: Mapping[str, Argument]
    settings: list[tuple[str, str, Any, str]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    errors: list[UserError] = field(default_factory=list)

    def put(self, argument: Argument, section: str, key: str, value: Any) -> None:
        self.settings.append((section, key, value, argument.where))
        self.rows.append(Row(argument.name, argument.value, f"{section}.{key} = {value}"))

    def unused(self, argument: Argument, why: str) -> None:
        self.rows.append(Row(argument.name, argument.value, "", why))

    def refuse(self, argument: Argument, why: str, hint: str) -> None:
        self.errors.append(UserError(f"{argument.where}: {argument.name} {why}", hint))

    def chosen(self, argument: Argument, known: Mapping[str, str], section: str, key: str) -> None:
        """One of Kohya's words for ours."""
        word = str(argument.value).lower()
        if word in known:
            self.put(argument, section, key, known[word])
        else:
            self.refuse(argument, f"= {argument.value!r} is not offered", nearest(word, known))

    def given(self, name: str) -> Argument | None:
        found = self.arguments.get(name)
        return None if found is None or found.empty else found


def as_float(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def number_of(argument: Argument | None) -> float | None:
    return None if argument is None else as_float(argument.value)


def unspoken(value: Any) -> Any:
    return False if str(value).lower() in ("false", "0", "none") else value


def is_true(value: Any) -> bool:
    return str(value).lower() in ("true", "1", "yes", "on")
