"""Training through the public functions, on a tiny model: it learns, leaves the base alone, and can be gone on with."""

import json

import pytest
import torch
from safetensors.torch import load_file

from acestep_core import TrainSettings, UserError, hookimpl, train
from acestep_core.encoded import EncodedSet
from acestep_core.registry import Registry, registry

KINDS = {"lokr": {}, "lora": {"rank": 4}, "full": {}}


@pytest.fixture
def learn(encoded, tmp_path):
    """train() into a fresh folder, with a few quick settings."""

    def run(
        adapter="lokr", out="run", plugins=None, sampler="logit_normal", stop=lambda: False, on_step=None, **fields
    ):
        settings = TrainSettings(**{"steps": 6, "learning_rate": 3e-3, **fields})
        return train(
            encoded.folder, encoded.model, adapter=adapter, sampler=sampler, out=tmp_path / out, settings=settings,
            options={"adapter": KINDS.get(adapter, {})}, plugins=plugins, stop=stop,
            on_step=on_step or (lambda step: None),
        )  # fmt: skip

    return run


def tensors(result):
    return load_file(str(next(result.adapter.glob("*.safetensors"))))


def steps(result):
    return [r for r in result.run.metrics() if r["event"] == "step"]


def grid(result):
    return [r["loss"] for r in result.run.metrics() if r["event"] == "grid"]


@pytest.mark.parametrize("adapter", KINDS)
@pytest.mark.parametrize("sampler", ["logit_normal", "turbo_steps", "uniform"])
def test_training_lowers_the_loss_on_fixed_noise_and_timesteps(learn, adapter, sampler):
    before, after = grid(learn(adapter, sampler=sampler, steps=40, accumulation=2))
    assert after < 0.98 * before


@pytest.mark.parametrize("adapter", KINDS)
def test_the_base_is_unchanged_by_training(learn, encoded, adapter):
    weights = {k: v.clone() for k, v in encoded.model.dit.decoder.module.state_dict().items()}
    learn(adapter)
    after = encoded.model.dit.decoder.module.state_dict()
    assert weights.keys() == after.keys() and all(torch.equal(weights[k], after[k]) for k in weights)


@pytest.mark.parametrize("adapter", KINDS)
def test_a_stopped_run_goes_on_to_the_same_weights(learn, adapter):
    whole = learn(adapter, out="whole", accumulation=2)
    seen = []
    stopped = learn(adapter, out="parts", accumulation=2, stop=lambda: len(seen) == 2, on_step=seen.append)
    assert stopped.stopped and stopped.step == 2 and stopped.adapter is None
    resumed = learn(adapter, out="parts", accumulation=2)
    assert resumed.resumed_from == 2 and not resumed.stopped
    ours, theirs = tensors(resumed), tensors(whole)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)
    assert [s["step"] for s in steps(resumed)] == [1, 2, 3, 4, 5, 6]
    assert [s["loss"] for s in steps(resumed)] == [s["loss"] for s in steps(whole)]


def test_the_same_settings_give_the_same_bytes_and_another_seed_others(learn):
    first, again, other = learn(out="a"), learn(out="b"), learn(out="c", seed=7)
    assert all(torch.equal(tensors(first)[k], tensors(again)[k]) for k in tensors(first))
    assert not all(torch.equal(tensors(first)[k], tensors(other)[k]) for k in tensors(first))


def test_other_settings_in_the_same_folder_are_refused(learn):
    learn(stop=lambda: True)
    with pytest.raises(UserError, match="train.seed: there 42, now 43"):
        learn(seed=43)
    with pytest.raises(UserError, match="adapter.name"):
        learn("lora")


def test_songs_encoded_from_other_texts_in_between_are_refused(learn, encoded, tmp_path):
    learn(stop=lambda: True)
    manifest = json.loads((encoded.folder / "manifest.json").read_text())
    manifest["songs"][0]["inputs"] = "another"
    with pytest.raises(UserError, match="data.inputs"):
        train(
            EncodedSet(encoded.folder, manifest), encoded.model, adapter="lokr", out=tmp_path / "run",
            settings=TrainSettings(steps=6, learning_rate=3e-3), options={"adapter": {}},
        )  # fmt: skip


def test_a_finished_run_is_not_touched_again(learn):
    learn(steps=2)
    with pytest.raises(UserError, match="is finished"):
        learn(steps=2)


def test_steps_and_epochs_exclude_each_other(learn):
    with pytest.raises(UserError, match="--steps and --epochs"):
        learn(steps=2, epochs=2)


def test_epochs_count_every_song(learn, encoded):
    songs = len(EncodedSet.open(encoded.folder))
    result = learn(steps=None, epochs=2)
    assert result.steps == 2 * songs
    assert [s["epoch"] for s in steps(result)] == [1] * songs + [2] * songs


def test_an_accumulated_step_is_the_mean_of_its_songs_and_its_t_are_stratified(learn):
    record = steps(learn(steps=3, accumulation=3, sampler="uniform"))[0]
    assert record["loss"] == pytest.approx(sum(record["losses"]) / 3)
    assert sorted(int(t * 3) for t in record["t"]) == list(range(3))


def test_checkpoints_are_kept_as_asked_and_hold_an_adapter(learn):
    result = learn(steps=6, save_every=2, keep=2)
    assert [step for step, _ in result.run.checkpoints()] == [4, 6]
    assert (result.run.checkpoints()[0][1] / "lokr_weights.safetensors").is_file()


def test_run_toml_records_what_was_used(learn):
    settings = learn("lora").run.settings()
    assert settings["adapter"] == {
        "name": "lora@acestep-core", "attention": "both", "projections": ["q", "k", "v", "o"], "mlp": False,
        "layers": [], "rank": 4, "ranks": [], "rslora": False, "dora": False, "dropout": 0.0,
    }  # fmt: skip
    assert settings["train"]["seed"] == 42 and settings["versions"]["torch"] == torch.__version__.split("+")[0]


def test_nan_stops_before_the_update_saves_the_last_good_state_and_names_the_songs(learn):
    class Broken:
        calls = 0

        @hookimpl
        def acestep_loss(self, prediction, target, t, batch):
            self.calls += 1
            loss = (prediction - target).square().mean()
            return loss * float("nan") if self.calls == 4 else loss

    with pytest.raises(UserError, match=r"became NaN or infinite at step 4 on .*\.wav; step 3 is saved") as caught:
        learn(plugins=_with(Broken()))
    assert "--learning-rate" in caught.value.hint


def test_acestep_loss_replaces_the_loss(learn):
    class Doubled:
        @hookimpl
        def acestep_loss(self, prediction, target, t, batch):
            return 2 * (prediction - target).square().mean()

    plain, doubled = learn(steps=1, out="plain"), learn(steps=1, out="doubled", plugins=_with(Doubled()))
    assert steps(doubled)[0]["loss"] == pytest.approx(2 * steps(plain)[0]["loss"], rel=1e-6)


def test_acestep_optimizer_replaces_the_optimizer(learn):
    class Momentum:
        @hookimpl
        def acestep_optimizer(self, parameters, settings):
            return torch.optim.SGD(parameters, lr=settings.learning_rate, momentum=0.9)

    result = learn(steps=2, plugins=_with(Momentum()))
    assert result.step == 2


def test_acestep_train_start_step_checkpoint_and_end_are_told_in_order(learn):
    class Watcher:
        def __init__(self):
            self.heard = []

        @hookimpl
        def acestep_train_start(self, run):
            self.heard.append("start")

        @hookimpl
        def acestep_train_step(self, run, step, loss, t, lr):
            self.heard.append(step)

        @hookimpl
        def acestep_checkpoint(self, run, step, folder):
            self.heard.append(("checkpoint", step, folder.is_dir()))

        @hookimpl
        def acestep_train_end(self, run, error):
            self.heard.append(("end", error))

    watcher = Watcher()
    learn(steps=2, plugins=_with(watcher))
    assert watcher.heard == ["start", 1, 2, ("checkpoint", 2, True), ("end", None)]


def test_a_raising_observer_does_not_stop_the_run(learn, capsys):
    class Raises:
        @hookimpl
        def acestep_train_step(self, run, step, loss, t, lr):
            raise RuntimeError("no")

    assert learn(steps=3, plugins=_with(Raises())).step == 3
    assert capsys.readouterr().err.count("is switched off") == 1


def test_songs_of_another_model_are_refused(learn, encoded, tmp_path):
    manifest = json.loads((encoded.folder / "manifest.json").read_text())
    manifest["model"]["hashes"]["dit"] = "another"
    other = EncodedSet(encoded.folder, manifest)
    with pytest.raises(UserError, match="was encoded with another model"):
        train(other, encoded.model, out=tmp_path / "run")


def _with(plugin):
    """The installed plugins and one more; nothing leaks into other tests."""
    plugins = Registry([k for kind in ("adapters", "samplers") for k in registry().known(kind)])
    plugins.manager.register(plugin)
    return plugins
