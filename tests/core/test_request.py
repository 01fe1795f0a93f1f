"""What of a request does nothing, for this model or this task, is an error that says so; all of it at once."""

from dataclasses import replace
from pathlib import Path

import pytest

from acestep_core import GenerateRequest, UserError
from acestep_core.checkpoint import ModelInfo
from acestep_core.registry import registry
from acestep_core.request import resolve, times_of
from acestep_core.tasks import Cover, Extract, Lego, Repaint, Text2Music

SIZES = {"hidden_size": 128, "num_hidden_layers": 4}
TURBO = ModelInfo(Path("some-name"), SIZES | {"is_turbo": True})
BASE = ModelInfo(Path("other-name"), SIZES | {"is_turbo": False, "model_version": "base"})
CODES = "<|audio_code_3|>" * 30


@pytest.fixture(scope="module")
def song(tmp_path_factory, make_song):
    return make_song(tmp_path_factory.mktemp("song") / "song.wav", 6.0)


def accepted(info, song, task, fields):
    if getattr(task, "source", None):
        task = replace(task, source=song)
    request = resolve(GenerateRequest(seed=1, task=task, **fields), info)
    times_of(request, info, registry(), None)


NOTHING = {  # what is asked -> (model, task, fields, part of the sentence)
    "guidance with turbo": (TURBO, Text2Music(), {"guidance": 3.0}, "--guidance 3 does nothing"),
    "a kind of guidance with turbo": (TURBO, Text2Music(), {"guidance_kind": "cfg"}, "do nothing without guidance"),
    "a kind of guidance without": (BASE, Text2Music(), {"guidance": 1.0, "guidance_kind": "adg"}, "do nothing"),
    "an interval without guidance": (BASE, Text2Music(), {"guidance": 1.0, "guidance_start": 0.2}, "do nothing"),
    "an interval's end with turbo": (TURBO, Text2Music(), {"guidance_end": 0.9}, "do nothing without guidance"),
    "an interval turned round": (BASE, Text2Music(), {"guidance_start": 0.8, "guidance_end": 0.2}, "is above"),
    "an interval between two steps": (
        BASE, Text2Music(), {"steps": 4, "guidance_start": 0.6, "guidance_end": 0.7}, "No timestep lies from"),
    "shift beside timesteps": (BASE, Text2Music(), {"timesteps": (1.0, 0.0), "shift": 2.0}, "--shift does nothing"),
    "shift beside a schedule": (BASE, Text2Music(), {"schedule": "uniform", "shift": 2.0}, "--shift does nothing"),
    "shift of one step": (TURBO, Text2Music(), {"steps": 1, "shift": 2.0}, "--shift does nothing with a single"),
    "steps beside timesteps": (BASE, Text2Music(), {"timesteps": (1.0, 0.0), "steps": 3}, "--timesteps says all"),
    "a schedule beside timesteps": (
        BASE, Text2Music(), {"timesteps": (1.0, 0.0), "schedule": "uniform"}, "--timesteps says all"),
    "averaging one step": (TURBO, Text2Music(), {"steps": 1, "velocity_ema": 0.2}, "--velocity-ema does nothing"),
    "averaging one timestep": (
        TURBO, Text2Music(), {"timesteps": (1.0, 0.0), "velocity_ema": 0.2}, "--velocity-ema does nothing"),
    "the reference's way where it is ours": (TURBO, Text2Music(), {"reference_mode": True}, "--reference-mode does"),
    "the same with base": (BASE, Text2Music(), {"reference_mode": True, "steps": 9}, "--reference-mode does nothing"),
    "the same with a whole lego": (BASE, Lego(source="S"), {"reference_mode": True}, "--reference-mode does nothing"),
    "duration beside codes": (TURBO, Text2Music(codes=CODES), {"duration_s": 5.0}, "--duration does nothing"),
    "duration beside a song": (TURBO, Cover(source="S"), {"duration_s": 5.0}, "--duration does nothing"),
    "strength of codes without": (TURBO, Text2Music(codes_strength=0.5), {}, "--codes-strength does nothing"),
    "strength of an aggressive repaint": (
        TURBO, Repaint(source="S", start=1.0, repaint_mode="aggressive", repaint_strength=0.3), {}, "aggressive"),
    "strength of a conservative repaint": (
        TURBO, Repaint(source="S", start=1.0, repaint_mode="conservative", repaint_strength=0.3), {}, "conservative"),
    "a mode where all is repainted": (
        TURBO, Repaint(source="S", repaint_mode="conservative"), {}, "all of the song is repainted"),
    "a strength where all is repainted": (
        TURBO, Repaint(source="S", repaint_strength=0.2), {}, "all of the song is repainted"),
    "hardly any cover noise": (TURBO, Cover(source="S", cover_noise=0.01), {}, "--cover-noise 0.01 does nothing"),
    "a base task with turbo": (TURBO, Extract(source="S", track="bass"), {}, "turbo cannot extract"),
}  # fmt: skip


@pytest.mark.parametrize("asked", NOTHING)
def test_what_does_nothing_is_an_error(song, asked):
    info, task, fields, said = NOTHING[asked]
    with pytest.raises(UserError) as caught:
        accepted(info, song, task, fields)
    assert said in str(caught.value) and caught.value.hint


SOMETHING = [
    (BASE, Text2Music(), {"guidance": 3.0, "guidance_kind": "cfg", "guidance_start": 0.2, "guidance_end": 0.9}),
    (BASE, Text2Music(), {"steps": 4, "guidance_start": 0.7, "guidance_end": 0.8}),
    (TURBO, Text2Music(), {"guidance": 1.0, "steps": 1, "solver": "sde"}),
    (TURBO, Text2Music(), {"shift": 2.5, "velocity_clamp": 0.5, "velocity_ema": 0.3}),
    (TURBO, Text2Music(), {"timesteps": (1.0, 0.4, 0.0), "velocity_ema": 0.3}),
    (TURBO, Text2Music(), {"timesteps": (0.97, 0.4, 0.0), "reference_mode": True}),
    (TURBO, Repaint(source="S", start=1.0), {"reference_mode": True}),
    (BASE, Lego(source="S", start=1.0, track="bass"), {"reference_mode": True}),
    (TURBO, Text2Music(codes=CODES, codes_strength=0.5), {}),
    (TURBO, Repaint(source="S", start=1.0, repaint_strength=0.0), {}),
    (TURBO, Repaint(source="S", end=3.0, repaint_mode="aggressive"), {}),
    (TURBO, Cover(source="S", cover_noise=0.2, cover_strength=0.0), {}),
]


@pytest.mark.parametrize(("info", "task", "fields"), SOMETHING)
def test_what_does_something_is_accepted(song, info, task, fields):
    accepted(info, song, task, fields)


def test_all_of_it_is_told_at_once(song):
    with pytest.raises(UserError, match="3 problems"):
        accepted(TURBO, song, Text2Music(codes_strength=0.5), {"guidance": 3.0, "steps": 1, "shift": 2.0})
