"""Adapters on a model: switched, scaled and taken off in any order; refused before anything is touched."""

import json

import numpy as np
import pytest
import torch
from adapter_files import NAMES, Known, fresh_dit, measured, write_flat, write_peft
from safetensors.torch import save_file

from acestep_core import UsedAdapter, UserError, generate, load_backend
from acestep_core.adapters import Stack, attach, recognise
from acestep_core.registry import registry
from acestep_core.testing.fakes import toy_decoder

KINDS = {
    "lora": ("lora", {"rank": 3}),
    "dora": ("lora", {"rank": 3, "dora": True}),
    "lokr": ("lokr", {}),
    "loha": ("loha", {"rank": 2}),
    "oft": ("oft", {"block_size": 16}),
    "full": ("full", {"mlp": False, "norms": False, "outside": False}),
}


@pytest.fixture(scope="module")
def dit():
    return fresh_dit()


@pytest.fixture(scope="module")
def known(dit):
    return Known(dit)


@pytest.fixture(scope="module")
def folders(dit, tmp_path_factory):
    """One adapter of each kind, all changing the same layers."""
    generator, found = torch.Generator().manual_seed(3), {}
    for name, (kind, options) in KINDS.items():
        attached = registry().make("adapters", kind, options).attach(dit.decoder)
        with torch.no_grad():
            for parameter in attached.parameters.values():
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
        found[name] = tmp_path_factory.mktemp(name)
        attached.save(found[name], {})
        attached.detach()
    return found


def look(dit):
    x, condition = dit.noise(1, 40), torch.randn(9, 64, generator=torch.Generator().manual_seed(2))
    return dit.velocity(x, 0.7, condition, dit.text2music_context(40))


def delta(dit, name="layers.1.self_attn.q_proj"):
    return measured(dit.decoder.module, dit.decoder.module_path(name), dit.decoder.linears()[name].weight)


def test_all_kinds_add_up_and_come_off_in_any_order(dit, folders):
    before, modules = look(dit), dict(dit.decoder.module.named_modules())
    alone = {}
    for name, folder in folders.items():
        one = attach(dit, folder, 1.0, registry())
        alone[name] = delta(dit)
        one.detach()
    stack, scales = Stack(lambda: dit), dict(zip(folders, (1.0, -0.5, 1.7, 0.3, 0.8, 0.6), strict=True))
    for name, scale in scales.items():
        stack.add(folders[name], scale)
    together = sum(scale * alone[name] for name, scale in scales.items())
    assert torch.allclose(delta(dit), together, atol=1e-5)
    for name in ("dora", "oft", "lora"):
        stack.remove(folders[name])
    rest = sum(scales[name] * alone[name] for name in ("lokr", "loha", "full"))
    assert torch.allclose(delta(dit), rest, atol=1e-5)
    stack.clear()
    assert torch.equal(look(dit), before)
    assert dict(dit.decoder.module.named_modules()) == modules


def test_switching_and_scaling_read_nothing_again(dit, folders, monkeypatch):
    before = look(dit)
    stack = Stack(lambda: dit)
    stack.add(folders["lora"]), stack.add(folders["lokr"], 0.5)
    both = look(dit)
    monkeypatch.setattr("acestep_core.adapters.recognise", None)
    stack.enable(folders["lora"], False), stack.set_scale(folders["lokr"], -2.0)
    assert not torch.equal(look(dit), both)
    stack.enable(folders["lokr"], False)
    assert torch.equal(look(dit), before) and list(stack) == []
    stack.set_scale(folders["lokr"], 0.5), stack.enable(folders["lokr"]), stack.enable(folders["lora"])
    assert torch.equal(look(dit), both)
    stack.add(folders["lora"], 0.0), stack.set_scale(folders["lokr"], 0.0)
    assert torch.equal(look(dit), before)
    stack.clear()


def test_a_call_hears_its_own_adapters_and_leaves_those_of_the_user(dit, folders, monkeypatch):
    before, stack = look(dit), Stack(lambda: dit)
    stack.add(folders["lora"], 0.5)
    half = look(dit)
    asked = [UsedAdapter(folders["lora"], 1.0), UsedAdapter(folders["loha"])]
    with stack.heard(asked, registry()) as heard:
        assert {(u.path, u.scale) for u in heard} == {(folders["lora"], 1.0), (folders["loha"], 1.0)}
        first = look(dit)
    assert torch.equal(look(dit), half)
    monkeypatch.setattr("acestep_core.adapters.recognise", None)  # the second time nothing is read
    with stack.heard(asked, registry()):
        assert torch.equal(look(dit), first)
    with stack.heard([UsedAdapter(folders["lora"], 0.25), UsedAdapter(folders["lora"], 0.25)], registry()):
        assert torch.equal(look(dit), half)
    stack.remove(folders["lora"])
    assert torch.equal(look(dit), before)


def test_the_order_of_sums_is_that_of_the_request(dit, folders):
    """Whatever was on before: the same request, the same bytes."""
    asked = [UsedAdapter(folders[n], 0.7) for n in ("lora", "lokr", "loha")]
    with Stack(lambda: dit).heard(asked, registry()):
        expected = look(dit)
    used = Stack(lambda: dit)
    for others in (asked[2:], asked[1:]):
        with used.heard(others, registry()):
            look(dit)
    with used.heard(asked, registry()):
        assert torch.equal(look(dit), expected)


def test_a_changed_file_is_read_again(dit, known, tmp_path):
    stack, file = Stack(lambda: dit), write_flat(tmp_path / "a.safetensors", known.peft())
    with stack.heard([UsedAdapter(file)], registry()):
        before = delta(dit)
    write_flat(file, known.kohya(lambda n: n, alpha=40.0))
    with stack.heard([UsedAdapter(file)], registry()):
        assert torch.allclose(delta(dit), 10 * before, atol=1e-5)


def test_what_is_not_on_the_model_or_no_number_is_told(dit, known, tmp_path):
    stack, file = Stack(lambda: dit), write_flat(tmp_path / "a.safetensors", known.peft())
    with pytest.raises(UserError, match="is not on the model"):
        stack.enable(file)
    with pytest.raises(UserError, match="is nan"):
        stack.add(file, float("nan"))


def test_adapters_come_back_with_weights_that_were_let_go_of(tiny, folders, tmp_path):
    model = load_backend("pt", model=tiny, device="cpu", dtype="float32")
    model.adapters.add(lora_for(model, tmp_path))
    request = {"caption": "x", "duration_s": 5.2, "steps": 2, "seed": 1}
    first = generate(model, **request)
    model.release()
    again = generate(model, **request)
    assert np.array_equal(first.wave, again.wave)
    assert [a["scale"] for a in again.record["adapters"]] == [1.0]
    model.adapters.clear()
    assert not np.array_equal(first.wave, generate(model, **request).wave)


def lora_for(model, folder):
    attached = registry().make("adapters", "lora", {"rank": 2}).attach(model.dit.decoder)
    with torch.no_grad():
        for parameter in attached.parameters.values():
            parameter += 0.1
    attached.save(folder / "adapter", {}), attached.detach()
    return folder / "adapter"


def test_another_size_of_model_is_refused_before_anything_is_touched(tmp_path):
    toy = toy_decoder(layers=2, width=64)
    before = dict(toy.module.named_modules())
    a, b = torch.zeros(2, 2560), torch.zeros(4096, 2)
    start = "base_model.model.layers.{}.self_attn.q_proj.lora_{}.weight"
    xl = write_peft(tmp_path / "xl", {start.format(0, "A"): a, start.format(0, "B"): b}, r=2)
    with pytest.raises(UserError, match=r"made for a model of width 2560 \(XL\), this is a model of width 64"):
        attach(type("D", (), {"decoder": toy}), xl, 1.0, registry())
    halves = {start.format(30, "A"): torch.zeros(2, 64), start.format(30, "B"): torch.zeros(64, 2)}
    deep = write_peft(tmp_path / "deep", halves, r=2)
    with pytest.raises(UserError, match="changes layer 30, this model has 2 layers"):
        attach(type("D", (), {"decoder": toy}), deep, 1.0, registry())
    assert dict(toy.module.named_modules()) == before


def test_every_key_that_does_not_fit_is_named(dit, known, tmp_path):
    odd = known.peft() | {"base_model.model.layers.0.self_attn.q_norm.set_weight": torch.zeros(4)}
    with pytest.raises(UserError, match=r"(?s)1 of 41 keys belong to no adapter.*q_norm.set_weight"):
        attach(dit, write_peft(tmp_path / "odd", odd), 1.0, registry())
    half = {k: t for k, t in known.peft().items() if k != f"base_model.model.{NAMES[0]}.lora_B.weight"}
    with pytest.raises(UserError, match=f"{NAMES[0]} has down but no up"):
        attach(dit, write_peft(tmp_path / "half", half), 1.0, registry())
    gone = known.peft() | {k.replace("q_proj", "z_proj"): t.clone() for k, t in known.peft().items() if "q_proj" in k}
    with pytest.raises(UserError, match=r"20 of 24 layers match:\n  there is no layer layers.0.self_attn.z_proj"):
        attach(dit, write_peft(tmp_path / "gone", gone), 1.0, registry())


def bad_files(folder):
    (folder / "empty.safetensors").write_bytes(b"")
    (folder / "broken.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{half")
    (folder / "old.pt").write_bytes(b"\x80\x04.")
    (folder / "bin").mkdir(), (folder / "bin" / "adapter_model.bin").write_bytes(b"\x80\x04.")
    (folder / "none").mkdir()
    (folder / "run" / "adapter").mkdir(parents=True)
    (folder / "two").mkdir()
    for name in "ab":
        save_file({"x": torch.zeros(1)}, folder / "two" / f"{name}.safetensors")
    save_file({"x": torch.zeros(1)}, folder / "other.safetensors")


@pytest.mark.parametrize(("name", "told"), [
    ("empty.safetensors", "is empty"), ("broken.safetensors", "no readable safetensors"), ("old.pt", "is a pickle"),
    ("bin", "adapter_model.bin is a pickle"), ("none", "holds no .safetensors"), ("run", "give .*run/adapter"),
    ("two", r"2 adapter files \(a.safetensors, b.safetensors\)"), ("other.safetensors", "holds no adapter"),
    ("gone", "There is no adapter"),
])  # fmt: skip
def test_a_bad_file_costs_one_sentence(name, told, tmp_path):
    bad_files(tmp_path)
    with pytest.raises(UserError, match=told):
        recognise(tmp_path / name, registry())


def test_a_broken_config_is_told(dit, known, tmp_path):
    folder = write_peft(tmp_path / "a", known.peft())
    (folder / "adapter_config.json").write_text("{half")
    with pytest.raises(UserError, match="adapter_config.json is no valid JSON"):
        attach(dit, folder, 1.0, registry())
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    with pytest.raises(UserError, match="lacks its alpha or its r"):
        attach(dit, folder, 1.0, registry())


class Int8(torch.Tensor):
    """A weight as libraries for weight-only quantisation hold it: integers, a scale, and no arithmetic but F.linear."""

    @staticmethod
    def __new__(cls, weight):
        made = torch.Tensor._make_wrapper_subclass(cls, weight.shape, dtype=weight.dtype, device=weight.device)
        made.steps = weight.abs().amax(dim=1, keepdim=True) / 127
        made.whole = (weight / made.steps).round().to(torch.int8)
        return made

    def dequantize(self):
        return self.whole * self.steps

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is torch.nn.functional.linear:
            return function(args[0], args[1].dequantize(), *args[2:], **(kwargs or {}))
        allowed = {"__get__", "detach", "requires_grad_", "dequantize", "__set__"}
        assert function.__name__ in allowed, f"{function.__name__} of a quantised weight"
        with torch._C.DisableTorchFunctionSubclass():
            return function(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        if "detach" in str(function) or "alias" in str(function):
            return args[0]
        raise AssertionError(f"{function} of a quantised weight")


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "full"])
def test_a_quantised_base_needs_nothing_else(kind, folders):
    """Beside integers the change is the same; only DoRA asks for the values, which it gets by `dequantize`."""
    dit, name = fresh_dit(), "layers.1.self_attn.q_proj"
    layer, path = dit.decoder.linears()[name], dit.decoder.module_path(name)
    for linear in dit.decoder.linears().values():
        linear.weight = torch.nn.Parameter(Int8(linear.weight.data), requires_grad=False)
    base = layer(torch.eye(layer.in_features)).T
    attached = attach(dit, folders[kind], 1.0, registry())
    ours = measured(dit.decoder.module, path, base)
    with pytest.raises(UserError, match="quantised"):
        attached.merge()
    attached.detach()
    layer.weight = torch.nn.Parameter(base, requires_grad=False)
    for linear in dit.decoder.linears().values():
        if isinstance(linear.weight.data, Int8):
            linear.weight = torch.nn.Parameter(linear.weight.data.dequantize(), requires_grad=False)
    attached = attach(dit, folders[kind], 1.0, registry())
    assert torch.allclose(measured(dit.decoder.module, path, base), ours, atol=1e-5)
