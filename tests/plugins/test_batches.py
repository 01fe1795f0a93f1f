"""Several clips at once: each as it is alone, with events, previews and an end at any time."""

import threading

import numpy as np
import pytest
import soundfile
import torch

from acestep_core import Cover, GenerateRequest, Repaint, UserError, generate, generating
from acestep_core.adapters import UsedAdapter
from acestep_core.events import Failed, Made, Preview, Progress

RATE = 48_000


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "song.wav"
    wave = np.random.default_rng(0).standard_normal((6 * RATE, 2)) * 0.1
    soundfile.write(path, wave, RATE)
    return path


def mixed(song):
    """Other words, lengths, seeds, steps and tasks."""
    return [
        GenerateRequest(caption="a slow waltz", duration_s=5.2, seed=1),
        GenerateRequest(caption="metal", lyrics="[Verse]\n" + "la la\n" * 30, duration_s=7.37, seed=2, bpm=180),
        GenerateRequest(caption="metal", duration_s=5.2, seed=3, steps=5),
        GenerateRequest(caption="x", seed=4, task=Cover(source=song, cover_strength=0.5)),
        GenerateRequest(caption="y", seed=5, timbre=song, task=Repaint(source=song, start=2, end=4)),
    ]


def clips(events):
    return [e.clip for e in sorted((e for e in events if isinstance(e, Made)), key=lambda e: e.item)]


def apart(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


@pytest.mark.slow
def test_items_in_a_padded_batch_are_what_they_are_alone(turbo, song):
    requests = mixed(song)
    together = clips(generating(turbo, requests, batch_size=8))
    assert together[0].record["batch"]["at_once"] == 5
    for request, clip in zip(requests, together, strict=True):
        assert apart(clip.wave, generate(turbo, request).wave) < 1e-4  # of waves, which the codec sharpens


@pytest.mark.parametrize(
    "how", [{"guidance_kind": "apg"}, {"solver": "heun"}, {"velocity_clamp": 0.5, "velocity_ema": 0.2}], ids=str
)
def test_guidance_and_solvers_do_not_mix_items(base, how):
    requests = [GenerateRequest(caption=c, duration_s=d, seed=1, steps=3, **how) for c, d in (("a", 5.2), ("b", 6.9))]
    for request, clip in zip(requests, clips(generating(base, requests, batch_size=2)), strict=True):
        assert apart(clip.wave, generate(base, request).wave) < 1e-4


def test_a_batch_takes_its_passes_together(turbo, monkeypatch):
    sizes = []
    looked = type(turbo.dit).velocities

    def counting(self, looks):
        sizes.append(len(looks))
        return looked(self, looks)

    monkeypatch.setattr(type(turbo.dit), "velocities", counting)
    requests = [GenerateRequest(caption="x", duration_s=5.2, seed=s, steps=4) for s in range(3)]
    list(generating(turbo, requests, batch_size=2))
    assert sizes == [2] * 4 + [1] * 4
    assert turbo.dit.at_once(1000) == 1  # a CPU gains nothing


def test_equal_words_are_read_once_and_conditions_made_once(turbo, monkeypatch):
    counts = {"caption": 0, "condition": 0, "prepared": 0}

    def counted(part, name):
        real = getattr(type(part), name)

        def count(self, *args):
            counts[name] += 1
            return real(self, *args)

        monkeypatch.setattr(type(part), name, count)

    counted(turbo.text, "caption"), counted(turbo.dit, "condition"), counted(turbo.dit, "prepared")
    turbo.remembered.clear()
    requests = [GenerateRequest(caption="only once", duration_s=5.2, seed=s, steps=2) for s in range(3)]
    list(generating(turbo, requests, batch_size=3))
    assert counts == {"caption": 1, "condition": 1, "prepared": 1}
    generate(turbo, requests[0])
    assert counts["caption"] == 1


def test_an_item_that_cannot_be_made_is_told_and_the_others_are_made(turbo, song, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros((5 * RATE, 2)), RATE)
    requests = [
        GenerateRequest(caption="x", seed=1, steps=2, task=Cover(source=tmp_path / "silent.wav")),
        GenerateRequest(caption="x", duration_s=5.2, seed=1, steps=2),
    ]
    events = list(generating(turbo, requests))
    (failed,) = [e for e in events if isinstance(e, Failed)]
    assert failed.item == 0 and "silent" in failed.error.problem
    assert [e.item for e in events if isinstance(e, Made)] == [1]


def test_nonsense_is_told_before_anything_is_made(turbo):
    with pytest.raises(UserError, match="--guidance 3"):
        generating(turbo, [GenerateRequest(caption="x"), GenerateRequest(guidance=3.0)])
    with pytest.raises(UserError, match="9 items"):
        generating(turbo, [GenerateRequest(caption="x")], batch_size=9)


def test_previews_come_nearer_to_the_clip(turbo):
    request = GenerateRequest(caption="x", duration_s=5.2, seed=3, steps=8)
    events = list(generating(turbo, [request], preview_every=2))
    previews = [e for e in events if isinstance(e, Preview)]
    assert [p.step for p in previews] == [2, 4, 6]
    (clip,) = clips(events)
    far = [np.square(p.wave - clip.wave).mean() for p in previews]
    # Random weights settle at the end alone; a third is left there.
    assert 0 < far[2] < 0.6 * min(far[0], far[1]) and previews[0].wave.shape == clip.wave.shape
    told = [type(e) for e in events if not (isinstance(e, Progress) and e.stage != "steps")]
    assert told.index(Preview) == 2, "a preview comes right after its step"


def test_previews_do_not_change_the_clip(turbo):
    request = GenerateRequest(caption="x", duration_s=5.2, seed=3, solver="sde")
    (seen,) = clips(generating(turbo, [request], preview_every=1))
    assert np.array_equal(seen.wave, generate(turbo, request).wave)


def test_closing_the_events_stops_within_a_step_and_leaves_the_model_as_it_was(turbo, tmp_path):
    from acestep_core.registry import registry

    attached = registry().make("adapters", "lora", {"rank": 2}).attach(turbo.dit.decoder)
    with torch.no_grad():
        for parameter in attached.parameters.values():
            parameter += 0.1
    attached.save(tmp_path, {}), attached.detach()
    request = GenerateRequest(caption="x", duration_s=5.2, seed=3)
    before, threads = generate(turbo, request).wave, threading.active_count()
    steps = 0
    events = generating(turbo, [request] * 2, adapters=[UsedAdapter(tmp_path)], batch_size=2)
    for event in events:
        steps += isinstance(event, Progress) and event.stage == "steps"
        if steps == 3:
            break
    events.close()
    assert threading.active_count() == threads
    assert np.array_equal(generate(turbo, request).wave, before)


def test_a_clip_of_a_batch_is_made_again_with_its_mates(cli, tiny, tmp_path):
    """The same bytes, although other batches round differently."""
    common = ("--model", tiny, "--steps", "3")
    items = tmp_path / "items.jsonl"
    items.write_text('{"caption": "a", "duration_s": 5.2, "seed": 1}\n{"caption": "b", "duration_s": 6.1, "seed": 2}\n')
    made = cli("generate", *common, "--items", items, "--batch-size", "2", "-o", tmp_path / "x.wav")
    assert made.code == 0, made.err
    assert (tmp_path / "x-1.wav").exists() and "seed 2" in made.out
    again = cli("generate", "--model", tiny, "--from", tmp_path / "x-2.wav.json", "-o", tmp_path / "again.wav")
    assert "The samples equal the record's." in again.err
    assert (tmp_path / "again.wav").read_bytes() == (tmp_path / "x-2.wav").read_bytes()
    assert not (tmp_path / "again-1.wav").exists()
