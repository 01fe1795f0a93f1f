"""The models, the loss and whole generations against numbers recorded from the reference implementation."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from acestep_core.denoising import Course, Heard, Kept, denoise
from acestep_core.registry import registry
from acestep_core.request import GenerateRequest, times_of
from acestep_core.schedule import from_level
from acestep_plugins.backends.pt import rule
from acestep_plugins.backends.pt.device import choose
from acestep_plugins.backends.pt.dit import Dit
from acestep_plugins.solvers.euler import Euler
from acestep_plugins.solvers.heun import Heun
from acestep_plugins.solvers.sde import Sde

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module", params=["tiny-turbo", "tiny-base"])
def model(request):
    return _model(request.param)


@cache
def _model(name):
    return Dit(DATA / name, choose("cpu", "float32")), load_file(DATA / name / "golden.safetensors")


def error(ours, reference):
    return ((ours - reference).norm() / reference.norm()).item()


@torch.inference_mode()
def encoded(dit, gold, text):
    """(condition, mask) of both items under a caption's states."""
    return dit.encoder(
        text_hidden_states=gold[text],
        text_attention_mask=gold["in.text_attention_mask"],
        lyric_hidden_states=gold["in.lyric_hidden_states"],
        lyric_attention_mask=gold["in.lyric_attention_mask"],
        refer_audio_acoustic_hidden_states_packed=gold["in.refer_latents"],
        refer_audio_order_mask=gold["in.refer_order_mask"],
    )


def test_condition_encoder_packs_lyrics_timbre_text(model):
    dit, gold = model
    states, mask = encoded(dit, gold, "in.text_hidden_states")
    assert error(states, gold["encoder.hidden_states"]) < 1e-5
    assert torch.equal(mask.long(), gold["encoder.attention_mask"])


def test_one_unpadded_song_gets_the_reference_condition(model):
    """Item 1 of the reference has one timbre reference; without its padding our own path must give the same."""
    dit, gold = model
    lyrics = gold["in.lyric_hidden_states"][1][gold["in.lyric_attention_mask"][1].bool()]
    text = gold["in.text_hidden_states"][1][gold["in.text_attention_mask"][1].bool()]
    condition = dit.condition(text, lyrics, gold["in.refer_latents"][2])
    expected = gold["encoder.hidden_states"][1][gold["encoder.attention_mask"][1].bool()]
    assert condition.shape == expected.shape
    assert error(condition, expected) < 1e-5


def test_audio_codes_and_what_is_heard_of_a_cover(model):
    dit, gold = model
    for item in range(2):
        latents, codes = gold["in.src_latents"][item], gold["tokenizer.indices"][item, :, 0].tolist()
        assert dit.codes(latents) == codes
        assert error(dit.from_codes(codes), gold["detokenizer.out"][item]) < 1e-5
        assert error(dit.context(dit.hints(latents), gold["in.chunk_masks"][item]), gold["context.cover"][item]) < 1e-5


@torch.inference_mode()
def test_audio_tokenizer_and_detokenizer(model):
    dit, gold = model
    quantized, indices = dit.tokenizer.tokenize(gold["in.src_latents"], dit.silence[None])
    assert torch.equal(indices, gold["tokenizer.indices"])
    assert error(quantized, gold["tokenizer.quantized"]) < 1e-5
    assert error(dit.detokenizer(quantized), gold["detokenizer.out"]) < 1e-5


def test_context_is_source_and_mask(model):
    _, gold = model
    assert torch.equal(gold["context.text2music"], torch.cat([gold["in.src_latents"], gold["in.chunk_masks"]], dim=-1))


@pytest.mark.parametrize("case", ["full", "masked"])
def test_one_decoder_pass(model, case):
    dit, gold = model
    for item in range(2):
        condition, context = gold["encoder.hidden_states"][item], gold["context.text2music"][item]
        ours = dit.velocity(gold["xt"][item], gold["in.t"][item].item(), condition, context)
        assert error(ours, gold[f"decoder.velocity.{case}"][item]) < 1e-5


def test_decoder_with_an_odd_number_of_frames(model):
    dit, gold = model
    condition, context = gold["encoder.hidden_states"][0], gold["context.text2music"][0][:51]
    ours = dit.velocity(gold["xt"][0][:51], gold["in.t"][0].item(), condition, context)
    assert error(ours, gold["decoder.velocity.odd51"][0]) < 1e-5


def test_decoder_with_the_null_condition(model):
    dit, gold = model
    null = dit.null_condition(gold["encoder.hidden_states"].shape[1])
    ours = dit.velocity(gold["xt"][0], gold["in.t"][0].item(), null, gold["context.text2music"][0])
    assert error(ours, gold["decoder.velocity.null"][0]) < 1e-5


def test_training_input_and_loss(model):
    dit, gold = model
    losses = []
    for item in range(2):
        data, noise, t = gold["in.x0"][item], gold["in.noise"][item], gold["in.t"][item].item()
        x = rule.noisy(data, noise, t)
        assert error(x, gold["xt"][item]) < 1e-6
        prediction = dit.velocity(x, t, gold["encoder.hidden_states"][item], gold["context.text2music"][item])
        losses.append(rule.mse(prediction, rule.target(data, noise), t, None).item())
    assert sum(losses) / 2 == pytest.approx(gold["loss.full"].item(), rel=1e-5)


def test_noise_of_a_seed(model):
    dit, gold = model
    for item, seed in enumerate((11, 12)):
        assert torch.equal(dit.noise(seed, 52), gold["generate.noise_seed_11_12"][item])


def schedule(name, **fields):
    request = GenerateRequest(**fields)
    return times_of(replace(request, steps=10 if name == "tiny-base" else 8), _model(name)[0].info, registry(), None)


REFERENCE = {"reference_mode": True}
CUSTOM = (0.97, 0.76, 0.615, 0.5, 0.395, 0.28, 0.18, 0.085, 0.0)
CASES = {
    ("tiny-turbo", "ode_shift1"): ({"shift": 1.0}, Euler(), {}),
    ("tiny-turbo", "ode_shift2"): ({"shift": 2.0}, Euler(), {}),
    ("tiny-turbo", "ode_shift3"): ({"shift": 3.0}, Euler(), {}),
    ("tiny-turbo", "ode_heun_shift3"): ({"shift": 3.0}, Heun(), {}),
    ("tiny-turbo", "ode_custom_timesteps"): ({"timesteps": CUSTOM, **REFERENCE}, Euler(), {}),
    ("tiny-turbo", "norm_clamp_ema"): ({"shift": 3.0}, Euler(), {"clamp": 0.5, "ema": 0.2}),
    ("tiny-turbo", "cover"): ({"shift": 3.0}, Euler(), {}),
    ("tiny-turbo", "cover_strength_0.5"): ({"shift": 3.0}, Euler(), {"then": 0.5}),
    ("tiny-turbo", "cover_noise_strength_0.4"): ({"shift": 3.0}, Euler(), {"level": 0.6}),
    ("tiny-turbo", "repaint"): ({"shift": 3.0}, Euler(), {"kept": True}),
    ("tiny-base", "nocfg"): ({"shift": 1.0}, Euler(), {}),
    ("tiny-base", "apg7_shift1"): ({"shift": 1.0}, Euler(), {"guidance": 7.0}),
    ("tiny-base", "apg7_shift3"): ({"shift": 3.0}, Euler(), {"guidance": 7.0}),
    ("tiny-base", "adg7"): ({"shift": 1.0}, Euler(), {"guidance": 7.0, "kind": "adg"}),
    ("tiny-base", "apg4_interval_0.3_0.8"): ({"shift": 1.0}, Euler(), {"guidance": 4.0, "interval": (0.3, 0.8)}),
    ("tiny-base", "heun_apg7"): ({"shift": 1.0}, Heun(correct_last=True), {"guidance": 7.0}),
    ("tiny-base", "cover_apg7"): ({"shift": 1.0}, Euler(), {"guidance": 7.0}),
    ("tiny-base", "cover_strength_0.5_apg7"): ({"shift": 1.0}, Euler(), {"guidance": 7.0, "then": 0.5}),
    ("tiny-base", "repaint_apg7"): ({"shift": 1.0}, Euler(), {"guidance": 7.0, "kept": True}),
}
SDE = {
    ("tiny-turbo", "sde_shift3_globalseed1234"): ({"shift": 3.0}, Sde(), {}),
    ("tiny-base", "sde_globalseed1234"): ({"shift": 1.0}, Sde(), {"guidance": 7.0}),
}


def test_no_recorded_generation_is_left_out():
    for name in ("tiny-turbo", "tiny-base"):
        recorded = set(json.loads((DATA / name / "cases.json").read_text()))
        assert recorded == {case for of, case in {**CASES, **SDE} if of == name}


@pytest.mark.parametrize(("name", "case"), CASES, ids=lambda x: x)
def test_generations(name, case):
    fields, solver, how = CASES[name, case]
    for item in range(2):
        ours = _generated(name, case, item, schedule(name, **fields), solver, how, iter(()))
        assert error(ours, _model(name)[1][f"generate.{case}"][item]) < 1e-5


@pytest.mark.parametrize(("name", "case"), SDE, ids=lambda x: x)
def test_sde_generations(name, case):
    """The reference draws one tensor for both items per step from the global generator."""
    fields, solver, how = SDE[name, case]
    times = schedule(name, **fields)
    torch.manual_seed(1234)
    draws = [torch.randn(2, 52, 64) for _ in times]
    for item in range(2):
        ours = _generated(name, case, item, times, solver, how, (d[item] for d in draws))
        assert error(ours, _model(name)[1][f"generate.{case}"][item]) < 1e-4


def _generated(name, case, item, times, solver, how, draws):
    dit, gold = _model(name)
    how, noise = dict(how), gold["generate.noise_seed_11_12"][item]
    level, share, x = how.pop("level", None), how.pop("then", None), noise
    if level is not None:
        times = from_level(times, level)
        x = noise * times[0] + gold["in.src_latents"][item] * (1 - times[0])
    if share is not None:
        how["then"] = _heard(dit, _words_alone(dit, gold)[item], _context(dit.silence_frames(52), gold, item))
        how["then_from"] = int((len(times) - 1) * share)
    if how.pop("kept", False):
        mask = gold["in.repaint_mask"][item].float()[:, None]
        how["kept"] = Kept(gold["in.x0"][item], mask, share=0.5, fade=10)
    context = gold["context.cover" if case.startswith("cover") else "context.text2music"][item]
    course = Course(times=times, heard=_heard(dit, gold["encoder.hidden_states"][item], context), **how)
    return denoise(lambda q: dit.velocity(q.x, q.t, q.condition, q.context), course, solver, noise, draws, x,
                   lambda i, estimate: None)  # fmt: skip


def _heard(dit, condition, context):
    return Heard(condition, context, dit.null_condition(len(condition)))


def _context(source, gold, item):
    return torch.cat([source, gold["in.chunk_masks"][item]], dim=-1)


def _words_alone(dit, gold):
    """The condition under text2music's own instruction."""
    return encoded(dit, gold, "in.non_cover_text_hidden_states")[0]
