"""Hooks that watch a run cannot end it; hooks that replace a step can."""

from typing import Any

import pytest
from closed_registry import closed, module_of, plugin

from acestep_core import Extension, hookimpl, hooks
from acestep_core.api import KINDS
from acestep_core.observers import Observers

EVENTS = {
    "acestep_song": {"song": "s", "folder": "f"},
    "acestep_train_start": {"run": "r"},
    "acestep_train_step": {"run": "r", "step": 1, "loss": 0.5, "t": [0.1], "lr": 1e-4, "losses": [0.5], "d": None},
    "acestep_validation": {"run": "r", "step": 1, "loss": 0.5, "base": 0.6},
    "acestep_checkpoint": {"run": "r", "step": 1, "folder": "f"},
    "acestep_train_end": {"run": "r", "error": None},
    "acestep_audio": {"request": "q", "clip": "c", "path": "p"},
}


def observed(*modules: Any) -> tuple[Observers, list[str]]:
    plugins, told = closed(), []
    for module in modules:
        plugins.manager.register(module)
    return Observers(plugins.manager, told.append), told


def raising(error: BaseException) -> Any:
    def hook() -> None:
        raise error

    return hook


def test_registration_steps_and_observers_list_exactly_the_hooks():
    declared = {n for n, f in vars(hooks).items() if n.startswith("acestep_") and callable(f)}
    listed = [*(f"acestep_{kind}" for kind in hooks.REGISTRATION), *hooks.STEPS, *hooks.OBSERVERS]
    assert declared == set(listed) and len(listed) == len(set(listed))


def test_registration_hooks_are_the_kinds_and_take_nothing():
    manager = closed().manager
    assert tuple(KINDS) == hooks.REGISTRATION
    assert all(not getattr(manager.hook, f"acestep_{kind}").spec.argnames for kind in hooks.REGISTRATION)


def test_steps_take_the_first_answer_and_observers_hear_everything():
    manager = closed().manager
    assert all(getattr(manager.hook, h).spec.opts["firstresult"] for h in hooks.STEPS)
    assert not any(getattr(manager.hook, h).spec.opts["firstresult"] for h in hooks.OBSERVERS)


def test_every_hook_says_what_it_is_for():
    manager = closed().manager
    names = [*(f"acestep_{kind}" for kind in hooks.REGISTRATION), *hooks.STEPS, *hooks.OBSERVERS]
    assert all(getattr(manager.hook, n).spec.function.__doc__ for n in names)


@pytest.mark.parametrize("hook", hooks.OBSERVERS)
def test_an_observer_hears_the_arguments_of(hook: str):
    heard: list[Any] = []
    arguments = ", ".join(EVENTS[hook])
    function = eval(f"lambda {arguments}: heard.append(({arguments},))", {"heard": heard})
    observers, told = observed(module_of("listener", **{hook: function}))
    observers.notify(hook, **EVENTS[hook])
    assert heard == [tuple(EVENTS[hook].values())] and told == []


def test_an_observer_may_take_fewer_arguments():
    heard: list[Any] = []
    observers, _ = observed(module_of("listener", acestep_train_step=lambda lr, step: heard.append((lr, step))))
    observers.notify("acestep_train_step", **EVENTS["acestep_train_step"])
    assert heard == [(1e-4, 1)]


@pytest.mark.parametrize("error", [ValueError("disk full"), SystemExit(1)])
def test_a_raising_observer_is_reported_once_and_switched_off_while_others_go_on(error: BaseException):
    heard: list[str] = []
    first = module_of("first", acestep_train_start=lambda: heard.append("first"))
    bad = module_of("bad", acestep_train_start=raising(error), acestep_train_end=lambda: heard.append("bad"))
    last = module_of("last", acestep_train_start=lambda: heard.append("last"))
    observers, told = observed(first, bad, last)
    for _ in range(3):
        observers.notify("acestep_train_start", run=None)
    observers.notify("acestep_train_end", run=None, error=None)
    assert heard == ["last", "first"] * 3
    assert told == [f"Observer bad failed in acestep_train_start and is switched off: {type(error).__name__}: {error}"]


def test_control_c_in_an_observer_is_not_swallowed():
    observers, _ = observed(module_of("slow", acestep_train_start=raising(KeyboardInterrupt())))
    with pytest.raises(KeyboardInterrupt):
        observers.notify("acestep_train_start", run=None)


def test_observers_are_called_last_registered_first_with_tryfirst_before_and_trylast_after():
    heard: list[str] = []
    plain = [module_of(n, acestep_train_start=lambda n=n: heard.append(n)) for n in ("a", "b")]
    early, late = module_of("early"), module_of("late")
    early.acestep_train_start = hookimpl(tryfirst=True)(lambda: heard.append("early"))
    late.acestep_train_start = hookimpl(trylast=True)(lambda: heard.append("late"))
    observers, _ = observed(early, *plain, late)
    observers.notify("acestep_train_start", run=None)
    assert heard == ["early", "b", "a", "late"]


class Fragile(Extension):
    name = "fragile"

    @hookimpl
    def acestep_checkpoint(self) -> None:
        raise OSError("no space")


def test_a_raising_extension_is_named_with_its_distribution():
    plugins, told = closed(plugin("extensions", "fragile", acestep_extensions=lambda: [Fragile])), []
    plugins.activate("fragile")
    Observers(plugins.manager, told.append).notify("acestep_checkpoint", **EVENTS["acestep_checkpoint"])
    assert told == [
        "Observer extension fragile@stranger failed in acestep_checkpoint and is switched off: OSError: no space"
    ]


def test_without_a_listener_the_report_goes_to_stderr(capsys: pytest.CaptureFixture[str]):
    manager = closed().manager
    manager.register(module_of("bad", acestep_train_start=raising(ValueError("odd"))))
    Observers(manager).notify("acestep_train_start", run=None)
    assert "Observer bad failed" in capsys.readouterr().err


LOSS = {"prediction": 1, "target": 2, "t": 0.5, "batch": None}


def test_the_default_is_used_when_no_plugin_implements_acestep_loss():
    observers, _ = observed()
    assert observers.first("acestep_loss", lambda prediction, target, t, batch: prediction + target, **LOSS) == 3


def test_the_default_is_used_when_every_plugin_answers_none():
    observers, _ = observed(module_of("shy", acestep_loss=lambda t: None))
    assert observers.first("acestep_loss", lambda **inputs: "default", **LOSS) == "default"


def test_the_first_answer_to_acestep_loss_wins_even_if_it_is_zero():
    asked: list[str] = []
    early = module_of("early", acestep_loss=lambda: asked.append("early") or 9)
    zero = module_of("zero", acestep_loss=lambda: asked.append("zero") or 0)
    observers, _ = observed(early, zero)
    assert observers.first("acestep_loss", lambda **inputs: "default", **LOSS) == 0 and asked == ["zero"]


def test_acestep_optimizer_gets_its_inputs():
    observers, _ = observed(module_of("own", acestep_optimizer=lambda settings, parameters: (parameters, settings)))
    assert observers.first("acestep_optimizer", lambda **i: None, parameters=[1], settings="s") == ([1], "s")


def test_a_step_that_raises_ends_the_run():
    observers, told = observed(module_of("bad", acestep_loss=raising(ValueError("odd"))))
    with pytest.raises(ValueError, match="odd"):
        observers.first("acestep_loss", lambda **inputs: None, **LOSS)
    assert told == []
