"""Every kind of adapter to every target: the same change comes out, or one sentence names a target that works."""

import re

import pytest
import torch
from adapter_files import NAMES, fresh_dit, measured
from safetensors.torch import load_file

from acestep_core import UserError
from acestep_core.adapter_export import FOLDERS
from acestep_core.adapters import attach, recognised
from acestep_core.export_settings import ExportSettings
from acestep_core.registry import registry
from acestep_plugins.adapters.stored import read_stored

LAYERS = [n for n in NAMES if n.endswith(("self_attn.q_proj", "cross_attn.v_proj"))]
KINDS = {
    "lora": ("lora", {"rank": 4, "alpha": 10.0}),
    "rslora": ("lora", {"rank": 4, "rslora": True}),
    "dora": ("lora", {"rank": 4, "dora": True}),
    "lokr": ("lokr", {}),
    "lokr-both": ("lokr", {"dim": 1, "decompose_both": True}),
    "lokr-dora": ("lokr", {"dora": True}),
    "loha": ("loha", {"rank": 2}),
    "oft": ("oft", {"block_size": 16}),
    "full": ("full", {}),
}
TARGETS = ("comfyui", "diffusers", "reference", "lycoris", "lora-svd")
REFUSED = {(kind, "diffusers") for kind in ("lokr", "lokr-both", "lokr-dora", "loha", "oft", "full")} | {
    ("loha", "reference"), ("full", "reference"), ("oft", "comfyui"), ("oft", "lycoris"),
}  # fmt: skip


@pytest.fixture(scope="module")
def dit():
    return fresh_dit()


@pytest.fixture(scope="module")
def base(dit):
    return {n: dit.decoder.linears()[n].weight.detach().clone() for n in LAYERS}


@pytest.fixture(scope="module")
def trained(dit, base, tmp_path_factory):
    """Kind -> (its folder, the change that training left on each layer)."""
    found, generator = {}, torch.Generator().manual_seed(5)
    for kind, (name, options) in KINDS.items():
        adapter = registry().make("adapters", name, {**options, "layers": [re.escape(n) for n in LAYERS]})
        attached = adapter.attach(dit.decoder)
        with torch.no_grad():
            for parameter in attached.parameters.values():
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
        folder = tmp_path_factory.mktemp("trained") / kind
        change = changes(dit, base)
        attached.save(folder, {"base_variant": "turbo"}), attached.detach()
        found[kind] = folder, change
    return found


def changes(dit, base):
    return {n: measured(dit.decoder.module, dit.decoder.module_path(n), base[n]) for n in base}


def written(path, to, folder, weights=None, scale=1.0, **settings):
    out = folder / (to if to in FOLDERS else f"{to}.safetensors")
    given = {"scale": scale, "weights": weights and weights.__getitem__}
    return out, recognised(path, registry()).export(path, to, out, ExportSettings(**settings), **given)


def heard(dit, base, path, scale=1.0):
    attached = attach(dit, path, scale, registry())
    found = changes(dit, base)
    attached.detach()
    return found


def same(found, expected, tolerance=1e-5):
    for name, change in expected.items():
        assert (found[name] - change).norm() <= tolerance * change.norm() + 1e-4, name


@pytest.mark.parametrize("to", TARGETS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_reaches_a_target_unchanged_or_is_told_which_one_to_use(kind, to, dit, base, trained, tmp_path):
    path, change = trained[kind]
    if (kind, to) in REFUSED:
        with pytest.raises(UserError) as refused:
            written(path, to, tmp_path, base)
        assert "does not know" in refused.value.problem and "\n" not in refused.value.problem
        assert not list(tmp_path.iterdir())
        for way in re.findall(r"--to ([\w-]+)", refused.value.hint):
            if way != "merged":
                out, _ = written(path, way, tmp_path, base, **({"rank": 128} if way == "lora-svd" else {}))
                same(heard(dit, base, out), change, 1e-4)
        return
    out, told = written(path, to, tmp_path, base, **({"rank": 128} if to == "lora-svd" else {}))
    assert {f["layer"] for f in told.layers} == set(LAYERS)
    same(heard(dit, base, out), change, 1e-4)


def test_what_depends_on_the_weights_asks_for_the_model(trained, tmp_path):
    for kind, to in (("dora", "comfyui"), ("lokr-dora", "comfyui"), ("dora", "lora-svd"), ("oft", "lora-svd")):
        with pytest.raises(UserError) as refused:
            written(trained[kind][0], to, tmp_path)
        assert "--model" in refused.value.hint and not list(tmp_path.iterdir())


def test_comfyui_hears_lokr_with_dora_by_its_own_rule(base, trained, tmp_path):
    """Its weight_decompose: the sum times dora_scale over the norm of the weight that was there."""
    path, change = trained["lokr-dora"]
    tensors = load_file(str(written(path, "comfyui", tmp_path, base)[0]))
    for name, weight in base.items():
        start = f"lycoris_{name.replace('.', '_')}"
        total = weight + torch.kron(tensors[f"{start}.lokr_w1"], tensors[f"{start}.lokr_w2"])
        total *= tensors[f"{start}.dora_scale"] / weight.norm(dim=1, keepdim=True)
        assert torch.allclose(total - weight, change[name], atol=1e-5), name


def test_a_file_for_comfyui_comes_back_from_there(dit, base, trained, tmp_path):
    path, change = trained["dora"]
    there, _ = written(path, "comfyui", tmp_path, base)
    back, _ = written(there, "reference", tmp_path, base)
    assert "dora_norm" in read_stored(there).header and "dora_norm" not in read_stored(back).header
    same(heard(dit, base, back), change, 1e-4)


@pytest.mark.parametrize("kind", ["lora", "lokr", "lokr-both", "loha"])
def test_a_strength_is_folded_in(kind, dit, base, trained, tmp_path):
    path, change = trained[kind]
    out, _ = written(path, "comfyui", tmp_path, scale=-0.5)
    same(heard(dit, base, out), {n: -0.5 * c for n, c in change.items()}, 1e-4)


def test_a_strength_that_no_file_can_hold_is_refused(base, trained, dit, tmp_path):
    path, change = trained["dora"]
    with pytest.raises(UserError, match="No strength can be written"):
        written(path, "reference", tmp_path, base, scale=0.5)
    out, _ = written(path, "lora-svd", tmp_path, base, scale=0.5, rank=128)
    same(heard(dit, base, out), {n: 0.5 * c for n, c in change.items()}, 1e-4)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 2.5e-3), ("bfloat16", 2e-2)])
@pytest.mark.parametrize("kind", ["lora", "dora", "loha", "oft"])
def test_half_precision_is_written_and_near(kind, dtype, tolerance, dit, base, trained, tmp_path):
    path, change = trained[kind]
    out, told = written(path, "lycoris" if kind == "loha" else "reference", tmp_path, dtype=dtype)
    tensors = next(iter(read_stored(out).layers.values()))
    assert {t.dtype for leaf, t in tensors.items() if leaf != "magnitude"} == {getattr(torch, dtype)}
    assert max(f["difference"] for f in told.layers) > 1e-5
    same(heard(dit, base, out), change, tolerance)


def test_what_a_precision_cannot_hold_is_an_error(trained, tmp_path):
    with pytest.raises(UserError, match="float16 cannot hold"):
        written(trained["lora"][0], "reference", tmp_path, scale=1e8, dtype="float16")


@pytest.mark.parametrize("kind", ["lora", "dora", "lokr", "lokr-both", "loha", "oft"])
@pytest.mark.parametrize("limit", [0.5, 0.05])
def test_max_error_gives_the_smallest_rank_that_keeps_it(kind, limit, base, trained, tmp_path):
    path, change = trained[kind]
    _, told = written(path, "lora-svd", tmp_path, base, max_error=limit)
    for fact in told.layers:
        s = torch.linalg.svdvals(change[fact["layer"]].double()).square()
        left = (s.sum() - s.cumsum(0)).clamp(min=0) / s.sum()
        smallest = 1 + int((left.sqrt() > limit).sum())
        assert (fact["rank"], fact["error"] <= limit) == (smallest, True), fact
        assert fact["error"] == pytest.approx(left[smallest - 1].sqrt().item(), abs=1e-3)


def test_a_rank_that_leaves_too_much_is_refused(trained, tmp_path):
    with pytest.raises(UserError, match=r"Rank 2 leaves an error above 0\.01 in 8 of 8 layers"):
        written(trained["lokr"][0], "lora-svd", tmp_path, rank=2, max_error=0.01)
    assert not list(tmp_path.iterdir())


def test_nan_in_an_adapter_is_told_with_its_layer(trained, tmp_path):
    from safetensors.torch import save_file

    tensors = load_file(str(trained["lora"][0] / "adapter_model.safetensors"))
    key = next(k for k in tensors if "layers.2." in k)
    tensors[key][0, 0] = float("nan")
    save_file(tensors, str(tmp_path / "bad.safetensors"))
    with pytest.raises(UserError, match=r"NaN or infinity in layers\.2\."):
        written(tmp_path / "bad.safetensors", "comfyui", tmp_path)


def test_an_odd_header_stops_nothing(trained, tmp_path):
    from safetensors.torch import save_file

    for kind, file in (("lora", "adapter_model.safetensors"), ("lokr", "lokr_weights.safetensors")):
        odd = {"base_layers": "many", "trigger": "\x1b[31mred\n", "dora_norm": "?", "shift": ""}
        odd |= {"lokr_config": "{"} if kind == "lokr" else {}
        save_file(load_file(str(trained[kind][0] / file)), str(tmp_path / f"{kind}.safetensors"), odd)
        out, told = written(tmp_path / f"{kind}.safetensors", "reference", tmp_path / kind)
        assert any("no valid JSON" in note for note in told.notes) == (kind == "lokr")
        assert read_stored(out).header["trigger"] == odd["trigger"]


@pytest.mark.parametrize("leaf", ["down", "up", "magnitude"])
def test_a_single_damaged_leaf_is_seen_without_the_model(leaf, trained, tmp_path, monkeypatch):
    """DoRA is compared on random weights: they must not drown any part of the change."""
    from acestep_plugins.adapters import writing

    write, end = writing.write, {"down": "lora_A.weight", "up": "lora_B.weight", "magnitude": "vector"}[leaf]
    monkeypatch.setattr(writing, "write", lambda path, tensors, header: write(
        path, {k: t * 1.001 if k.endswith(end) else t for k, t in tensors.items()}, header))  # fmt: skip
    with pytest.raises(UserError, match="does not read back"):
        written(trained["dora"][0], "reference", tmp_path)


def test_magnitudes_of_inputs_go_where_they_are_known(dit, base, trained, tmp_path):
    """LyCORIS can decompose by input: the sum times dora_scale [1, in] over the norms of its columns."""
    from safetensors.torch import save_file

    tensors, change, generator = {}, {}, torch.Generator().manual_seed(7)
    for name, weight in base.items():
        start, (out, inputs) = f"lycoris_{name.replace('.', '_')}", weight.shape
        up, down = (0.1 * torch.randn(shape, generator=generator) for shape in ((out, 4), (4, inputs)))
        scale = 0.5 + torch.rand(1, inputs, generator=generator)
        total = weight + up @ down
        change[name] = total * (scale / total.norm(dim=0, keepdim=True)) - weight
        tensors |= {f"{start}.lora_up.weight": up, f"{start}.lora_down.weight": down, f"{start}.dora_scale": scale,
                    f"{start}.alpha": torch.tensor(4.0)}  # fmt: skip
    save_file(tensors, str(tmp_path / "a.safetensors"))
    for to in ("comfyui", "lycoris"):
        same(heard(dit, base, written(tmp_path / "a.safetensors", to, tmp_path)[0]), change)
    for to in ("reference", "diffusers"):
        with pytest.raises(UserError, match="DoRA of inputs, which"):
            written(tmp_path / "a.safetensors", to, tmp_path)


def test_a_file_of_several_kinds_goes_where_one_file_holds_them(dit, base, trained, tmp_path):
    from safetensors.torch import save_file

    lora = load_file(str(trained["lora"][0] / "adapter_model.safetensors"))
    lokr = load_file(str(trained["lokr"][0] / "lokr_weights.safetensors"))
    both = {k: t for k, t in lora.items() if "self_attn" in k} | {k: t for k, t in lokr.items() if "cross_attn" in k}
    save_file(both, str(tmp_path / "a.safetensors"))
    change = {n: trained["lora" if "self_attn" in n else "lokr"][1][n] for n in base}
    same(heard(dit, base, written(tmp_path / "a.safetensors", "comfyui", tmp_path)[0]), change)
    with pytest.raises(UserError, match="one kind a file"):
        written(tmp_path / "a.safetensors", "reference", tmp_path)
    out, _ = written(tmp_path / "a.safetensors", "reference", tmp_path, rank=128)
    same(heard(dit, base, out), change, 1e-4)
