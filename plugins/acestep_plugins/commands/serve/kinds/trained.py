"""Jobs that tell of trainings: what a run folder holds, and the presets there are."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from acestep_core.codes import write_codes
from acestep_core.errors import UserError
from acestep_core.options import option
from acestep_core.registry import registry
from acestep_core.report.diagnosis import diagnose
from acestep_core.report.facts import read_facts
from acestep_core.report.page import FILE
from acestep_core.run import Run
from acestep_core.run_file.checking import Checked, checked
from acestep_core.run_file.places import NAME, PARAMETERS, PLUGINS, SAMPLE_PREFIX
from acestep_core.run_file.presets import presets
from acestep_core.run_file.reading import read_run_file
from acestep_core.transcoding import extract_codes
from acestep_plugins.commands.serve.kinds.asked import Asked, Shape
from acestep_plugins.commands.serve.kinds.kind import BACKENDS, QUICK, Desk, Kind, ModelChoice

_ELSEWHERE = {"encoded", "model", "variant", "out", "report", "backend"}


@dataclass(frozen=True, kw_only=True)
class OneRun:
    """Which training."""

    run: Path = option(help="run folder")


@dataclass(frozen=True, kw_only=True)
class Listened:
    """What codes are to be made of."""

    audio: Path = option(help="audio file")
    seed: int = option(0, "draws the codec's sample", ge=0)


def tell_run(asked: Asked, desk: Desk) -> dict[str, Any]:
    """A training's losses, checkpoints, samples and what is wrong with it; samples and report are results."""
    folder = asked[OneRun].run
    facts, run = read_facts(folder, registry()), Run(folder)
    samples = []
    for sample in facts.samples:
        name = sample.path.relative_to(folder).as_posix()
        desk.ready(sample.path, name)
        samples.append({"file": name, "number": sample.number, "step": sample.step, "prompt": sample.request["caption"],
                        "difference_db": sample.difference_db})  # fmt: skip
    if (folder / FILE).is_file():
        desk.ready(folder / FILE, FILE)
    best = run.best()
    return {
        "run": str(folder), "steps": facts.run.steps, "step": facts.run.step, "finished": facts.run.finished,
        "losses": [list(p) for p in facts.run.losses], "validations": [list(v) for v in facts.run.validated],
        "grid": [facts.run.grid_before, facts.run.grid_after], "rates": [list(r) for r in facts.rates],
        "checkpoints": [{"step": step, "path": str(path), "best": bool(best and best[0] == step)}
                        for step, path in run.checkpoints()],
        "adapter": str(run.adapter) if run.adapter.is_dir() else None,
        "samples": samples, "findings": [asdict(f) for f in diagnose(facts)],
        "settings": {s.name: s.value for s in facts.settings if s.changed},
        "report": FILE if (folder / FILE).is_file() else None,
    }  # fmt: skip


def tell_presets(asked: Asked, desk: Desk) -> dict[str, Any]:
    """Each preset as the request of a training that it stands for."""
    found, wrong = presets()
    told = []
    for preset in found:
        try:
            file = checked(read_run_file(None, [], preset.run_file()), registry())
        except UserError as e:
            wrong.append(e)
            continue
        told.append({"name": preset.name, "own": preset.own, "about": preset.about, "request": _request(file)})
    return {"presets": told, "problems": [str(e) for e in wrong]}


def _request(file: Checked) -> dict[str, Any]:
    """Its settings by the names that a request of a training has."""
    said: dict[str, Any] = {n: v for n, v in file.parameters().items() if v is not None and n not in _ELSEWHERE}
    samples = {n.removeprefix(SAMPLE_PREFIX): said.pop(n) for n in list(said) if n.startswith(SAMPLE_PREFIX)}
    request = {n: v for n, v in said.items() if n not in PARAMETERS.values() and n != NAME}
    options = _options(file.plugin_tables(), request)
    return request | ({"samples": samples} if samples else {}) | ({"options": options} if options else {})


def _options(tables: Mapping[tuple[str, str], Mapping[str, Any]], request: Mapping[str, Any]) -> dict[str, Any]:
    chosen = {section: (kind, str(request.get(section, first))) for section, (kind, first) in PLUGINS.items()}
    return {s: dict(tables[place]) for s, place in chosen.items() if s != "backend" and tables.get(place)}


def listen(asked: Asked, desk: Desk) -> dict[str, Any]:
    """The audio codes of a sound."""
    for heard in extract_codes([asked[Listened].audio], desk.model(asked), asked[Listened].seed):
        if heard.problem is not None:
            raise UserError(heard.problem.text, heard.problem.remedy)
        return {"codes": write_codes(heard.codes), "count": len(heard.codes)}
    raise AssertionError("one file gives one answer")


def _check_run(asked: Asked) -> None:
    if not (asked[OneRun].run / "run.toml").is_file():
        raise UserError(f"{asked[OneRun].run} holds no run", "give the folder that a training writes")


RUN = Kind(
    name="run",
    about="Tell of a training: losses, checkpoints, samples and what is wrong.",
    shape=Shape(flat=(OneRun,)),
    work=tell_run,
    check=_check_run,
    lane=QUICK,
)
PRESETS = Kind(
    name="presets",
    about="Tell the presets of trainings.",
    shape=Shape(flat=()),
    work=tell_presets,
    lane=QUICK,
)
CODES = Kind(
    name="codes",
    about="Turn a sound into audio codes.",
    shape=Shape(flat=(Listened, ModelChoice), plugins=BACKENDS),
    work=listen,
)
