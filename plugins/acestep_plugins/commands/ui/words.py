"""Every text of the page, by key and language. What nobody translated, as a third party's option, says its own."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from acestep_plugins.commands.ui.sentences import Sentences

LANGUAGES = ("en", "zh", "ja")
SECTIONS = ("text", "label", "help", "reason", "value", "stage")
SENTENCES = "sentences"  # folder of those that the core says in English


@dataclass(frozen=True)
class Words:
    """The texts of one language."""

    language: str
    name: str
    texts: Mapping[str, Mapping[str, str]]
    sentences: Sentences = field(default_factory=lambda: Sentences({}))

    def __call__(self, key: str, **values: Any) -> str:
        """A text of the page's own. `KeyError` for one that nobody wrote."""
        return self.texts["text"][key].format(**values)

    def label(self, name: str, owner: str = "") -> str:
        """What a field is called; its name where nobody translated it."""
        found = self._of("label", name, owner)
        return found or name.removesuffix("_s").replace("_", " ").capitalize()

    def help(self, name: str, own: str, owner: str = "") -> str:
        """What a field does; its `own` text where nobody translated it."""
        return self._of("help", name, owner) or own

    def reason(self, own: str) -> str:
        """Why a control does nothing, in the core's words where these are new."""
        return self("no_effect", reason=self.texts["reason"].get(own, own))

    def said(self, text: str) -> str:
        """What the core says of a problem and the like, as far as it is translated."""
        return self.sentences(text)

    def stage(self, name: str) -> str:
        """What a job is at: a kind of jobs or a stage of one; a third party's name as it is."""
        return self.texts["stage"].get(name, name)

    def value(self, value: Any) -> str:
        """How a choice is shown; names of plugins and the like as they are."""
        return self.texts["value"].get(str(value), str(value))

    def _of(self, section: str, name: str, owner: str) -> str:
        table = self.texts[section]
        return table.get(f"{owner}.{name}") or table.get(name, "")


@cache
def words(language: str) -> Words:
    """Read from the package."""
    folder = files(__package__) / "languages"
    content = json.loads((folder / f"{language}.json").read_text(encoding="utf-8"))
    of_core = {}
    if language != LANGUAGES[0]:
        of_core = json.loads((folder / SENTENCES / f"{language}.json").read_text(encoding="utf-8"))
    texts = {section: content.get(section, {}) for section in SECTIONS}
    return Words(language, content["name"], texts, Sentences(of_core))


def preferred(accepted: str | None) -> str:
    """The best of ours for an Accept-Language header; English where none is asked for."""
    wanted = []
    for part in (accepted or "").split(","):
        tag, _, quality = part.partition(";")
        match = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d+)?)\s*", quality)
        wanted.append((-(float(match[1]) if match else 1.0), len(wanted), tag.strip().lower()[:2]))
    return next((code for quality, _, code in sorted(wanted) if code in LANGUAGES and quality), LANGUAGES[0])
