"""The planner's choice, against a backend whose needs are known by heart."""

from pathlib import Path

import pytest

from acestep_core import Backend, UserError, option
from acestep_core.parts import Demand, Saving
from acestep_core.planning import RESERVE, command_line, peak_of, plan

GB = 10**9
PARTS = {"text": Demand(1 * GB, 0), "codec": Demand(1 * GB, 2 * GB), "dit": Demand(4 * GB, 1 * GB)}


class Known(Backend):
    """Weights as above, half of it with `small`; the dit's work grows by 0.01 GB a second and clip."""

    name = "known"
    small: bool = option(False, "half the weights")
    taking_turns: bool = option(False, "one part at a time")

    def load(self, part: str, folder: Path):
        raise AssertionError("a plan reads no weights")

    def room(self):
        return 5 * GB

    def demand(self, part, folder, seconds, batch):
        d = PARTS[part]
        work = round(0.01 * GB * seconds * batch) if part == "dit" else d.work
        return Demand(d.weights // (2 if self.small else 1), work)

    def savings(self, elsewhere):
        for small in [True] if self.small else [False, True]:
            for turns in (False, True):
                yield Saving({"small": small, "taking_turns": turns}, turns, "it is small" if small else "")


class Plugins:
    def make(self, kind, name, options=None):
        return Known(**(options or {}))


class Anywhere:
    def part(self, name):
        return Path(name)


def planned(budget, options=None, **given):
    return plan(Anywhere(), "known", options or {}, Plugins(), budget=budget, **given)


def test_the_peak_is_the_moment_that_needs_most():
    assert peak_of(PARTS, one_at_a_time=False) == RESERVE + 8 * GB
    assert peak_of(PARTS, one_at_a_time=True) == RESERVE + 5 * GB


@pytest.mark.parametrize(("gigabytes", "chosen"), [
    (8.9, (False, False)), (8.8, (False, True)), (6.9, (False, True)), (6.8, (True, False)), (5.9, (True, False)),
    (5.8, (True, True)), (4.9, (True, True)),
])  # fmt: skip
def test_the_first_way_that_fits_is_taken(gigabytes, chosen):
    """At 240 s: 6 + 2.4, 4 + 2.4, 3 + 2.4 and 2 + 2.4 GB, and half a GB of reserve."""
    found = planned(round(gigabytes * GB))
    assert (found.options["small"], found.options["taking_turns"]) == chosen
    assert found.peak <= found.budget and found.note == ("it is small" if chosen[0] else "")


def test_how_long_and_how_many():
    found = planned(9 * GB)
    assert (found.longest_s, found.most) == (250, 1)
    found = planned(13 * GB, seconds=120, batch=2)
    assert (found.longest_s, found.most, found.batch) == (600, 5, 2)
    assert planned(100 * GB, seconds=1).most == 8


def test_what_the_user_chose_stays():
    assert planned(100 * GB, {"small": True}).options == {"small": True, "taking_turns": False}


def test_what_does_not_fit_is_told_with_its_reason_and_what_would():
    with pytest.raises(UserError) as told:
        planned(4 * GB)
    assert str(told.value) == (
        "1 x 240 s needs at least 4.90 GB of memory, there are 4.00 GB: "
        "dit alone has 2.00 GB of weights and needs 2.40 GB to work\n  one clip of up to 150 s fits: give --seconds 150"
    )
    with pytest.raises(UserError, match="smaller model"):
        planned(2 * GB)


def test_without_a_budget_it_is_what_is_free_here(monkeypatch):
    assert planned(None).budget == 5 * GB
    monkeypatch.setattr(Known, "room", lambda self: None)
    with pytest.raises(UserError, match="give --vram"):
        planned(None)


def test_the_command_runs_as_planned():
    words = command_line(planned(5 * GB), "my models", "turbo", "known")
    assert words == ["acestep-core", "generate", "--model", "my models", "--variant", "turbo", "--backend", "known",
                     "-o", "backend.small=true", "-o", "backend.taking_turns=true", "--duration", "240"]  # fmt: skip


def test_a_backend_that_knows_nothing_of_memory_says_so(monkeypatch):
    monkeypatch.delattr(Known, "savings")
    with pytest.raises(UserError, match="'known' does not know how to save memory"):
        planned(5 * GB)
