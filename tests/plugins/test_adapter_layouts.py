"""Every layout that programs write: the change measured on the decoder is the one that was trained."""

import json

import pytest
import torch
from adapter_files import (
    ALPHA,
    NAMES,
    RANK,
    Known,
    fresh_dit,
    measured,
    to_diffusers,
    write_flat,
    write_peft,
)
from lycoris.modules.diag_oft import DiagOFTModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule

from acestep_core import UserError
from acestep_core.adapters import attach, recognised
from acestep_core.registry import registry

STRENGTH = ALPHA / RANK


def underscored(prefix):
    return lambda n: f"{prefix}{n.replace('.', '_')}"


def dora_peft(known, ending):
    return known.peft() | {f"base_model.model.{n}.lora_magnitude_vector{ending}": m for n, m in known.m.items()}


def dora_comfyui(known, column):
    start = lambda n: f"base_model.model.{n}"
    return known.kohya(start) | {f"{start(n)}.dora_scale": m[:, None] if column else m for n, m in known.m.items()}


def metadata(**config):
    return {"lora_adapter_metadata": json.dumps({f"transformer.{k}": v for k, v in config.items()})}


# name -> (writes the file into a folder, strength it was trained at, whether DoRA)
LAYOUTS = {
    "peft": (lambda k, d: write_peft(d / "a", k.peft()), STRENGTH, False),
    "peft file": (lambda k, d: write_peft(d / "a", k.peft()) / "adapter_model.safetensors", STRENGTH, False),
    "peft rslora": (lambda k, d: write_peft(d / "a", k.peft(), use_rslora=True), ALPHA / RANK**0.5, False),
    "peft default": (lambda k, d: write_peft(d / "a", k.peft(infix=".default")), STRENGTH, False),
    "peft to_q": (lambda k, d: write_peft(d / "a", k.peft(names=to_diffusers)), STRENGTH, False),
    "peft dora": (lambda k, d: write_peft(d / "a", dora_peft(k, ""), use_dora=True), STRENGTH, True),
    "peft dora weight": (lambda k, d: write_peft(d / "a", dora_peft(k, ".weight"), use_dora=True), STRENGTH, True),
    "peft dora default": (lambda k, d: write_peft(d / "a", dora_peft(k, ".default.weight")), STRENGTH, True),
    "bare": (lambda k, d: write_flat(d / "a.safetensors", k.peft("")), 1.0, False),
    "diffusion_model": (lambda k, d: write_flat(d / "a.safetensors", k.peft("diffusion_model.")), 1.0, False),
    "decoder": (lambda k, d: write_flat(d / "a.safetensors", k.peft("decoder.")), 1.0, False),
    "both": (lambda k, d: write_flat(d / "a.safetensors", k.peft("diffusion_model.decoder.")), 1.0, False),
    "transformer": (lambda k, d: write_flat(d / "a.safetensors", k.peft("transformer.")), 1.0, False),
    "diffusers": (lambda k, d: write_flat(d / "a.safetensors", k.peft("transformer.", names=to_diffusers)), 1.0, False),
    "diffusers header": (
        lambda k, d: write_flat(
            d / "a.safetensors", k.peft("transformer.", names=to_diffusers), **metadata(r=RANK, lora_alpha=ALPHA)
        ),
        STRENGTH,
        False,
    ),
    "kohya": (
        lambda k, d: write_flat(d / "a.safetensors", k.kohya(lambda n: f"base_model.model.{n}")),
        STRENGTH,
        False,
    ),
    "kohya generic": (
        lambda k, d: write_flat(d / "a.safetensors", k.kohya(lambda n: f"diffusion_model.decoder.{n}")),
        STRENGTH,
        False,
    ),
    "lora_A alpha": (
        lambda k, d: write_flat(d / "a.safetensors", k.kohya(lambda n: n, down="lora_A", up="lora_B")),
        STRENGTH,
        False,
    ),
    "lora_unet": (lambda k, d: write_flat(d / "a.safetensors", k.kohya(underscored("lora_unet_"))), STRENGTH, False),
    "lycoris locon": (lambda k, d: write_flat(d / "a.safetensors", k.kohya(underscored("lycoris_"))), STRENGTH, False),
    "comfyui dora": (lambda k, d: write_flat(d / "a.safetensors", dora_comfyui(k, True)), STRENGTH, True),
    "side-step dora": (lambda k, d: write_flat(d / "a.safetensors", dora_comfyui(k, False)), STRENGTH, True),
}


@pytest.fixture(scope="module")
def dit():
    return fresh_dit()


@pytest.fixture(scope="module")
def known(dit):
    return Known(dit)


def changes(dit, path, names, base, scale=1.0):
    attached = attach(dit, path, scale, registry())
    try:
        return {n: measured(dit.decoder.module, dit.decoder.module_path(n), base[n]) for n in names}
    finally:
        attached.detach()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("scale", [1.0, -0.7])
def test_the_measured_change_is_the_trained_one(layout, scale, dit, known, tmp_path):
    write, strength, dora = LAYOUTS[layout]
    found = changes(dit, write(known, tmp_path), NAMES, known.base, scale)
    for name, expected in known.change(strength, dora).items():
        assert torch.allclose(found[name], scale * expected, atol=3e-6), name


def test_ranks_and_alphas_of_single_layers_are_peft_patterns(dit, known, tmp_path):
    small = Known(dit, rank=2, names=[n for n in NAMES if n.endswith("down_proj")])
    tensors = known.peft() | small.peft()
    config = {"rank_pattern": {"down_proj": 2}, "alpha_pattern": {r"layers\.1\.mlp\.down_proj": 6, "down_proj": 3}}
    found = changes(dit, write_peft(tmp_path / "a", tensors, **config), NAMES, known.base)
    for name in NAMES:
        strength = {True: 3.0 if ".1." in name else 1.5, False: STRENGTH}[name.endswith("down_proj")]
        source = small if name.endswith("down_proj") else known
        assert torch.allclose(found[name], strength * source.b[name] @ source.a[name], atol=3e-6), name


@pytest.mark.parametrize("dim", [None, 1], ids=["whole", "low rank"])
@pytest.mark.parametrize("options", [{}, {"decompose_both": True}, {"factor": 4}, {"weight_decompose": True}], ids=str)
def test_lokr_of_lycoris_is_read_at_its_strength(dim, options, dit, known, tmp_path):
    """alpha counts where a factor is a product, and nowhere else; DoRA as LyCORIS computes it."""
    tensors, expected = {}, {}
    for name, weight in known.base.items():
        linear = dit.decoder.linears()[name]
        module = LokrModule(f"lycoris_{name.replace('.', '_')}", linear, 1.0, dim or 64, 5.0, full_matrix=dim is None,
                            bypass_mode=False, **options)  # fmt: skip
        randomised(module)
        tensors |= {f"{module.lora_name}.{k}": v.detach() for k, v in module.custom_state_dict().items()}
        expected[name] = module(torch.eye(weight.shape[1])).T.detach() - weight
    file = write_flat(tmp_path / "lokr_weights.safetensors", tensors, lokr_config=json.dumps({"linear_dim": dim or 64}))
    assert recognised(file, registry()).name == "lokr"
    for name, change in changes(dit, tmp_path, NAMES, known.base).items():
        assert torch.allclose(change, expected[name], atol=2e-5), name


@pytest.mark.parametrize("options", [{}, {"weight_decompose": True}], ids=str)
def test_loha_of_lycoris_is_read_at_its_strength(options, dit, known, tmp_path):
    tensors, expected = {}, {}
    for name, weight in known.base.items():
        module = LohaModule(f"lycoris_{name.replace('.', '_')}", dit.decoder.linears()[name], 1.0, 3, 5.0, **options)
        randomised(module)
        tensors |= {f"{module.lora_name}.{k}": v.detach() for k, v in module.custom_state_dict().items()}
        expected[name] = module(torch.eye(weight.shape[1])).T.detach() - weight
    file = write_flat(tmp_path / "a.safetensors", tensors)
    for name, change in changes(dit, file, NAMES, known.base).items():
        assert torch.allclose(change, expected[name], atol=2e-5), name


def test_rotations_of_lycoris_are_read(dit, known, tmp_path):
    tensors, expected = {}, {}
    for name in NAMES:
        module = DiagOFTModule(f"lycoris_{name.replace('.', '_')}", dit.decoder.linears()[name], 1.0, 8, rescaled=True)
        randomised(module)
        tensors |= {f"{module.lora_name}.{k}": v.detach() for k, v in module.state_dict().items()}
        expected[name] = module.get_diff_weight()[0].detach()
    file = write_flat(tmp_path / "a.safetensors", tensors)
    for name, change in changes(dit, file, NAMES, known.base).items():
        assert torch.allclose(change, expected[name], atol=2e-5), name


def test_layers_that_the_reference_wraps_besides_are_read_too(dit, tmp_path):
    """Its LoKr files have every Linear and the patch convolution, all of them told by underscored names."""
    layers = {**dit.decoder.linears(), **dit.decoder.convolutions()}
    names = [n for n in layers if not n.startswith(("layers.", "proj_out"))]
    assert {"proj_in.1", "condition_embedder", "time_embed_r.time_proj"} <= set(names)
    tensors, generator = {}, torch.Generator().manual_seed(1)
    for name in names:
        outputs, inputs, *kernel = layers[name].weight.shape
        start = f"lycoris_{name.replace('.', '_')}"
        tensors[f"{start}.lokr_w1"] = torch.randn(2, 2, generator=generator) * 0.1
        tensors[f"{start}.lokr_w2"] = torch.randn(outputs // 2, inputs // 2, *kernel, generator=generator) * 0.1
        tensors[f"{start}.alpha"] = torch.tensor(128.0)
    conv = layers["proj_in.1"]
    x = torch.randn(1, conv.weight.shape[1], 6, generator=generator)
    before = conv(x)
    attached = attach(dit, write_flat(tmp_path / "lokr_weights.safetensors", tensors), 1.0, registry())
    after = dit.decoder.module.proj_in_conv(x)
    attached.detach()
    w1, w2 = (tensors[f"lycoris_proj_in_1.lokr_{w}"] for w in ("w1", "w2"))
    delta = torch.stack([torch.kron(w1, w2[..., k]) for k in range(2)], dim=-1)
    expected = torch.nn.functional.conv1d(x, delta, stride=conv.stride)
    assert torch.allclose(after - before, expected, atol=1e-5)
    assert dit.decoder.module.proj_in_conv is conv


def test_the_model_goes_through_a_changed_patch_convolution(dit, tmp_path):
    outputs, inputs, kernel = dit.decoder.convolutions()["proj_in.1"].weight.shape
    tensors = {"lokr_w1": torch.ones(2, 2), "lokr_w2": torch.ones(outputs // 2, inputs // 2, kernel) * 0.1}
    tensors = {f"lycoris_proj_in_1.{k}": v for k, v in tensors.items()}
    velocity = _velocity(dit)
    attached = attach(dit, write_flat(tmp_path / "lokr_weights.safetensors", tensors), 1.0, registry())
    assert not torch.allclose(_velocity(dit), velocity, atol=1e-3)
    attached.detach()
    assert torch.equal(_velocity(dit), velocity)


def _velocity(dit):
    return dit.velocity(dit.noise(1, 20), 0.5, dit.null_condition(3), dit.text2music_context(20))


def test_a_file_that_does_not_say_its_strength_says_so(known, tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": RANK, "lora_alpha": 99}))
    file = write_flat(tmp_path / "mine.safetensors", known.peft())
    notes = " ".join(recognised(file, registry()).describe(file)["notes"])
    assert "says nothing about its strength" in notes and "adapter_config.json beside it" in notes


def test_the_settings_of_another_adapter_are_refused(dit, known, tmp_path):
    with pytest.raises(UserError, match="says rank 16"):
        attach(dit, write_peft(tmp_path / "a", known.peft(), r=16), 1.0, registry())


def randomised(module):
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
