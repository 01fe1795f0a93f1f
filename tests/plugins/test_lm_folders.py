"""Folders of a language model that are not whole, told alike by every backend that reads weights."""

import json
import shutil
from importlib.util import find_spec

import pytest
from safetensors.torch import load_file, save_file

from acestep_core import UserError
from acestep_core.registry import registry

NO_MLX = pytest.mark.skipif(find_spec("mlx_lm") is None, reason="the extra 'mlx' is not installed")
WEIGHTS = "model.safetensors"


@pytest.fixture(params=["pt", pytest.param("mlx", marks=NO_MLX)])
def backend(request):
    return registry().make("backends", request.param, {"device": "cpu"})


@pytest.fixture
def copy(tmp_path, lm_folder):
    return shutil.copytree(lm_folder, tmp_path / "lm")


def test_damaged_folders_are_told(backend, copy):
    tensors = load_file(copy / WEIGHTS)
    save_file({k: v for k, v in tensors.items() if "layers.1" not in k}, copy / WEIGHTS)
    with pytest.raises(UserError, match=r"tensors do not fit:\n  missing layers\.1"):
        backend.load("lm", copy)
    (copy / WEIGHTS).write_bytes(b"short")
    with pytest.raises(UserError, match="damaged"):
        backend.load("lm", copy)
    (copy / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"has no tokenizer\.json"):
        backend.load("lm", copy)


def test_a_tokenizer_of_a_larger_model_is_told(backend, copy):
    tensors, config = load_file(copy / WEIGHTS), json.loads((copy / "config.json").read_text())
    tensors["embed_tokens.weight"] = tensors["embed_tokens.weight"][:500].clone()
    save_file(tensors, copy / WEIGHTS)
    (copy / "config.json").write_text(json.dumps(config | {"vocab_size": 500}))
    with pytest.raises(UserError, match="the tokenizer has more tokens than the model"):
        backend.load("lm", copy)
