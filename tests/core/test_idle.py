"""Which options would do nothing is found by trying them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest

from acestep_core import UserError, option
from acestep_core.checkpoint import ModelInfo
from acestep_core.idle import idle_options
from acestep_core.request import GenerateRequest, contradictions
from acestep_core.tasks import Cover, Repaint, Task, Text2Music
from acestep_core.train_settings import TrainSettings
from acestep_core.train_settings import contradictions as in_training

TURBO, BASE = (ModelInfo(Path("model"), {"is_turbo": turbo}) for turbo in (True, False))


@dataclass(frozen=True, kw_only=True)
class Oven:
    """An oven whose grill works above 100 degrees alone, and whose timer is in the way of nothing."""

    heat: int = option(50, ge=0, le=300)
    grill_level: int | None = option(None, ge=1, le=3)
    mode: Literal["air", "still"] = option("air")
    timer_s: float = option(0.0, ge=0)


def problems(oven: Oven) -> Sequence[UserError]:
    found = []
    if oven.heat < 100 and oven.grill_level is not None:
        found.append(UserError(f"--grill-level {oven.grill_level} does nothing: the oven is too cold"))
    if oven.heat == 0 and (oven.mode != "air" or oven.timer_s):
        found.append(UserError("--mode and --timer do nothing without heat"))
    return found


@pytest.mark.parametrize(
    ("oven", "idle"),
    [
        (Oven(), {"grill_level": "the oven is too cold"}),
        (Oven(heat=200), {}),
        (Oven(heat=0), {"grill_level": "the oven is too cold", "mode": "without heat", "timer_s": "without heat"}),
        (Oven(heat=0, grill_level=2), {"grill_level": "the oven is too cold", "mode": "without heat",
                                       "timer_s": "without heat"}),
    ],
)  # fmt: skip
def test_an_option_is_idle_if_the_checks_say_that_it_does_nothing(oven: Oven, idle: dict[str, str]):
    assert idle_options(oven, problems) == idle


def of_request(request: GenerateRequest, model: ModelInfo) -> set[str]:
    return set(idle_options(request, lambda r: contradictions(r, model)))


def of_task(task: Task, model: ModelInfo = TURBO) -> set[str]:
    request = GenerateRequest(task=task)
    return set(idle_options(task, lambda t: contradictions(replace(request, task=t), model)))


def test_guidance_is_idle_with_turbo_and_works_with_base():
    guided = {"guidance", "guidance_kind", "guidance_start", "guidance_end"}
    assert guided <= of_request(GenerateRequest(), TURBO)
    assert not guided & of_request(GenerateRequest(), BASE)
    assert guided - {"guidance"} <= of_request(GenerateRequest(guidance=1.0), BASE)


def test_of_two_that_exclude_each_other_only_the_one_without_effect_is_idle():
    idle = of_request(GenerateRequest(timesteps=(1.0, 0.5, 0.0)), BASE)
    assert {"steps", "shift", "schedule"} <= idle and "timesteps" not in idle
    assert "schedule" not in of_request(GenerateRequest(schedule="uniform"), BASE)


def test_tasks_decide_what_of_them_and_of_the_request_is_idle():
    assert of_task(Text2Music()) == {"codes_strength"}
    assert of_task(Text2Music(codes="12,7")) == set()
    assert {"repaint_mode", "repaint_strength"} <= of_task(Repaint(source=Path("song.wav")))
    assert "repaint_mode" not in of_task(Repaint(source=Path("song.wav"), start=1.0))
    assert "duration_s" in of_request(GenerateRequest(task=Cover()), BASE)


def test_settings_of_a_training_that_belong_to_others_are_idle():
    idle = idle_options(TrainSettings(), lambda s: in_training(s, True))
    assert set(idle) == {"cycles", "snr_gamma", "d0"}
    assert idle["cycles"] == "without the schedule restarts"
    assert "cycles" not in idle_options(TrainSettings(schedule="restarts"), lambda s: in_training(s, True))
