"""Controls on one side, a request on the other: each control stands for one place of the request."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from acestep_plugins.commands.ui.controls import in_rows
from acestep_plugins.commands.ui.fields import Field
from acestep_plugins.commands.ui.words import Words

Path = tuple[str, ...]
OPTIONS = "options"


def of_plugin(table: str, name: str) -> str:
    """The table of options of one plugin of those that a field may name."""
    return f"{table}@{name}"


def table_of(table: str, name: str, names: Sequence[str]) -> str:
    """What a request calls the options of a plugin: by what it is for, or of several by its own name."""
    return table if len(names) == 1 else name.partition("@")[0]


@dataclass
class Form:
    """Controls by the place in the request that they stand for, such as ('task', 'start')."""

    words: Words
    prefix: str = ""
    fields: dict[Path, Field] = field(default_factory=dict)
    controls: dict[Path, Any] = field(default_factory=dict)
    tables: dict[str, Path] = field(default_factory=dict)
    """Tables below 'options' and the place that names the plugin they are of; see `of_plugin`."""

    def add(self, fields: Mapping[str, Field], names: Collection[str] | None = None, at: Path = (), **how: Any) -> None:
        """Rows of controls for these fields, or those of them that are named, in that order."""
        asked = fields if names is None else [n for n in names if n in fields]
        chosen = [fields[n] for n in asked if (*at, n) not in self.fields]
        if chosen:
            made = in_rows(chosen, self.words, self.prefix, **how)
            for one in chosen:
                self.put((*at, one.name), one, made[one.name])

    def put(self, path: Path, about: Field, control: Any) -> None:
        """A control that was made elsewhere."""
        self.fields[path], self.controls[path] = about, control

    @property
    def inputs(self) -> list[Any]:
        return list(self.controls.values())

    @property
    def untouched(self) -> list[Any]:
        """What the controls hold when the page is opened."""
        return [about.shown(None) for about in self.fields.values()]

    def request(self, values: Sequence[Any], wanted: Callable[[Path], bool] = lambda p: True) -> dict[str, Any]:
        """What was set to anything but the default, of the places that are wanted."""
        found: dict[str, Any] = {}
        for (path, about), value in zip(self.fields.items(), values, strict=True):
            given = about.given(value) if wanted(path) else None
            if given is not None:
                _put(found, path, given)
        return self._of_chosen(found)

    def shown(self, request: Mapping[str, Any], only: Collection[Path] | None = None) -> list[Any]:
        """Updates of all controls that show a request: what it says, else the default."""
        return [
            gr.update(value=about.shown(_at(request, self._place(request, path))))
            if only is None or path in only else gr.skip()
            for path, about in self.fields.items()
        ]  # fmt: skip

    def _of_chosen(self, request: dict[str, Any]) -> dict[str, Any]:
        """With the options of the plugins that are named, and of no others."""
        every, kept = request.pop(OPTIONS, {}), dict[str, Any]()
        for table in self.tables:
            names = self._named(request, table)
            for name in names:
                if of_plugin(table, name) in every:
                    kept[table_of(table, name, names)] = every[of_plugin(table, name)]
        return request | ({OPTIONS: kept} if kept else {})

    def _named(self, request: Mapping[str, Any], table: str) -> list[str]:
        place = self.tables[table]
        named = _at(request, place) or self.fields[place].default or []
        return list(named) if isinstance(named, list | tuple) else [str(named)]

    def _place(self, request: Mapping[str, Any], path: Path) -> Path:
        """Where a request holds what a control shows."""
        if path[0] != OPTIONS:
            return path
        table, _, name = path[1].partition("@")
        names = self._named(request, table)
        return (OPTIONS, table_of(table, name, names), path[2]) if name in names else path

    def idle(self, why: Mapping[Path, str], before: Mapping[Path, str]) -> list[Any]:
        """Updates of all controls after some have come to do nothing, or do something again."""
        return [
            gr.skip() if why.get(path) == before.get(path) else self._switched(path, why.get(path, ""))
            for path in self.fields
        ]

    def _switched(self, path: Path, reason: str) -> Any:
        about = self.fields[path]
        told = self.words.help(about.name, about.about, about.owner)
        return gr.update(interactive=not reason, info=self.words.reason(reason) if reason else told)


def _put(request: dict[str, Any], path: Path, value: Any) -> None:
    for name in path[:-1]:
        request = request.setdefault(name, {})
    request[path[-1]] = value


def _at(request: Any, path: Path) -> Any:
    for name in path:
        if not isinstance(request, Mapping):
            return None
        request = request.get(name)
    return request
