"""Validation on songs held out: fixed, comparable, and what follows from it."""

import json

import pytest
import torch
from pretended_processes import Pretended
from safetensors.torch import load_file

from acestep_core import Registry, TrainSettings, hookimpl, train
from acestep_core.encoded import EncodedSet
from acestep_core.processes import ALONE
from acestep_core.registry import registry
from acestep_plugins.backends.pt import validation
from acestep_plugins.backends.pt.validation import GRID_T


def split(encoded, held_out, only=None):
    """The encoded songs with these held out; `only` leaves out the others."""
    manifest = json.loads((encoded.folder / "manifest.json").read_text())
    manifest["songs"] = [s for s in manifest["songs"] if only is None or s["name"] in only]
    for entry in manifest["songs"]:
        entry["split"] = "validation" if entry["name"] in held_out else "train"
    return EncodedSet(encoded.folder, manifest)


@pytest.fixture
def learn(encoded, tmp_path):
    def run(out="run", held_out=("high.wav",), adapter="lokr", plugins=None, only=None, **fields):
        return train(
            split(encoded, held_out, only), encoded.model, adapter=adapter, out=tmp_path / out, plugins=plugins,
            settings=TrainSettings(**{"steps": 6, "learning_rate": 3e-3, "validate_every": 2, **fields}),
        )  # fmt: skip

    return run


@pytest.fixture
def scripted(monkeypatch):
    """scripted(losses) says what each validation finds, the one before the first step included."""

    def use(losses):
        told = iter(losses)

        def found(dit, songs, load, processes):
            value = next(told)
            return {"loss": value, "t": list(GRID_T), "by_t": [value] * len(GRID_T)}

        monkeypatch.setattr("acestep_plugins.backends.pt.train.validation", found)

    return use


def records(result):
    return [r for r in result.run.metrics() if r["event"] == "validation"]


def file(folder):
    return load_file(next(folder.glob("*.safetensors")))


def test_it_is_the_mean_loss_of_the_songs_on_fixed_noise_at_fixed_t(encoded):
    songs, dit = split(encoded, ("low.wav", "high.wav")).part("validation"), encoded.model.dit
    loaded = [songs.load(i) for i in range(2)]
    found = validation.validation(dit, len(loaded), loaded.__getitem__)
    losses = {t: [] for t in GRID_T}
    for song in loaded:
        data, condition = torch.from_numpy(song.latents), torch.from_numpy(song.condition)
        from acestep_core.seeds import derived_seed

        noise = dit.noise(derived_seed(0, f"grid {song.id}"), len(data))
        for t in GRID_T:
            x, context = t * noise + (1 - t) * data, dit.text2music_context(len(data))
            losses[t].append((dit.velocity(x, t, condition, context) - (noise - data)).square().mean().item())
    assert found["by_t"] == pytest.approx([sum(v) / 2 for v in losses.values()], rel=1e-5)
    assert found["loss"] == pytest.approx(sum(found["by_t"]) / len(GRID_T))
    for processes in (ALONE, Pretended(2), Pretended(3)):
        assert validation.validation(dit, len(loaded), loaded.__getitem__, processes) == found


def test_base_and_adapter_are_measured_before_between_and_after(learn):
    result = learn(steps=5)
    assert [r["step"] for r in records(result)] == [0, 2, 4, 5]
    assert len({r["base"] for r in records(result)}) == 1 and records(result)[0]["loss"] == result.run.base()
    other = learn(out="other", steps=5, seed=7, accumulation=2)
    assert records(other)[0] == records(result)[0]  # comparable between runs of other settings


def test_acestep_validation_is_told_with_the_base(learn):
    class Watcher:
        heard: list = []

        @hookimpl
        def acestep_validation(self, run, step, loss, base):
            self.heard.append((step, loss, base))

    plugins = Registry([k for kind in ("adapters", "samplers") for k in registry().known(kind)])
    plugins.manager.register(Watcher())
    result = learn(steps=2, plugins=plugins)
    assert Watcher.heard == [(r["step"], r["loss"], r["base"]) for r in records(result)]


def test_validating_changes_nothing_of_what_is_learnt(learn):
    often, never = learn(out="often", validate_every=1), learn(out="never", validate_every=0)
    ours, theirs = file(often.adapter), file(never.adapter)
    assert all(torch.equal(ours[k], theirs[k]) for k in theirs) and records(never) == []


def test_without_songs_held_out_it_is_said_that_there_is_no_validation(cli, encoded, tiny, tmp_path):
    ended = cli("train", encoded.folder, "--model", tiny, "--out", tmp_path / "run", "--steps", "1",
                "--sample-count", "0", "-o", "device=cpu", "-o", "dtype=float32")  # fmt: skip
    assert ended.code == 0 and "No songs are held out" in ended.err and "validation loss" not in ended.out


def test_the_best_is_kept_beside_the_last_ones_and_can_be_exported(learn, scripted):
    scripted([3.0, 2.0, 1.0, 1.5, 1.2, 1.3])
    result = learn(steps=10, save_every=1, keep=2, export="best")
    assert [step for step, _ in result.run.checkpoints()] == [4, 9, 10]
    best = dict(result.run.checkpoints())[4]
    assert result.run.best() == (4, 1.0)
    assert {p.name for p in result.adapter.iterdir()} == {p.name for p in best.iterdir()} - {
        "state.json", "state.safetensors"}  # fmt: skip
    ours, theirs = file(result.adapter), load_file(best / "lokr_weights.safetensors")
    assert all(torch.equal(ours[k], theirs[k]) for k in theirs)


def test_patience_ends_a_run_that_no_longer_improves(learn, scripted):
    scripted([3.0, 2.0, 2.1, 2.0, 1.0])
    result = learn(steps=20, patience=2)
    assert (result.step, result.steps, result.stopped) == (6, 20, False) and result.adapter.is_dir()
    assert result.run.checkpoints()[-1][0] == 6


def test_an_average_is_exported_or_the_raw_weights_as_chosen(learn):
    given = {"ema": 0.9, "learning_rate": 0.05}
    plain, raw, average = (
        learn(out=n, **f)
        for n, f in (("plain", {"learning_rate": 0.05}), ("raw", {**given, "export": "raw"}), ("ema", given))
    )
    assert all(torch.equal(file(raw.adapter)[k], v) for k, v in file(plain.adapter).items())
    assert any(not torch.equal(file(average.adapter)[k], v) for k, v in file(raw.adapter).items())
    assert [r["loss"] for r in records(raw)] != [r["loss"] for r in records(average)]
    stored = load_file(average.run.checkpoints()[-1][1] / "state.safetensors")
    assert all(torch.equal(stored[f"average/{k}"], v) for k, v in file(average.adapter).items() if "alpha" not in k)
    assert all(torch.equal(stored[f"parameter/{k}"], v) for k, v in file(raw.adapter).items() if "alpha" not in k)


@pytest.fixture
def speaking_up(encoded):
    """The tiny model with its output doubled: a random one is so faint that no adapter could make it say much."""
    weight = encoded.model.dit.decoder.module.proj_out_conv.weight
    before = weight.detach().clone()
    weight.data.mul_(2)
    yield
    weight.data.copy_(before)


@pytest.mark.slow
def test_overfitting_one_song_halves_its_loss_on_fixed_noise(learn, speaking_up):
    result = learn(only=("low.wav",), held_out=(), steps=150, adapter="lora", learning_rate=0.01, null_condition=0.0,
                   warmup=10)  # fmt: skip
    before, after = [r["loss"] for r in result.run.metrics() if r["event"] == "grid"]
    assert after < 0.5 * before


def test_null_conditions_are_drawn_for_each_song_as_often_as_asked(learn, monkeypatch):
    drawn = []
    from acestep_plugins.backends.pt import batches

    real = batches.drawn
    monkeypatch.setattr("acestep_plugins.backends.pt.train.drawn",
                        lambda *given: drawn.append(real(*given)) or drawn[-1])  # fmt: skip
    learn(steps=40, null_condition=0.3, batch_size=2, validate_every=0, held_out=())
    null = [torch.equal(i.condition[0], i.condition[-1]) for i in drawn]
    assert 0.15 < sum(null) / len(null) < 0.45
