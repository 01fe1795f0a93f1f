"""How to train: every setting with its bounds, and what is made of them for one run."""

import math
from dataclasses import dataclass, replace
from typing import Literal

from acestep_core.errors import UserError, raise_all
from acestep_core.optimizers import OPTIMIZERS, OptimizerName, check_optimizer
from acestep_core.options import check_values, option
from acestep_core.rates import warmup_steps

EPOCHS = 100
CYCLES = 4
SNR_GAMMA = 5.0  # of the paper on min-SNR weighting, arXiv 2303.09556
NULL_CONDITION = 0.15  # the reference's; a turbo model is never run with guidance
AUTO, FINDER = "auto", "prodigy"  # a rate that is to be searched for, and the optimizer that does it
D0 = 1e-6  # of both packages
_LEAST_FOUND = 0.1  # a rate below it hinders optimizers that find their own


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How to train; what to train is the adapter's business."""

    steps: int | None = option(None, "optimizer steps; give this or epochs", ge=1)
    epochs: int | None = option(None, f"passes over all songs; {EPOCHS} unless steps are given", ge=1)
    batch_size: int = option(1, "songs per forward pass, of like length", ge=1)
    accumulation: int = option(
        1, "batches per optimizer step and process; an epoch's last step takes what is left", ge=1
    )
    optimizer: OptimizerName = option("adamw", "what updates the weights")
    learning_rate: float | Literal["auto"] | None = option(
        None, "peak rate, or auto, which looks for one; else the adapter's own, 1 for prodigy and dadaptation",
        gt=0, le=1,
    )  # fmt: skip
    d0: float | None = option(None, f"the d that prodigy and dadaptation begin with; {D0:g} unless given", gt=0, le=1)
    schedule: Literal["constant", "linear", "cosine", "restarts"] | None = option(
        None, "the rate after the warm-up; cosine unless given, constant for prodigy, schedulefree, dadaptation"
    )
    cycles: int | None = option(None, f"cosines of the schedule restarts; {CYCLES} unless given", ge=1)
    warmup: float = option(0.1, "steps in which the rate rises; below 1 a share of all", ge=0)
    final_rate: float = option(0.01, "share of the peak rate at the schedule's end", ge=0, le=1)
    weight_decay: float = option(0.01, "the optimizer's weight decay", ge=0)
    clip_norm: float = option(1.0, "largest gradient norm; 0 = no clipping", ge=0)
    loss_weight: Literal["none", "min_snr"] = option("none", "weight of a song's loss by its t")
    snr_gamma: float | None = option(None, f"largest ratio of min_snr; {SNR_GAMMA:g} unless given", gt=0)
    null_condition: float | None = option(
        None, f"share of songs trained with the empty condition, for guidance; {NULL_CONDITION}, 0 for turbo models",
        ge=0, le=1,
    )  # fmt: skip
    gradient_checkpointing: float = option(
        0.0, "share of the layers computed twice to save memory; 1 = all", ge=0, le=1
    )
    ema: float = option(0.0, "part of the averaged weights kept at a step, such as 0.999; 0 = no average", ge=0, lt=1)
    export: Literal["raw", "ema", "best"] | None = option(
        None, "which weights are validated and become the adapter; ema if there is one, else raw"
    )
    validate_every: int = option(100, "steps between validations, if songs are held out; 0 = none", ge=0)
    patience: int = option(0, "validations without a smaller loss that end the run; 0 = any number", ge=0)
    save_every: int = option(500, "steps between checkpoints; 0 = only at the end", ge=0)
    save_every_epochs: int = option(0, "epochs between checkpoints; 0 = does not count", ge=0)
    save_every_minutes: float = option(0.0, "minutes between checkpoints; 0 = does not count", ge=0)
    keep: int = option(3, "checkpoints kept besides the best; 0 = all", ge=0)
    trigger: str | None = option(None, "trigger word for the adapter's header; the dataset's tag unless given")
    author: str | None = option(None, "author for the adapter's header")
    license: str | None = option(None, "licence for the adapter's header, such as CC-BY-4.0")
    seed: int = option(42, "drives order, noise, timesteps, dropout and the adapter's start", ge=0)


def steps_per_epoch(shown: int, settings: TrainSettings, processes: int = 1) -> int:
    """Optimizer steps of an epoch that shows so many songs, repeats counted. None reaches into the next epoch."""
    return math.ceil(math.ceil(shown / settings.batch_size) / (settings.accumulation * processes))


def planned_steps(shown: int, settings: TrainSettings, processes: int = 1) -> int:
    """Optimizer steps of a run whose epochs show so many songs, repeats counted."""
    return settings.steps or (settings.epochs or EPOCHS) * steps_per_epoch(shown, settings, processes)


def resolved(
    settings: TrainSettings,
    *,
    shown: int,
    rate: float,
    turbo: bool = False,
    held_out: bool = True,
    processes: int = 1,
) -> TrainSettings:
    """The settings of one run, nothing open, the warm-up in steps. `rate` is the adapter's own.

    Raises `UserError` telling everything that is wrong, a missing package included. Loads nothing.
    """
    raise_all(check_values(settings, "train"), "The settings")
    raise_all(contradictions(settings, held_out), "The settings")
    check_optimizer(settings.optimizer)
    optimizer = OPTIMIZERS[settings.optimizer]
    steps = planned_steps(shown, settings, processes)
    warm = warmup_steps(settings.warmup, steps)
    if warm >= steps > 1:
        raise UserError(f"A warm-up of {warm} steps leaves nothing of a run of {steps}", "give a smaller --warmup")
    schedule = settings.schedule or ("constant" if optimizer.plain else "cosine")
    return replace(
        settings,
        steps=steps,
        epochs=None,
        learning_rate=_known(settings.learning_rate, 1.0 if optimizer.finds_rate else rate),
        schedule=schedule,
        cycles=_known(settings.cycles, CYCLES) if schedule == "restarts" else None,
        warmup=float(warm),
        snr_gamma=_known(settings.snr_gamma, SNR_GAMMA) if settings.loss_weight == "min_snr" else None,
        null_condition=_known(settings.null_condition, 0.0 if turbo else NULL_CONDITION),
        export=settings.export or ("ema" if settings.ema else "raw"),
    )


def optimizers_of(settings: TrainSettings) -> list[str]:
    """The optimizers that a training with these settings takes, that of a search for its rate included."""
    return [settings.optimizer, *([FINDER] if settings.learning_rate == AUTO else [])]


def contradictions(s: TrainSettings, held_out: bool) -> list[UserError]:
    """Settings that cannot be meant together."""
    optimizer, validated = OPTIMIZERS[s.optimizer], held_out and s.validate_every > 0
    own_rate = optimizer.finds_rate and s.learning_rate is not None
    searched = s.learning_rate == AUTO
    needs = "hold songs out (dataset save --validation 0.1) and give --validate-every"
    told = (
        (s.steps is not None and s.epochs is not None,
         "--steps and --epochs say the same thing twice", "give one of them"),
        (own_rate and searched, f"{s.optimizer} finds the rate itself", "leave --learning-rate auto out"),
        (s.d0 is not None and not optimizer.finds_rate, f"--d0 does nothing for {s.optimizer}", "leave it out"),
        (own_rate and not searched and s.learning_rate < _LEAST_FOUND,
         f"{s.optimizer} finds the rate itself, and {s.learning_rate} would hold it down",
         "leave --learning-rate out: it is 1 then"),
        (optimizer.averages and s.schedule not in (None, "constant"),
         f"{s.optimizer} averages in place of a schedule", "leave --schedule out, or say constant"),
        (optimizer.averages and s.ema > 0, f"{s.optimizer} averages the weights itself", "leave --ema out"),
        (s.cycles is not None and s.schedule != "restarts",
         "--cycles does nothing without the schedule restarts", "add --schedule restarts, or leave it out"),
        (s.snr_gamma is not None and s.loss_weight != "min_snr",
         "--snr-gamma does nothing without min_snr", "add --loss-weight min_snr, or leave it out"),
        (s.export == "ema" and not s.ema, "--export ema needs an average", "add --ema 0.999"),
        (s.export == "best" and not validated, "--export best needs validation", needs),
        (s.patience > 0 and not validated, "--patience needs validation", needs),
    )  # fmt: skip
    return [UserError(problem, hint) for wrong, problem, hint in told if wrong]


def _known(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
