"""What a models folder holds, told from headers alone."""

import json
import shutil
from pathlib import Path

import pytest

from acestep_core import UserError
from acestep_core.installed import examine, installed

DIT = "acestep-v15-tiny-turbo"


@pytest.fixture
def models(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "models"))


def parameters(folder: Path) -> int:
    from safetensors import safe_open

    with safe_open(str(next(folder.glob("*.safetensors"))), "pt") as f:
        return sum(f.get_tensor(k).numel() for k in f.keys())  # noqa: SIM118 (not a dict)


def test_every_part_is_found_with_its_parameters_and_size(models: Path):
    found = {p.name: p for p in installed(models)}
    assert {n: p.kind for n, p in found.items()} == {
        DIT: "model", "vae": "codec", "Qwen3-Embedding-0.6B": "text encoder", "acestep-5Hz-lm-0.6B": "language model",
    }  # fmt: skip
    for part in found.values():
        assert part.problems == () and part.parameters == parameters(part.folder)
        assert part.size == sum(p.stat().st_size for p in part.folder.iterdir())
    assert found[DIT].model and found[DIT].model.variant == "turbo"


@pytest.mark.parametrize(
    ("part", "lost", "said"),
    [(DIT, "silence_latent.pt", "lacks silence_latent.pt"), (DIT, "config.json", "lacks config.json"),
     (DIT, "model.safetensors", "has no weights"), ("vae", "config.json", "lacks config.json"),
     ("Qwen3-Embedding-0.6B", "tokenizer.json", "lacks tokenizer.json")],
)  # fmt: skip
def test_what_is_missing_is_told(models: Path, part: str, lost: str, said: str):
    (models / part / lost).unlink()
    problems = examine(models / part).problems
    assert any(said in p for p in problems) and not any(str(models) in p for p in problems)


def test_a_file_that_was_cut_off_is_told(models: Path):
    path = models / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert any("is cut off after" in p for p in examine(models / "vae").problems)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\2\0\0\0\0\0\0\0{}"[:9], b"\7\0\0\0\0\0\0\0" + b'{"a":1}'])
def test_a_damaged_file_is_told(models: Path, content: bytes):
    (models / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(content)
    assert any("is damaged" in p for p in examine(models / "vae").problems)


def test_what_is_still_on_its_way_is_told(models: Path):
    path = models / DIT / "model.safetensors"
    path.rename(path.with_name(".model.safetensors.0123456789ab.part"))
    assert any(p.startswith("model.safetensors has") and "so far" in p for p in examine(models / DIT).problems)


def test_a_missing_shard_is_told(models: Path):
    folder = models / DIT
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    shards = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert any("lacks the shards model-2.safetensors" in p for p in examine(folder).problems)


def test_a_folder_that_does_not_exist_names_the_command(tmp_path: Path):
    with pytest.raises(UserError, match="models download"):
        installed(tmp_path / "none")


def test_adapters_and_other_folders_are_no_parts(models: Path):
    for name, file in (("adapter", "adapter_config.json"), ("songs", "a.wav"), (".cache", "config.json")):
        (models / name).mkdir()
        (models / name / file).write_text("{}")
    assert not {"adapter", "songs", ".cache"} & {p.name for p in installed(models)}


def test_list_tells_what_is_there_and_what_is_not(models: Path, cli):
    shutil.rmtree(models / "vae")
    (models / DIT / "silence_latent.pt").unlink()
    done = cli("models", "list", models)
    assert done.code == 0 and "lacks silence_latent.pt" in done.out
    assert f"no codec: acestep-core models download vae --to {models}" in done.out
    told = json.loads(cli("models", "list", models, "--json").out)
    assert [m["complete"] for m in told["models"]] == [False] and told["models"][0]["fits"] is None
    assert all(p["complete"] and p["fits"] is None for p in told["parts"]) and told["free_bytes"] > 0


def test_list_says_whether_a_whole_model_fits_this_device(models: Path, cli):
    told = json.loads(cli("models", "list", models, "--json").out)
    assert [m["fits"] for m in told["models"]] == ["yes"] and "yes" in cli("models", "list", models).out


def test_list_available_says_what_is_installed(models: Path, cli):
    told = json.loads(cli("models", "list", models, "--available", "--json").out)
    assert {m["name"] for m in told if m["installed"]} == {"vae", "Qwen3-Embedding-0.6B", "acestep-5Hz-lm-0.6B"}
    assert {"acestep-v15-turbo", "acestep-v15-xl-base", "acestep-5Hz-lm-4B"} <= {m["name"] for m in told}
