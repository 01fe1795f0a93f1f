"""Jobs that train, and those that help to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from acestep_core.errors import UserError
from acestep_core.estimating import EstimateSettings, estimate
from acestep_core.jobs import Step, TrainJob
from acestep_core.optimizers import check_optimizer
from acestep_core.options import option
from acestep_core.outcome import outcome
from acestep_core.rank_sharing import chosen_layers, estimate_facts, ranked, share_out
from acestep_core.ranks import LEAST, MOST, check_takes_ranks, load_ranks, read_budget
from acestep_core.rate_finding import TAKEN, FindSettings, find_rate
from acestep_core.registry import registry
from acestep_core.report.diagnosis import diagnose
from acestep_core.report.facts import read_facts
from acestep_core.report.page import FILE, write_report
from acestep_core.samples.making import Round
from acestep_core.samples.settings import SampleSettings, check_samples
from acestep_core.train_memory import Forecast
from acestep_core.train_plan import plan_train
from acestep_core.train_settings import TrainSettings, optimizers_of
from acestep_core.training import TrainResult, train
from acestep_plugins.commands.serve.kinds.asked import Asked, Shape
from acestep_plugins.commands.serve.kinds.kind import BACKENDS, FOLDERS, Desk, Kind, ModelChoice

_OUTCOMES = ("report.html", "metrics.jsonl", "run.toml", "adapter/*", "samples/**/*")


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """What is trained on."""

    encoded: Path = option(help="folder of encoded songs")


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is trained, and where it goes."""

    adapter: str = option("lokr", "adapter plugin", plugin="adapters")
    sampler: str = option("logit_normal", "timestep sampler plugin", plugin="samplers")
    ranks: Path | None = option(None, "layers and their ranks for a LoRA, which an estimate wrote")


@dataclass(frozen=True, kw_only=True)
class Run:
    """The folder of the run."""

    out: Path = option(Path("run"), "run folder; an unfinished run there with equal settings is gone on with")
    extend: bool = option(False, "go on with the run there, even a finished one, for more steps")


@dataclass(frozen=True, kw_only=True)
class Search:
    out: Path = option(Path("lr-find"), "folder of the search, in which an unfinished one is gone on with")


@dataclass(frozen=True, kw_only=True)
class Estimating:
    """Which layers are shown, and what is shared out among them."""

    out: Path = option(Path("estimate"), "folder of the estimate, in which a stopped one is gone on with")
    sampler: str = option("logit_normal", "timestep sampler plugin of the focus balanced", plugin="samplers")
    by: Literal["fisher", "sensitivity"] = option("fisher", "the score that ranks layers")
    layers: list[str] = option([], "only layers whose whole name fits one of these regular expressions")
    budget: str | None = option(None, "share out so many parameters, such as 20M, and write ranks.json")
    min_rank: int = option(LEAST, "least rank of a layer; 0 leaves layers out", ge=0, le=1024)
    max_rank: int = option(MOST, "largest rank of a layer", ge=1, le=1024)


def train_run(asked: Asked, desk: Desk) -> dict[str, Any]:
    """Train into the run folder; goes on exactly where an unfinished run stands."""
    model, plugins = _prepared(asked, desk)
    run = asked[Run]

    steps: list[int | None] = [None]

    def start(job: TrainJob) -> None:
        steps[0] = job.steps
        for note in job.notes:
            desk.note(note)

    def forecast(found: Forecast) -> None:
        for line in found.sentences():
            desk.note(line)

    def heard(samples: Round) -> None:
        for path in samples.made:
            desk.ready(path, path.relative_to(run.out).as_posix())
        for problem in samples.problems:
            desk.note(f"a sample after step {samples.step} was not made, and the training goes on: {problem}")

    try:
        result = train(asked[Encoded].encoded, model, out=run.out, settings=asked[TrainSettings], extend=run.extend,
                       retry=desk.attempt > 1, samples=asked.tables["samples"], on_forecast=forecast,
                       on_step=_telling(desk, steps), on_samples=heard, on_start=start, **plugins)  # fmt: skip
        told = _told(result)
        for pattern in _OUTCOMES:
            for path in sorted(p for p in run.out.glob(pattern) if p.is_file() and not p.name.startswith(".")):
                desk.ready(path, path.relative_to(run.out).as_posix())
    finally:
        desk.release()
    if result.stopped:
        raise KeyboardInterrupt
    return told


def train_plan(asked: Asked, desk: Desk) -> dict[str, Any]:
    """What a training would do and take; loads no weights."""
    model, plugins = _prepared(asked, desk)
    plan = plan_train(asked[Encoded].encoded, model, settings=asked[TrainSettings], **plugins)
    found = plan.memory(model, model.backend.room())
    return {**plan.describe(), "memory": found.describe(), "sentences": [*found.sentences()]}


def lr_find(asked: Asked, desk: Desk) -> dict[str, Any]:
    """A learning rate for these songs and this adapter."""
    model, plugins = _prepared(asked, desk)
    taken = TrainSettings(**{n: getattr(asked[TrainSettings], n) for n in TAKEN})
    try:
        found = find_rate(asked[Encoded].encoded, model, asked[Search].out, asked[FindSettings], settings=taken,
                          on_step=_telling(desk, [None]), **plugins)  # fmt: skip
    finally:
        desk.release()
    if found.stopped:
        raise KeyboardInterrupt
    told = found.describe()
    for name in ("result", "picture"):
        path = Path(told[name])
        if path.is_file():
            desk.ready(path, path.name)
    return told


def make_estimate(asked: Asked, desk: Desk) -> dict[str, Any]:
    """Which layers the songs move most, and ranks by it."""
    about, settings = asked[Estimating], asked[EstimateSettings]
    sampler = asked.using(desk.config).get("sampler")

    def tell(done: int, total: int, name: str) -> None:
        desk.progress("estimate", done, total, name)

    try:
        result = estimate(asked[Encoded].encoded, desk.model(asked), about.out, settings, sampler=about.sampler,
                          options=sampler, on_song=tell)  # fmt: skip
    finally:
        desk.release()
    if result.stopped:
        raise KeyboardInterrupt
    layers, ranks = ranked(chosen_layers(result.layers, about.layers), about.by), None
    if about.budget is not None:
        limits = (about.min_rank, about.max_rank)
        ranks = share_out(layers, about.by, read_budget(about.budget), None, limits, result)
    for path in (p for p in sorted(about.out.iterdir()) if p.is_file()):
        desk.ready(path, path.name)
    return {"out": str(about.out), **estimate_facts(result, layers, about.by, ranks)}


def _prepared(asked: Asked, desk: Desk) -> tuple[Any, dict[str, Any]]:
    """The model, and what a training takes besides. Its memory is the training's alone."""
    desk.release()
    training = asked[Training]
    options = {n: t for n, t in asked.using(desk.config).items() if n in ("adapter", "sampler")}
    if training.ranks is not None:
        check_takes_ranks(training.adapter, registry().load("adapters", training.adapter), options["adapter"])
    model = desk.model(asked)
    if training.ranks is not None:
        options["adapter"] = {**options["adapter"], **load_ranks(training.ranks, model.hashes["dit"])}
    return model, {"adapter": training.adapter, "sampler": training.sampler, "options": options}


def _telling(desk: Desk, steps: list[int | None]) -> Callable[[Step], None]:
    """`steps` holds how many there will be, once that is known."""

    def tell(step: Step) -> None:
        values = {"loss": step.loss, "lr": step.lr, "grad_norm": step.grad_norm, "epoch": step.epoch}
        desk.progress("train", step.step, steps[0], values=values)

    return tell


def _told(result: TrainResult) -> dict[str, Any]:
    facts = read_facts(result.run.folder, registry())
    page = None if result.stopped else result.run.folder / FILE
    if page is not None:
        write_report(facts, page)
    return outcome(result, diagnose(facts), page)


def _check(asked: Asked) -> None:
    if not asked[Encoded].encoded.is_dir():
        raise UserError(f"There is no folder {asked[Encoded].encoded}", "encode songs into it first")
    for optimizer in optimizers_of(asked[TrainSettings]) if TrainSettings in asked.parts else ():
        check_optimizer(optimizer)
    for error in check_samples(asked.tables["samples"]) if "samples" in asked.tables else ():
        raise error


_PLUGINS: Mapping[str, tuple[str, str]] = {
    "adapter": ("adapters", "adapter"),
    "sampler": ("samplers", "sampler"),
    **BACKENDS,
}
TRAIN = Kind(
    name="train",
    about="Train an adapter on encoded songs.",
    shape=Shape(flat=(Encoded, Training, Run, TrainSettings, ModelChoice), tables={"samples": SampleSettings},
                plugins=_PLUGINS),
    work=train_run,
    check=_check,
    limited=False,
    grace_s=60.0,
)  # fmt: skip
TRAIN_PLAN = Kind(
    name="train_plan",
    about="Say what a training would do and what memory it takes.",
    shape=Shape(flat=(Encoded, Training, TrainSettings, ModelChoice), plugins=_PLUGINS),
    work=train_plan,
    check=_check,
    lane=FOLDERS,
)
LR_FIND = Kind(
    name="lr_find",
    about="Find a learning rate for encoded songs and an adapter.",
    shape=Shape(flat=(Encoded, Training, Search, FindSettings, TrainSettings, ModelChoice), plugins=_PLUGINS,
                only={TrainSettings: TAKEN}),
    work=lr_find,
    check=_check,
    limited=False,
    grace_s=60.0,
)  # fmt: skip
ESTIMATE = Kind(
    name="estimate",
    about="Find which layers matter for encoded songs, and share out ranks by it.",
    shape=Shape(flat=(Encoded, Estimating, EstimateSettings, ModelChoice),
                plugins={"sampler": ("samplers", "sampler"), **BACKENDS}),
    work=make_estimate,
    check=_check,
    limited=False,
    grace_s=20.0,
)  # fmt: skip
