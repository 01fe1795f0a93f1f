"""Padded batches compute what songs compute alone, and the order of songs is a function of the seed."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from pretended_processes import Pretended

from acestep_core import TrainSettings
from acestep_core.encoded import EncodedSet
from acestep_core.jobs import TrainJob
from acestep_core.processes import ALONE
from acestep_core.registry import registry
from acestep_core.run import Run
from acestep_core.train_settings import resolved
from acestep_core.training_songs import shown
from acestep_plugins.backends.pt import rule
from acestep_plugins.backends.pt.batches import Batches, drawn, predictions

FRAMES = [300, 100, 290, 110, 200, 210, 105]


def batches(frames=FRAMES, order=None, processes=ALONE, **fields):
    order = range(len(frames)) if order is None else order
    return Batches(
        SimpleNamespace(
            settings=TrainSettings(**fields), order=order, frames=lambda s: frames[s.song], processes=processes
        )
    )


@pytest.fixture
def items(encoded):
    """The three songs, of different lengths and texts; the second without its condition."""
    songs = EncodedSet.open(encoded.folder)
    dit, generator = encoded.model.dit, torch.Generator().manual_seed(0)
    loaded = [songs.load(i) for i in range(3)]
    assert len({len(s.latents) for s in loaded}) == 3 and len({len(s.condition) for s in loaded}) > 1
    return [drawn(dit, song, 0.2 + 0.3 * i, float(i == 1), generator) for i, song in enumerate(loaded)]


def test_the_loss_of_a_padded_batch_is_that_of_each_song_alone(encoded, items):
    dit = encoded.model.dit
    together = predictions(dit, items)
    for item, prediction in zip(items, together, strict=True):
        (alone,) = predictions(dit, [item])
        ours, expected = (rule.mse(p, item.target, item.t, None).item() for p in (prediction, alone))
        assert prediction.shape == alone.shape == item.data.shape
        assert ours == pytest.approx(expected, rel=1e-6)


def test_each_song_hears_its_own_source(encoded, items):
    """A context is padded with its song; a song without one hears silence, as when it is alone."""
    dit = encoded.model.dit
    source = dit.context(items[2].data.flip(0), torch.ones(len(items[2].data), 1))
    told = [items[0], items[1], replace(items[2], context=source)]
    together = predictions(dit, told)
    for item, prediction, plain in zip(told, together, predictions(dit, items), strict=True):
        (alone,) = predictions(dit, [item])
        assert (prediction - alone).norm() < 1e-5 * alone.norm()
        assert torch.equal(prediction, plain) == (item.context is None)


def test_the_gradient_of_a_padded_batch_is_the_sum_of_those_of_the_songs(encoded, items):
    dit = encoded.model.dit
    weight = dit.decoder.linears()["layers.1.self_attn.q_proj"].weight
    weight.requires_grad_(True)
    try:
        gradients = []
        for groups in ([items], [[i] for i in items]):
            weight.grad = None
            for group in groups:
                sum(rule.mse(p, i.target, i.t, None) for p, i in zip(predictions(dit, group), group)).backward()  # noqa: B905
            gradients.append(weight.grad.clone())
    finally:
        weight.requires_grad_(False)
        weight.grad = None
    assert (gradients[0] - gradients[1]).norm() < 1e-5 * gradients[1].norm()


def test_every_epoch_shows_every_song_and_its_last_step_takes_what_is_left():
    made = batches(batch_size=2, accumulation=3, seed=5)
    assert made.steps_per_epoch == 2
    for epoch in range(4):
        steps = [made.of_step(2 * epoch + 1), made.of_step(2 * epoch + 2)]
        shown = [s.song for step in steps for batch in step for s in batch]
        assert Counter(shown) == Counter(range(7)) and [len(s) for s in steps] == [3, 1]
        assert [made.epoch_of(2 * epoch + 1), made.epoch_of(2 * epoch + 2)] == [epoch + 1] * 2


def test_a_step_of_several_processes_has_the_batches_of_one_that_accumulates_as_many():
    two, one = batches(accumulation=2, processes=Pretended(2), seed=5), batches(accumulation=4, seed=5)
    assert two.steps_per_epoch == one.steps_per_epoch == 2
    assert [two.of_step(step) for step in range(1, 7)] == [one.of_step(step) for step in range(1, 7)]


def test_songs_of_like_length_share_a_batch():
    made = batches(batch_size=2, seed=1)
    pairs = {tuple(sorted(FRAMES[s.song] for s in batch)) for step in range(1, 5) for batch in made.of_step(step)}
    assert pairs == {(100, 105), (110, 200), (210, 290), (300,)}


def test_the_order_depends_on_seed_and_epoch_alone():
    orders = [[batches(batch_size=2, seed=seed).of_step(s) for s in range(1, 9)] for seed in (3, 3, 4)]
    assert orders[0] == orders[1] != orders[2]
    songs = [[[s.song for s in batch] for batch in step] for step in orders[0]]
    assert songs[:4] != songs[4:]
    late = batches(batch_size=2, seed=3)
    assert [late.of_step(s) for s in (7, 2, 8)] == [orders[0][s - 1] for s in (7, 2, 8)]


def test_batches_of_many_songs_are_mixed_beyond_their_lengths():
    frames = list(range(100, 740))
    made = batches(frames=frames, batch_size=4, seed=0)
    first = [frames[s.song] for step in range(1, 6) for s in made.of_step(step)[0]]
    assert max(first) - min(first) > 200


def test_repeats_are_shown_as_often_as_the_order_has_them():
    made = batches(order=[0, 0, 0, 1, 2], batch_size=2)
    shown = [s.song for n in range(1, made.steps_per_epoch + 1) for batch in made.of_step(n) for s in batch]
    assert Counter(shown) == {0: 3, 1: 1, 2: 1}


@pytest.mark.parametrize("t", [0.0, 0.05, 0.2, 0.309, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("gamma", [1.0, 5.0, 20.0])
def test_min_snr_is_the_weighted_error_of_the_data_that_the_velocity_says(t, gamma):
    """Min-SNR weights the error of the predicted data with min(SNR, gamma); data = x_t - t * velocity."""
    generator = torch.Generator().manual_seed(1)
    data, noise, wrong = (torch.randn(50, 64, generator=generator, dtype=torch.float64) for _ in range(3))
    x, velocity = rule.noisy(data, noise, t), rule.target(data, noise)
    prediction = velocity + wrong
    data_error = ((x - t * prediction) - (x - t * velocity)).square().mean()
    snr = ((1 - t) / t) ** 2 if t else float("inf")
    ours = rule.min_snr(t, gamma) * (prediction - velocity).square().mean()
    expected = min(snr, gamma) * data_error
    assert ours.item() == pytest.approx(expected.item(), rel=1e-9, abs=1e-12)


def test_min_snr_is_largest_where_its_two_halves_meet():
    peak = 1 / (1 + 5**0.5)
    assert rule.min_snr(peak, 5.0) == pytest.approx(0.4775, abs=1e-4)
    assert all(rule.min_snr(t / 100, 5.0) <= rule.min_snr(peak, 5.0) for t in range(101))


def test_what_a_song_is_conditioned_on_may_learn_too(encoded, tmp_path):
    """A condition made anew for every batch passes gradients to what it is made of."""
    songs = EncodedSet.open(encoded.folder)
    offset = torch.zeros(songs.load(0).condition.shape[1], requires_grad=True)
    seen = []

    def completed(batch):
        seen.append(len(batch))
        return [replace(song, condition=torch.from_numpy(song.condition) + offset) for song in batch]

    def optimizer(default, parameters, settings):
        return default(parameters=[*parameters, offset], settings=settings)

    settings = resolved(TrainSettings(steps=2, batch_size=2, null_condition=0.0), shown=3, rate=1e-2)
    run = Run.open(tmp_path / "run", {"train": {"steps": 2}}, ())
    named = shown(songs, songs.part("validation"), settings)
    job = TrainJob(
        run=run, settings=settings, adapter=registry().make("adapters", "lora"), dit=encoded.model.dit,
        sampler=registry().make("samplers", "uniform"), steps=2, resume_from=None, stop=lambda: False,
        loss=lambda default, **given: default(**given), optimizer=optimizer, completed=completed, **named,
    )  # fmt: skip
    for _ in encoded.model.backend.train(job):
        pass
    assert sorted(seen) == [1, 2] and offset.detach().abs().min() > 0
