"""The MLP that keeps little for the way back, against the one of diffusers."""

import pytest
import torch
from dense_attention import SIZES
from diffusers.models.transformers.ace_step_transformer import AceStepMLP

from acestep_plugins.backends.pt import mlp
from acestep_plugins.backends.pt.checkpointing import checkpointing
from acestep_plugins.backends.pt.dit_modules import build_decoder


@pytest.fixture(params=[1, 4, 256], ids=["single tokens", "short spans", "one span"])
def spans(request, monkeypatch):
    monkeypatch.setattr(mlp, "_SPAN", request.param)


def pair(dtype=torch.float64):
    """(ours, diffusers') with the same frozen weights."""
    torch.manual_seed(0)
    theirs, ours = (AceStepMLP(6, 10).to(dtype).requires_grad_(False) for _ in range(2))
    ours.load_state_dict(theirs.state_dict())
    ours.__class__ = mlp.Mlp
    return ours, theirs


def through(module, x):
    """(result, gradient of x) for a fixed gradient of the result."""
    x = x.detach().requires_grad_(True)
    y = module(x)
    (gradient,) = torch.autograd.grad(y, x, torch.linspace(-1, 1, y.numel()).to(y).view_as(y))
    return y.detach(), gradient


def test_result_and_gradient_are_those_of_diffusers(spans):
    ours, theirs = pair()
    x = torch.randn(2, 9, 6, dtype=torch.float64)
    for a, b in zip(through(ours, x), through(theirs, x), strict=True):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-15)


def test_in_bfloat16_they_are_equal_bit_for_bit(spans):
    ours, theirs = pair(torch.bfloat16)
    x = torch.randn(1, 9, 6, dtype=torch.bfloat16)
    assert all(torch.equal(a, b) for a, b in zip(through(ours, x), through(theirs, x), strict=True))


def test_the_gradient_is_that_of_finite_differences(spans):
    ours, _ = pair()
    x = torch.randn(2, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(ours, (x,))


def test_weights_that_want_gradients_get_them():
    ours, theirs = pair()
    x = torch.randn(1, 9, 6, dtype=torch.float64, requires_grad=True)
    weights = [[m.up_proj.weight.requires_grad_(True)] for m in (ours, theirs)]
    found = [torch.autograd.grad(m(x).square().sum(), [x, *w]) for m, w in zip((ours, theirs), weights, strict=True)]
    assert all(torch.allclose(a, b, rtol=1e-12) for a, b in zip(*found, strict=True))


def test_a_layer_somebody_listens_to_or_has_replaced_is_called():
    ours, theirs = pair()
    x = torch.randn(1, 9, 6, dtype=torch.float64)
    for module in (ours, theirs):
        module.up_proj.register_full_backward_hook(lambda _, given, __: (given[0] * 2,))
        module.gate_proj.forward = lambda x, m=module: 3 * torch.nn.functional.linear(x, m.gate_proj.weight)
    for a, b in zip(through(ours, x), through(theirs, x), strict=True):
        assert torch.allclose(a, b, rtol=1e-12)


def test_it_keeps_the_two_halves_and_not_their_product():
    ours, theirs = pair()
    x = torch.randn(1, 9, 6, dtype=torch.float64, requires_grad=True)
    assert kept(ours, x) == 2 * 9 * 10 < kept(theirs, x)


def kept(module, x):
    """Values kept for the way back, beside weights and input."""
    known, sizes = {p.data_ptr() for p in module.parameters()} | {x.data_ptr()}, {}

    def pack(tensor):
        if tensor.untyped_storage().data_ptr() not in known:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        module(x)
    return sum(sizes.values())


@pytest.fixture
def decoder():
    """With weights of the first projection that want gradients, as an adapter's would."""
    torch.manual_seed(0)
    decoder = build_decoder(SIZES).double().requires_grad_(False)
    for layer in decoder.layers:
        layer.self_attn.to_q.weight.requires_grad_(True)
    return decoder


def gradients(decoder, share):
    decoder.zero_grad()
    generator = torch.Generator().manual_seed(0)
    x, context, condition = (
        torch.randn(2, n, width, generator=generator, dtype=torch.float64)
        for n, width in ((41, 64), (41, 128), (5, SIZES["hidden_size"]))
    )
    t = torch.full((2,), 0.6, dtype=torch.float64)
    with checkpointing(decoder, share):
        decoder(x, t, t, condition, context)[0].square().mean().backward()
    return [layer.self_attn.to_q.weight.grad for layer in decoder.layers]


@pytest.mark.parametrize("share", [0.4, 1.0])
def test_layers_computed_twice_give_the_same_gradients(decoder, spans, share):
    once, twice = gradients(decoder, 0.0), gradients(decoder, share)
    assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-15) for a, b in zip(once, twice, strict=True))


def test_the_last_product_of_a_layer_computed_twice_is_made_once(decoder, monkeypatch):
    calls = []
    real = torch.nn.Linear.forward
    monkeypatch.setattr(torch.nn.Linear, "forward", lambda self, x: (calls.append(self), real(self, x))[1])
    gradients(decoder, 1.0)
    for layer in decoder.layers:
        assert [sum(c is m for c in calls) for m in (layer.mlp.down_proj, layer.mlp.up_proj)] == [1, 2]


def test_tensors_without_values_tell_the_memory_that_training_takes(decoder):
    decoder.to("meta")
    x, context, condition = (torch.empty(1, 41, n, device="meta") for n in (64, 128, SIZES["hidden_size"]))
    t = torch.empty(1, device="meta")
    with checkpointing(decoder, 0.4):
        decoder(*(a.double() for a in (x, t, t, condition, context)))[0].sum().backward()
    assert all(layer.self_attn.to_q.weight.grad.is_meta for layer in decoder.layers)
