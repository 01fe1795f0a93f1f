"""The language model on MLX: word for word what PyTorch says."""

import json
import resource
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from lm_cases import GREEDY, MANY

from acestep_core import UserError
from acestep_core.lm.requests import Codes, LmSettings, Metas, Understand
from acestep_core.lm.speaking import Asked, ask
from acestep_core.registry import registry

pytest.importorskip("mlx_lm", reason="the extra 'mlx' is not installed")

FIVE = (*MANY, Asked(Codes("a", "b", Metas(duration_s=10)), 5))


@pytest.fixture(scope="module")
def mlx(lm_folder):
    return registry().make("backends", "mlx", {"device": "cpu"}).load("lm", lm_folder)


@pytest.mark.parametrize("cfg", [1.0, 2.5])
def test_it_says_what_pytorch_says(pt_lm, mlx, cfg):
    """Plan, song and codes of three lengths in one batch, two prompts equal; guided and not."""
    settings = replace(GREEDY, cfg=cfg)
    said = ask(mlx, FIVE, settings)
    assert said == ask(pt_lm, FIVE, settings)
    assert [len(a.codes) for a in said] == [0, 0, 50, 60, 50]


def test_drawn_tokens_are_the_same_as_well(pt_lm, mlx):
    settings = LmSettings(temperature=0.9, top_k=50, top_p=0.9, repetition_penalty=1.1)
    assert ask(mlx, FIVE, settings) == ask(pt_lm, FIVE, settings)


def test_many_at_once_say_what_each_says_alone(mlx):
    assert ask(mlx, FIVE, LmSettings()) == [ask(mlx, [one], LmSettings())[0] for one in FIVE]


def test_a_long_prompt_is_read_in_pieces(pt_lm, mlx, monkeypatch):
    """Pieces do not change what is said, and the logits are PyTorch's."""
    from acestep_plugins.backends.mlx import lm as module
    from acestep_plugins.backends.pt.lm import Rows

    asked = [Asked(Understand([(7 * i) % 64000 for i in range(700)], Metas(caption="a", genres="b"), words=False), 1),
             Asked(Understand([5] * 40, Metas(caption="a", genres="b"), words=False), 2)]  # fmt: skip
    whole = ask(pt_lm, asked, GREEDY)
    monkeypatch.setattr(module, "_AT_ONCE", 100)
    assert ask(mlx, asked, GREEDY) == whole
    prompts, ids = [list(range(300, 650)), list(range(300, 320))], np.arange(len(pt_lm.head))
    ours = module.Rows(mlx).advance(prompts, [ids, ids])
    theirs = Rows(pt_lm).advance(prompts, [ids, ids])
    assert max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(ours, theirs, strict=True)) < 1e-5


def test_a_prompt_that_is_too_long_is_told(mlx):
    with pytest.raises(UserError, match="reads 32768 tokens"):
        ask(mlx, [Asked(Understand([1] * 33000), 1)], GREEDY)


def test_names_with_a_prefix_and_a_head_of_its_own_are_read(tmp_path, lm_folder, mlx):
    from safetensors.torch import load_file, save_file

    other = shutil.copytree(lm_folder, tmp_path / "lm")
    tensors = {f"model.{k}": v for k, v in load_file(lm_folder / "model.safetensors").items()}
    head = tensors["model.embed_tokens.weight"].flip(0).contiguous()
    save_file({**tensors, "lm_head.weight": head}, other / "model.safetensors")
    opened = registry().make("backends", "mlx", {"device": "cpu"}).load("lm", other)
    assert (np.array(opened.head) == head.float().numpy()).all()
    assert (np.array(opened.model.embed_tokens.weight) == np.array(mlx.model.embed_tokens.weight)).all()


def test_half_precision(lm_folder):
    half = registry().make("backends", "mlx", {"device": "cpu", "dtype": "bfloat16"}).load("lm", lm_folder)
    assert half.about == {"device": "cpu", "dtype": "bfloat16"}
    assert len(ask(half, [MANY[2]], GREEDY)[0].codes) == 50


def test_the_command_line_and_the_settings_file_choose_it(tiny, cli, tmp_path, monkeypatch):
    """Both ways give the codes that PyTorch plans, and the record names what planned them."""
    monkeypatch.chdir(tmp_path)
    say = ("generate", "--model", tiny, "--caption", "bells", "--think", "--no-cot-caption", "--duration", "10",
           "--seed", "3", "--steps", "1")  # fmt: skip
    assert cli(*say, "-o", "pt.wav").code == 0
    done = cli(*say, "--lm-backend", "mlx", "-o", "lm_backend.dtype=float32", "-o", "mlx.wav")
    assert done.code == 0, done.err
    (tmp_path / "acestep.toml").write_text('[backend]\nlm = "mlx"\n')
    assert cli(*say, "-o", "toml.wav").code == 0
    (tmp_path / "wrong.toml").write_text('[backend]\nml = "mlx"\n')
    wrong = cli("--config", "wrong.toml", *say)
    assert wrong.code == 1 and "[backend] has no key 'ml'" in wrong.err
    pt, mlx, toml = (json.loads((tmp_path / f"{name}.wav.json").read_text()) for name in ("pt", "mlx", "toml"))
    assert [r["plan"]["backend"] for r in (pt, mlx, toml)] == ["pt", "mlx", "mlx"]
    assert mlx["plan"]["model"]["dtype"] == "float32"
    assert len({r["plan"]["said"] for r in (pt, mlx, toml)}) == 1
    assert len({(tmp_path / f"{name}.wav").read_bytes() for name in ("pt", "mlx", "toml")}) == 1


def test_it_runs_nothing_but_the_language_model(tiny, cli):
    done = cli("generate", "--model", tiny, "--backend", "mlx", "--caption", "bells", "--duration", "6")
    assert done.code == 1 and "'mlx' has no part 'text'" in done.err
    with pytest.raises(UserError, match="--lm-backend mlx"):
        registry().make("backends", "mlx", {}).load("dit", tiny)


class Missing:
    """Finds one package and says of it what an import says."""

    def __init__(self, name, error):
        self.name, self.error = name, error

    def find_spec(self, name, path=None, target=None):
        if name == self.name:
            raise self.error


@pytest.mark.parametrize(
    ("package", "error", "problem", "remedy"),
    [
        ("mlx.core", ModuleNotFoundError("No module named 'mlx'", name="mlx"), "package mlx,", "acestep-core[mlx]"),
        ("mlx.core", ImportError("libmlx.so: cannot open shared object file"), "without its library", "mlx[cpu]"),
        ("mlx_lm", ModuleNotFoundError("No module named 'mlx_lm'", name="mlx_lm"), "package mlx_lm", "acestep-core[m"),
    ],
)
def test_what_is_missing_is_told_with_the_command(monkeypatch, package, error, problem, remedy):
    monkeypatch.delitem(sys.modules, package, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(package, error), *sys.meta_path])
    with pytest.raises(UserError) as told:
        registry().make("backends", "mlx", {}).check()
    assert problem in told.value.problem and remedy in told.value.hint


def test_it_leaves_the_limit_of_open_files_alone(monkeypatch):
    from acestep_plugins.backends.mlx.quiet import import_mlx_lm

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowered = (min(1000, before[0]), before[1])
    monkeypatch.setattr("importlib.import_module", lambda name: resource.setrlimit(resource.RLIMIT_NOFILE, lowered))
    import_mlx_lm()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
