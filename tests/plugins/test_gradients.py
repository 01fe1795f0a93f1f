"""Gradients of the frozen weights, against a closed form and against autograd without any hook."""

import pytest
import torch
from torch import nn

from acestep_core import FatalError, UserError
from acestep_core.jobs import GradientJob
from acestep_core.registry import registry
from acestep_plugins.backends.pt import batches
from acestep_plugins.backends.pt.gradients import gradients, squared_norms

LOOKS = ((0.3, 11), (0.8, 12))


@pytest.fixture(scope="module")
def song(encoded):
    from acestep_core.encoded import EncodedSet

    return EncodedSet.open(encoded.folder).load(0)


def test_a_linear_model_has_the_squared_gradients_of_the_closed_form():
    torch.manual_seed(0)
    layer, x, y = nn.Linear(7, 4, bias=False), torch.randn(7), torch.randn(4)
    with squared_norms({"a": layer.weight}) as squares:
        torch.nn.functional.mse_loss(layer(x), y).backward()
        found = squares["a"].item()
    error = (layer.weight.detach() @ x - y).square().sum()
    assert found == pytest.approx((error * x.square().sum() * (2 / 4) ** 2).item(), rel=1e-5)


def test_every_layer_has_the_gradient_autograd_finds(encoded, song):
    dit = encoded.model.dit
    found = gradients(GradientJob(dit, song, LOOKS, 0.0))
    layers = {n: m for n, m in dit.decoder.linears().items() if n.startswith("layers.")}
    assert found.keys() == layers.keys() and len(found) == 44
    for look, (t, seed) in enumerate(LOOKS):
        item = batches.fixed(dit, song, t, seed)
        weights = [m.weight.requires_grad_(True) for m in layers.values()]
        velocity = dit.predict(t * item.noise + (1 - t) * item.data, t, item.condition,
                               dit.text2music_context(len(item.data)))  # fmt: skip
        loss = (velocity - (item.noise - item.data)).square().mean()
        expected = torch.autograd.grad(loss, weights)
        for (name, layer), gradient in zip(layers.items(), expected, strict=True):
            assert found[name].squares[look] == pytest.approx(gradient.double().square().sum().item(), rel=1e-4)
            assert (found[name].outputs, found[name].inputs) == tuple(layer.weight.shape)
    dit.decoder.module.requires_grad_(False)


def test_no_gradient_is_held_and_the_model_is_left_as_it_was(encoded, song):
    dit = encoded.model.dit
    decoder = dit.decoder.module
    parameters, held = list(decoder.parameters()), []
    weights = {n: m.weight for n, m in dit.decoder.linears().items() if n.startswith("layers.")}
    with squared_norms(weights):
        seen = [w.register_post_accumulate_grad_hook(lambda _: held.append(sum(p.grad is not None for p in parameters)))
                for w in weights.values()]  # fmt: skip
        item = batches.fixed(dit, song, 0.5, 1)
        batches.predictions(dit, [item])[0].square().mean().backward()
        for handle in seen:
            handle.remove()
    assert held == [0] * len(weights)
    gradients(GradientJob(dit, song, LOOKS, 1.0))
    assert all(p.grad is None and not p.requires_grad for p in parameters)
    assert not decoder.gradient_checkpointing and not any(w._post_accumulate_grad_hooks for w in weights.values())


def test_layers_computed_twice_give_the_same_gradients_and_so_does_the_same_job_again(encoded, song):
    dit = encoded.model.dit
    once, twice, again = (gradients(GradientJob(dit, song, LOOKS, share)) for share in (0.0, 1.0, 1.0))
    assert twice == again
    for name, layer in once.items():
        assert layer.squares == pytest.approx(twice[name].squares, rel=1e-5)


def test_a_gradient_that_is_not_finite_names_the_song(encoded, song):
    from dataclasses import replace

    broken = replace(song, latents=song.latents * float("inf"), name="loud.wav")
    with pytest.raises(UserError, match="gradients of loud.wav are NaN or infinite at t = 0.300"):
        gradients(GradientJob(encoded.model.dit, broken, LOOKS, 0.0))


def test_a_compiled_decoder_is_refused():
    with pytest.raises(FatalError, match="compile=true"):
        registry().make("backends", "pt", {"compile": True}).gradients(None)
