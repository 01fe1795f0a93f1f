"""The models, the loss and whole generations against numbers recorded from the reference implementation."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from acestep_core.generation import GenerateRequest, velocity_of
from acestep_core.schedule import shifted
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


@pytest.fixture(scope="module")
def turbo():
    return _model("tiny-turbo")


@pytest.fixture(scope="module")
def base():
    return _model("tiny-base")


def _model(name):
    return Dit(DATA / name, choose("cpu", "float32")), load_file(DATA / name / "golden.safetensors")


def error(ours, reference):
    return ((ours - reference).norm() / reference.norm()).item()


@torch.inference_mode()
def test_condition_encoder_packs_lyrics_timbre_text(model):
    dit, gold = model
    states, mask = dit.encoder(
        text_hidden_states=gold["in.text_hidden_states"],
        text_attention_mask=gold["in.text_attention_mask"],
        lyric_hidden_states=gold["in.lyric_hidden_states"],
        lyric_attention_mask=gold["in.lyric_attention_mask"],
        refer_audio_acoustic_hidden_states_packed=gold["in.refer_latents"],
        refer_audio_order_mask=gold["in.refer_order_mask"],
    )
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


TURBO = {
    "ode_shift1": (1.0, Euler()),
    "ode_shift2": (2.0, Euler()),
    "ode_shift3": (3.0, Euler()),
    "ode_heun_shift3": (3.0, Heun()),
}


@pytest.mark.parametrize("case", TURBO)
def test_turbo_generations(turbo, case):
    shift, solver = TURBO[case]
    _check(turbo, case, _request(steps=8, shift=shift, guidance=1.0), solver)


BASE = {
    "nocfg": (1.0, 1.0, Euler()),
    "apg7_shift1": (1.0, 7.0, Euler()),
    "apg7_shift3": (3.0, 7.0, Euler()),
    "heun_apg7": (1.0, 7.0, Heun(correct_last=True)),
}


@pytest.mark.parametrize("case", BASE)
def test_base_generations(base, case):
    shift, guidance, solver = BASE[case]
    _check(base, case, _request(steps=10, shift=shift, guidance=guidance, guidance_kind="apg"), solver)


def test_base_generation_guided_in_an_interval(base):
    request = _request(steps=10, shift=1.0, guidance=4.0, guidance_kind="apg", guidance_start=0.3, guidance_end=0.8)
    _check(base, "apg4_interval_0.3_0.8", request, Euler())


@pytest.mark.parametrize(
    ("name", "case", "steps", "shift", "guidance"),
    [("tiny-turbo", "sde_shift3_globalseed1234", 8, 3.0, 1.0), ("tiny-base", "sde_globalseed1234", 10, 1.0, 7.0)],
)
def test_sde_generations(name, case, steps, shift, guidance):
    """The reference draws one tensor for both items per step from the global generator."""
    dit, gold = _model(name)
    torch.manual_seed(1234)
    draws = [torch.randn(2, 52, 64) for _ in range(steps)]
    request = _request(steps=steps, shift=shift, guidance=guidance, guidance_kind="apg")
    for item in range(2):
        left = iter(draws)
        ours = _generate(dit, gold, item, request, Sde(), lambda left=left, item=item: next(left)[item])
        assert error(ours, gold[f"generate.{case}"][item]) < 1e-4


def _request(**fields):
    return GenerateRequest(**{"guidance_kind": None, **fields})


def _check(model, case, request, solver):
    dit, gold = model
    for item in range(2):
        ours = _generate(dit, gold, item, request, solver, None)
        assert error(ours, gold[f"generate.{case}"][item]) < 1e-4


def _generate(dit, gold, item, request, solver, noise):
    condition, context = gold["encoder.hidden_states"][item], gold["context.text2music"][item]
    velocity = velocity_of(dit, request, condition, context)
    start = gold["generate.noise_seed_11_12"][item]
    return solver.solve(velocity, start, shifted(request.steps, request.shift), noise, lambda i, x: None)
