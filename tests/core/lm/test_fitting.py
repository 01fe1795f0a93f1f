"""Which language model is taken, against a backend whose needs are known by heart."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from acestep_core import UserError
from acestep_core.checkpoint import Checkpoint
from acestep_core.lm.fitting import choose_lm, largest, plan_lm, settle
from acestep_core.parts import Demand
from acestep_core.planning import RESERVE

GB = 10**9
WEIGHTS = {"0.6B": 1, "1.7B": 3, "4B": 8}


@dataclass
class Known:
    """Each needs its weights, and 0.01 GB for a second of each song."""

    free: int | None
    knows: bool = True
    name: str = "known"

    def room(self):
        return self.free

    def demand(self, part, folder, seconds, batch):
        if not self.knows:
            raise UserError("The backend 'known' does not know what memory it needs")
        assert part == "lm"
        return Demand(WEIGHTS[folder.name.removeprefix("acestep-5Hz-lm-")] * GB, round(seconds * batch * GB / 100))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for size in WEIGHTS:
        folder = tmp_path / f"acestep-5Hz-lm-{size}"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"architectures": ["Qwen3ForCausalLM"]}))
    return tmp_path


def planned(models, size, gigabytes, seconds=100.0, others=None):
    return plan_lm(models / f"acestep-5Hz-lm-{size}", Known(0), round(gigabytes * GB), seconds, others)


@pytest.mark.parametrize(("gigabytes", "place"), [(4.4, "no"), (4.5, "in turn"), (6.4, "in turn"), (6.5, "beside")])
def test_it_sits_beside_the_others_or_takes_turns_or_neither(models, gigabytes, place):
    """3 GB of weights and 1 to work, half a GB of reserve; beside 2 GB of others."""
    assert planned(models, "1.7B", gigabytes, others={"dit": Demand(2 * GB, 0)}).place == place


def test_how_long_and_how_many(models):
    found = planned(models, "1.7B", 6.6)
    assert (found.longest_s, found.most, found.peak) == (310, 3, 4 * GB + RESERVE)
    none = planned(models, "4B", 6.6)
    assert (none.longest_s, none.most, none.fits) == (0, 0, False)


@pytest.mark.parametrize(("gigabytes", "chosen"), [(9.5, "4B"), (9.4, "1.7B"), (4.5, "1.7B"), (4.4, "0.6B")])
def test_the_largest_that_fits_is_taken_and_told(models, gigabytes, chosen):
    found = choose_lm(models, None, Known(round(gigabytes * GB)), 100.0)
    assert found.folder == models / f"acestep-5Hz-lm-{chosen}" and found.at_once >= 1
    assert f"acestep-5Hz-lm-{chosen} thinks, the largest that fits {gigabytes:.2f} GB" in found.why
    assert largest([planned(models, s, gigabytes) for s in WEIGHTS]).name.endswith(chosen)


def test_a_named_one_is_taken_even_where_it_does_not_fit(models):
    found = choose_lm(models, "4B", Known(GB), 100.0)
    assert (found.folder.name, found.why, found.at_once) == ("acestep-5Hz-lm-4B", "", 1)


def test_an_only_one_needs_no_words(models):
    for size in ("1.7B", "4B"):
        (models / f"acestep-5Hz-lm-{size}" / "config.json").unlink()
    assert choose_lm(models, None, Known(GB), 100.0).why == ""


@pytest.mark.parametrize("backend", [Known(None), Known(99 * GB, knows=False)])
def test_where_nothing_can_be_told_the_choice_is_the_users(models, backend):
    with pytest.raises(UserError, match="holds 3 language models and say which one"):
        choose_lm(models, None, backend, 100.0)
    assert choose_lm(models, "0.6B", backend, 100.0).at_once is None


def test_where_none_fits_the_remedy_is_told(models):
    with pytest.raises(UserError) as told:
        choose_lm(models, None, Known(2 * GB), 100.0)
    assert "0.6B needs 2.50 GB for 100 s, there are 2.00 GB" in told.value.problem
    assert told.value.hint == "leave --think out, or run it elsewhere with --lm-backend"
    (models / "acestep-5Hz-lm-0.6B" / "config.json").unlink()
    with pytest.raises(UserError, match="models download acestep-5Hz-lm-0.6B, leave --think out"):
        choose_lm(models, None, Known(2 * GB), 100.0)


def test_a_model_settles_once(models):
    model = SimpleNamespace(checkpoint=Checkpoint(None, models), lm_backend=Known(5 * GB))
    assert settle(model).why and model.checkpoint.part("lm").name == "acestep-5Hz-lm-0.6B"
    model.lm_backend.free = 99 * GB
    assert settle(model).why == "" and model.checkpoint.lm == "acestep-5Hz-lm-0.6B"
