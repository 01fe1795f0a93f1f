"""Original checkpoint folders: single and sharded, 2B and XL, and everything that can be wrong with one."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from acestep_core import UserError
from acestep_core.checkpoint import list_models, open_checkpoint, read_model
from acestep_core.layer_names import to_diffusers, to_original
from acestep_plugins.backends.pt.device import choose
from acestep_plugins.backends.pt.dit import Dit
from acestep_plugins.backends.pt.dit_modules import build_modules

TINY = Path(__file__).parents[1] / "data" / "tiny-base"
CPU = choose("cpu", "float32")
XL_SIZES = {
    "hidden_size": 96, "num_attention_heads": 8, "encoder_hidden_size": 64, "encoder_intermediate_size": 128,
    "encoder_num_attention_heads": 4, "encoder_num_key_value_heads": 2,
}  # fmt: skip


@pytest.fixture
def copy(tmp_path):
    """A model folder to break."""
    return Path(shutil.copytree(TINY, tmp_path / "acestep-v15-base"))


@pytest.fixture
def xl(copy):
    """The same with a wider decoder, random weights."""
    config = json.loads((copy / "config.json").read_text()) | XL_SIZES
    (copy / "config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    modules = build_modules(config).items()
    tensors = {f"{part}.{to_original(k)}": v.clone() for part, m in modules for k, v in m.state_dict().items()}
    tensors["null_condition_emb"] = torch.randn(1, 1, 64)
    save_file(tensors, str(copy / "model.safetensors"))
    return copy


def change(folder, edit):
    path = str(folder / "model.safetensors")
    tensors = load_file(path)
    edit(tensors)
    save_file(tensors, path)


def look(folder):
    dit = Dit(folder, CPU)
    generator = torch.Generator().manual_seed(1)
    text, lyrics = torch.randn(5, 32, generator=generator), torch.randn(7, 32, generator=generator)
    condition = dit.condition(text, lyrics)
    return condition, dit.velocity(dit.noise(1, 30), 0.5, condition, dit.text2music_context(30))


def test_renaming_is_undone_exactly():
    keys = load_file(str(TINY / "model.safetensors"))
    assert all(to_original(to_diffusers(k)) == k for k in keys)


def test_shards_are_read_like_a_single_file(copy):
    expected = look(copy)
    tensors = load_file(str(copy / "model.safetensors"))
    names = sorted(tensors)
    index = {"weight_map": {}}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        save_file({k: tensors[k] for k in part}, str(copy / f"model-{number}.safetensors"))
        index["weight_map"] |= dict.fromkeys(part, f"model-{number}.safetensors")
    (copy / "model.safetensors").unlink()
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(look(copy), expected, strict=True))
    (copy / "model-2.safetensors").unlink()
    with pytest.raises(UserError, match="lacks the shards model-2"):
        look(copy)


def test_xl_has_a_wider_decoder_behind_the_same_condition_encoder(xl):
    info = read_model(xl)
    condition, velocity = look(xl)
    assert info.xl and info.condition_size == 64 and info.hidden_size == 96
    assert condition.shape == (7 + 1 + 5, 64) and velocity.shape == (30, 64)


@pytest.mark.parametrize(("name", "matters"), [("2B", False), ("XL", True)])
def test_only_xl_pools_its_timbre_token(request, name, matters):
    folder = request.getfixturevalue("xl" if name == "XL" else "copy")
    before, _ = look(folder)
    change(folder, lambda t: t.update({"encoder.timbre_encoder.special_token": torch.full((1, 1, 64), 3.0)}))
    after, _ = look(folder)
    assert torch.equal(before, after) != matters
    changed = (before != after).any(dim=1).nonzero().flatten().tolist()
    assert changed == ([7] if matters else [])


def test_xl_timbre_is_the_encoder_output_at_the_token(xl):
    """Against the encoder's layers run by hand."""
    dit = Dit(xl, CPU)
    encoder = dit.encoder.timbre_encoder
    frames = dit.silence_frames(30)
    with torch.inference_mode():
        packed, _ = encoder(frames[None], torch.zeros(1, dtype=torch.long))
        hidden = torch.cat([encoder.special_token, encoder.embed_tokens.linear(frames[None])], dim=1)
        plain = torch.nn.Identity()
        encoder.embed_tokens = plain
        by_hand, _ = encoder(hidden, torch.zeros(1, dtype=torch.long))
    assert torch.equal(packed, by_hand)


def test_every_wrong_tensor_is_listed(copy):
    def edit(tensors):
        del tensors["decoder.norm_out.weight"], tensors["decoder.layers.0.self_attn.q_proj.weight"]
        tensors["decoder.extra"] = torch.zeros(1)
        tensors["decoder.proj_in.1.bias"] = torch.zeros(3)

    change(copy, edit)
    with pytest.raises(UserError) as caught:
        look(copy)
    for line in ("missing norm_out.weight", "missing layers.0.self_attn.q_proj.weight", "unexpected extra",
                 "proj_in.1.bias is (3,), config.json says (64,)", "4 tensors do not fit"):  # fmt: skip
        assert line in str(caught.value)


def test_tensors_of_no_known_part_are_listed(copy):
    change(copy, lambda t: t.update({"unet.a": torch.zeros(1), "unet.b": torch.zeros(1)}))
    with pytest.raises(UserError, match=r"(?s)2 tensors that are no part.*unet\.a\n  unet\.b"):
        look(copy)


def test_a_pickle_with_code_is_not_run(copy):
    class Boom:
        def __reduce__(self):
            return (open, (str(copy / "pwned"), "w"))

    torch.save(Boom(), copy / "silence_latent.pt")
    with pytest.raises(UserError, match="silence_latent.pt is damaged"):
        look(copy)
    assert not (copy / "pwned").exists()


def test_what_a_model_is_comes_from_its_config_not_its_name(copy):
    renamed = copy.rename(copy.with_name("my-finetune-turbo"))
    info = read_model(renamed)
    assert (info.variant, info.turbo, info.default_steps, info.default_shift) == ("base", False, 50, 1.0)
    assert info.tasks == ("text2music", "cover", "repaint", "extract", "lego", "complete")


def test_with_several_models_one_must_be_named(copy):
    root = copy.parent
    shutil.copytree(TINY.with_name("tiny-turbo"), root / "acestep-v15-turbo")
    assert [m.variant for m in list_models(root)] == ["base", "turbo"]
    with pytest.raises(UserError, match="holds 2 models and say which one"):
        open_checkpoint(root)
    assert open_checkpoint(root, "turbo").dit.turbo
    assert open_checkpoint(root / "acestep-v15-turbo").root == root


def test_devices_that_are_not_there_are_named():
    with pytest.raises(UserError, match="no device 'cuda:7'|no device 'npu'"):
        choose("cuda:7" if not torch.cuda.is_available() else "npu", "auto")
    assert choose("cpu", "auto").dtype is torch.float32
