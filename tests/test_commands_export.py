"""`export`, as a user meets it."""

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from adapter_folders import write_adapters
from safetensors.torch import load_file, save_file

from acestep_core import TrainSettings, load_backend, merging, train
from acestep_core.files import write_json


@pytest.fixture(scope="module")
def run_folder(tiny, tmp_path_factory):
    """A run's adapter/ of each kind."""
    return write_adapters(tmp_path_factory.mktemp("runs"), tiny)


@pytest.fixture(scope="module")
def trained(encoded, tmp_path_factory):
    """A finished run of six steps with a checkpoint every two."""
    folder = tmp_path_factory.mktemp("trained") / "song"
    told = {"author": "A. Singer", "license": "CC-BY-4.0", "trigger": "zxc"}
    settings = TrainSettings(steps=6, save_every=2, keep=0, learning_rate=0.01, **told)
    options = {"adapter": {"rank": 4, "alpha": 12.0}}
    return train(encoded.folder, encoded.model, adapter="lora", out=folder, settings=settings, options=options)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_export_names_its_file_and_never_overwrites(cli, run_folder, here):
    source = run_folder / "plain" / "adapter"
    done = cli("export", source, "--to", "comfyui")
    assert done.code == 0 and "the change of 32 layers is the same" in done.out
    before = (here / "plain-comfyui.safetensors").read_bytes()
    again = cli("export", source, "--to", "comfyui")
    assert again.code == 1 and "is there already" in again.err and "--force" in again.err
    assert cli("export", source, "--to", "comfyui", "--force").code == 0
    assert (here / "plain-comfyui.safetensors").read_bytes() == before
    assert sorted(p.name for p in here.iterdir()) == ["plain-comfyui.safetensors"]


def test_export_tells_what_a_lora_loses(cli, run_folder, here):
    source = run_folder / "small" / "adapter"
    few, many = (
        json.loads(cli("export", source, "--to", "lora-svd", "--rank", rank, "-o", rank, "--json").out)
        for rank in ("2", "128")
    )
    assert min(f["error"] for f in few["layers"]) > 0.3 and max(f["error"] for f in many["layers"]) < 1e-5
    assert {f["rank"] for f in few["layers"]} == {2}
    shown = cli("export", source, "--to", "diffusers", "--rank", "2")
    assert "layers that lose most" in shown.out and "relative error" in shown.out
    refused = cli("export", source, "--to", "diffusers", "-o", "no.safetensors")
    assert refused.code == 1 and "LoKr, which diffusers does not know" in refused.err and "lora-svd" in refused.err


def test_export_asks_for_the_model_where_it_needs_it(cli, run_folder, here, tiny):
    source = run_folder / "turned" / "adapter"
    refused = cli("export", source, "--to", "lora-svd")
    assert refused.code == 1 and "depends on the model's weights" in refused.err and list(here.iterdir()) == []
    assert cli("export", source, "--to", "lora-svd", "--model", tiny).code == 0


@pytest.mark.parametrize(("given", "said"), [
    (["--to", "merged"], "--model"),
    (["--to", "merged", "--model", ".", "--rank", "2"], "does nothing"),
    (["--to", "surely_none"], "comfyui"),
    (["--to", "comfyui", "-o", "folder"], "folder.safetensors"),
    (["--to", "reference", "-o", "file.safetensors"], "call it file"),
    (["--to", "comfyui", "--checkpoint", "last"], "--checkpoint does nothing"),
    (["--to", "comfyui", "--scale", "1", "--scale", "2"], "2 --scale"),
    (["--to", "comfyui", "--variant", "turbo"], "--model"),
    (["--to", "comfyui", "--dtype", "int4"], "float16"),
])  # fmt: skip
def test_export_refuses_what_does_nothing_or_cannot_be(cli, run_folder, here, tiny, given, said):
    done = cli("export", run_folder / "plain" / "adapter", *[str(tiny) if g == "." else g for g in given])
    assert done.code == 1 and said in done.err and list(here.iterdir()) == []


def test_export_takes_a_run_and_its_checkpoints(cli, trained, here):
    """The file of a checkpoint is folded; what training goes on with is not, and stays as it is."""
    folder = trained.run.folder
    raw = {p: p.read_bytes() for p in folder.rglob("state.safetensors")}
    steps = {}
    for name in ("last", "2", "4", None):
        out = here / f"{name}.safetensors"
        chosen = ["--checkpoint", name] if name else []
        assert cli("export", folder, "--to", "comfyui", "-o", out, *chosen).code == 0
        steps[name] = json.loads(cli("adapters", "show", out, "--json").out)["adapters"][0]["header"]["trained_steps"]
    assert steps == {"last": "6", "2": "2", "4": "4", None: "6"}
    state = load_file(str(folder / "checkpoints" / "step-000002" / "state.safetensors"))
    key = "base_model.model.layers.1.self_attn.q_proj"
    folded = load_file(str(here / "2.safetensors"))[f"{key}.lora_up.weight"]
    assert torch.equal(folded, state[f"parameter/{key}.lora_B.weight"] * 3.0) and folded.abs().max() > 0
    assert {p: p.read_bytes() for p in folder.rglob("state.safetensors")} == raw
    for name, said in (("7", "there are 2, 4, 6"), ("best", "was not validated"), ("first", "best, last")):
        refused = cli("export", folder, "--to", "comfyui", "--checkpoint", name, "-o", "no.safetensors")
        assert refused.code == 1 and said in refused.err


def test_export_of_an_unfinished_run_is_its_last_checkpoint(cli, trained, here):
    run = shutil.copytree(trained.run.folder, here / "run")
    shutil.rmtree(run / "adapter")
    shutil.rmtree(run / "checkpoints" / "step-000006")
    assert cli("export", run, "--to", "reference", "--json").code == 0
    shown = json.loads(cli("adapters", "show", here / "run-reference", "--json").out)["adapters"][0]
    assert shown["header"]["trained_steps"] == "4"
    shutil.rmtree(run / "checkpoints")
    assert "has no checkpoint" in cli("export", run, "--to", "comfyui").err


def test_export_keeps_the_header_of_training_and_adds_what_is_said(cli, trained, encoded, here):
    args = ["--author", "B. Singer", "--scale", "0.5", "--dtype", "float16"]
    assert cli("export", trained.run.folder, "--to", "diffusers", "-o", "d.safetensors", *args).code == 0
    before, after = (json.loads(cli("adapters", "show", p, "--json").out)["adapters"][0]["header"]
                     for p in (trained.adapter, "d.safetensors"))  # fmt: skip
    assert before["base_variant"] == "turbo" and before["shift"] == "3" and before["timestep_sampler"] == "logit_normal"
    assert before["dataset_songs"] == "3" and len(before["dataset_hash"]) == 12
    assert before["base_hash"] == encoded.model.hashes["dit"] and before["made_with"].startswith("acestep-core ")
    for key, value in (("trigger", "zxc"), ("author", "A. Singer"), ("license", "CC-BY-4.0")):
        spec = {"trigger": "modelspec.trigger_phrase"}.get(key, f"modelspec.{key}")
        assert before[key] == before[spec] == value
    changed = {"author": "B. Singer", "modelspec.author": "B. Singer", "exported_scale": "0.5"}
    assert before.items() | changed.items() <= after.items() | {
        ("author", "A. Singer"),
        ("modelspec.author", "A. Singer"),
    }
    assert "zxc" in cli("adapters", "show", trained.run.adapter).out


def test_export_that_reads_back_otherwise_leaves_nothing(cli, run_folder, here, tiny, monkeypatch):
    from acestep_plugins.adapters import writing

    source, write, before = run_folder / "plain", writing.write, files_of(run_folder / "plain")

    def changed(path, tensors, header):
        write(path, {k: 1.01 * t for k, t in tensors.items()}, header)

    monkeypatch.setattr(writing, "write", changed)
    for to in ("comfyui", "diffusers", "reference", "lora-svd"):
        done = cli("export", source / "adapter", "--to", to)
        assert done.code == 1 and "does not read back" in done.err and "layers.0" in done.err
    overwrite = merging._overwrite
    monkeypatch.setattr(merging, "_overwrite", lambda file, key, t: (overwrite(file, key, t), damage(file))[0])
    done = cli("export", source / "adapter", "--to", "merged", "--model", tiny)
    assert done.code == 1 and "does not read back" in done.err
    assert list(here.iterdir()) == [] and files_of(source) == before


def files_of(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def damage(file):
    with open(file, "r+b") as f:
        f.seek(-1, 2)
        last = f.read(1)
        f.seek(-1, 2)
        f.write(bytes([(last[0] + 1) % 256]))


@pytest.mark.parametrize("name", ["plain", "dora", "small", "turned"])
def test_export_merged_is_the_model_with_the_adapter_in_it(cli, run_folder, here, tiny, name):
    """The original layout, file by file; what is heard is what the adapter makes at that strength, to bfloat16."""
    source = run_folder / name / "adapter"
    done = cli("export", source, "--to", "merged", "--model", tiny, "--scale", "0.5", "-o", "both", "--author", "me")
    assert done.code == 0, done.err
    original = next(tiny.glob("acestep-v15-*"))
    folder = here / "both" / original.name
    assert {p.name for p in (here / "both").iterdir()} == {original.name, "vae", "Qwen3-Embedding-0.6B"}
    assert {p.name for p in folder.iterdir()} == {p.name for p in original.iterdir()} | {"merged.json"}
    assert json.loads((folder / "merged.json").read_text())["author"] == "me"
    before, after = (load_file(str(f / "model.safetensors")) for f in (original, folder))
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
    merged = load_backend("pt", model=here / "both", device="cpu", dtype="float32")
    assert torch.equal(merged.dit.decoder.linears()["layers.1.self_attn.q_proj"].weight, stored)
    assert merged.codec and merged.text


def test_export_merges_several_with_a_strength_each(cli, run_folder, here, tiny):
    sources = [run_folder / name / "adapter" for name in ("plain", "turned")]
    args = ["--to", "merged", "--model", tiny, "--scale", "0.5", "--scale", "-0.25", "-o", "sum"]
    assert cli("export", *sources, *args).code == 0
    model = load_backend("pt", model=tiny, device="cpu", dtype="float32")
    for source, scale in zip(sources, (0.5, -0.25), strict=True):
        model.adapters.add(source, scale)
    with torch.no_grad():
        expected = model.dit.decoder.module.layers[2].cross_attn.to_v(torch.eye(128)).T
    after = load_file(str(next((here / "sum").glob("acestep-*")) / "model.safetensors"))
    assert torch.allclose(after["decoder.layers.2.cross_attn.v_proj.weight"].float(), expected, atol=1e-5, rtol=2**-8)
    twice = cli("export", sources[0], sources[0], *args[:-1], "other")
    assert twice.code == 1 and "given twice" in twice.err
    assert "do not go into one file" in cli("export", *sources, "--to", "comfyui").err


@pytest.fixture
def sharded(tiny, tmp_path):
    """The model in shards of its decoder's layers, as the large ones are."""
    root = shutil.copytree(tiny, tmp_path / "sharded")
    folder = next(root.glob("acestep-v15-*"))
    tensors, index = load_file(str(folder / "model.safetensors")), {}
    for number in range(3):
        name = f"model-0000{number + 1}-of-00003.safetensors"
        own = {k: t for k, t in tensors.items() if shard_of(k) == number}
        save_file(own, str(folder / name), {"format": "pt"})
        index |= dict.fromkeys(own, name)
    (folder / "model.safetensors").unlink()
    write_json(folder / "model.safetensors.index.json", {"weight_map": index})
    return root


def shard_of(key):
    return 2 if not key.startswith("decoder.layers.") else int(key.split(".")[2]) // 2


def test_export_merged_goes_on_after_a_kill_with_the_shards_that_are_done(cli, run_folder, sharded, here, monkeypatch):
    source, written, write = run_folder / "plain" / "adapter", [], merging._overwrite

    def stopped(file, key, tensor):
        written.append(key)
        if len(written) == 20:
            raise KeyboardInterrupt
        return write(file, key, tensor)

    monkeypatch.setattr(merging, "_overwrite", stopped)
    args = ["export", source, "--to", "merged", "--model", sharded, "-o", "merged"]
    assert cli(*args).code == 1
    assert not (here / "merged").exists() and len(written) == 20
    done = cli(*args)
    assert done.code == 0 and len(written) == 20 + 16, done.err  # the first of two shards was whole
    assert {p.name for p in here.iterdir()} == {"merged", "sharded"}
    straight = cli(*args[:-1], "straight")
    assert straight.code == 0
    assert {p.relative_to(here / "merged"): c for p, c in files_of(here / "merged").items()} == {
        p.relative_to(here / "straight"): c for p, c in files_of(here / "straight").items()
    }


def test_export_merged_begins_anew_for_another_adapter(cli, run_folder, sharded, here, monkeypatch):
    write = merging._overwrite
    monkeypatch.setattr(merging, "_overwrite", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
    args = ["--to", "merged", "--model", sharded, "-o", "merged"]
    assert cli("export", run_folder / "plain" / "adapter", *args).code == 1
    monkeypatch.setattr(merging, "_overwrite", write)
    assert cli("export", run_folder / "small" / "adapter", *args).code == 0
    record = json.loads(next((here / "merged").glob("acestep-*/merged.json")).read_text())
    assert [a["header"].get("adapter") for a in record["adapters"]] == ["lokr"]


def test_export_merged_asks_for_room_before_it_writes(cli, run_folder, here, tiny, monkeypatch):
    monkeypatch.setattr(merging.shutil, "disk_usage", lambda path: SimpleNamespace(free=4096))
    done = cli("export", run_folder / "plain" / "adapter", "--to", "merged", "--model", tiny)
    assert done.code == 1 and "needs" in done.err and list(here.iterdir()) == []


def test_export_never_replaces_what_it_is_made_from_or_what_is_no_export(cli, run_folder, here, tiny):
    model = shutil.copytree(tiny, here / "models")
    source = shutil.copytree(run_folder / "plain", here / "plain") / "adapter"
    before = files_of(here)
    (here / "work").mkdir()
    (here / "work" / "song.txt").write_text("la")
    for args in (["merged", "--model", model, "-o", model], ["reference", "-o", source],
                 ["reference", "-o", here / "plain"], ["reference", "-o", here / "work"],
                 ["merged", "--model", model, "-o", here / "work"]):  # fmt: skip
        done = cli("export", source, "--to", *args, "--force")
        assert done.code == 1 and "give another --out" in done.err
    assert before.items() <= files_of(here).items()
