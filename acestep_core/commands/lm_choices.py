"""Command-line options of whatever asks the 5 Hz language model, and how it is opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from acestep_core.api import Backend
from acestep_core.commands.choices import PluginName, chosen_options, made, open_model, settings_options
from acestep_core.console import Ticker
from acestep_core.errors import UserError
from acestep_core.lm.fitting import choose_lm
from acestep_core.lm.planner import think_with
from acestep_core.lm.requests import LmSettings
from acestep_core.lm.speaking import LmPart
from acestep_core.lm.thinking import Thinking, Thought
from acestep_core.model import Model, load_part
from acestep_core.options import options_of
from acestep_core.registry import registry
from acestep_core.request import GenerateRequest

PREFIX = "lm_"
TABLE = "lm_backend"


def lm_choices(command: Any) -> Any:
    """Adds --lm and --lm-backend."""
    command = click.option(
        "--lm-backend", type=PluginName("backends"), metavar="NAME",
        help="Backend plugin that runs the language model; the one of --backend unless given.",
    )(command)  # fmt: skip
    return click.option("--lm", help="Which language model, such as 1.7B; the largest that fits unless given.")(command)


def thinking_choices(command: Any) -> Any:
    """Adds --think, --cot-*, --lm, --lm-backend and --lm-*."""
    return settings_options(Thinking)(lm_choices(settings_options(LmSettings, PREFIX)(command)))


def backend_of_lm(asked: str | None, config: Mapping[str, Any]) -> str | None:
    """The name given, or `lm` of the table [backend] in the settings file."""
    table = config.get("backend", {})
    return asked or (table.get("lm") if isinstance(table, Mapping) else None)


def table_of_lm(backend: str | None) -> dict[str, tuple[str, str]]:
    """Its table for `chosen_options`; none where the backend of the model runs the language model as well."""
    return {TABLE: ("backends", backend)} if backend else {}


def open_with_lm(
    model: Path,
    variant: str | None,
    backend: str,
    lm: str | None,
    lm_backend: str | None,
    *,
    pairs: Sequence[str],
    config: Mapping[str, Any],
) -> Model:
    """The model in a folder, its language model included, with the options of `-o` and the settings file."""
    lm_backend = backend_of_lm(lm_backend, config)
    chosen = {"backend": ("backends", backend), **table_of_lm(lm_backend)}
    options = chosen_options(pairs, config, registry(), chosen)
    of_lm = made_backend(lm_backend, options.get(TABLE, {}))
    return open_model(model, variant, backend, options["backend"], lm=lm, lm_backend=of_lm)


def open_lm(
    folder: Path, lm: str | None, lm_backend: str | None, *, pairs: Sequence[str], config: Mapping[str, Any]
) -> LmPart:
    """The language model in `folder` alone, without anything else of a checkpoint. Without a name, `pt` runs it."""
    name = backend_of_lm(lm_backend, config) or "pt"
    made = made_backend(name, chosen_options(pairs, config, registry(), table_of_lm(name))[TABLE])
    chosen = choose_lm(folder, lm, made)
    tell(chosen.why)
    return load_part(made, "lm", chosen.folder)


def tell(why: str) -> None:
    """That a language model was chosen, and why; nothing where it was not."""
    if why:
        click.echo(why, err=True)


def made_backend(name: str | None, options: Mapping[str, Any]) -> Backend | None:
    """The backend of the language model, ready; None where the model's own is to run it."""
    if name is None:
        return None
    backend = registry().make("backends", name, options)
    backend.check()
    return backend


@dataclass(frozen=True)
class Planner:
    """Thinks requests through with the model's language model, with progress on stderr."""

    thinking: Thinking
    settings: LmSettings

    def __call__(self, model: Model, requests: Sequence[GenerateRequest]) -> list[Thought]:
        shown = Counted(len(requests))
        return think_with(model, requests, self.thinking, self.settings, on_choice=tell, on_token=shown.tell)


def planner(given: dict[str, Any], lm: str | None, lm_backend: str | None) -> Planner | None:
    """What thinks, if anything is to. Takes its options out of `given`; raises `UserError` for those without effect."""
    thinking, settings = made(Thinking, given), made(LmSettings, given, PREFIX)
    said = [PREFIX + n for n in options_of(LmSettings) if given.get(PREFIX + n) is not None]
    said += [n for n, value in (("lm", lm), ("lm_backend", lm_backend)) if value is not None]
    for name in [*options_of(Thinking), *(PREFIX + n for n in options_of(LmSettings))]:
        given.pop(name, None)
    if thinking.any:
        return Planner(thinking, settings.checked())
    if said:
        raise UserError(f"--{said[0].replace('_', '-')} does nothing without --think", "add --think, or leave it out")
    return None


class Counted:
    """A line per stage with the tokens said so far, and the time left where all lengths are known."""

    def __init__(self, items: int):
        self._items = items
        self._said: dict[str, dict[int, int]] = {}
        self._totals: dict[int, int | None] = {}
        self._tickers: dict[str, Ticker] = {}

    def tell(self, stage: str, index: int, said: int, total: int | None = None) -> None:
        counts = self._said.setdefault(stage, {})
        counts[index] = said
        self._totals[index] = total
        known = None not in self._totals.values() and len(self._totals) == self._items
        whole = sum(t for t in self._totals.values() if t) if known else None
        self._tickers.setdefault(stage, Ticker(stage, whole)).update(sum(counts.values()), "tokens", total=whole)
