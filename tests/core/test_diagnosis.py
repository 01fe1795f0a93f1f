"""What is wrong with a training: each rule where it holds, and silence where it does not."""

import pytest
from synthetic_run import write_changes, write_run, write_samples

from acestep_core.registry import registry
from acestep_core.report.diagnosis import INAUDIBLE_RATIO, diagnose
from acestep_core.report.facts import read_facts
from acestep_core.run import Run

MANY = {"songs": [str(n) for n in range(9)], "held_out": ["a"]}


@pytest.fixture
def keys(tmp_path):
    """keys(settings of write_run) writes a run and gives the findings by key, quiet ones included."""

    def of(prepare=lambda run: None, logged=(), **given):
        folder = write_run(tmp_path / "run", **{"data": MANY, **given})
        for record in logged:
            Run(folder).log(record)
        prepare(folder)
        return {f.key: f for f in diagnose(read_facts(folder, registry()))}

    return of


def validated(*losses):
    return [{"event": "validation", "step": step, "loss": loss} for step, loss in losses]


def test_a_good_run_has_nothing_to_say(keys):
    def prepare(run):
        write_changes(run, {"layers.0.self_attn.q_proj": (10.0, 0.5)})
        write_samples(run, {1: {0: None, 20: 4.0}})

    assert keys(prepare, logged=validated((0, 1.0), (10, 0.9), (20, 0.8))) == {}


def test_a_tiny_change_is_probably_inaudible_unless_the_samples_say_otherwise(keys, tmp_path):
    weight = 10.0
    tiny = {"a": (weight, weight * INAUDIBLE_RATIO * 0.5)}
    found = keys(lambda run: write_changes(run, tiny))
    assert (
        "0.20% of the weights: it is probably inaudible" in found["tiny_change"].text and found["tiny_change"].serious
    )


@pytest.mark.parametrize(
    ("change", "apart", "key"),
    [
        (0.001, 5.0, None),  # small, and yet it is heard
        (0.001, 0.3, "tiny_change"),
        (0.05, 0.3, "samples_alike"),
        (0.05, 1.2, None),
        (0.0, None, "no_change"),
        (0.7, 8.0, "huge_change"),
    ],
)
def test_the_change_and_what_is_heard_are_judged_together(keys, change, apart, key):
    def prepare(run):
        write_changes(run, {"a": (3.0, 3.0 * change), "b": (4.0, 4.0 * change)})
        if apart is not None:
            write_samples(run, {1: {0: None, 10: 9.0, 20: apart}})

    assert list(keys(prepare)) == ([key] if key else [])


def test_changes_of_another_adapter_are_not_believed(keys):
    def prepare(run):
        write_changes(run, {"a": (1.0, 0.0)})
        (run / "adapter" / "lora.safetensors").write_bytes(b"new")

    assert keys(prepare) == {}


@pytest.mark.parametrize(
    ("losses", "key"),
    [
        (((0, 1.0), (5, 0.8), (10, 0.82), (15, 0.85)), "overfitting"),
        (((0, 1.0), (5, 0.8), (10, 0.81), (15, 0.815)), None),  # within a fiftieth of the base
        (((0, 1.0), (10, 0.8), (20, 0.9)), None),  # once is no trend
        (((0, 1.0), (10, 1.1), (20, 1.05)), "no_gain"),
    ],
)
def test_validation(keys, losses, key):
    assert list(keys(logged=validated(*losses))) == ([key] if key else [])


@pytest.mark.parametrize(("after", "key"), [(1.995, "loss_unmoved"), (2.5, "loss_rose"), (1.5, None)])
def test_the_loss_on_fixed_noise_has_to_fall(keys, after, key):
    assert list(keys(grid=((0, 2.0), (20, after)))) == ([key] if key else [])


def test_a_run_that_became_nan_says_so_until_it_goes_on(keys, tmp_path):
    problem = "The loss became NaN or infinite at step 9 on low.wav"
    found = keys(steps=8, finished=False, logged=[{"event": "error", "step": 8, "problem": problem}])
    assert list(found) == ["nan"] and "low.wav" in found["nan"].text
    Run(tmp_path / "run").log({"event": "start", "step": 8})
    assert [f.key for f in diagnose(read_facts(tmp_path / "run", registry()))] == ["unfinished"]


def test_a_run_without_steps_or_unfinished_is_told(keys):
    assert list(keys(steps=0, finished=False)) == ["no_steps"]


def test_a_rate_that_never_left_its_start(keys):
    found = keys(train={"warmup": 30.0, "optimizer": "prodigy", "clip_norm": 0.5})
    assert set(found) == {"only_warmup", "always_clipped"} and not found["always_clipped"].serious


def test_few_songs_and_none_held_out_are_good_to_know(keys):
    found = keys(data={"songs": ["one"], "held_out": []})
    assert set(found) == {"few_songs", "no_validation"} and not any(f.serious for f in found.values())


def test_samples_that_were_not_made_are_told_once_for_each_reason(keys):
    rounds = [{"event": "samples", "step": step, "made": 0, "problems": ["no memory"]} for step in (0, 10)]
    found = keys(logged=rounds)
    assert list(found) == ["sample_failed"] and "after step 10 was not made: no memory" in found["sample_failed"].text


def test_serious_ones_come_first(keys):
    found = list(keys(grid=((0, 2.0), (20, 2.5)), data={"songs": ["one"], "held_out": []}).values())
    assert [f.serious for f in found] == [True, False, False]


@pytest.mark.parametrize(("last", "key"), [(3e-6, "rate_not_found"), (3e-4, None)])
def test_an_optimizer_that_finds_its_rate_has_to_leave_its_start(keys, last, key):
    steps = [{"event": "step", "step": 20 + n, "loss": 1.0, "lr": 1.0, "grad_norm": 0.1, "t": [0.5], "losses": [1.0],
              "epoch": 1, "time": 2000.0 + n, "d": d} for n, d in ((1, 1e-6), (2, last))]  # fmt: skip
    assert list(keys(logged=steps, train={"optimizer": "prodigy"})) == ([key] if key else [])
