"""models download: what is fetched, from where, and to where."""

import hashlib
import json
from pathlib import Path

import pytest
from fake_hub import CARD, CONFIG, MAIN, SAFE, VAE_CONFIG, files, wanted, weights


def test_a_model_comes_with_the_parts_it_needs_and_without_code(hub, get, source):
    done = get("acestep-v15-turbo", "--source", source)
    assert done.code == 0, done.err
    folder = Path("models")
    assert files(folder) == {
        *(f"acestep-v15-turbo/{n}" for n in ("config.json", "model.safetensors", "silence_latent.pt", "README.md")),
        *(f"vae/{n}" for n in ("config.json", "diffusion_pytorch_model.safetensors", "README.md")),
        *(f"Qwen3-Embedding-0.6B/{n}" for n in ("config.json", "tokenizer.json", "merges.txt", "model.safetensors",
                                                "README.md")),
        *(f"{n}/.download.json" for n in ("acestep-v15-turbo", "vae", "Qwen3-Embedding-0.6B")),
    }  # fmt: skip
    for path, content in hub.repos[MAIN].items():
        if (folder / path).exists():
            assert (folder / path).read_bytes() == content
    assert not [url for _, url, _ in hub.asked if ".py" in url or ".bin" in url or "lm-1.7B" in url]
    assert (folder / "vae" / "README.md").read_bytes() == CARD
    assert " mit " in done.out and "apache-2.0" in done.out


def test_what_is_there_and_right_is_not_fetched_again(hub, get):
    get("vae")
    before = hub.sent
    assert get("vae").code == 0
    assert hub.served[SAFE] == len(hub.repos[MAIN][SAFE])
    (Path("models") / "vae" / ".download.json").unlink()  # as if it came from elsewhere: looked at, not fetched
    assert get("vae").code == 0
    cards = hub.sent - before
    assert hub.served[SAFE] == len(hub.repos[MAIN][SAFE]) and cards == 2 * len(CARD)
    assert get("vae", "--force").code == 0
    assert hub.served[SAFE] == 2 * len(hub.repos[MAIN][SAFE])


def test_a_file_that_was_changed_on_disk_is_fetched_again(hub, get):
    get("vae")
    path = Path("models") / SAFE
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    assert get("vae").code == 0
    assert path.read_bytes() == content and hub.served[SAFE] == 2 * len(content)


def test_a_dry_run_tells_what_and_how_much_and_writes_nothing(hub, get):
    done = get("acestep-v15-turbo", "--dry-run", "--json")
    told = json.loads(done.out)
    expected = {n: sum(len(b) for p, b in hub.repos[MAIN].items() if p.startswith(f"{n}/") and wanted(p))
                for n in ("acestep-v15-turbo", "vae", "Qwen3-Embedding-0.6B")}  # fmt: skip
    assert {p["name"]: p["fetch_bytes"] for p in told["parts"]} == expected
    assert told["fetch_bytes"] == sum(expected.values()) and told["dry_run"]
    assert {p["name"]: p["licence"] for p in told["parts"]}["Qwen3-Embedding-0.6B"] == "apache-2.0"
    assert "acestep-v15-turbo/modeling_acestep_v15_turbo.py" in told["parts"][0]["left_out"]
    assert not Path("models").exists() and not any("safetensors" in url for _, url, _ in hub.asked)


def test_the_folder_is_the_option_or_the_environment(hub, get, monkeypatch, tmp_path):
    monkeypatch.setenv("ACESTEP_CHECKPOINTS_DIR", str(tmp_path / "shared"))
    assert get("vae").code == 0 and (tmp_path / "shared" / SAFE).exists()
    assert get("vae", "--to", "mine").code == 0 and (Path("mine") / SAFE).exists()


def test_a_finetune_of_others_lies_under_its_repositorys_name(hub, get):
    hub.add(
        "someone/my-finetune", {"config.json": CONFIG, "model.safetensors": weights(500), "silence_latent.pt": b"x"}
    )
    done = get("someone/my-finetune")
    assert done.code == 0, done.err
    assert "not said" in done.out  # the licence
    assert {"my-finetune/model.safetensors", SAFE} <= files(Path("models"))


def test_a_repository_with_models_in_folders_asks_which(hub, get):
    hub.add("someone/many", {"step-10/config.json": CONFIG, "step-10/model.safetensors": weights(500)})
    assert "say which: someone/many/step-10" in get("someone/many").err
    assert get("someone/many/step-10", "--only").code == 0
    assert (Path("models") / "step-10" / "model.safetensors").exists()


def test_two_downloads_into_one_folder_do_not_mix(hub, get):
    from filelock import FileLock

    (Path("models") / "vae").mkdir(parents=True)
    with FileLock(Path("models") / "vae" / ".lock"):
        done = get("vae")
    assert done.code == 1 and "Another program downloads into" in done.err


def test_names_and_all_exclude_each_other(cli):
    for arguments in ([], ["vae", "--all"]):
        done = cli("models", "download", *arguments)
        assert done.code == 1 and "models list --available" in done.err


def test_two_repositories_are_not_mixed_in_a_folder(hub, get):
    hub.add("someone/vae", {"config.json": VAE_CONFIG, "x.safetensors": weights(500)})
    assert "would both be put into" in get("vae", "someone/vae").err
    done = get("someone/vae")
    assert done.code == 1 and f"holds what came from {MAIN}" in done.err
    assert get("someone/vae", "--force").code == 0
    (Path("models") / "mine").mkdir()
    (Path("models") / "mine" / "notes.txt").write_text("mine")
    hub.add("someone/mine", {"config.json": CONFIG, "x.safetensors": weights(500)})
    assert "did not come from there" in get("someone/mine", "--only").err


def test_names_are_completed(cli):
    from click.shell_completion import ShellComplete

    from acestep_core.cli import group

    complete = ShellComplete(group, {}, "acestep-core", "_X").get_completions(["models", "download"], "acestep-v15-x")
    assert sorted(c.value for c in complete) == [f"acestep-v15-xl-{n}" for n in ("base", "sft", "turbo")]


@pytest.mark.slow
def test_a_downloaded_checkpoint_makes_music(hub, get, cli, tiny):
    hub.repos.clear()
    dit = next(tiny.glob("acestep-v15-*"))
    for name, folder in (("acestep-v15-turbo", dit), ("vae", tiny / "vae"), ("Qwen3-Embedding-0.6B", None)):
        folder = folder or tiny / name
        hub.add(MAIN, {f"{name}/{p.name}": p.read_bytes() for p in folder.iterdir()})
    assert get("acestep-v15-turbo").code == 0
    listed = json.loads(cli("models", "list", "--json").out)
    assert all(p["complete"] for p in [*listed["models"], *listed["parts"]])
    made = cli("generate", "--model", "models", "--caption", "bells", "--duration", "5.5", "-o", "a.flac")
    assert made.code == 0 and Path("a.flac").stat().st_size > 10_000, made.err
    original = hashlib.sha256((dit / "model.safetensors").read_bytes()).hexdigest()
    assert hashlib.sha256(Path("models/acestep-v15-turbo/model.safetensors").read_bytes()).hexdigest() == original
