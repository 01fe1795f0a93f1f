"""`adapters show`, as a user meets it."""

import json

import pytest
import torch
from adapter_folders import write_adapters
from safetensors.torch import load_file, save_file


@pytest.fixture(scope="module")
def run_folder(tiny, tmp_path_factory):
    """A run's adapter/ of each kind."""
    return write_adapters(tmp_path_factory.mktemp("runs"), tiny)


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


def test_adapters_show_prints_whatever_a_header_says(cli, run_folder, here):
    odd = {"trigger": "\x1b[31mred\nline", "base_layers": "many", "x" * 99: "y" * 9999}
    tensors = load_file(str(run_folder / "plain" / "adapter" / "adapter_model.safetensors"))
    save_file(tensors, str(here / "odd.safetensors"), odd)
    done = cli("adapters", "show", here / "odd.safetensors")
    assert done.code == 0 and "\\x1b[31mred line" in done.out and "\x1b" not in done.out
    assert max(map(len, done.out.splitlines())) < 300
    facts = json.loads(cli("adapters", "show", here / "odd.safetensors", "--json").out)["adapters"][0]
    assert facts["header"]["x" * 99] == "y" * 9999
