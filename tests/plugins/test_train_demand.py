"""What the PyTorch backend says a training takes: counted without weights, near what training really allocates."""

import itertools
import json

import pytest
import torch
import train_memory
from tensor_memory import peak_growth

from acestep_core import UserError
from acestep_core.checkpoint import open_checkpoint
from acestep_core.jobs import SongSize, TrainWork
from acestep_core.registry import registry
from acestep_core.train_settings import TrainSettings, resolved

# Bytes an optimizer keeps per byte of float32 parameters: moments, and copies of gradients or of the start.
KEPT = {"adamw": 2, "adafactor": 0, "prodigy": 4, "schedulefree": 2, "dadaptation": 3, "adamw8bit": 0.5}
PACKAGES = {"prodigy": "prodigyopt", "adamw8bit": "bitsandbytes"}


@pytest.fixture(scope="module", params=["2b", "xl"])
def released(request, tmp_path_factory):
    from sparse_models import CONFIGS, write_sparse

    checkpoint = open_checkpoint(write_sparse(tmp_path_factory.mktemp(request.param), request.param))
    return CONFIGS[request.param], checkpoint.part("dit")


def work(adapter="lora", options=None, songs=((1500, 300),), measured=(), **fields):
    made = registry().make("adapters", adapter, options or {})
    settings = resolved(TrainSettings(**({"steps": 10} | fields)), shown=len(songs), rate=1e-4)
    return TrainWork(settings, made, [SongSize(*s) for s in songs], [SongSize(*s) for s in measured])


def said(folder, dtype="bfloat16", **given):
    return registry().make("backends", "pt", {"device": "cpu", "dtype": dtype}).train_demand(folder, work(**given))


def test_train_demand_of_released_models_reads_no_weights(released):
    """Their files are holes. The count of a LoRA is rank x (inputs + outputs) over q, k, v and o of both attentions."""
    c, folder = released
    wide, q, kv = c["hidden_size"], 128 * c["num_attention_heads"], 128 * c["num_key_value_heads"]
    # XL's conditions are as wide as the decoder when they reach a layer.
    trained = c["num_hidden_layers"] * 2 * 64 * (2 * (wide + q) + 2 * (wide + kv))
    found = said(folder, songs=((250, 100),), gradient_checkpointing=1.0)
    assert found.trainable == trained and found.adapter == 4 * trained and found.optimizer == 2 * found.adapter
    assert (4.2e9 if wide == 2048 else 9e9) < found.weights < found.peak < found.weights + 20 * trained + 1e9


def test_it_grows_with_what_is_trained_on_and_shrinks_with_checkpointing(small):
    plain = said(small)
    assert said(small, songs=((3000, 300),)).activations == pytest.approx(2 * plain.activations, rel=0.1)
    assert said(small, songs=((1500, 900),)).activations > 1.01 * plain.activations
    assert said(small, songs=((1500, 300),) * 2, batch_size=2).activations > 1.9 * plain.activations
    half, whole = (said(small, gradient_checkpointing=share).activations for share in (0.5, 1.0))
    assert whole < half < plain.activations
    assert said(small, "float32").activations > 1.5 * plain.activations
    assert said(small, measured=((15000, 300),), gradient_checkpointing=1.0).moment == "validation"


def test_only_batches_that_are_really_made_count(small):
    """Three songs in twos: the longest is alone in the last batch of like length."""
    three = said(small, songs=((1500, 300), (250, 300), (250, 300)), batch_size=2)
    assert three.activations < 1.1 * said(small, songs=((1500, 300),)).activations


@pytest.mark.parametrize("optimizer", KEPT)
def test_what_each_optimizer_keeps_is_counted(small, optimizer):
    pytest.importorskip(PACKAGES.get(optimizer, "torch" if optimizer in ("adamw", "adafactor") else optimizer))
    found = said(small, optimizer=optimizer, songs=((128, 10),))
    assert found.optimizer == pytest.approx(KEPT[optimizer] * found.adapter, abs=0.05 * found.adapter)


def test_an_average_is_counted_and_so_is_an_update_without_activations(small):
    found = said(small, options={"rank": 512}, songs=((128, 10),), ema=0.9, gradient_checkpointing=1.0)
    assert found.average == found.adapter and found.moment == "checkpoint"  # on the CPU that is in its memory too
    assert found.gradients == found.adapter


def test_every_kind_of_adapter_has_as_many_numbers_as_it_is_said_to(turbo):
    for kind, options in (
        ("lora", {"dora": True}),
        ("lokr", {"dim": 4, "factor": 4}),
        ("loha", {}),
        ("oft", {}),
        ("full", {}),
    ):
        options = options | {"mlp": True}
        attached = registry().make("adapters", kind, options).attach(turbo.dit.decoder)
        numbers = sum(p.numel() for p in attached.parameters.values())
        attached.detach()
        assert said(turbo.info.folder, adapter=kind, options=options).trainable == numbers > 0


def test_what_training_refuses_is_refused(small):
    with pytest.raises(UserError, match="No layer is called"):
        said(small, options={"layers": ["nothing"]})


def test_saying_it_changes_nothing(turbo):
    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    before = torch.nn.functional.rms_norm, torch.nn.functional.scaled_dot_product_attention
    first = said(turbo.info.folder)
    assert torch.equal(torch.rand(3), wanted) and said(turbo.info.folder) == first
    assert before == (torch.nn.functional.rms_norm, torch.nn.functional.scaled_dot_product_attention)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The folder of a decoder of four layers, 256 wide."""
    root = train_memory.write_model(tmp_path_factory.mktemp("small") / "model", 256, 4)
    return open_checkpoint(root).part("dit")


GRID = [
    {"seconds": [20]},
    {"seconds": [20, 12], "batch_size": 2, "gradient_checkpointing": 0.5},
    {"adapter": "lokr", "seconds": [6], "gradient_checkpointing": 1.0, "dtype": "bfloat16"},
    {"dora": True, "seconds": [6], "ema": 0.9, "rank": 128},
    {"adapter": "full", "rank": None, "seconds": [6]},
    {"adapter": "full", "rank": None, "seconds": [20], "gradient_checkpointing": 1.0, "dtype": "bfloat16"},
]


def test_what_was_there_before_does_not_count_when_it_is_given_back():
    left = []
    assert peak_growth(lambda: left.append(torch.zeros(10**6))) >= 4 * 10**6
    assert peak_growth(lambda: (left.clear(), torch.ones(10**6))[0]) >= 4 * 10**6


@pytest.mark.slow
@pytest.mark.parametrize("case", GRID, ids=str)
def test_train_demand_is_within_a_tenth_of_the_tensors_of_a_training(small, case):
    found = train_memory.ran(case, small.parent, "cpu", "tensors")
    assert found["forecast"] == pytest.approx(found["measured"], rel=0.1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("case", GRID, ids=str)
def test_train_demand_is_within_a_tenth_of_what_cuda_allocates(tmp_path_factory, case):
    model = train_memory.write_model(tmp_path_factory.mktemp("wide") / "model", 1024, 4)
    for dtype in ("bfloat16", "float32"):
        found = train_memory.ran(case | {"dtype": dtype}, model, "cuda", "device")
        assert found["forecast"] == pytest.approx(found["measured"], rel=0.1)


def test_a_run_tells_what_was_forecast_and_taken(tiny, encoded, cli, tmp_path):
    given = ("train", encoded.folder, "--model", tiny, "--steps", 1, "-o", "backend.device=cpu", "--out")
    done = cli(*given, tmp_path / "run", "--no-progress")
    assert done.code == 0 and "memory: about 0.5 GB of " in done.err and "driver and gaps 0.5" in done.err
    records = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    (forecast,) = (r for r in records if r["event"] == "forecast")
    (taken,) = (r for r in records if r["event"] == "memory")
    assert records[0] is forecast and taken["step"] == 1 and taken["counted"] == "process"
    assert forecast["demand"]["weights"] > 1e6 and taken["peak"] > 1e6 and forecast["fits"]
    assert "memory at the peak: 0.01 GB forecast, " in done.out and " GB taken (process)" in done.out
    shown = json.loads(cli("runs", "show", tmp_path / "run", "--json").out)
    assert shown["memory"] == {
        "forecast": forecast["demand"]["peak"], "measured": taken["peak"], "counted": "process"}  # fmt: skip
    assert "peak memory forecast, GB 0.01" in " ".join(cli("runs", "show", tmp_path / "run").out.split())


def test_a_dry_run_plans_and_leaves_nothing(tiny, encoded, cli, tmp_path, monkeypatch):
    from acestep_plugins.backends.pt import PyTorch

    monkeypatch.setattr(PyTorch, "load", lambda *given: pytest.fail("weights were loaded"))
    given = ("train", encoded.folder, "--model", tiny, "--epochs", 2, "--dry-run", "--adapter", "lora", "-o", "rank=4")
    done = cli(*given, "--out", tmp_path / "run")
    assert done.code == 0 and not (tmp_path / "run").exists(), done.err
    assert "3 songs, 0 held out; 6 steps (2 epochs of 3)" in done.out
    facts = json.loads(cli(*given, "--json").out)
    assert f"{facts['memory']['demand']['trainable']:,} parameters would be trained." in done.out
    assert facts["steps"] == 6 and facts["adapter"]["rank"] == 4 and facts["memory"]["fits"] is True


def test_too_little_memory_is_told_with_what_would_fit(small):
    """Songs one by one; with less room all layers twice as well; then parts of songs."""
    from acestep_core.planning import RESERVE
    from acestep_core.train_memory import forecast

    backend = registry().make("backends", "pt", {"device": "cpu"})
    asked = work(songs=((3000, 300),) * 2, batch_size=2)
    alone, twice = (
        said(small, "float32", songs=((3000, 300),) * 2, accumulation=2, gradient_checkpointing=g) for g in (0.0, 1.0)
    )
    advice = {}
    for room in (alone.peak, twice.peak):
        found = forecast(backend, small, asked, room + RESERVE)
        assert found.fits is False and found.remedy in list(found.sentences())[1]
        advice[room] = found.remedy
    assert list(advice.values()) == [
        "--batch-size 1 --accumulation 2", "--batch-size 1 --accumulation 2 --gradient-checkpointing 1"]  # fmt: skip
    shorter = said(small, "float32", songs=((1500, 300),), accumulation=2, gradient_checkpointing=1.0)
    assert "encode --crop-seconds 60" in forecast(backend, small, asked, shorter.peak + RESERVE).remedy
    assert "smaller model" in list(forecast(backend, small, asked, RESERVE).sentences())[1]
    assert forecast(backend, small, asked, None).fits is None
    assert list(itertools.islice(forecast(backend, small, asked, 10**12).sentences(), 2))[1:] == []
