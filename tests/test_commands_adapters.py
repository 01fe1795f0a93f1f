"""`adapters show` and `adapters convert`, as a user meets them."""

import json

import pytest
import torch
from safetensors.torch import load_file

from acestep_core import load_backend
from acestep_core.registry import registry


@pytest.fixture(scope="module")
def run_folder(tiny, tmp_path_factory):
    """A run's adapter/ of each kind, and what it makes of one layer's weight."""
    model, folder = load_backend("pt", model=tiny, device="cpu", dtype="float32"), tmp_path_factory.mktemp("runs")
    generator = torch.Generator().manual_seed(3)
    for name, kind, options in [("plain", "lora", {"rank": 4}), ("dora", "lora", {"rank": 4, "dora": True}),
                                ("small", "lokr", {}), ("turned", "oft", {"block_size": 16})]:  # fmt: skip
        attached = registry().make("adapters", kind, options).attach(model.dit.decoder)
        with torch.no_grad():
            for parameter in attached.parameters.values():
                parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
        attached.save(folder / name / "adapter", {"base_variant": "turbo", "trigger": "zxc"})
        attached.detach()
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_adapters_show_tells_kind_layers_strength_and_header(cli, run_folder):
    shown = cli("adapters", "show", run_folder / "plain" / "adapter").out
    for words in ("lora", "self_attn.q_proj x 4", "alpha over rank", "norm of self_attn.q_proj", "trigger", "zxc"):
        assert words in shown
    facts = json.loads(cli("adapters", "show", run_folder / "small" / "adapter", "--json").out)["adapters"][0]
    assert (facts["kind"], facts["layers"], facts["model_width"], facts["dora"]) == ("lokr", 32, 128, False)
    tensors = load_file(str(run_folder / "small" / "adapter" / "lokr_weights.safetensors"))
    start = "lycoris_layers_{}_self_attn_q_proj.lokr_w{}"
    whole = [torch.kron(*(tensors[start.format(i, w)] for w in (1, 2))).norm().item() for i in range(4)]
    assert facts["norms"]["self_attn.q_proj"] == pytest.approx(sum(whole) / 4, rel=1e-5)


def test_adapters_show_goes_on_after_a_bad_file(cli, run_folder, here):
    (here / "bad.pt").write_bytes(b"x")
    done = cli("adapters", "show", here / "bad.pt", run_folder / "dora" / "adapter")
    assert done.code == 1 and "bad.pt is a pickle" in done.err and "not without the model" in done.out


def test_adapters_convert_names_its_file_and_never_overwrites(cli, run_folder, here):
    source = run_folder / "plain" / "adapter"
    done = cli("adapters", "convert", source, "--to", "comfyui")
    assert done.code == 0 and "32 of 32 layers are the same" in done.out
    before = (here / "plain-comfyui.safetensors").read_bytes()
    again = cli("adapters", "convert", source, "--to", "comfyui")
    assert again.code == 1 and "is there already" in again.err and "--force" in again.err
    assert cli("adapters", "convert", source, "--to", "comfyui", "--force").code == 0
    assert (here / "plain-comfyui.safetensors").read_bytes() == before
    assert sorted(p.name for p in here.iterdir()) == ["plain-comfyui.safetensors"]


def test_adapters_convert_tells_what_a_lora_loses(cli, run_folder, here):
    source = run_folder / "small" / "adapter"
    few, many = (
        cli("adapters", "convert", source, "--to", "diffusers", "--rank", rank, "--out", f"{rank}.safetensors").out
        for rank in ("2", "128")
    )
    lost = [float(text.split("relative error ")[1].split()[0]) for text in (few, many)]
    assert lost[0] > 0.3 and lost[1] < 1e-5


def test_adapters_convert_asks_for_the_model_where_it_needs_it(cli, run_folder, here, tiny):
    source = run_folder / "turned" / "adapter"
    refused = cli("adapters", "convert", source, "--to", "comfyui")
    assert refused.code == 1 and "depends on the model's weights" in refused.err and list(here.iterdir()) == []
    assert cli("adapters", "convert", source, "--to", "comfyui", "--model", tiny).code == 0


@pytest.mark.parametrize("given", [["--to", "merged"], ["--to", "peft", "--scale", "2"],
                                   ["--to", "merged", "--model", ".", "--rank", "2"]])  # fmt: skip
def test_adapters_convert_refuses_options_that_do_nothing(cli, run_folder, here, given):
    assert cli("adapters", "convert", run_folder / "plain" / "adapter", *given).code == 1


@pytest.mark.parametrize("name", ["plain", "dora", "small", "turned"])
def test_adapters_convert_merged_is_the_model_with_the_adapter_in_it(cli, run_folder, here, tiny, name):
    """The original layout, file by file; what is heard is what the adapter makes at that strength, to bfloat16."""
    source = run_folder / name / "adapter"
    done = cli("adapters", "convert", source, "--to", "merged", "--model", tiny, "--scale", "0.5", "--out", "both")
    assert done.code == 0, done.err
    original = next(tiny.glob("acestep-*"))
    assert {p.name for p in (here / "both").iterdir()} == {p.name for p in original.iterdir()} | {"merged.json"}
    before, after = (load_file(str(f / "model.safetensors")) for f in (original, here / "both"))
    assert {k: (t.shape, t.dtype) for k, t in before.items()} == {k: (t.shape, t.dtype) for k, t in after.items()}
    changed = {k for k in before if not torch.equal(before[k], after[k])}
    assert len(changed) == 32 and all(".self_attn." in k or ".cross_attn." in k for k in changed)
    model = load_backend("pt", model=tiny, device="cpu", dtype="float32")
    model.adapters.add(source, 0.5)
    layer = model.dit.decoder.module.layers[1].self_attn.to_q
    with torch.no_grad():
        expected = layer(torch.eye(128)).T
    stored = after["decoder.layers.1.self_attn.q_proj.weight"].float()
    assert torch.allclose(stored, expected, atol=1e-5, rtol=2**-8)
    merged = registry().make("backends", "pt", {"device": "cpu", "dtype": "float32"}).load("dit", here / "both")
    assert torch.equal(merged.decoder.linears()["layers.1.self_attn.q_proj"].weight, stored)
