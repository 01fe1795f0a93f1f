"""Files of whole weights: other programs find them, a merged model has them, and what is not whole is refused."""

import pytest
import torch
from adapter_files import fresh_dit
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from test_adapter_stack import Int8
from test_full import PREFIX, look, trained

from acestep_core import UserError
from acestep_core.adapters import attach
from acestep_core.checkpoint import open_checkpoint
from acestep_core.registry import registry
from acestep_core.testing.fakes import toy_decoder
from acestep_plugins.adapters.full import Full
from acestep_plugins.backends.pt.device import choose
from acestep_plugins.backends.pt.dit import Dit


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """(folder of an adapter of all weights, what it changes)"""
    dit, folder = fresh_dit(), tmp_path_factory.mktemp("saved") / "a"
    attached = trained(dit)
    attached.save(folder, {"base_variant": "turbo"})
    return folder, {name: p.detach().clone() for name, p in attached.parameters.items()}


def by_comfyui(keys):
    """Its table for this model: names of files to keys of the model, which begin with diffusion_model."""
    found = {}
    for key in keys:
        found[key.removesuffix(".weight")] = key
    return found


def test_comfyui_finds_every_weight_in_its_file(saved, cli, tmp_path):
    folder, changes = saved
    done = cli("export", folder, "--to", "comfyui", "--scale", 0.5, "-o", tmp_path / "c.safetensors")
    assert done.code == 0, done.err
    written = load_file(tmp_path / "c.safetensors")
    assert written.keys() == changes.keys()
    assert all(torch.allclose(written[k], 0.5 * changes[k], atol=1e-7) for k in written)
    with safe_open(str(fresh_dit().info.folder / "model.safetensors"), "pt") as f:
        table = by_comfyui([f"diffusion_model.{k}" for k in f.keys()])  # noqa: SIM118
        shapes = {f"diffusion_model.{k}": tuple(f.get_slice(k).get_shape()) for k in f.keys()}  # noqa: SIM118
    for name, change in written.items():
        layer, _, leaf = name.rpartition(".")
        key = table[layer] if leaf == "diff" else f"{table[layer].removesuffix('.weight')}.bias"
        assert shapes[key] == tuple(change.shape), name


def test_lycoris_hears_the_same(tmp_path, cli):
    from lycoris import create_lycoris_from_weights

    def heard(toy):
        generator = torch.Generator().manual_seed(1)
        x, condition = (torch.randn(1, n, 64, generator=generator) for n in (11, 5))
        return toy.module(x, condition).detach()

    toy = toy_decoder()
    attached = trained(type("Model", (), {"decoder": toy}))
    attached.save(tmp_path / "a", {})
    expected = heard(toy)
    assert cli("export", tmp_path / "a", "--to", "lycoris", "-o", tmp_path / "l.safetensors").code == 0
    other = toy_decoder()
    network, _ = create_lycoris_from_weights(1.0, str(tmp_path / "l.safetensors"), other.module)
    assert len(network.loras) == len(attached.parameters)
    network.merge_to(1.0)
    assert torch.allclose(heard(other), expected, atol=1e-5)


def test_norms_and_tables_go_where_they_are_known(saved, cli, tmp_path):
    folder, _ = saved
    for to in ("diffusers", "lycoris"):
        refused = cli("export", folder, "--to", to, "-o", tmp_path / "x.safetensors")
        assert refused.code == 1 and "norms and tables" in refused.err and "--to comfyui" in refused.err
    done = cli("export", folder, "--to", "lora-svd", "--rank", 4, "-o", tmp_path / "lora")
    assert done.code == 0 and "no LoRA has them: norms, tables and biases" in done.out
    assert not list(tmp_path.glob("x*"))


def test_a_merged_model_has_all_of_it(saved, cli, tiny, tmp_path):
    dit = Dit(open_checkpoint(tiny).part("dit"), choose("cpu", "float32"))
    attached = trained(dit)
    attached.save(tmp_path / "a", {})
    done = cli("export", tmp_path / "a", "--to", "merged", "--model", tiny, "-o", tmp_path / "m")
    assert done.code == 0, done.err
    (folder,) = tmp_path.glob("m/acestep-v15-*")
    before, after = (load_file(f / "model.safetensors") for f in (dit.info.folder, folder))
    changes = {f"decoder.{n.removeprefix(PREFIX)}": p.detach() for n, p in attached.parameters.items()}
    for key, weight in before.items():
        layer = key.removesuffix(".weight")
        bias = f"{key.removesuffix('.bias')}.diff_b"
        change = changes.get(bias if key.endswith(".bias") else f"{layer}.diff")
        assert (change is None) is (not key.startswith("decoder.")), key
        expected = weight if change is None else (weight.float() + change).to(weight.dtype)
        assert torch.allclose(after[key].float(), expected.float(), rtol=2**-7, atol=1e-6), key


def test_it_is_described(saved, cli):
    shown = cli("adapters", "show", saved[0])
    assert shown.code == 0 and "full" in shown.out and "norm of scale_shift_table" in shown.out


def damaged(folder, to, change):
    file = folder / "full_weights.safetensors"
    with safe_open(str(file), "pt") as f:
        header = dict(f.metadata())
    tensors = load_file(file)
    change(tensors)
    to.mkdir()
    save_file(tensors, to / file.name, header)
    return to


def swap(tensors, name, tensor):
    tensors[PREFIX + name] = tensor


@pytest.mark.parametrize(("change", "told"), [
    (lambda t: t.pop(f"{PREFIX}norm_out.diff"), "holds 95 tensors and should hold 96"),
    (lambda t: swap(t, "norm_out.diff", torch.zeros(128)), "diff of norm_out is 64 here and 128 there"),
    (lambda t: swap(t, "proj_in.1.diff_b", torch.zeros(3)), "diff_b of proj_in.1 is 64 here and 3 there"),
    (lambda t: swap(t, "norm_out.diff", torch.full((64,), torch.nan)), "norm_out.diff holds NaN"),
    (lambda t: t.update(bad=torch.zeros(1)), "1 of 97 keys belong to no adapter"),
])  # fmt: skip
def test_a_file_that_is_not_whole_is_refused_before_anything_is_touched(saved, change, told, tmp_path):
    dit = fresh_dit()
    before, modules = look(dit), dict(dit.decoder.module.named_modules())
    with pytest.raises(UserError, match=told):
        attach(dit, damaged(saved[0], tmp_path / "b", change), 1.0, registry())
    assert torch.equal(look(dit), before) and dict(dit.decoder.module.named_modules()) == modules


def test_a_cut_file_another_size_and_a_mixture_are_refused(saved, tmp_path):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes((saved[0] / "full_weights.safetensors").read_bytes()[:-100])
    with pytest.raises(UserError, match="no readable safetensors"):
        attach(fresh_dit(), cut, 1.0, registry())
    with pytest.raises(UserError, match="there is no layer time_embed.linear_1"):
        attach(type("Model", (), {"decoder": toy_decoder(layers=4)}), saved[0], 1.0, registry())
    tensors = {f"{PREFIX}layers.0.self_attn.q_proj.{leaf}.weight": torch.zeros(s) for leaf, s in
               (("lora_A", (2, 64)), ("lora_B", (64, 2)))}  # fmt: skip
    save_file(tensors | {f"{PREFIX}norm_out.diff": torch.zeros(64)}, tmp_path / "mixed.safetensors")
    with pytest.raises(UserError, match="changes of whole weights beside another adapter"):
        attach(fresh_dit(), tmp_path / "mixed.safetensors", 1.0, registry())


def test_eight_bits_are_refused(saved, encoded, tiny, cli, tmp_path):
    dit = fresh_dit()
    for name, linear in dit.decoder.linears().items():
        if name.startswith("layers."):
            linear.weight = torch.nn.Parameter(Int8(linear.weight.data), requires_grad=False)
    for put_on in (lambda: Full().attach(dit.decoder), lambda: attach(dit, saved[0], 1.0, registry())):
        with pytest.raises(UserError, match="8-bit weights"):
            put_on()
    given = ("train", encoded.folder, "--model", tiny, "--adapter", "full", "-o", "backend.quantization=int8")
    done = cli(*given, "-o", "backend.device=cpu", "--out", tmp_path / "run", "--dry-run")
    assert done.code == 1 and "beside 8-bit weights" in done.err and "backend.quantization=none" in done.err


def test_nothing_chosen_and_ranks_are_told(encoded, tiny, cli, tmp_path):
    with pytest.raises(UserError, match="No weight is chosen"):
        Full(projections=[], mlp=False, norms=False, outside=False).attach(toy_decoder())
    given = ("train", encoded.folder, "--model", tiny, "--adapter", "full", "--out", tmp_path / "run")
    done = cli(*given, "--ranks", "ranks.json")
    assert done.code == 1 and "The adapter 'full' has no ranks by layer" in done.err
