"""A compiled decoder computes what the plain one does, at any length and through every change of adapters.

Compiling takes seconds to a minute, so one model serves several looks.
"""

import shutil

import pytest
import torch
from torch._dynamo.utils import counters

from acestep_core import UserError, load_backend
from acestep_core.registry import registry
from acestep_plugins.backends.pt.attention import attend_locally
from acestep_plugins.backends.pt.compiled import attend_locally_whole

LENGTH = 40


@pytest.fixture(scope="module")
def compiled(tiny):
    if not shutil.which("g++"):
        pytest.skip("compiling for the CPU needs g++")
    model = load_backend("pt", model=tiny, device="cpu", compile=True)
    yield model
    torch.compiler.reset()


def looked(model, frames, length=LENGTH):
    generator = torch.Generator().manual_seed(0)
    x, context = torch.randn(frames, 64, generator=generator), torch.randn(frames, 128, generator=generator)
    condition = torch.randn(length, 128, generator=generator)
    return model.dit.velocity(x, 0.5, model.dit.prepared(condition), context)


def apart(models, frames, length=LENGTH):
    one, other = (looked(m, frames, length) for m in models)
    return (one - other).abs().max().item()


def moved(name, dit):
    attached = registry().make("adapters", name).attach(dit.decoder)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in attached.parameters.values():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return attached


@pytest.mark.slow
def test_it_equals_the_plain_one_and_every_length_is_served_by_the_same_code(compiled, turbo):
    before = counters["stats"]["unique_graphs"]
    assert apart((compiled, turbo), 400) < 1e-5
    graphs = counters["stats"]["unique_graphs"]
    assert graphs - before == 2  # a sliding layer's and a full one's
    for frames, length in ((130, 40), (401, 51), (1000, 20), (2001, 300)):
        assert apart((compiled, turbo), frames, length) < 1e-5
    assert counters["stats"]["unique_graphs"] == graphs
    assert compiled.dit.about == {"compiled": True}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lora", "lokr", "full"])
def test_adapters_are_heard_scaled_and_gone(compiled, turbo, name):
    models = (compiled, turbo)
    plain = looked(compiled, 200)
    attached = [moved(name, m.dit) for m in models]
    assert apart(models, 200) < 1e-5 < (looked(compiled, 200) - plain).abs().max()
    for scale in (0.5, -0.7, 0.0):
        for one in attached:
            one.set_scale(scale)
        assert apart(models, 200) < 1e-5
    for one in attached:
        one.detach()
    assert torch.equal(looked(compiled, 200), plain)


@pytest.mark.slow
def test_many_changes_of_adapters_never_end_in_uncompiled_code(compiled, turbo, monkeypatch):
    """Torch gives up on code that changed too often; here it would raise."""
    from acestep_plugins.backends.pt import compiled as module

    dropped = []
    monkeypatch.setattr(torch.compiler, "reset", lambda: dropped.append(True))
    monkeypatch.setattr(compiled.dit._compiled, "_changes", 0)
    for _ in range(module._CHANGES // 2 + 1):  # each puts one on and takes it off
        attached = moved("lora", compiled.dit)
        looked(compiled, 130)
        attached.detach()
        looked(compiled, 130)
    assert dropped == [True] and torch._dynamo.config.fail_on_recompile_limit_hit


@pytest.mark.slow
def test_8_bit_weights_are_converted_first(tiny, compiled):
    pytest.importorskip("torchao", reason="the extra 'quantize' is not installed")
    both = [load_backend("pt", model=tiny, device="cpu", quantization="int8", compile=c) for c in (True, False)]
    assert both[0].dit.converted == both[1].dit.converted
    assert type(both[0].dit.decoder.linears()["layers.0.mlp.up_proj"].weight).__name__ == "Int8Tensor"
    assert apart(both, 200) < 1e-5


def test_attention_as_one_operation_is_the_same_with_and_without_gradients():
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, h, 300, 16, generator=generator) for h in (4, 2, 2))
    valid = torch.arange(300) < torch.tensor([[300], [170]])
    for mask in (None, valid):
        wanted = attend_locally(query, key, value, 20, mask)
        with torch.no_grad():
            assert torch.equal(attend_locally_whole(query, key, value, 20, mask), wanted)
        query.requires_grad_(True)
        attend_locally_whole(query, key, value, 20, mask).sum().backward()
        assert query.grad is not None
        query.grad = None


def test_without_a_compiler_the_remedy_is_told(tiny, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="needs a C\\+\\+ compiler"):
        load_backend("pt", model=tiny, device="cpu", compile=True).dit  # noqa: B018


def test_training_says_that_it_is_not_compiled(tiny):
    with pytest.raises(UserError, match="compile=true is for generation"):
        load_backend("pt", model=tiny, device="cpu", compile=True).backend.train(None)
