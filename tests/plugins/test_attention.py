"""Attention of our own against the dense masks it stands for, and padded batches against items alone."""

import pytest
import torch
import torch.nn.functional as F
from dense_attention import SIZES, dense
from diffusers import AceStepTransformer1DModel

from acestep_plugins.backends.pt import attention
from acestep_plugins.backends.pt.dit_modules import build_decoder


def heads(length, batch=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, n, length, 8, generator=generator, dtype=torch.float64) for n in (4, 2, 2)]


@pytest.fixture(params=[(5, 2), (64, 16), (128, 4096)], ids=["small blocks", "cpu blocks", "gpu blocks"])
def blocks(request, monkeypatch):
    monkeypatch.setattr(attention, "_CPU_BLOCK", request.param[0])
    monkeypatch.setattr(attention, "_CPU_GROUP", request.param[1])


@pytest.mark.parametrize("length", [1, 8, 9, 10, 63, 64, 65, 129, 400])
@pytest.mark.parametrize("window", [1, 8, 70])
def test_a_window_cut_out_in_blocks_equals_the_dense_mask(blocks, length, window):
    query, key, value = heads(length)
    ours = attention.attend_locally(query, key, value, window)
    assert torch.allclose(ours, dense(query, key, value, window), atol=1e-12)


def test_padding_is_not_seen_in_a_window(blocks):
    query, key, value = heads(150, batch=3)
    lengths = (150, 101, 7)
    valid = torch.arange(150) < torch.tensor(lengths)[:, None]
    ours = attention.attend_locally(query, key, value, 8, valid)
    for item, length in enumerate(lengths):
        alone = [x[item : item + 1, :, :length] for x in (query, key, value)]
        assert torch.allclose(ours[item : item + 1, :, :length], dense(*alone, 8), atol=1e-12)
    assert ours.isfinite().all()


def test_gradients_equal_those_through_the_dense_mask(blocks):
    given = [x.requires_grad_(True) for x in heads(101)]
    weight = torch.randn(1, 4, 101, 8, dtype=torch.float64)
    ours = torch.autograd.grad((attention.attend_locally(*given, 8) * weight).sum(), given)
    theirs = torch.autograd.grad((dense(*given, 8) * weight).sum(), given)
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(ours, theirs, strict=True))


@pytest.fixture(scope="module")
def decoder():
    torch.manual_seed(0)
    return build_decoder(SIZES).eval()


def inputs(frames, condition=11, seed=1):
    generator = torch.Generator().manual_seed(seed)
    t = torch.full((1,), 0.6)
    return {
        "hidden_states": torch.randn(1, frames, 64, generator=generator), "timestep": t, "timestep_r": t,
        "encoder_hidden_states": torch.randn(1, condition, 32, generator=generator),
        "context_latents": torch.randn(1, frames, 128, generator=generator),
    }  # fmt: skip


@torch.inference_mode()
@pytest.mark.parametrize("frames", [16, 301, 400])
def test_the_decoder_equals_the_one_of_diffusers(decoder, frames):
    theirs = AceStepTransformer1DModel(**SIZES, encoder_hidden_size=32).eval()
    theirs.load_state_dict(decoder.state_dict())
    given = inputs(frames)
    expected = theirs(**given, return_dict=False)[0]
    assert F.mse_loss(decoder(**given)[0], expected).sqrt() / expected.std() < 1e-5


@torch.inference_mode()
def test_a_prepared_condition_changes_nothing(decoder):
    given = inputs(100)
    plain = decoder(**given)[0]
    assert torch.equal(
        plain, decoder(**given | {"encoder_hidden_states": decoder.prepare(given["encoder_hidden_states"])})[0]
    )


@torch.inference_mode()
def test_items_of_a_padded_batch_equal_items_alone(decoder):
    frames, lengths = (301, 128, 222), (11, 4, 7)
    alone = [inputs(f, c, seed) for seed, (f, c) in enumerate(zip(frames, lengths, strict=True))]
    padded = {}
    for name in alone[0]:
        longest = max(a[name].shape[1] for a in alone) if alone[0][name].ndim > 1 else 0
        grown = [
            F.pad(a[name], (0, 0, 0, longest - a[name].shape[1]), value=9.0) if longest else a[name] for a in alone
        ]
        padded[name] = torch.cat(grown)
    mask = torch.arange(11) < torch.tensor(lengths)[:, None]
    together = decoder(**padded, frames=torch.tensor(frames), condition_mask=mask)[0]
    for item, given in enumerate(alone):
        expected = decoder(**given)[0][0]
        assert ((together[item, : frames[item]] - expected).norm() / expected.norm()) < 1e-5


def test_checkpointing_gives_the_same_gradients(decoder):
    given = inputs(100)
    found = []
    for switch in (decoder.disable_gradient_checkpointing, decoder.enable_gradient_checkpointing):
        switch()
        decoder.zero_grad()
        decoder(**given)[0].square().mean().backward()
        found.append(decoder.layers[0].self_attn.to_q.weight.grad.clone())
    decoder.disable_gradient_checkpointing()
    assert torch.allclose(found[0], found[1], atol=1e-7)
