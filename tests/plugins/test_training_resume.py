"""Going on with a run: the same bytes as without a stop, after a kill, a crash or for more steps than were planned."""

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from acestep_core import Registry, TrainSettings, UserError, hookimpl, train
from acestep_core.encoded import EncodedSet
from acestep_core.errors import OutOfMemory
from acestep_core.registry import registry
from acestep_core.run import Run

KINDS = {"lokr": {}, "lora": {"rank": 4, "dropout": 0.1}, "full": {}}


def held_out(encoded, count=1):
    """The encoded songs, the last `count` of them held out."""
    manifest = json.loads((encoded.folder / "manifest.json").read_text())
    for entry in manifest["songs"][-count:]:
        entry["split"] = "validation"
    return EncodedSet(encoded.folder, manifest)


@pytest.fixture
def learn(encoded, tmp_path):
    def run(
        out="run", adapter="lokr", sampler="logit_normal", stop_at=None, hook=None, extend=False, retry=False, **fields
    ):
        plugins = Registry([k for kind in ("adapters", "samplers") for k in registry().known(kind)])
        if hook:
            plugins.manager.register(hook)
        done: list[int] = []
        return train(
            held_out(encoded), encoded.model, adapter=adapter, sampler=sampler, out=tmp_path / out, extend=extend,
            retry=retry, settings=TrainSettings(**{"steps": 6, "learning_rate": 3e-3, **fields}), plugins=plugins,
            options={"adapter": KINDS[adapter]}, on_step=lambda s: done.append(s.step),
            stop=lambda: stop_at is not None and done[-1] >= stop_at,
        )  # fmt: skip

    return run


class Fails:
    """Raises in the loss of the n-th song."""

    def __init__(self, at: int, error: type[Exception] = RuntimeError):
        self.calls, self.at, self.error = 0, at, error

    @hookimpl
    def acestep_loss(self, prediction, target, t, batch):
        self.calls += 1
        if self.calls == self.at:
            raise self.error("the disk is gone")


def weights(folder: Path) -> bytes:
    return next(folder.glob("*.safetensors")).read_bytes()


def told(result, event="step"):
    drop = ("time",)
    return [{k: v for k, v in r.items() if k not in drop} for r in result.run.metrics() if r["event"] == event]


@pytest.mark.slow
@pytest.mark.parametrize("adapter", KINDS)
def test_40_steps_straight_equal_20_a_kill_and_20_more(learn, adapter):
    """With accumulation, padded batches, an average, an adaptive sampler and validation. A kill leaves what was
    logged after the checkpoint, and half a line."""
    given = {"steps": 40, "batch_size": 2, "accumulation": 2, "ema": 0.9, "save_every": 10, "validate_every": 7,
             "loss_weight": "min_snr", "keep": 0, "adapter": adapter, "sampler": "adaptive"}  # fmt: skip
    whole = learn(out="whole", **given)
    killed = learn(out="parts", stop_at=20, **given)
    with (killed.run.folder / "metrics.jsonl").open("a") as f:
        f.write(json.dumps({**told(killed)[-1], "step": 21}) + '\n{"event": "st')
    resumed = learn(out="parts", **given)
    assert (killed.step, resumed.resumed_from, resumed.step) == (20, 20, 40)
    assert weights(resumed.adapter) == weights(whole.adapter)
    assert told(resumed) == told(whole) and told(resumed, "validation") == told(whole, "validation")
    for name in ("state.safetensors", "state.json"):
        one, other = (dict(r.run.checkpoints())[40] / name for r in (whole, resumed))
        assert one.read_bytes() == other.read_bytes()


def test_a_crash_saves_the_last_whole_step_and_the_run_goes_on_to_the_same_weights(learn):
    whole = learn(out="whole", adapter="lora")
    with pytest.raises(RuntimeError, match="the disk is gone"):
        learn(out="parts", adapter="lora", hook=Fails(at=4))
    assert [step for step, _ in Run(whole.run.folder.with_name("parts")).checkpoints()] == [3]
    resumed = learn(out="parts", adapter="lora")
    assert resumed.resumed_from == 3 and weights(resumed.adapter) == weights(whole.adapter)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError, partial(OutOfMemory, hint="make it shorter")])
def test_short_memory_is_told_with_a_remedy_after_the_last_step_was_saved(learn, tmp_path, error):
    """Whoever notices it: the device, the machine, or a part that knows nothing of training."""
    with pytest.raises(OutOfMemory, match="not enough memory for step 3") as caught:
        learn(hook=Fails(at=3, error=error))
    assert "--gradient-checkpointing 1" in caught.value.hint
    assert [step for step, _ in Run(tmp_path / "run").checkpoints()] == [2]


def test_a_caller_that_stops_listening_loses_no_step(encoded, tmp_path):
    def listen(step):
        if step.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(encoded.folder, encoded.model, out=tmp_path / "run", settings=TrainSettings(steps=6), on_step=listen)
    assert [step for step, _ in Run(tmp_path / "run").checkpoints()] == [3]


def test_the_base_is_free_again_after_a_crash(learn, encoded):
    before = {k: v.clone() for k, v in encoded.model.dit.decoder.module.state_dict().items()}
    with pytest.raises(RuntimeError):
        learn(adapter="lora", hook=Fails(at=2), gradient_checkpointing=0.5)
    after = encoded.model.dit.decoder.module
    assert after.state_dict().keys() == before.keys() and not after.gradient_checkpointing


def test_extend_goes_on_as_a_run_of_the_new_length_with_the_old_warm_up(learn):
    short = learn(steps=4, warmup=0.5)
    first = weights(short.adapter)
    longer = learn(steps=8, warmup=0.5, extend=True)
    assert (longer.resumed_from, longer.step) == (4, 8) and weights(longer.adapter) != first
    assert weights(short.run.folder / "adapter-000004") == first
    settings = longer.run.settings()
    assert settings["train"]["steps"] == 8 and settings["train"]["warmup"] == 2
    assert settings["extended"] == {"steps": [4]}
    straight = learn(out="straight", steps=8, warmup=2)
    assert [r["lr"] for r in told(longer)[4:]] == [r["lr"] for r in told(straight)[4:]]


def test_an_extended_run_with_a_constant_rate_equals_one_that_was_planned_so_long(learn):
    given = {"schedule": "constant", "warmup": 1, "ema": 0.9}
    learn(steps=3, **given)
    longer = learn(steps=6, extend=True, **given)
    straight = learn(out="straight", steps=6, **given)
    assert weights(longer.adapter) == weights(straight.adapter)


def test_extend_refuses_what_is_no_run_no_longer_or_another(learn):
    with pytest.raises(UserError, match="holds no run to extend"):
        learn(extend=True)
    learn(steps=3)
    with pytest.raises(UserError, match="has 3 steps already"):
        learn(steps=3, extend=True)
    with pytest.raises(UserError, match="train.seed: there 42, now 1"):
        learn(steps=6, seed=1, extend=True)


def test_a_finished_run_is_told_of_where_the_call_that_made_it_was_cut_off(learn):
    whole = learn(steps=4)
    (whole.run.folder / "deltas.json").unlink()  # which comes after the adapter
    before = sorted((p.name, p.read_bytes()) for p in whole.adapter.iterdir()), told(whole)
    again = learn(steps=4, retry=True)
    assert (again.step, again.steps, again.stopped, again.adapter) == (4, 4, False, whole.adapter)
    assert (sorted((p.name, p.read_bytes()) for p in again.adapter.iterdir()), told(again)) == before
    assert (whole.run.folder / "deltas.json").is_file()
    with pytest.raises(UserError, match="is finished"):
        learn(steps=4)
    with pytest.raises(UserError, match="is finished"):
        learn(steps=4, seed=1, retry=True)


@pytest.mark.parametrize("cut_off_at", [None, 5], ids=["after its end", "on its way"])
def test_a_longer_run_is_gone_on_with_where_the_call_that_lengthened_it_was_cut_off(learn, cut_off_at):
    learn(steps=4)
    learn(steps=6, extend=True, stop_at=cut_off_at)
    again = learn(steps=6, extend=True, retry=True)
    assert (again.step, again.stopped) == (6, False) and again.run.settings()["extended"] == {"steps": [4]}
    learn(out="straight", steps=4)
    assert weights(again.adapter) == weights(learn(out="straight", steps=6, extend=True).adapter)


def test_checkpoints_come_by_steps_epochs_and_minutes(learn, monkeypatch):
    by_epochs = learn(out="epochs", save_every=0, save_every_epochs=2, keep=0)
    assert [step for step, _ in by_epochs.run.checkpoints() if step != by_epochs.run.best()[0]] == [4]
    clock = iter(range(0, 10_000, 20))  # every look at the clock is 20 s later
    monkeypatch.setattr("acestep_plugins.backends.pt.train.time.monotonic", lambda: float(next(clock)))
    given = {"save_every": 0, "save_every_minutes": 0.6, "validate_every": 0, "keep": 0}
    assert [step for step, _ in learn(out="minutes", **given).run.checkpoints()] == [2, 4, 6]


def test_a_checkpoint_without_an_average_is_refused_when_one_is_wanted(learn, tmp_path):
    learn(stop_at=2, ema=0.5)
    file = next((tmp_path / "run" / "checkpoints").glob("*/state.safetensors"))
    from safetensors.torch import save_file

    save_file({k: v for k, v in load_file(file).items() if not k.startswith("average/")}, file)
    with pytest.raises(UserError, match="another adapter or model"):
        learn(ema=0.5)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_gradient_checkpointing_changes_no_result(learn, share):
    plain, twice = learn(out="plain", steps=3), learn(out="twice", steps=3, gradient_checkpointing=share)
    ours, theirs = (load_file(next(r.adapter.glob("*.safetensors"))) for r in (twice, plain))
    assert all(torch.allclose(ours[k], theirs[k], atol=1e-6) for k in theirs)
