"""Whole weights: every one of the decoder learns, alone, at any strength, and from a file."""

import re

import pytest
import torch
from adapter_files import fresh_dit

from acestep_core.adapters import attach
from acestep_core.layer_names import to_diffusers
from acestep_core.registry import registry
from acestep_plugins.adapters.full import Full
from acestep_plugins.backends.pt.checkpointing import checkpointing
from acestep_plugins.backends.pt.device import choose
from acestep_plugins.backends.pt.dit import Dit

PREFIX = "diffusion_model.decoder."


@pytest.fixture(params=["float32", "bfloat16"])
def dit(request):
    return Dit(fresh_dit().info.folder, choose("cpu", request.param))


def output(dit):
    x, condition = dit.noise(1, 40), torch.randn(9, 64, generator=torch.Generator().manual_seed(2))
    return dit.predict(x, 0.7, condition, dit.text2music_context(40))


def look(dit):
    with torch.no_grad():
        return output(dit)


def trained(dit, size=0.02, **options):
    attached, generator = Full(**options).attach(dit.decoder), torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in attached.parameters.values():
            parameter += size * torch.randn(parameter.shape, generator=generator)
    return attached


def weights(dit):
    return {k: v.clone() for k, v in dit.decoder.module.state_dict().items()}


def key_of(name):
    """The decoder's own name of the tensor that a key of a file changes."""
    name = name.removeprefix(PREFIX)
    if name.endswith(".diff_b"):
        return to_diffusers(name.replace(".diff_b", ".bias"))
    name = name.removesuffix(".diff")
    return name if name.endswith("scale_shift_table") else to_diffusers(f"{name}.weight")


def with_changes(dit, changes, scale):
    """Another model whose weights were changed by hand."""
    other = Dit(dit.info.folder, dit._place)
    with torch.no_grad():
        for name, weight in other.decoder.module.named_parameters():
            weight.data = (weight.float() + scale * changes[name]).to(weight.dtype)
    return other


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_gradients_are_those_of_the_weights_themselves(share):
    dit, plain = fresh_dit(), fresh_dit()
    plain.decoder.module.requires_grad_(True)
    output(plain).square().mean().backward()
    attached = Full().attach(dit.decoder)
    with checkpointing(dit.decoder.module, share):
        output(dit).square().mean().backward()
    expected = {name: p.grad for name, p in plain.decoder.module.named_parameters()}
    found = {key_of(name): p.grad for name, p in attached.parameters.items()}
    assert found.keys() == expected.keys()
    assert all(torch.allclose(found[n], expected[n], rtol=1e-4, atol=1e-7) for n in found)
    assert not any(p.grad is not None for n, p in dit.decoder.module.named_parameters() if "diff" not in n)


@pytest.mark.parametrize(("options", "expected"), [
    ({}, lambda name: True),
    ({"outside": False}, lambda name: name.startswith("layers.")),
    ({"norms": False, "outside": False}, lambda name: bool(re.match(r"layers.*(to_|_proj)", name))),
    ({"projections": [], "mlp": False, "norms": False}, lambda name: not name.startswith("layers.")),
    ({"layers": [r".*scale_shift_table", "proj_out.1"]}, lambda name: "table" in name or "proj_out" in name),
])  # fmt: skip
def test_a_step_changes_every_chosen_weight_and_no_other(options, expected):
    dit = fresh_dit()
    before = weights(dit)
    attached = Full(**options).attach(dit.decoder)
    output(dit).square().mean().backward()
    torch.optim.AdamW(attached.parameters.values(), lr=1e-3).step()
    attached.merge()
    after = weights(dit)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if expected(name)} and after.keys() == before.keys()


def test_changes_too_small_for_the_base_are_kept(tmp_path):
    """One at a rate of 1e-6 is lost in bfloat16; ten thousand of them are not."""
    dit = Dit(fresh_dit().info.folder, choose("cpu", "bfloat16"))
    before, attached = look(dit), Full().attach(dit.decoder)
    for steps, same in ((1, True), (10_000, False)):
        with torch.no_grad():
            for parameter in attached.parameters.values():
                parameter += 1e-6 * steps
        assert all((p > 0).all() for p in attached.parameters.values())
        assert torch.allclose(look(dit), before, atol=0.02) is same


def test_a_file_gives_back_what_was_trained_at_every_strength(dit, tmp_path):
    base, attached = look(dit), trained(dit)
    changes = {key_of(name): p.detach().clone() for name, p in attached.parameters.items()}
    heard = {}
    for scale in (0.5, -0.3, 1.0):
        attached.set_scale(scale)
        heard[scale] = look(dit)
        exact = dit.dtype_name == "bfloat16" or scale > 0  # -0.3 times a number is rounded before it is added, or not
        apart = (heard[scale] - look(with_changes(dit, changes, scale))).abs().max()
        assert apart == 0 if exact else apart < 1e-5
    attached.save(tmp_path / "a", {}), attached.detach()
    assert torch.equal(look(dit), base)
    again = attach(dit, tmp_path / "a", 1.0, registry())
    for scale in (1.0, 0.5, 0.0, -0.3):
        again.set_scale(scale)
        assert torch.equal(look(dit), heard.get(scale, base))
    again.detach()
    assert torch.equal(look(dit), base)


def test_two_of_them_add_up_and_come_off_in_any_order(dit):
    before, modules = weights(dit), dict(dit.decoder.module.named_modules())
    base = look(dit)
    first = trained(dit)
    one = look(dit)
    second = trained(dit, 0.01, mlp=False)
    both = look(dit)
    assert not torch.allclose(both, one, atol=1e-3)
    first.set_scale(0.0)
    alone = look(dit)
    first.set_scale(1.0)
    assert torch.allclose(look(dit), both, atol=1e-5 if dit.dtype_name == "float32" else 0.1)
    first.detach()
    assert torch.equal(look(dit), alone)
    second.detach()
    after = weights(dit)
    assert torch.equal(look(dit), base) and all(torch.equal(before[k], after[k]) for k in before)
    assert dict(dit.decoder.module.named_modules()) == modules and before.keys() == after.keys()
