"""LoRA, LoKr and whole weights on a tiny decoder: what a user relies on, for all and in one precision or another."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from acestep_core import UserError
from acestep_core.adapters import recognise
from acestep_core.registry import registry
from acestep_plugins.adapters.full import Full
from acestep_plugins.adapters.lokr import Lokr
from acestep_plugins.adapters.lora import Lora
from acestep_plugins.backends.pt.device import choose
from acestep_plugins.backends.pt.dit import Dit

FOLDER = Path(__file__).parents[1] / "data" / "tiny-turbo"
KINDS = [
    Lora(rank=4),
    Lora(rank=4, alpha=2.0, mlp=True),
    Lokr(),
    Lokr(dim=2),
    Lokr(dim=1, decompose_both=True, factor=4),
    Full(),
]


@pytest.fixture(params=["float32", "bfloat16"])
def dit(request):
    return Dit(FOLDER, choose("cpu", request.param))


@pytest.fixture(params=KINDS, ids=repr)
def adapter(request):
    torch.manual_seed(0)
    return request.param


def look(dit):
    x, condition = dit.noise(1, 40), torch.randn(9, 64, generator=torch.Generator().manual_seed(2))
    return dit.velocity(x, 0.7, condition, dit.text2music_context(40))


def trained(attached):
    """As if it had been trained: every parameter moved a little."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in attached.parameters.values():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return attached


def test_a_fresh_adapter_changes_nothing(dit, adapter):
    before = look(dit)
    adapter.attach(dit.decoder)
    assert torch.equal(look(dit), before)


def test_scale_zero_is_the_base_and_scale_matters(dit, adapter):
    before = look(dit)
    attached = trained(adapter.attach(dit.decoder))
    full = look(dit)
    assert not torch.allclose(full, before, atol=1e-3)
    attached.set_scale(0.0)
    assert torch.equal(look(dit), before)
    attached.set_scale(1.0)
    assert torch.equal(look(dit), full)


def test_detach_restores_the_base_exactly(dit, adapter):
    before, weights = look(dit), {k: v.clone() for k, v in dit.decoder.module.state_dict().items()}
    trained(adapter.attach(dit.decoder)).detach()
    after = dit.decoder.module.state_dict()
    assert torch.equal(look(dit), before)
    assert weights.keys() == after.keys() and all(torch.equal(weights[k], after[k]) for k in weights)
    assert not any("forward" in m.__dict__ for m in dit.decoder.linears().values())


def test_save_and_load_give_the_same_sound(dit, adapter, tmp_path):
    attached = trained(adapter.attach(dit.decoder))
    expected = look(dit)
    attached.save(tmp_path, {"base_variant": "turbo"})
    attached.detach()
    again = recognise(tmp_path, registry())
    assert type(again) is type(adapter)
    other = again.attach(dit.decoder)
    other.load(tmp_path)
    assert torch.allclose(look(dit), expected, atol=1e-5 if dit.dtype_name == "float32" else 0.05)
    assert other.parameters.keys() == attached.parameters.keys()


def test_the_same_weights_are_the_same_bytes(dit, adapter, tmp_path):
    attached = trained(adapter.attach(dit.decoder))
    files = []
    for name in ("a", "b"):
        attached.save(tmp_path / name, {"base_variant": "turbo", "trained_steps": "3", "other": "x"})
        files.append({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()})
    assert files[0] == files[1]


def test_merge_is_what_was_heard(dit, adapter):
    attached = trained(adapter.attach(dit.decoder))
    attached.set_scale(0.5)
    expected = look(dit)
    attached.merge()
    tolerance = 1e-4 if dit.dtype_name == "float32" else 0.1
    assert torch.allclose(look(dit), expected, atol=tolerance)
    assert not any("lora" in k for k in dit.decoder.module.state_dict())


def test_parameters_are_float32_and_only_they_train(dit, adapter):
    attached = adapter.attach(dit.decoder)
    own = {id(p) for p in attached.parameters.values()}
    assert all(p.dtype is torch.float32 and p.requires_grad for p in attached.parameters.values())
    assert not any(p.requires_grad for p in dit.decoder.module.parameters() if id(p) not in own)


def test_two_adapters_add_up_and_come_off_in_any_kind(dit):
    before = look(dit)
    first = trained(Lora(rank=2).attach(dit.decoder))
    only_first = look(dit)
    second = trained(Lokr().attach(dit.decoder))
    third = trained(Lora(rank=3).attach(dit.decoder))
    assert not torch.allclose(look(dit), only_first, atol=1e-3)
    third.detach(), second.detach()
    assert torch.equal(look(dit), only_first)
    first.detach()
    assert torch.equal(look(dit), before)


@pytest.mark.parametrize(("adapter", "expected"), [
    (Lora(rank=2, attention="self", projections=["q"]), {"self_attn.q_proj"}),
    (Lokr(attention="cross", projections=["k", "o"]), {"cross_attn.k_proj", "cross_attn.o_proj"}),
    (Lora(rank=2, projections=[], mlp=True), {"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}),
])  # fmt: skip
def test_exactly_the_chosen_layers_are_changed(adapter, expected):
    dit = Dit(FOLDER, choose("cpu", "float32"))
    keys = adapter.attach(dit.decoder).parameters
    flat = {n.replace(".", "_"): n for n in dit.decoder.linears()}
    layers = {k.split(".lora_")[0].removeprefix("base_model.model.") for k in keys if ".lora_" in k}
    layers |= {flat[k.split(".")[0].removeprefix("lycoris_")] for k in keys if k.startswith("lycoris_")}
    assert {".".join(n.split(".")[-2:]) for n in layers} == expected
    assert len(layers) == 4 * len(expected)


def test_lora_file_has_its_strength_folded_in(tmp_path):
    """Programs that ignore adapter_config.json use B·A; those that read it use alpha / r = 1 times B·A."""
    dit = Dit(FOLDER, choose("cpu", "float32"))
    attached = trained(Lora(rank=4, alpha=12.0).attach(dit.decoder))
    attached.save(tmp_path, {})
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    tensors = load_file(str(tmp_path / "adapter_model.safetensors"))
    key = "base_model.model.layers.0.self_attn.q_proj.lora_B.weight"
    assert config["lora_alpha"] == config["r"] == 4 and config["peft_type"] == "LORA"
    assert torch.allclose(tensors[key], 3.0 * attached.parameters[key])


def test_lokr_file_is_what_lycoris_writes(tmp_path):
    dit = Dit(FOLDER, choose("cpu", "float32"))
    trained(Lokr(dim=2).attach(dit.decoder)).save(tmp_path, {})
    tensors = load_file(str(tmp_path / "lokr_weights.safetensors"))
    assert tensors["lycoris_layers_0_self_attn_q_proj.lokr_w1"].shape == (8, 8)
    assert float(tensors["lycoris_layers_0_self_attn_q_proj.alpha"]) == 2.0
    assert {k.split(".")[1] for k in tensors} == {"alpha", "lokr_w1", "lokr_w2_a", "lokr_w2_b"}


@pytest.mark.parametrize("adapter", [Lora(rank=4), Lokr()], ids=lambda a: a.name)
def test_weights_of_another_model_are_refused_and_the_base_is_untouched(adapter, tmp_path):
    dit = Dit(FOLDER, choose("cpu", "float32"))
    before = look(dit)
    attached = adapter.attach(dit.decoder)
    attached.save(tmp_path, {})
    attached.detach()
    file = next(tmp_path.glob("*.safetensors"))
    wrong = {k.replace("layers.0", "layers.7").replace("layers_0", "layers_7"): v for k, v in load_file(file).items()}
    save_file(wrong, str(file))
    with pytest.raises(UserError, match="changes layer 7, this model has 4 layers"):
        again = recognise(tmp_path, registry()).attach(dit.decoder)
        again.load(tmp_path)
    assert torch.equal(look(dit), before)


def test_a_file_that_is_no_adapter_is_named(tmp_path):
    save_file({"x": torch.zeros(1)}, str(tmp_path / "x.safetensors"))
    with pytest.raises(UserError, match="x.safetensors holds no adapter"):
        recognise(tmp_path / "x.safetensors", registry())
    with pytest.raises(UserError, match="There is no adapter"):
        recognise(tmp_path / "gone", registry())


def test_nan_in_a_file_is_refused(tmp_path):
    dit = Dit(FOLDER, choose("cpu", "float32"))
    attached = Lokr().attach(dit.decoder)
    next(iter(attached.parameters.values())).data[:] = float("nan")
    attached.save(tmp_path, {})
    with pytest.raises(UserError, match="NaN"):
        attached.load(tmp_path)


def test_peft_alone_reads_our_lora_file_at_the_same_strength(tmp_path):
    """The independent reader: PEFT's own loader on a plain copy of the layer."""
    from peft import PeftModel

    dit = Dit(FOLDER, choose("cpu", "float32"))
    attached = trained(Lora(rank=4, alpha=12.0, attention="self", projections=["q"]).attach(dit.decoder))
    attached.save(tmp_path, {})
    x = torch.randn(5, 64, generator=torch.Generator().manual_seed(9))
    layer = dit.decoder.module.layers[0].self_attn.to_q
    plain = torch.nn.ModuleDict({"layers": torch.nn.ModuleList()})
    for block in dit.decoder.module.layers:
        linear = torch.nn.Linear(64, 64, bias=False)
        linear.weight = block.self_attn.to_q.layer.weight
        plain["layers"].append(torch.nn.ModuleDict({"self_attn": torch.nn.ModuleDict({"q_proj": linear})}))
    loaded = PeftModel.from_pretrained(plain, str(tmp_path)).base_model.model
    assert torch.allclose(loaded["layers"][0]["self_attn"]["q_proj"](x), layer(x), atol=1e-5)
