"""Tiny models of both kinds, opened once for all tests of a worker."""

import pytest

from acestep_core import load_backend
from acestep_core.registry import registry


@pytest.fixture(scope="session")
def turbo(tiny):
    return load_backend("pt", model=tiny, device="cpu")


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    registry().make("backends", "pt").write_tiny(folder, "base")
    return load_backend("pt", model=folder, device="cpu")


@pytest.fixture(scope="session")
def lm_folder(tiny):
    """The folder of the tiny language model."""
    return next(p for p in tiny.iterdir() if p.name.startswith("acestep-5Hz-lm"))


@pytest.fixture(scope="session")
def pt_lm(lm_folder):
    """That language model on PyTorch, in full precision."""
    return registry().make("backends", "pt", {"device": "cpu", "dtype": "float32"}).load("lm", lm_folder)


@pytest.fixture(scope="session")
def adapter(turbo, tmp_path_factory):
    """A LoKr that was moved away from identity."""
    import torch

    folder = tmp_path_factory.mktemp("adapter")
    attached = registry().make("adapters", "lokr").attach(turbo.dit.decoder)
    with torch.no_grad():
        for parameter in attached.parameters.values():
            parameter += 0.2
    attached.save(folder, {})
    attached.detach()
    return folder
