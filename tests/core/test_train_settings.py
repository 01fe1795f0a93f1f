"""Settings of one run: what stays open is decided once, and what contradicts itself is told before anything loads."""

import importlib.util

import pytest

from acestep_core import TrainSettings, UserError
from acestep_core.optimizers import OPTIMIZERS, check_optimizer
from acestep_core.train_settings import planned_steps, resolved, steps_per_epoch


def of(shown=7, rate=1e-3, **rest):
    names = {"turbo", "held_out"}
    context = {k: v for k, v in rest.items() if k in names}
    settings = TrainSettings(**{k: v for k, v in rest.items() if k not in names})
    return resolved(settings, shown=shown, rate=rate, **context)


def test_no_step_reaches_into_the_next_epoch():
    settings = TrainSettings(epochs=5, batch_size=2, accumulation=3)
    assert steps_per_epoch(7, settings) == 2  # 4 batches: 3 and 1
    assert planned_steps(7, settings) == 10


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rate_and_schedule_follow_the_optimizer_unless_given(name):
    found = of(optimizer=name)
    finds = name in ("prodigy", "dadaptation")
    assert found.learning_rate == (1.0 if finds else 1e-3)
    assert found.schedule == ("constant" if finds or name == "schedulefree" else "cosine")
    given = of(optimizer=name, learning_rate=0.5, schedule="constant")
    assert (given.learning_rate, given.schedule) == (0.5, "constant")


def test_the_warm_up_is_resolved_to_steps_and_null_conditions_to_the_variant():
    assert of(steps=200).warmup == 20 and of(steps=200, warmup=7).warmup == 7
    assert of().null_condition == 0.15 and of(turbo=True).null_condition == 0
    assert of(turbo=True, null_condition=0.2).null_condition == 0.2


def test_resolving_twice_changes_nothing():
    once = of(loss_weight="min_snr", schedule="restarts", ema=0.99, epochs=3)
    assert resolved(once, shown=7, rate=9.0) == once and once.export == "ema"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"steps": 2, "epochs": 2}, "--steps and --epochs"),
        ({"optimizer": "prodigy", "learning_rate": 1e-4}, "finds the rate itself"),
        ({"optimizer": "dadaptation", "learning_rate": "auto"}, "finds the rate itself"),
        ({"learning_rate": "fast"}, "must be float.auto, not 'fast'"),
        ({"d0": 1e-5}, "--d0 does nothing for adamw"),
        ({"optimizer": "schedulefree", "schedule": "cosine"}, "in place of a schedule"),
        ({"optimizer": "schedulefree", "ema": 0.9}, "averages the weights itself"),
        ({"cycles": 2}, "--cycles does nothing"),
        ({"snr_gamma": 2.0}, "--snr-gamma does nothing"),
        ({"export": "ema"}, "--export ema needs an average"),
        ({"export": "best", "held_out": False}, "--export best needs validation"),
        ({"patience": 2, "validate_every": 0}, "--patience needs validation"),
        ({"steps": 10, "warmup": 10}, "leaves nothing of a run of 10"),
        ({"optimizer": "adam"}, "option 'optimizer' must be"),
        ({"gradient_checkpointing": 1.5}, "must be at most 1"),
    ],
)
def test_what_contradicts_itself_is_told(fields, said):
    with pytest.raises(UserError, match=said):
        of(**fields)


def test_several_mistakes_are_told_at_once():
    with pytest.raises(UserError) as caught:
        of(cycles=2, snr_gamma=2.0)
    assert "--cycles" in str(caught.value) and "--snr-gamma" in str(caught.value)


def test_a_missing_package_is_told_with_the_line_that_installs_it_before_any_model_loads(monkeypatch, cli, tmp_path):
    there = importlib.util.find_spec
    gone = {o.package for o in OPTIMIZERS.values()} - {""}
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n in gone else there(n, *a))
    for name in set(OPTIMIZERS) - {"adamw", "adafactor"}:
        with pytest.raises(UserError, match="is not installed") as caught:
            check_optimizer(name)
        assert caught.value.hint.startswith(f"pip install {OPTIMIZERS[name].package}")
    ended = cli("train", tmp_path, "--model", tmp_path / "none", "--optimizer", "prodigy")
    assert ended.code == 1 and "pip install prodigyopt" in ended.err
