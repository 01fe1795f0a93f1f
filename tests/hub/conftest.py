"""A hub on loopback with a small copy of what is published, and the command against it."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_hub import CARD, CONFIG, MAIN, SAFE, SFT, TEXT_CONFIG, VAE_CONFIG, FakeHub, fake_hub, weights


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """The fake with the main repository and one of a single model; nothing else can be reached."""
    for name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "MODELSCOPE_ENDPOINT", "ACESTEP_CHECKPOINTS_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("MODELSCOPE_HOME", str(tmp_path / "ms"))
    monkeypatch.setenv("MODELSCOPE_INTRA_CLOUD_ACCELERATION", "false")
    hosts: set[str] = set()
    monkeypatch.setattr(socket, "getaddrinfo", only_loopback(socket.getaddrinfo, hosts))
    monkeypatch.setattr("acestep_core.hub.transfer._FIRST_WAIT_S", 0.0)
    monkeypatch.chdir(tmp_path)
    with fake_hub() as fake:
        fake.add(MAIN, {
            "README.md": CARD, "config.json": b"{}", "modeling.py": b"import os",
            "acestep-v15-turbo/config.json": CONFIG,
            "acestep-v15-turbo/modeling_acestep_v15_turbo.py": b"raise SystemExit",
            "acestep-v15-turbo/silence_latent.pt": bytes(2000),
            "acestep-v15-turbo/model.safetensors": weights(50_000, 1),
            "acestep-v15-turbo/pytorch_model.bin": b"a pickle",
            "vae/config.json": VAE_CONFIG,
            SAFE: weights(30_000, 2),
            "Qwen3-Embedding-0.6B/config.json": TEXT_CONFIG,
            "Qwen3-Embedding-0.6B/tokenizer.json": b"{}" * 700,
            "Qwen3-Embedding-0.6B/merges.txt": b"a b",
            "Qwen3-Embedding-0.6B/model.safetensors": weights(10_000, 3),
            "Qwen3-Embedding-0.6B/README.md": b"---\nlicense: apache-2.0\n---\n",
            "acestep-5Hz-lm-1.7B/model.safetensors": weights(9_000, 4),
        })  # fmt: skip
        fake.add(SFT, {"config.json": CONFIG, "model.safetensors": weights(8_000, 5), "silence_latent.pt": bytes(1500),
                       "modeling_acestep.py": b"raise SystemExit", "README.md": CARD})  # fmt: skip
        yield fake
    assert hosts <= {"127.0.0.1", "localhost"}


def only_loopback(resolve: Callable[..., Any], hosts: set[str]) -> Callable[..., Any]:
    """Looks up nothing else, and notes what was asked for: an error might be swallowed."""

    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        hosts.add(name)
        if name not in ("127.0.0.1", "localhost"):
            raise socket.gaierror(f"{name} was looked up")
        return resolve("127.0.0.1", *args, **kwargs)

    return guarded


@pytest.fixture
def get(hub: FakeHub, cli: Callable[..., Any]) -> Callable[..., Any]:
    """get("vae", ...) runs models download against the fake into ./models."""
    return lambda *args: cli("models", "download", *args, "--endpoint", hub.url)


@pytest.fixture(params=["huggingface", "modelscope"])
def source(request: pytest.FixtureRequest) -> str:
    if request.param == "modelscope":
        pytest.importorskip("modelscope_hub", reason="the extra 'modelscope' is not installed")
    return request.param
