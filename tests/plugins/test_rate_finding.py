"""The search for a rate around a loop that says what d it likes, and a few with the real one."""

import json
from dataclasses import replace

import pytest
import torch
from scripted_loop import rests, scripted

from acestep_core import FindSettings, TrainSettings, UserError, find_rate, train
from acestep_core.found_rate import RESULT

BRIEF = FindSettings(window=5, rise=0.5)  # Prodigy leaves its start and rests within some 70 steps with these


@pytest.fixture
def loop(encoded, monkeypatch):
    return scripted(monkeypatch, type(encoded.model.backend))


@pytest.fixture
def search(encoded, tmp_path):
    def run(out="lr-find", finding=None, **rest):
        return find_rate(encoded.folder, encoded.model, tmp_path / out, finding, **rest)

    return run


def test_half_of_the_plateau_is_chosen_written_down_drawn_and_not_searched_again(loop, search, tmp_path):
    found = search()
    assert (found.rate, found.plateau, found.stable, found.kept) == (1e-3, 2e-3, True, False)
    told = json.loads((tmp_path / "lr-find" / RESULT).read_text())
    assert told["step"] == found.step == 57 and told["curve"][-1][:2] == [57, 2e-3] and told["d0"] == 1e-6
    assert told["made_of"]["adapter"]["name"] == "lokr@acestep-core" and "hash" in told["made_of"]["model"]
    assert (tmp_path / "lr-find" / "lr_find.png").stat().st_size > 10_000
    assert not list((tmp_path / "lr-find").glob("*/checkpoints"))
    done = len(loop.steps)
    again = search()
    assert len(loop.steps) == done and again == replace(found, kept=True)


def test_a_search_that_was_stopped_goes_on_and_ends_with_the_same_bytes(loop, search, tmp_path):
    search("whole")
    loop.steps.clear()
    stopped = search("parts", stop=lambda: len(loop.steps) == 30)
    assert stopped.stopped and loop.steps[-1] == 30 and not (tmp_path / "parts" / RESULT).exists()
    assert not search("parts").stopped and loop.steps[30] == 31
    whole, parts = (json.loads((tmp_path / n / RESULT).read_text()) for n in ("whole", "parts"))
    assert whole == parts


def test_killed_before_the_result_is_written_no_step_is_done_again(loop, search, tmp_path):
    before = search()
    (tmp_path / "lr-find" / RESULT).unlink()
    loop.steps.clear()
    assert search() == before and loop.steps == []


def test_d_begins_higher_where_it_does_not_leave_its_start(loop, search):
    loop.curve = lambda step, d0: (d0, 1.0) if d0 < 5e-5 else rests(step, d0)
    found = search()
    assert found.rate == 1e-3 and found.record["d0"] == 1e-4 and loop.steps.count(200) == 2


def test_what_never_starts_is_told_with_what_to_do(loop, search, tmp_path):
    loop.curve = lambda step, d0: (d0, 1.0)
    with pytest.raises(UserError, match="has not left 1e-04 in 200 steps") as caught:
        search()
    assert "--learning-rate" in caught.value.hint and not (tmp_path / "lr-find" / RESULT).exists()


def test_what_never_settles_goes_on_with_more_steps(loop, search):
    loop.curve = lambda step, d0: (d0 * 1.02 ** min(step, 450), 1.0)
    with pytest.raises(UserError, match="rose by 169% in the last 50 of 400 steps") as caught:
        search()
    assert "--max-steps" in caught.value.hint and loop.steps == list(range(1, 401))
    found = search(finding=FindSettings(max_steps=600))
    assert loop.steps[400:402] == [401, 402] and found.plateau == pytest.approx(1e-6 * 1.02**450)


def test_a_training_that_becomes_nan_gives_the_last_stable_value_and_says_so(loop, search):
    loop.curve = lambda step, d0: (float("nan"), 1.0) if step == 60 else (d0 * 10 ** (step / 15), 2.0 - step / 1000)
    found = search(finding=FindSettings(window=30))
    assert not found.stable and "NaN or infinite at step 60" in found.why and "unstable" in found.why
    assert found.plateau == pytest.approx(1e-6 * 10 ** (44 / 15))  # in the middle of the last 30
    assert found.rate == pytest.approx(found.plateau / 2, rel=1e-3)


def test_a_nan_before_d_left_its_start_is_an_error(loop, search):
    loop.curve = lambda step, d0: (float("nan"), 1.0) if step == 7 else (d0, 1.0)
    with pytest.raises(UserError, match="NaN or infinite at step 7 .*before d") as caught:
        search()
    assert "float32" in caught.value.hint and loop.steps == list(range(1, 7))


def test_a_folder_of_another_search_is_refused(loop, search):
    search()
    for other in ({"adapter": "lora"}, {"settings": TrainSettings(batch_size=2)}, {"settings": TrainSettings(seed=1)},
                  {"finding": FindSettings(window=20)}):  # fmt: skip
        with pytest.raises(UserError, match="another search"):
            search(**other)


def test_the_unfinished_search_of_another_recipe_is_no_part_of_this_one(loop, search):
    search(stop=lambda: len(loop.steps) == 40)
    with pytest.raises(UserError, match="another search"):
        search(finding=FindSettings(recipe="dadaptation"))


def test_an_optimizer_of_a_plugin_leaves_nothing_to_watch(loop, search):
    loop.curve = lambda step, d0: (None, 1.0)
    with pytest.raises(UserError, match="no d to watch"):
        search()


def trained(encoded, out, **fields):
    return train(encoded.folder, encoded.model, out=out, settings=TrainSettings(
        **{"steps": 3, "learning_rate": "auto", **fields}))  # fmt: skip


def test_auto_searches_trains_with_what_it_found_and_records_where_that_is_from(loop, encoded, tmp_path):
    told = trained(encoded, tmp_path / "run").run.settings()
    assert told["train"]["learning_rate"] == told["found_rate"]["learning_rate"] == 1e-3
    assert told["found_rate"]["file"] == str(tmp_path / "run-lr-find" / RESULT)
    assert "half of it is chosen" in told["found_rate"]["why"] and loop.steps == [*range(1, 58), 1, 2, 3]


def test_auto_takes_a_result_beside_the_run_if_it_is_of_the_same(loop, encoded, search, tmp_path):
    search("mine", settings=TrainSettings(seed=5))
    loop.steps.clear()
    used = trained(encoded, tmp_path / "run", optimizer="adafactor").run.settings()["found_rate"]["file"]
    assert used == str(tmp_path / "mine" / RESULT) and loop.steps == [1, 2, 3]
    trained(encoded, tmp_path / "other", batch_size=2)
    assert (tmp_path / "other-lr-find" / RESULT).is_file()


def test_a_run_with_auto_that_goes_on_does_not_search_again(loop, encoded, tmp_path):
    stop_at = 58
    first = train(encoded.folder, encoded.model, out=tmp_path / "run", stop=lambda: len(loop.steps) == stop_at,
                  settings=TrainSettings(steps=3, learning_rate="auto"))  # fmt: skip
    assert first.stopped and first.step == 1
    (tmp_path / "run-lr-find" / RESULT).unlink()
    assert trained(encoded, tmp_path / "run").resumed_from == 1 and loop.steps[stop_at:] == [2, 3]
    longer = train(encoded.folder, encoded.model, out=tmp_path / "run", extend=True,
                   settings=TrainSettings(steps=5, learning_rate="auto"))  # fmt: skip
    assert longer.step == 5 and longer.run.settings()["found_rate"]["learning_rate"] == 1e-3


def test_auto_stopped_while_it_searches_goes_on_with_that(loop, encoded, tmp_path):
    settings = TrainSettings(steps=3, learning_rate="auto")
    stopped = train(encoded.folder, encoded.model, out=tmp_path / "run", settings=settings,
                    stop=lambda: len(loop.steps) == 9)  # fmt: skip
    assert (stopped.stopped, stopped.step, stopped.steps) == (True, 0, 3) and not (tmp_path / "run").exists()
    assert trained(encoded, tmp_path / "run").step == 3 and loop.steps[9] == 10


def test_auto_does_not_go_on_with_a_run_of_a_given_rate(loop, encoded, tmp_path):
    trained(encoded, tmp_path / "run", learning_rate=1e-4)
    with pytest.raises(UserError, match="was not searched for"):
        trained(encoded, tmp_path / "run")
    assert loop.steps == [1, 2, 3]


@pytest.mark.parametrize("adapter", ["lora", "lokr", "loha", "oft", "full"])
def test_the_model_is_bit_for_bit_what_it_was(encoded, search, adapter):
    pytest.importorskip("prodigyopt", reason="the extra 'train' is not installed")
    module = encoded.model.dit.decoder.module
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(UserError, match="No learning rate was found"):
        search(finding=FindSettings(max_steps=20), adapter=adapter)
    after = module.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.slow
def test_prodigy_finds_a_rate_that_the_same_search_finds_again_after_a_stop(encoded, search, tmp_path):
    pytest.importorskip("prodigyopt", reason="the extra 'train' is not installed")
    done, lora = [], {"adapter": "lora", "options": {"adapter": {"rank": 4}}}
    whole = search("whole", BRIEF, **lora)
    assert whole.stable and 1e-5 < whole.rate < 0.05
    stopped = search("parts", BRIEF, **lora, on_step=done.append, stop=lambda: len(done) == 35)
    assert stopped.stopped and search("parts", BRIEF, **lora).record == whole.record
