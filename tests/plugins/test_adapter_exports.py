"""One adapter written for every program, and read by the library that owns the format, at the same strength."""

import json

import pytest
import torch
from adapter_files import (
    NAMES,
    STRENGTH,
    Known,
    fresh_dit,
    measured,
    skeleton,
    to_diffusers,
    write_flat,
    write_peft,
)
from diffusers import AceStepTransformer1DModel
from diffusers.loaders import AceStepLoraLoaderMixin
from lycoris import create_lycoris_from_weights
from peft import PeftModel
from safetensors import safe_open
from safetensors.torch import load_file

from acestep_core import UserError
from acestep_core.adapter_export import FOLDERS
from acestep_core.adapters import attach, recognised
from acestep_core.export_settings import ExportSettings
from acestep_core.registry import registry
from acestep_plugins.adapters.lokr import Lokr
from acestep_plugins.adapters.oft import Oft


@pytest.fixture(scope="module")
def dit():
    return fresh_dit()


@pytest.fixture(scope="module")
def known(dit):
    return Known(dit)


def exported(path, to, folder, scale=1.0, weights=None, **given):
    out = folder / (to if to in FOLDERS else f"{to}.safetensors")
    settings = ExportSettings(**given)
    told = recognised(path, registry()).export(path, to, out, settings, scale=scale, weights=weights)
    assert "read back and compared" in told.notes[-1]
    return out


def by_peft(out, base):
    loaded = PeftModel.from_pretrained(skeleton(base), str(out)).base_model.model
    return {n: measured(loaded, n, base[n]) for n in base}


def by_diffusers(out, base):
    """As AceStepPipeline.load_lora_weights does it."""
    transformer = fresh_dit().decoder.module
    assert isinstance(transformer, AceStepTransformer1DModel)
    state, settings = AceStepLoraLoaderMixin.lora_state_dict(
        str(out.parent), weight_name=out.name, return_lora_metadata=True
    )
    assert all("lora" in key for key in state)
    AceStepLoraLoaderMixin.load_lora_into_transformer(state, transformer, metadata=settings)
    return {n: measured(transformer, to_diffusers(n), base[n]) for n in base}


def by_lycoris(out, base):
    root = skeleton(base)
    network, _ = create_lycoris_from_weights(1.0, str(out), root)
    assert len(network.loras) == len(base)
    network.apply_to()
    return {n: measured(root, n, base[n]) for n in base}


def by_comfyui(out, base):
    """Its rules: names with base_model.model., alpha from a tensor, dora_scale over the norm of the base weight."""
    tensors, found = load_file(str(out)), {}
    for name, weight in base.items():
        start = f"base_model.model.{name}"
        up, down = tensors[f"{start}.lora_up.weight"], tensors[f"{start}.lora_down.weight"]
        total = weight + up @ down * (float(tensors[f"{start}.alpha"]) / down.shape[0])
        scale = tensors.get(f"{start}.dora_scale")
        assert scale is None or scale.shape == (len(weight), 1)
        found[name] = (total if scale is None else total * (scale / weight.norm(dim=1, keepdim=True))) - weight
    return found


READERS = {"reference": by_peft, "diffusers": by_diffusers, "lycoris": by_lycoris, "comfyui": by_comfyui}


@pytest.mark.parametrize("to", READERS)
@pytest.mark.parametrize("dora", [False, True], ids=["lora", "dora"])
def test_the_owner_of_the_format_hears_the_same(to, dora, known, tmp_path):
    tensors = known.peft()
    if dora:
        tensors |= {f"base_model.model.{n}.lora_magnitude_vector": m for n, m in known.m.items()}
    source = write_peft(tmp_path / "source", tensors, use_dora=dora)
    found = READERS[to](exported(source, to, tmp_path, weights=known.base.__getitem__), known.base)
    for name, expected in known.change(STRENGTH, dora).items():
        assert torch.allclose(found[name], expected, atol=5e-6), name


@pytest.mark.parametrize("to", ["reference", "diffusers", "lycoris", "comfyui"])
def test_layers_of_other_ranks_keep_their_strength(to, dit, known, tmp_path):
    names = [n for n in NAMES if n.startswith("layers.2.")]
    small = Known(dit, rank=2, names=names)
    source = write_peft(tmp_path / "source", known.peft() | small.peft(), rank_pattern={r"layers\.2\..*": 2})
    found = READERS[to](exported(source, to, tmp_path), known.base)
    for name in NAMES:
        expected = 5.0 * small.b[name] @ small.a[name] if name in names else known.change(STRENGTH)[name]
        assert torch.allclose(found[name], expected, atol=5e-6), name


def test_diffusers_gets_names_it_knows_without_q_and_k(dit, tmp_path):
    """Without a q_proj or k_proj among the keys, diffusers loads original names without a word and changes nothing."""
    names = [n for n in NAMES if n.endswith(("v_proj", "down_proj"))]
    known = Known(dit, names=names)
    source = write_peft(tmp_path / "source", known.peft())
    found = by_diffusers(exported(source, "diffusers", tmp_path), known.base)
    for name, expected in known.change(STRENGTH).items():
        assert torch.allclose(found[name], expected, atol=5e-6), name


@pytest.mark.parametrize("to", ["reference", "diffusers"])
def test_lokr_becomes_the_nearest_lora(to, dit, known, tmp_path):
    lokr = moved(Lokr(layers=[r".*self_attn\.[qk]_proj"]).attach(dit.decoder))
    names = [n for n in NAMES if "self_attn" in n]
    base = {n: known.base[n] for n in names}
    exact = {n: measured(dit.decoder.module, dit.decoder.module_path(n), base[n]) for n in names}
    lokr.save(tmp_path / "source", {}), lokr.detach()
    for rank in (2, 64):
        (tmp_path / str(rank)).mkdir()
        found = READERS[to](exported(tmp_path / "source", to, tmp_path / str(rank), rank=rank), base)
        for name in names:
            u, s, v = torch.linalg.svd(exact[name], full_matrices=False)
            best = u[:, :rank] @ torch.diag(s[:rank]) @ v[:rank]
            assert torch.allclose(found[name], best, atol=1e-4), name


def test_lokr_goes_to_the_reference_and_lycoris_as_it_is(dit, known, tmp_path):
    lokr = moved(Lokr(dim=1, layers=[r".*self_attn\.[qk]_proj"], dora=True).attach(dit.decoder))
    base = {n: known.base[n] for n in NAMES if "self_attn" in n}
    exact = {n: measured(dit.decoder.module, dit.decoder.module_path(n), base[n]) for n in base}
    lokr.save(tmp_path / "source", {}), lokr.detach()
    for to in ("reference", "lycoris"):
        out = exported(tmp_path / "source", to, tmp_path)
        out = out / "lokr_weights.safetensors" if to == "reference" else out
        with safe_open(str(out), "pt") as f:
            assert json.loads(f.metadata()["lokr_config"])["linear_dim"] == 1
        found = by_lycoris(out, base)
        assert all(torch.allclose(found[n], exact[n], atol=1e-5) for n in base)


def test_oft_is_read_by_peft_and_needs_the_model_for_others(dit, known, tmp_path):
    oft = moved(Oft(block_size=16, layers=[r".*self_attn\.[qk]_proj"]).attach(dit.decoder))
    base = {n: known.base[n] for n in NAMES if "self_attn" in n}
    exact = {n: measured(dit.decoder.module, dit.decoder.module_path(n), base[n]) for n in base}
    oft.save(tmp_path / "source", {}), oft.detach()
    found = by_peft(tmp_path / "source", base)
    assert all(torch.allclose(found[n], exact[n], atol=1e-5) for n in base)
    with pytest.raises(UserError, match="depends on the model's weights"):
        exported(tmp_path / "source", "comfyui", tmp_path, rank=128)
    out = exported(tmp_path / "source", "comfyui", tmp_path, rank=128, weights=lambda n: known.base[n])
    found = by_comfyui(out, base)
    assert all(torch.allclose(found[n], exact[n], atol=1e-4) for n in base)


def test_what_a_trained_adapter_saves_is_heard_alike_everywhere(dit, known, tmp_path):
    """rsLoRA, DoRA and ranks by layer, straight from training."""
    chosen = {"layers": [n.replace(".", r"\.") for n in NAMES], "ranks": [r".*down_proj=2"]}
    adapter = registry().make("adapters", "lora", {"rank": 4, "rslora": True, "dora": True, "alpha": 6.0, **chosen})
    attached = moved(adapter.attach(dit.decoder))
    exact = {n: measured(dit.decoder.module, dit.decoder.module_path(n), known.base[n]) for n in NAMES}
    attached.save(tmp_path / "adapter", {}), attached.detach()
    found = by_peft(tmp_path / "adapter", known.base)
    assert all(torch.allclose(found[n], exact[n], atol=1e-5) for n in NAMES)
    again = attach(dit, tmp_path / "adapter", 1.0, registry())
    ours = {n: measured(dit.decoder.module, dit.decoder.module_path(n), known.base[n]) for n in NAMES}
    again.detach()
    assert all(torch.allclose(ours[n], exact[n], atol=1e-5) for n in NAMES)


def test_the_file_that_training_saves_is_heard_alike_as_it_is(dit, known, tmp_path):
    """In PEFT and the reference, diffusers, and ComfyUI, which takes a file without alpha at strength 1."""
    chosen = {"layers": [n.replace(".", r"\.") for n in NAMES], "ranks": [r".*down_proj=2"]}
    adapter = registry().make("adapters", "lora", {"rank": 4, "alpha": 10.0, **chosen})
    attached = moved(adapter.attach(dit.decoder))
    exact = {n: measured(dit.decoder.module, dit.decoder.module_path(n), known.base[n]) for n in NAMES}
    attached.save(tmp_path, {"base_layers": "4"}), attached.detach()
    settings = json.loads((tmp_path / "adapter_config.json").read_text())
    assert settings["lora_alpha"] == settings["r"] == 4 and settings["alpha_pattern"] == settings["rank_pattern"]
    tensors = load_file(str(tmp_path / "adapter_model.safetensors"))
    assert not any(key.endswith("alpha") for key in tensors)
    start = "base_model.model."
    by_comfyui = {n: tensors[f"{start}{n}.lora_B.weight"] @ tensors[f"{start}{n}.lora_A.weight"] for n in NAMES}
    readers = (by_comfyui, by_peft(tmp_path, known.base),
               by_diffusers(tmp_path / "adapter_model.safetensors", known.base))  # fmt: skip
    for found in readers:
        assert all(torch.allclose(found[n], exact[n], atol=1e-5) for n in NAMES)


def test_an_export_that_does_not_read_back_the_same_is_an_error(known, tmp_path, monkeypatch):
    from acestep_plugins.adapters import writing

    write = writing.write
    monkeypatch.setattr(
        writing, "write", lambda path, tensors, header: write(path, {k: t * 1.01 for k, t in tensors.items()}, header)
    )
    source = write_flat(tmp_path / "a.safetensors", known.peft())
    with pytest.raises(UserError, match="does not read back"):
        exported(source, "comfyui", tmp_path)


def moved(attached):
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in attached.parameters.values():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return attached
