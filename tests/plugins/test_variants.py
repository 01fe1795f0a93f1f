"""What a model is, from its config alone: finetunes in folders of any name, XL, and half precision."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from acestep_core import GenerateRequest, UserError
from acestep_core.checkpoint import list_models, open_checkpoint, read_model
from acestep_core.request import resolve
from acestep_plugins.backends.pt.device import Place
from acestep_plugins.backends.pt.dit import Dit
from acestep_plugins.backends.pt.dit_modules import build_tokenizer

DATA = Path(__file__).parents[1] / "data"
SHORT, ALL = ("text2music", "cover", "repaint"), ("text2music", "cover", "repaint", "extract", "lego", "complete")
TURBO, SFT, BASE = ("turbo", 8, 3.0, 1.0, SHORT), ("sft", 50, 1.0, 7.0, SHORT), ("base", 50, 1.0, 7.0, ALL)


def folder_with(tmp_path, name, of="tiny-base", **config):
    """A model folder whose config has these keys; None takes one away."""
    folder = Path(shutil.copytree(DATA / of, tmp_path / name))
    content = json.loads((folder / "config.json").read_text()) | config
    (folder / "config.json").write_text(json.dumps({k: v for k, v in content.items() if v is not None}))
    return folder


@pytest.mark.parametrize(("name", "config", "expected"), [
    ("acestep-v15-turbo-shift1", {"is_turbo": True, "model_version": "turbo"}, TURBO),
    ("acestep-v15-turbo-continuous", {"is_turbo": True, "model_version": "turbo_continuous"}, TURBO),
    ("acestep-v15-turbo-fix-inst-shift3", {"is_turbo": True, "model_version": None}, TURBO),
    ("acestep-v15-base-sft-fix-inst", {"is_turbo": False, "model_version": "sft"}, SFT),
    ("acestep-v15-xl-sft", {"is_turbo": False, "model_version": "xl_sft"}, SFT),
    ("acestep-v15-xl-base", {"is_turbo": False, "model_version": "xl_base"}, BASE),
    ("my-turbo-finetune", {"is_turbo": False, "model_version": "base"}, BASE),
    ("base", {"is_turbo": True, "model_version": "mine"}, TURBO),
    ("never told its version", {"is_turbo": False, "model_version": "turbo"}, BASE),
    ("neither", {"is_turbo": False, "model_version": None}, BASE),
    ("only a version", {"is_turbo": None, "model_version": "turbo-rl"}, TURBO),
    ("only another version", {"is_turbo": None, "model_version": "sft"}, SFT),
    ("stems", {"is_turbo": False, "model_version": "sft", "is_lego_sft": True}, SFT),
])  # fmt: skip
def test_the_abilities_of_a_finetune_come_from_its_config(tmp_path, name, config, expected):
    info = read_model(folder_with(tmp_path, name, **config))
    assert (info.variant, info.default_steps, info.default_shift, info.default_guidance, info.tasks) == expected
    resolved = resolve(GenerateRequest(), info)
    assert (resolved.steps, resolved.shift, resolved.guidance) == expected[1:4]
    assert [m.folder.name for m in list_models(tmp_path)] == [name]


@pytest.mark.parametrize("config", [{"is_turbo": None, "model_version": None}, {"is_turbo": "false"}])
def test_a_config_that_does_not_say_what_it_is_is_refused(tmp_path, config):
    with pytest.raises(UserError, match="does not say whether this is a turbo model") as error:
        read_model(folder_with(tmp_path, "x", **config))
    assert '"is_turbo": true or false' in error.value.hint


def test_siblings_are_told_apart_by_folder_or_by_kind(tmp_path):
    folder_with(tmp_path, "one", is_turbo=True)
    folder_with(tmp_path, "two", is_turbo=False, model_version="sft")
    assert open_checkpoint(tmp_path, "sft").dit.folder.name == open_checkpoint(tmp_path, "two").dit.folder.name == "two"


def look(dit):
    generator = torch.Generator().manual_seed(1)
    text, lyrics = torch.randn(5, 32, generator=generator), torch.randn(7, 32, generator=generator)
    condition = dit.condition(text, lyrics)
    return condition, dit.velocity(dit.noise(1, 60), 0.5, condition, dit.text2music_context(60))


@pytest.mark.parametrize("name", ["tiny-turbo", "tiny-base"])
def test_in_bfloat16_the_result_stays_near_that_of_float32(name):
    single, half = (look(Dit(DATA / name, Place(torch.device("cpu"), d))) for d in (torch.float32, torch.bfloat16))
    for exact, rounded in zip(single, half, strict=True):
        assert ((rounded.float() - exact).norm() / exact.norm()) < 0.03


def test_levels_of_codes_are_found_in_float32_in_a_half_precision_model(tmp_path):
    """Finite scalar quantisation by its definition, of the very states that reach it."""
    dit = Dit(folder_with(tmp_path, "x"), Place(torch.device("cpu"), torch.bfloat16))
    states = []
    dit.tokenizer.quantizer.register_forward_pre_hook(lambda module, given: states.append(given[0]))
    codes = torch.tensor(dit.codes(dit.noise(3, 400)))
    quantizer, levels = dit.tokenizer.quantizer, torch.tensor(dit.info.config["fsq_input_levels"]).float()
    assert states[0].dtype is torch.bfloat16

    def by_hand(dtype):
        weight, bias = (p.to(dtype) for p in (quantizer.project_in.weight, quantizer.project_in.bias))
        z = (states[0][0].to(dtype) @ weight.T + bias).float()
        most = 1 + 1 / (levels - 1)
        z = (torch.tanh(z / most) * most).clamp(-1, 1)
        digits = torch.floor((z + 1) / 2 * (levels - 1) + 0.5)
        places = torch.cat([torch.ones(1), levels.cumprod(0)[:-1]])
        return (digits * places).sum(-1).long().flatten()

    assert torch.equal(codes, by_hand(torch.float32))
    assert not torch.equal(codes, by_hand(torch.bfloat16)), "otherwise this shows nothing"


def test_the_tokenizer_of_xl_is_as_wide_as_its_condition_encoder():
    config = json.loads((DATA / "tiny-base" / "config.json").read_text())
    config |= {"hidden_size": 96, "num_attention_heads": 8, "encoder_hidden_size": 64, "encoder_num_attention_heads": 4,
               "encoder_num_key_value_heads": 2, "encoder_intermediate_size": 128}  # fmt: skip
    assert build_tokenizer(config).quantizer.project_in.in_features == config["fsq_dim"] == 64
