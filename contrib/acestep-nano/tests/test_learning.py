"""What a model is shown and taught, and the way from nothing to a checkpoint with a few pieces and steps."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from acestep_nano.learning.beats import BeatsFirst, Rehearsal, learn_beats, pulse
from acestep_nano.learning.conditions import Conditions, Said
from acestep_nano.learning.library import Learnt, read_library
from acestep_nano.learning.log import log_text
from acestep_nano.learning.metronome import TEMPOS, metronome
from acestep_nano.learning.metronome import said as tempo_said
from acestep_nano.learning.recipe import SMALL
from acestep_nano.learning.showing import LENGTHS, shown
from acestep_nano.learning.stages import BASE, Stages
from acestep_nano.learning.tokens import build_tokenizer
from acestep_nano.learning.turbo import Teacher
from acestep_nano.learning.words import learn_words
from safetensors.torch import load_file

from acestep_core.checkpoint import TEXT
from acestep_core.jobs import EncodedSong
from acestep_core.model import load_backend
from acestep_core.prompts import caption_text, lyric_text, metas_text
from acestep_core.registry import registry
from acestep_core.schedule import shifted
from acestep_plugins.backends.pt import rule


def piece(frames=400, **fields):
    latents = np.arange(frames, dtype=np.float16)[:, None].repeat(64, 1)
    about = {"seed": 1, "captions": ("a", "b"), "bpm": 90, "keyscale": "C major", "timesignature": "4",
             "style": "chords", "lyrics": "", "language": "unknown", "tracks": ("bass", "drums")}  # fmt: skip
    return Learnt(**(about | fields), latents=latents)


def showings(song, tracks=True, count=200):
    silence = lambda n: np.full((n, 64), -1.0, np.float32)
    return [shown(song, np.random.default_rng(i), tracks, silence) for i in range(count)]


def test_a_showing_is_a_stretch_of_the_piece_under_one_of_its_captions():
    for seen in showings(piece()):
        places = seen.latents[:, 0]
        assert len(places) in LENGTHS and (np.diff(places) == 1).all()
        assert "# Caption\na\n" in seen.said.caption or "# Caption\nb\n" in seen.said.caption
        assert "bpm: 90" in seen.said.caption and f"duration: {len(places) // 25} seconds" in seen.said.caption


def test_a_repaint_does_not_hear_what_it_is_to_make():
    repaints = [s for s in showings(piece()) if s.mask is not None]
    assert len(repaints) > 10
    for seen in repaints:
        inside = seen.mask[:, 0] > 0
        assert 0 < inside.sum() < len(inside)
        assert (seen.source[inside] == -1).all() and (seen.source[~inside] == seen.latents[~inside]).all()


def test_tracks_are_told_apart_and_never_heard_where_they_are_to_be_made():
    of_bass = piece(track="bass", alone=piece().latents + 1000, rest=piece().latents + 2000)
    told = {"Extract": [], "Generate the": [], "Complete": []}
    for seen in showings(of_bass):
        for word, found in told.items():
            if seen.said.caption.startswith(f"# Instruction\n{word}"):
                found.append((seen.latents[0, 0] // 1000, seen.source[0, 0] // 1000))
    assert {k: set(v) for k, v in told.items()} == {
        "Extract": {(1, 0)}, "Generate the": {(1, 2)}, "Complete": {(0, 1)},
    }  # fmt: skip
    assert all(s.hinted or s.mask is not None or s.source is None for s in showings(of_bass, tracks=False))


class Straight:
    """A model whose velocity is 2 with words and 1 without, whatever it sees."""

    def prepared(self, condition):
        return float(condition.mean())

    def null_condition(self, length):
        return torch.ones(length, 4)

    def velocities(self, looks):
        return [torch.full_like(look.x, look.condition) for look in looks]

    def text2music_context(self, frames):
        return torch.zeros(frames, 128)


def test_the_teacher_says_where_guidance_leads():
    teacher = Teacher(Straight(), 3.0, 4, [1.0, 0.5])
    song = EncodedSong("1", "one", np.zeros((10, 64), np.float32), torch.full((5, 4), 2.0))
    right = torch.full((10, 64), 1 + 3.0 * (2 - 1))
    assert teacher.loss(None, prediction=right, target=torch.ones(10, 64), t=1.0, batch=song) == pytest.approx(0)
    wrong = teacher.loss(None, prediction=right + 0.5, target=torch.ones(10, 64), t=0.5, batch=song)
    assert wrong.item() == pytest.approx(0.25)


def test_the_teacher_stops_at_the_next_time_of_the_schedule():
    """Velocity x: each step multiplies x with 1 - width, so the mean velocity tells how many steps were made."""

    class Growing(Straight):
        def velocities(self, looks):
            return [look.x for look in looks]

    x = torch.ones(3, 64)
    found = Teacher(Growing(), 1.0, 2, [1.0, 0.6]).velocity(x, 1.0, torch.ones(2, 4), torch.zeros(3, 128))
    assert found[0, 0].item() == pytest.approx((1 - 0.8**2) / 0.4)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    stages = Stages(tmp_path_factory.mktemp("nano"), SMALL, {"device": "cpu"})
    return SimpleNamespace(stages=stages, folder=stages.all())


def test_conditions_of_a_batch_are_those_of_the_product(made):
    backend = registry().make("backends", "pt", {"device": "cpu", "dtype": "float32"})
    root = made.stages.out / "start"
    dit, text = backend.load("dit", root / BASE), backend.load("text", root / TEXT)
    heard = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    batch = [
        Said(caption_text("bells", metas_text(90, "3", "C major", 10)), lyric_text("la la", "en")),
        Said(
            caption_text("a far longer caption than the other", metas_text(180, "", "", 5)),
            lyric_text("[Instrumental]"),
        ),
        Said("x", lyric_text("ら ら ら ら", "ja"), heard),
    ]
    for said, found in zip(batch, Conditions(dit, text).of(batch), strict=True):
        expected = dit.condition(text.caption(said.caption), text.lyrics(said.lyrics), said.timbre)
        assert found.shape == expected.shape and torch.allclose(found, expected, atol=1e-4)


def test_both_variants_of_a_trained_checkpoint_generate(made):
    for variant in ("turbo", "base"):
        model = load_backend("pt", model=made.folder, variant=variant, device="cpu")
        assert not model.info.describe()["random_weights"]
        from acestep_core import generate

        clip = generate(model, caption="bells", duration_s=5.2, seed=1, steps=2)
        assert np.isfinite(clip.wave).all() and clip.wave.shape[0] == 2
    assert "| base: step |" in log_text(made.stages.out, SMALL)


def test_all_but_the_text_encoder_has_learnt_and_what_is_done_is_not_done_again(made):
    start, taught = (load_backend("pt", model=made.stages.out / n, device="cpu") for n in ("start", "taught"))
    for part in (lambda m: m.dit.decoder.module, lambda m: m.dit.encoder):
        before, after = (dict(part(m).named_parameters()) for m in (start, taught))
        same = [n for n in before if torch.equal(before[n], after[n])]
        assert all(n.endswith("special_token") for n in same), same
    read, reads = (dict(m.text.model.named_parameters()) for m in (start, taught))
    assert all(torch.equal(read[n], reads[n]) for n in read)  # it has learnt to read before, and must not forget it
    files = {p: p.stat().st_mtime_ns for p in (made.stages.out / "library").iterdir()}
    again = Stages(made.stages.out, SMALL, {"device": "cpu"})
    assert again.all() == made.folder
    assert files == {p: p.stat().st_mtime_ns for p in (made.stages.out / "library").iterdir()}
    assert [p.seed for p in read_library(made.stages.out / "library")] == [p.seed for p in again.library()]


def test_another_recipe_does_not_go_on_with_a_training(made):
    from acestep_core import UserError

    run = made.stages.out / "base" / "adapter"
    kept = run.rename(run.with_name("kept"))
    try:
        with pytest.raises(UserError, match="other settings"):
            Stages(made.stages.out, replace(SMALL, learning_rate=0.5), {"device": "cpu"}).base()
    finally:
        kept.rename(run)


def test_a_key_and_a_tempo_are_one_token(made):
    text = registry().make("backends", "pt", {"device": "cpu"}).load("text", made.stages.out / "start" / TEXT)
    keys = ("F# minor", "Bb major")
    tokenizer = build_tokenizer([metas_text(bpm, "4", key, 10) for bpm in (60, 101, 180) for key in keys], 1100)
    for bpm in range(60, 181):
        said = [tokenizer.decode([i]) for i in tokenizer(metas_text(bpm, "4", "F# minor", 10))["input_ids"]]
        assert f" {bpm}" in said and " F# minor" in said
    for saying in ("plain", "日本語の歌、ヘ長調", "a\tb\n\n  c"):
        assert text.tokenizer.decode(text.tokenizer(saying)["input_ids"]) == saying


def test_the_metronome_is_silent_and_says_where_each_tempo_is(made):
    model = load_backend("pt", model=made.folder, variant="base", device="cpu")
    silence = model.dit.silence_frames(500)
    assert np.abs(model.codec.decode(silence)).max() < 1e-5
    waves = metronome(500)
    for bpm in TEMPOS[::5]:
        beat = np.cos(2 * np.pi * np.arange(500) / 25 * bpm / 60)
        likeness = [np.corrcoef(beat, waves[:, 32 + i])[0, 1] for i in range(len(TEMPOS))]
        assert max(likeness) > 0.999 and TEMPOS[np.argmax(likeness)] == bpm == TEMPOS[np.argmax(tempo_said(bpm))]


def test_a_pulse_is_on_the_beats():
    loud = pulse(piece(bpm=75, timesignature="3"), 192)[:, 0]  # a beat every 20 frames
    rising = np.flatnonzero(np.diff(loud) > 0.5) + 1
    assert list(rising) == list(range(20, 192, 20))
    assert loud[60] > 1.2 * loud[20] > 0 and loud[60] == pytest.approx(loud[120])


def test_the_first_time_of_the_schedule_comes_more_often_and_the_others_as_before():
    sampler = BeatsFirst(shift=3.0, count=4, share=0.25)
    times = sampler.sample((torch.arange(1600, dtype=torch.float64) + 0.5) / 1600)
    others = [t for t in times.tolist() if t < 1]
    assert len(others) == 900 and sorted(set(others)) == pytest.approx(shifted(4, 3.0)[-2:0:-1])


def test_the_pulse_is_rehearsed_where_there_is_little_but_noise_and_no_source():
    one = piece(bpm=75, timesignature="3")
    rehearsal, beats = Rehearsal({"7": one}), torch.from_numpy(pulse(one, 100))
    data, noise = torch.randn(2, 100, 64)
    song = EncodedSong("7", "piece 7", data.numpy(), None)
    sourced = replace(song, context=torch.zeros(100, 128))

    def error(made: torch.Tensor, t: float, song: EncodedSong) -> float:
        return float(rehearsal.loss(rule.mse, prediction=noise - made, target=noise - data, t=t, batch=song))

    assert error(data + beats, 1.0, song) < 1e-9 < 0.1 < error(data, 1.0, song)
    assert error(data + 0.25 * beats, 0.95, song) < 1e-9
    assert error(data, 0.89, song) == error(data, 1.0, sourced) == 0


def test_the_decoder_learns_to_keep_time(made):
    backend = registry().make("backends", "pt", {"device": "cpu", "dtype": "float32"})
    root, errors = made.stages.out / "start", []
    dit, text = backend.load("dit", root / BASE), backend.load("text", root / TEXT)
    learnt = learn_beats(dit, text, [piece(bpm=120)], 40, 2, 1, lambda step, error: errors.append(error))
    assert errors[-1] < 0.8 * errors[0]
    assert learnt.keys() <= load_file(str(root / BASE / "model.safetensors")).keys()


def test_the_text_encoder_learns_what_is_said(made):
    """Two pieces that differ in everything are told apart within a few steps."""
    backend = registry().make("backends", "pt", {"device": "cpu", "dtype": "float32"})
    text = backend.load("text", made.stages.out / "start" / TEXT)
    pieces = [piece(), piece(bpm=150, keyscale="F# minor", timesignature="3", style="waltz", tracks=("bass",))]
    losses = []
    made_of = learn_words(text, pieces, 25, 1, lambda step, loss: losses.append(loss))
    assert losses[-1] < 0.2 * losses[0] and set(made_of) == set(text.model.state_dict())
