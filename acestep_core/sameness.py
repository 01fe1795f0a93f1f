"""Whether what a record says can be made again: nothing in it may be of no effect, and nothing may go unnoticed."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core.audio import RATE_HZ
from acestep_core.clip import adapter_hash, request_record, sounds_of
from acestep_core.errors import UserError
from acestep_core.files import content_id
from acestep_core.model import Model
from acestep_core.options import options_of, parse_options
from acestep_core.provenance import backend_record, used_plugins, versions
from acestep_core.registry import Registry
from acestep_core.request import resolve, times_of

if TYPE_CHECKING:
    from acestep_core.record import Record

# What another machine may have to do otherwise; all other options of a backend are asked for as they were.
_OF_THE_MACHINE = ("device", "attention", "held")
_CORRECT = "give the record as it was written"


def backend_options(
    content: Mapping[str, Any], name: str, given: Mapping[str, Any], plugins: Registry
) -> dict[str, Any]:
    """The options of the record's backend, those given now in their place; a device that is not here is left out."""
    recorded = content["backend"]
    if recorded.get("name") != name:
        raise UserError(f"The record was made by the backend '{recorded.get('name')}', not '{name}'",
                        f"use --backend {recorded.get('name')}")  # fmt: skip
    known = options_of(plugins.load("backends", name))
    asked = {k: v for k, v in recorded.items() if k in known and v is not None} | dict(given)
    try:
        plugins.make("backends", name, asked).check()
    except UserError:
        return {k: v for k, v in asked.items() if k in given or k not in _OF_THE_MACHINE}
    return asked


def file_problems(record: "Record", model: Model) -> Iterator[UserError]:
    """Weights, adapters and sounds that are gone or are others."""
    wanted, hint = record.content["model"]["hashes"], f"use the model {record.content['model'].get('folder')}"
    for part in sorted(wanted.keys() | model.hashes.keys()):
        there, here = wanted.get(part), model.hashes.get(part)
        if there != here:
            yield UserError(f"the {part} weights are others ({here}, not {there})", hint)
    for used, entry in zip(record.adapters, record.content["adapters"], strict=True):
        if not used.path.exists():
            yield UserError(f"the adapter {used.path} is gone", "put it back")
        elif adapter_hash(used.path) != entry["hash"]:
            yield UserError(f"the adapter {used.path} has changed", "put the old one back")
    for path, wanted_id in record.content.get("sources", {}).items():
        if not Path(path).is_file():
            yield UserError(f"the sound {path} is gone", "put it back")
        elif content_id(Path(path)) != wanted_id:
            yield UserError(f"the sound {path} has changed", "put the old one back")
    heard = {str(p) for p in sounds_of(record.batch)}
    for path in sorted(heard - record.content.get("sources", {}).keys()):
        yield UserError(f"the sound {path} is not the one that was heard", _CORRECT)


def contradictions(record: "Record", model: Model, plugins: Registry) -> Iterator[UserError]:
    """What the record says that does not follow from what it asks for: somebody has changed it."""
    content = record.content
    recorded = content.get("batch", {}).get("requests") or [content["request"]]
    for request, said in zip(record.batch, recorded, strict=True):
        follows = _plain(request_record(resolve(request, model.info)))
        yield from _differing(said, follows, "request")
    resolved = resolve(record.request, model.info)
    times = times_of(resolved, model.info, plugins, record.options.get("schedule"))
    if content.get("schedule") != times:
        yield UserError(f"schedule is {content.get('schedule')}, the request leads to {times}", _CORRECT)
    if content["audio"].get("rate_hz") != RATE_HZ:
        yield UserError(f"audio.rate_hz is {content['audio'].get('rate_hz')}, not {RATE_HZ}", _CORRECT)
    yield from _unused_options(record, plugins)


def changes(record: "Record", model: Model, plugins: Registry) -> Iterator[str]:
    """What was otherwise when the record was made, under which the samples may differ."""
    content = record.content
    now = {
        "backend": backend_record(model.backend),
        "plugins": used_plugins(record.batch, plugins),
        "model": {"folder": model.info.folder.name, "variant": model.info.variant},
        "versions": versions(),
    }
    for section, here in now.items():
        there = content.get(section, {})
        known = {k: v for k, v in there.items() if not (section == "model" and k == "hashes")}
        for name in sorted(known.keys() | (here.keys() if known else set())):
            if known.get(name) != _plain(here.get(name)):
                label = name if section == "versions" else f"{section} {name}"
                yield f"{label} was {known.get(name)}, now {here.get(name)}"


def differences(record: "Record", made: Mapping[str, Any]) -> list[str]:
    """How the clip just made, by its own record, differs from the recorded one; empty if the samples are the same."""
    there, here = record.content["audio"], made["audio"]
    lines = [f"{k} was {there.get(k)}, now {here[k]}" for k in here if there.get(k) != here[k]]
    if record.content.get("notes", []) != made["notes"]:
        lines.append("the warnings are others")
    return lines


def _differing(said: Mapping[str, Any], follows: Mapping[str, Any], where: str) -> Iterator[UserError]:
    """Fields that the record lacks, because its version did not have them, are no difference."""
    for name, value in said.items():
        if isinstance(value, dict) and isinstance(follows.get(name), dict):
            yield from _differing(value, follows[name], f"{where}.{name}")
        elif value != follows.get(name):
            yield UserError(f"{where}.{name} is {value}, the rest leads to {follows.get(name)}", _CORRECT)


def _unused_options(record: "Record", plugins: Registry) -> Iterator[UserError]:
    chosen = {"solver": ("solvers", record.request.solver), "schedule": ("samplers", record.request.schedule)}
    for table, values in record.options.items():
        kind, name = chosen.get(table, ("", None))
        if name is None:
            yield UserError(f"options.{table} is for nothing that was chosen", _CORRECT)
        else:
            yield from parse_options(plugins.load(kind, name), values, f"options.{table}")[1]


def _plain(value: Any) -> Any:
    """As it comes back from JSON."""
    return json.loads(json.dumps(value, default=str))
