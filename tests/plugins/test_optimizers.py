"""Every optimizer, the real package: it learns in float32, and a run that is gone on with ends with the same bytes."""

import pytest
import torch
from safetensors.torch import load_file

from acestep_core import TrainSettings, train
from acestep_core.optimizers import OPTIMIZERS
from acestep_plugins.backends.pt import optimizers, state
from acestep_plugins.backends.pt.ema import Average, looked_at


@pytest.fixture(autouse=True)
def installed(request):
    name = getattr(request.node, "callspec", None) and request.node.callspec.params.get("name")
    if name and OPTIMIZERS[name].package:
        pytest.importorskip(OPTIMIZERS[name].package, reason="the extra 'train' is not installed")


def made(name, parameters):
    finds = OPTIMIZERS[name].finds_rate
    settings = TrainSettings(optimizer=name, learning_rate=1.0 if finds else 0.02, weight_decay=0.0)
    return optimizers.build(parameters, settings)


def weights():
    """One larger than what bitsandbytes leaves in 32 bit."""
    generator = torch.Generator().manual_seed(0)
    return {n: torch.randn(s, generator=generator).requires_grad_() for n, s in (("a", (80, 80)), ("b", (4,)))}


def descend(optimizer, parameters, steps, first=0):
    """Along the square of the distance to 1, with a little noise by step."""
    for step in range(first, first + steps):
        optimizer.zero_grad()
        noise = torch.randn(80, 80, generator=torch.Generator().manual_seed(step))
        sum(((p - 1) ** 2).sum() for p in parameters.values()).add((parameters["a"] * noise).sum()).backward()
        optimizer.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_moves_the_weights_towards_the_minimum(name, capsys):
    parameters = weights()
    optimizer = made(name, list(parameters.values()))
    before = (parameters["a"] - 1).norm().item()
    descend(optimizer, parameters, {"dadaptation": 600, "prodigy": 300}.get(name, 60))
    with looked_at(parameters, optimizer, None):
        assert (parameters["a"] - 1).norm() < (0.97 if OPTIMIZERS[name].finds_rate else 0.8) * before
    assert (optimizers.found_rate(optimizer) is not None) == OPTIMIZERS[name].finds_rate
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", [name for name, o in OPTIMIZERS.items() if o.finds_rate])
def test_d_begins_where_it_is_told_to(name):
    parameters = list(weights().values())
    assert optimizers.found_rate(optimizers.build(parameters, TrainSettings(optimizer=name, learning_rate=1.0))) == 1e-6
    settings = TrainSettings(optimizer=name, learning_rate=1.0, d0=3e-5)
    assert optimizers.found_rate(optimizers.build(parameters, settings)) == 3e-5


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_saved_and_loaded_it_goes_on_to_the_same_bits(name, tmp_path):
    straight = weights()
    optimizer = made(name, list(straight.values()))
    descend(optimizer, straight, 10)
    state.save(tmp_path, 10, straight, optimizer, {})
    descend(optimizer, straight, 10, first=10)

    resumed = weights()
    again = made(name, list(resumed.values()))
    assert state.load(tmp_path, resumed, again, {}) == 10
    descend(again, resumed, 10, first=10)
    assert all(torch.equal(resumed[k], straight[k]) for k in straight)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_train_uses_it_and_goes_on_with_it_exactly(name, encoded, tmp_path):
    rates = {"prodigy": None, "dadaptation": None}
    settings = TrainSettings(steps=4, optimizer=name, learning_rate=rates.get(name, 3e-3))
    seen = []

    def run(out, stop=lambda: False):
        return train(encoded.folder, encoded.model, out=tmp_path / out, settings=settings, stop=stop,
                     on_step=seen.append)  # fmt: skip

    whole = run("whole")
    seen.clear()
    run("parts", stop=lambda: len(seen) == 2)
    parts = run("parts")
    assert parts.resumed_from == 2
    ours, theirs = (load_file(next(r.adapter.glob("*.safetensors"))) for r in (parts, whole))
    assert all(torch.equal(ours[k], theirs[k]) for k in theirs)
    record = [r for r in parts.run.metrics() if r["event"] == "step"][-1]
    assert (record["d"] is not None) == OPTIMIZERS[name].finds_rate


def test_schedulefree_is_looked_at_in_its_average_and_left_bit_for_bit():
    pytest.importorskip("schedulefree", reason="the extra 'train' is not installed")
    parameters = weights()
    optimizer = made("schedulefree", list(parameters.values()))
    descend(optimizer, parameters, 5)
    before = {k: p.detach().clone() for k, p in parameters.items()}
    beta1, z = optimizer.param_groups[0]["betas"][0], optimizer.state[parameters["a"]]["z"]
    expected = z + (before["a"] - z) / beta1  # y = beta1 x + (1 - beta1) z, of which x is wanted
    with looked_at(parameters, optimizer, None):
        assert torch.allclose(parameters["a"], expected, atol=1e-5) and not torch.equal(parameters["a"], before["a"])
    assert all(torch.equal(parameters[k], before[k]) for k in before)
    descend(optimizer, parameters, 1)  # it is in its training mode again


def test_the_average_is_the_sum_of_past_weights_with_falling_shares():
    parameters = {"p": torch.zeros(3)}
    average, seen = Average(parameters, 0.5), []
    for step in range(1, 30):
        parameters["p"].fill_(float(step))
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        seen = [share * decay for share in seen] + [1 - decay]
    expected = sum(share * value for share, value in zip(seen, range(1, 30), strict=True))
    assert average.tensors["p"].tolist() == pytest.approx([expected] * 3, rel=1e-5)
    with looked_at(parameters, torch.optim.SGD([torch.zeros(1)], lr=1.0), average):
        assert parameters["p"][0].item() == pytest.approx(expected, rel=1e-5)
    assert parameters["p"].tolist() == [29.0] * 3
