"""8-bit weights: how many layers, how near, with adapters around them, and every way in which they cannot be had."""

import sys

import pytest
import torch

from acestep_core import UserError, generate, load_backend
from acestep_core.registry import registry

pytest.importorskip("torchao", reason="the extra 'quantize' is not installed")

LAYERS, LENGTH = 4, 40
PER_LAYER = 11  # q, k, v, o of two attentions, and three of the MLP
# Bound of the relative error that rounding to 8 bits can make of one layer: half a step of 1/127 of each row's largest
# weight (int8), 2^-4 of each weight (fp8: three bits of mantissa); errors of many weights partly cancel.
NEAR = {"int8": 0.01, "fp8": 0.05}


@pytest.fixture(scope="module", params=["int8", "fp8"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def small(tiny, kind):
    return load_backend("pt", model=tiny, device="cpu", quantization=kind)


def looked(dit, frames=200):
    generator = torch.Generator().manual_seed(0)
    x, context = torch.randn(frames, 64, generator=generator), torch.randn(frames, 128, generator=generator)
    return dit.velocity(x, 0.5, torch.randn(LENGTH, 128, generator=generator), context)


def relative(a, b):
    return ((a - b).norm() / b.norm()).item()


def moved(name, dit):
    """An adapter with the same weights, whatever the base."""
    attached = registry().make("adapters", name).attach(dit.decoder)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in attached.parameters.values():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * {"lora": 0.05, "lokr": 0.2}[name])
    return attached


def test_all_layers_of_the_blocks_are_converted_and_counted(small, kind):
    dit = small.dit
    weights = {n: type(m.weight).__name__ for n, m in dit.decoder.linears().items()}
    inside = {n for n in weights if n.startswith("layers.")}
    assert len(inside) == LAYERS * PER_LAYER
    assert {weights[n] for n in inside} == {"Int8Tensor" if kind == "int8" else "Float8Tensor"}
    assert {weights[n] for n in set(weights) - inside} == {"Parameter"}
    modules = (dit.decoder.module, dit.encoder)
    linears = sum(isinstance(m, torch.nn.Linear) for part in modules for m in part.modules())
    of_encoder = 4 * 7  # two lyric and two timbre layers without cross-attention
    assert str(dit.converted) == f"{kind} weights in {len(inside) + of_encoder} of {linears} linear layers"


def test_it_takes_half_the_memory_and_says_nearly_the_same(small, turbo, kind):
    def size(dit):
        blocks = [m.weight for n, m in dit.decoder.linears().items() if n.startswith("layers.")]
        return sum(w.qdata.nbytes + w.scale.nbytes if hasattr(w, "qdata") else w.nbytes for w in blocks)

    assert size(small.dit) < 0.3 * size(turbo.dit)  # float32 here
    error = relative(looked(small.dit), looked(turbo.dit))
    assert 0 < error < NEAR[kind]


@pytest.mark.parametrize("name", ["lora", "lokr"])
def test_an_adapter_changes_an_8_bit_base_by_what_it_changes_any_other(small, turbo, kind, name):
    """The change of one layer's output is that of its own branch, to rounding; whole results differ as the bases do."""
    plain, x = looked(small.dit), torch.randn(7, 128, generator=torch.Generator().manual_seed(2))
    path = small.dit.decoder.module_path("layers.0.self_attn.q_proj")
    before = [m.dit.decoder.module.get_submodule(path)(x) for m in (small, turbo)]
    attached = [moved(name, m.dit) for m in (small, turbo)]
    with torch.inference_mode():
        after = [m.dit.decoder.module.get_submodule(path)(x) for m in (small, turbo)]
    changes = [a - b for a, b in zip(after, before, strict=True)]
    assert changes[1].norm() > 0.01 * before[1].norm()
    assert torch.allclose(*changes, atol=1e-5)
    adapted = [looked(m.dit) for m in (small, turbo)]
    for one in attached:
        one.detach()
    assert relative(adapted[0], plain) > 2 * NEAR[kind] > relative(*adapted)
    assert torch.equal(looked(small.dit), plain)


@pytest.mark.parametrize("name", ["lora", "lokr"])
def test_an_adapter_can_be_trained_on_it_but_not_merged_into_it(small, name):
    attached = moved(name, small.dit)
    x, context = torch.randn(130, 64), torch.randn(130, 128)
    small.dit.predict(x, 0.5, torch.randn(LENGTH, 128), context).square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in attached.parameters.values())
    plain = looked(small.dit)
    with pytest.raises(UserError, match="cannot take up an adapter"):
        attached.merge()
    assert torch.equal(looked(small.dit), plain)
    attached.detach()


def test_the_record_and_the_notes_say_it(tiny, kind):
    model = load_backend("pt", model=tiny, device="cpu", quantization=kind)
    clip = generate(model, caption="x", duration_s=5.2, seed=1)
    assert clip.record["backend"]["weights"] == str(model.dit.converted) == clip.record["notes"][0]


def test_without_torchao_the_remedy_is_told_before_anything_is_read(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    with pytest.raises(UserError, match=r"pip install .acestep-core\[quantize\]"):
        load_backend("pt", model=tiny, device="cpu", quantization="int8")


def test_a_model_without_layers_to_convert_is_an_error():
    from acestep_plugins.backends.pt.quantised import quantise

    with pytest.raises(UserError, match="no layer to convert to int8"):
        quantise({"decoder": torch.nn.Linear(4, 4)}, "int8", torch.device("cpu"))


@pytest.mark.parametrize(("fault", "message"), [
    (lambda module, config, **given: None, "converted 0 of"),
    (lambda module, config, **given: (_ for _ in ()).throw(RuntimeError("no such kernel")), "no such kernel"),
    (lambda module, config, **given: module.weight.zero_(), "wrong results on cpu with float32"),
])  # fmt: skip
def test_what_does_not_work_on_a_device_is_never_silent(fault, message, monkeypatch):
    from acestep_plugins.backends.pt import quantised

    blocks = torch.nn.Module()
    blocks.layers = torch.nn.ModuleList([torch.nn.Linear(8, 8)]).requires_grad_(False)
    monkeypatch.setattr(quantised, "_quantize_", lambda: fault)
    with pytest.raises(UserError, match=message):
        quantised.quantise({"decoder": blocks}, "int8", torch.device("cpu"))
