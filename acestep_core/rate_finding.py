"""Finds a learning rate: the very training loop with an optimizer that finds its own, until its estimate rests.

Prodigy's estimate d never falls and keeps the largest value that noise has led it to, and the run that follows has
another optimizer and a schedule: so half of the plateau is chosen. The model is as before afterwards.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import importlib_metadata

from acestep_core import provenance
from acestep_core.encoded import EncodedSet
from acestep_core.errors import Diverged, UserError, raise_all
from acestep_core.files import write_json
from acestep_core.found_rate import FORMAT, PICTURE, RESULT, SHAPING, FoundRate, made_of, origin, read_result, result
from acestep_core.jobs import Step, TrainJob
from acestep_core.model import Model
from acestep_core.optimizers import OPTIMIZERS
from acestep_core.options import check_values, option
from acestep_core.plateau import Point, Rule, Verdict, judged
from acestep_core.plots import check_picture, draw_rate
from acestep_core.processes import local_rank
from acestep_core.registry import Registry, registry
from acestep_core.run import CHECKPOINTS, FOUND, SETTINGS, Run
from acestep_core.run_record import run_record
from acestep_core.train_plan import plan_train
from acestep_core.train_settings import D0, FINDER, TrainSettings
from acestep_core.training import train

DEFAULT_OUT = "lr-find"
TAKEN = (*SHAPING, "gradient_checkpointing", "seed")
MOST_STEPS = {"prodigy": 400, "dadaptation": 1050}  # the latter those of the tutorial for Kohya's tools
_STARTS = (D0, 1e-5, 1e-4)  # d begins higher where it has not left the one before
_SHARE, _CAUTIOUS = 0.5, 0.1
_SAVE_EVERY = 100
_ALONE = "A rate is searched for in one process, and there are several"
_BY_HAND = "choose one yourself with train --learning-rate; a larger --batch-size or --accumulation makes d clearer"
_MENDED = {
    "not started": _BY_HAND,
    "broken": "try -o backend.dtype=float32, or look at the songs: acestep-core scan SONGS --deep",
    "not settled": "give more --max-steps: it goes on from there",
}


@dataclass(frozen=True, kw_only=True)
class FindSettings:
    """How to look for a rate."""

    recipe: Literal["prodigy", "dadaptation"] = option(
        FINDER, "the optimizer that is watched; dadaptation as the tutorial for Kohya's tools has it"
    )
    max_steps: int | None = option(
        None, "optimizer steps at most; " + ", ".join(f"{n} for {name}" for name, n in MOST_STEPS.items()), ge=20
    )
    window: int = option(50, "steps over which d*lr must rest", ge=5)
    rise: float = option(0.05, "share by which it may rise in them", gt=0, lt=1)


def find_rate(
    encoded: str | Path | EncodedSet,
    model: Model,
    out: str | Path = DEFAULT_OUT,
    finding: FindSettings | None = None,
    *,
    adapter: str = "lokr",
    sampler: str = "logit_normal",
    settings: TrainSettings | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    plugins: Registry | None = None,
    on_step: Callable[[Step], None] = lambda step: None,
    stop: Callable[[], bool] = lambda: False,
) -> FoundRate:
    """Search in the folder `out`, in which an unfinished search is gone on with and a finished one is read.

    Of `settings` those in `TAKEN` count, all others are the recipe's; the rest is as in `train`. Extensions take part.
    Raises `UserError` where d never left its start, never came to rest, or training broke before it did.
    """
    if local_rank() is not None:
        raise UserError(_ALONE, "start it without torchrun")
    finding, plugins, out = finding or FindSettings(), plugins or registry(), Path(out)
    raise_all(check_values(finding, "lr-find"), "The settings")
    finding = replace(finding, max_steps=finding.max_steps or MOST_STEPS[finding.recipe])
    encoded = encoded if isinstance(encoded, EncodedSet) else EncodedSet.open(encoded)
    chosen = {"adapter": adapter, "sampler": sampler, "options": options or {}, "plugins": plugins}
    taken = {name: getattr(settings or TrainSettings(), name) for name in TAKEN}
    record = _planned(encoded, model, _trial_settings(finding, taken, D0), **chosen)
    known = _known(out, record, finding)
    if known is not None:
        return known
    _check_drawable(out)
    search = _Search(out, finding, record)
    for d0 in _STARTS:
        trial = _trial_settings(finding, taken, d0)
        verdict = search.tried(encoded, model, trial, on_step=on_step, stop=stop, **chosen)
        if verdict is None:
            return FoundRate(out)
        if verdict.outcome != "not started":
            break
    if verdict.outcome in _MENDED:
        raise UserError(f"No learning rate was found: {verdict.why}", _MENDED[verdict.outcome])
    return search.finished(verdict)


def rate_for(
    encoded: EncodedSet,
    model: Model,
    out: Path,
    settings: TrainSettings,
    record: Mapping[str, Any],
    *,
    may_search: bool = True,
    **chosen: Any,
) -> dict[str, Any] | None:
    """For a run in `out` with the rate auto: the table that tells its rate and where that is from, or None if stopped.

    The run's own where it has one. Else a result beside it of equal `made_of`, else what a search beside it finds.
    """
    if out.is_dir() and any(not p.name.startswith(".") for p in out.iterdir()):
        before = Run(out).settings() if (out / SETTINGS).is_file() else {}
        if FOUND in before:
            return before[FOUND]
        raise UserError(f"{out} holds something whose rate was not searched for", "give another --out, or its rate")
    for file in sorted(out.parent.glob(f"*/{RESULT}")):
        content = read_result(file)
        if content and content["made_of"] == made_of(record) and content["search"]["recipe"] == FINDER:
            return origin(result(file.parent, content))
    if not may_search:
        raise UserError(_ALONE, f"do so first: acestep-core lr-find {encoded.folder}; auto takes a result beside --out")
    found = find_rate(encoded, model, out.with_name(f"{out.name}-{DEFAULT_OUT}"), settings=settings, **chosen)
    return None if found.stopped else origin(found)


def _trial_settings(finding: FindSettings, taken: Mapping[str, Any], d0: float) -> TrainSettings:
    return TrainSettings(
        **taken, steps=finding.max_steps, optimizer=finding.recipe, d0=d0, schedule="constant", warmup=0.0,
        weight_decay=0.0, validate_every=0, save_every=_SAVE_EVERY, keep=1,
    )  # fmt: skip


def _planned(
    encoded: EncodedSet, model: Model, trial: TrainSettings, adapter: str, sampler: str, **chosen: Any
) -> dict[str, Any]:
    """What the run.toml of a trial will say."""
    plan = plan_train(encoded, model, settings=trial, adapter=adapter, sampler=sampler, **chosen)
    return run_record(plan, model, encoded, {"adapters": adapter, "samplers": sampler}, chosen["plugins"])


def _known(out: Path, record: Mapping[str, Any], finding: FindSettings) -> FoundRate | None:
    """The result that is there already. Raises `UserError` if it is that of another search."""
    content = read_result(out / RESULT)
    if content is None:
        return None
    if content["made_of"] != made_of(record) or content["search"] != _search(record, finding):
        raise UserError(f"{out} holds the result of another search", "repeat its settings, or give another --out")
    return replace(result(out, content), kept=True)


def _search(record: Mapping[str, Any], finding: FindSettings) -> dict[str, Any]:
    """How it is looked for; more steps at most find nothing else."""
    told = {k: v for k, v in asdict(finding).items() if k != "max_steps"}
    return {**told, "seed": record["train"]["seed"]}


def _check_drawable(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    check_picture(out / PICTURE)


class _Search:
    """Trials one after the other, each a run of its own in the folder."""

    def __init__(self, out: Path, finding: FindSettings, record: Mapping[str, Any]):
        self.out, self.finding, self.record = out, finding, record
        self.points: list[Point] = []
        self.trials: list[Run] = []

    def tried(self, encoded: EncodedSet, model: Model, trial: TrainSettings, **rest: Any) -> Verdict | None:
        """What became of d, or None where it was stopped."""
        run, self.points = Run(self.out / f"trial-{trial.d0:.0e}"), []
        self.trials.append(run)
        rule = Rule(trial.d0, self.finding.window, self.finding.rise, trial.steps)
        asked, heard = rest.pop("stop"), rest.pop("on_step")

        def on_step(step: Step) -> None:
            self.points.append(_point(asdict(step)))
            heard(step)

        def stop() -> bool:
            return judged(self.points, rule) is not None or asked()

        def start(job: TrainJob) -> None:
            self.points = _points(job.run)

        there = self._steps_of(run)
        verdict = None if there is None else judged(_points(run), rule)
        if verdict is not None:
            self.points = _points(run)
            return verdict
        longer = there is not None and there < trial.steps
        try:
            train(encoded, model, out=run.folder, settings=trial, extend=longer, on_start=start, on_step=on_step,
                  stop=stop, **rest)  # fmt: skip
        except Diverged as e:
            return judged(self.points, rule, diverged=e.problem.partition(";")[0])
        return judged(self.points, rule)

    def _steps_of(self, run: Run) -> int | None:
        """How many steps an earlier trial in that folder has; raises `UserError` for one of another search."""
        if not (run.folder / SETTINGS).is_file():
            return None
        before, ours = run.settings(), self.record
        same = all(before["train"][name] == ours["train"][name] for name in ("optimizer", "seed"))
        if made_of(before) != made_of(ours) or not same:
            raise UserError(f"{self.out} holds another search", "repeat its settings, or give another --out")
        return before["train"]["steps"]

    def finished(self, verdict: Verdict) -> FoundRate:
        """Writes the result and the picture; the trials keep their metrics alone."""
        stable = verdict.outcome == "settled"
        share = _SHARE if stable or verdict.overshot else _CAUTIOUS
        part = "half of it is chosen" if share == _SHARE else "a tenth of it is chosen, since d did not rise after that"
        package = OPTIMIZERS[self.finding.recipe].package
        content = {
            "format": FORMAT,
            "rate": float(f"{share * verdict.rate:.4g}"),
            "plateau": verdict.rate,
            "share": share,
            "step": verdict.step,
            "stable": stable,
            "why": f"{verdict.why}; {part}" if stable else f"training became unstable: {verdict.why}; {part}",
            "search": _search(self.record, self.finding),
            "d0": self.trials[-1].settings()["train"]["d0"],
            "made_of": made_of(self.record),
            "plugins": self.record["plugins"],
            "versions": {**provenance.versions(), package: importlib_metadata.version(package)},
            "curve": [[p.step, p.rate, p.loss] for p in self.points if p.step <= verdict.step],
        }
        draw_rate(content, self.out / PICTURE)
        write_json(self.out / RESULT, content)
        for run in self.trials:
            for folder in (run.folder / CHECKPOINTS, run.adapter):
                shutil.rmtree(folder, ignore_errors=True)
        return result(self.out, content)


def _points(run: Run) -> list[Point]:
    return [_point(r) for r in run.metrics() if r["event"] == "step"]


def _point(step: Mapping[str, Any]) -> Point:
    if step["d"] is None:
        raise UserError("A plugin replaces the optimizer, so there is no d to watch", "leave it out to find a rate")
    return Point(step["step"], step["d"] * step["lr"], step["loss"])
