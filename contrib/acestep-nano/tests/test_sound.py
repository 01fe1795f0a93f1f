"""What the bundled model does to sound: each task against the piece it works on, and against what it must not be."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from acestep_nano.composing import compose
from acestep_nano.folder import write_pieces
from acestep_nano.hearing import style_shares
from acestep_nano.pieces import HELD_OUT, Piece
from acestep_nano.rendering import RATE_HZ, render, stems

from acestep_core import (
    Complete,
    Cover,
    Dataset,
    Extract,
    GenerateRequest,
    Lego,
    Model,
    Repaint,
    TrainSettings,
    UsedAdapter,
    encode,
    generate,
    generating,
    load_backend,
    train,
)  # fmt: skip
from acestep_core.events import Made
from acestep_core.samples.settings import SampleSettings
from acestep_core.tasks import Task

PIECES = [compose(910_000_000 + i, style=style, drums=drums, bpm=96, seconds=12.0)
          for i, (style, drums) in enumerate([("melody", True), ("arpeggio", True), ("waltz", False),
                                              ("bass riff", True)])]  # fmt: skip
Wave = np.ndarray


@pytest.fixture(scope="module")
def turbo() -> Model:
    return load_backend("pt", model="nano")


@pytest.fixture(scope="module")
def base() -> Model:
    return load_backend("pt", model="nano-base")


def written(piece: Piece, folder: Path, wave: Wave | None = None) -> Path:
    path = folder / f"{piece.seed}.wav"
    soundfile.write(path, (render(piece) if wave is None else wave).T, RATE_HZ, subtype="FLOAT")
    return path


def asked(piece: Piece, seed: int, task: Task | None = None, **fields: Any) -> GenerateRequest:
    if task is not None:
        fields["task"] = task
    else:
        fields["duration_s"] = piece.seconds
    return GenerateRequest(caption=piece.caption, lyrics=piece.lyrics, language=piece.language, bpm=piece.bpm,
                           keyscale=piece.keyscale, timesignature=piece.timesignature, seed=seed, **fields)  # fmt: skip


def heard(model: Model, request: GenerateRequest) -> Wave:
    return generate(model, request).wave


def notes(model: Model, wave: Wave) -> Wave:
    """Loudness [T, 60] of the semitones."""
    bank = model.codec.bank
    return np.log1p(50 * bank.amplitudes(model.codec.encode(wave, 0))[:, : bank.tones])


def alike(model: Model, one: Wave, other: Wave) -> float:
    """Correlation of what sounds when, over notes and time."""
    rows = min(len(a := notes(model, one)), len(b := notes(model, other)))
    return float(np.corrcoef(a[:rows].ravel(), b[:rows].ravel())[0, 1])


def through_codec(model: Model, wave: Wave) -> Wave:
    return model.codec.decode(torch.from_numpy(model.codec.encode(wave, 0)))


def over_pieces(measured: Callable[[Piece], float]) -> float:
    return float(np.mean([measured(piece) for piece in PIECES]))


def test_a_cover_keeps_the_melody_which_the_words_alone_do_not_make(turbo, tmp_path):
    def kept(piece: Piece) -> float:
        source = written(piece, tmp_path)
        return alike(turbo, heard(turbo, asked(piece, 3, Cover(source=source))), render(piece))

    def without(piece: Piece) -> float:
        return alike(turbo, heard(turbo, asked(piece, 3)), render(piece))

    assert over_pieces(kept) > 0.6 > over_pieces(without) + 0.2


def test_a_repaint_leaves_the_rest_as_it_was_and_joins_without_a_click(turbo, tmp_path):
    start, end, fade = 4.0, 8.0, 0.1
    for piece in PIECES:
        wave = render(piece)
        task = Repaint(source=written(piece, tmp_path), start=start, end=end)
        made = heard(turbo, asked(piece, 5, task, keep_level=True))
        assert np.array_equal(made[:, : at(start - fade)], wave[:, : at(start - fade)])
        assert np.array_equal(made[:, at(end + fade) :], wave[:, at(end + fade) :])
        inside = slice(at(start + fade), at(end - fade))
        assert alike(turbo, made[:, inside], wave[:, inside]) < 0.9
        for joint in (start, end):
            assert steepest(made[:, at(joint - fade) : at(joint + fade)]) <= steepest(wave)


def test_what_is_repainted_is_in_the_key_that_is_said(turbo, tmp_path):
    """Of what sounds, the share of the three notes of the tonic's chord; the two chords have none in common."""
    chords = {"C major": [0, 4, 7], "F# major": [6, 10, 1]}
    for piece in PIECES[:2]:
        task = Repaint(source=written(piece, tmp_path), start=2.0, end=10.0)
        for key, other in (("C major", "F# major"), ("F# major", "C major")):
            words = {"caption": "slow chords", "keyscale": key}
            made = heard(turbo, replace(asked(piece, 5, task), **words))[:, at(2.5) : at(9.5)]
            sounds = pitch_classes(turbo, made)
            assert sounds[chords[key]].sum() > 0.4 * sounds.sum() > 2 * sounds[chords[other]].sum()


@pytest.mark.parametrize("track", ["drums", "bass"])
def test_extract_and_lego_make_the_track_they_are_asked_for(base, tmp_path, track):
    """More like that track than like the song (extract), and more like it than like the rest (lego)."""
    extracted, played = [], []
    for piece in (p for p in PIECES if p.drums):
        alone = stems(piece)[track]
        rest = render(piece) - alone
        taken = heard(base, asked(piece, 5, Extract(source=written(piece, tmp_path), track=track)))
        extracted.append(apart(base, taken, rest) - apart(base, taken, alone))
        added = heard(base, asked(piece, 5, Lego(source=written(piece, tmp_path, rest), track=track)))
        played.append(apart(base, added, rest) - apart(base, added, alone))
    assert np.mean(extracted) > 0.2 and np.mean(played) > 0.2


def test_complete_plays_to_the_track_that_is_there(base, tmp_path):
    grown = []
    for piece in PIECES:
        alone = stems(piece)["chords"]
        made = heard(base, asked(piece, 5, Complete(source=written(piece, tmp_path, alone), tracks=("bass",))))
        grown.append(
            (alike(base, made, alone), loudness(base, made) > 1.05 * loudness(base, through_codec(base, alone)))
        )
    assert np.mean([a for a, _ in grown]) > 0.5 and np.mean([b for _, b in grown]) >= 0.75


@pytest.fixture(scope="module")
def bells(turbo, tmp_path_factory) -> Callable[[str, float], float]:
    """bells(sampler, scale): how much of what an adapter brings is the style that the sampler taught it: pentatonic
    bells in 6/8, which the model never heard, under a word that it never read."""
    folder = tmp_path_factory.mktemp("bells")
    write_pieces((compose(920_000_000 + i, **HELD_OUT) for i in range(6)), folder / "songs")
    dataset = Dataset.scan(folder / "songs")
    dataset.metadata |= {"custom_tag": "zaubel", "tag_position": "replace"}
    encode(dataset, turbo, folder / "encoded")
    settings = TrainSettings(steps=50, batch_size=6, learning_rate=3e-3, seed=1)
    wanted = [compose(921_000_000 + i, **HELD_OUT) for i in range(8)]
    requests = [GenerateRequest(caption="zaubel", bpm=p.bpm, keyscale=p.keyscale, duration_s=10.0, seed=i)
                for i, p in enumerate(wanted)]  # fmt: skip

    @cache
    def learnt(sampler: str) -> Path:
        how = {"adapter": "lokr", "sampler": sampler, "settings": settings, "samples": SampleSettings(count=0)}
        return train(folder / "encoded", turbo, out=folder / sampler, **how).adapter

    @cache
    def share(sampler: str, scale: float) -> float:
        made = generating(turbo, requests, adapters=(UsedAdapter(learnt(sampler), scale),))
        return float(np.mean([style_shares(e.clip.wave)["bells"] for e in made if isinstance(e, Made)]))

    return share


def test_the_strength_of_an_adapter_sweeps_the_style_that_it_learnt(bells):
    shares = [bells("turbo_steps", scale) for scale in (0.0, 0.35, 0.7, 1.0)]
    assert shares == sorted(shares) and shares[-1] > shares[0] + 0.3


def test_timestep_samplers_teach_the_style_and_differ_in_how_much(bells):
    """benchmarks/nano_samplers.py compares all of them."""
    without = bells("turbo_steps", 0.0)
    assert bells("turbo_steps", 1.0) > bells("logit_normal", 1.0) > without + 0.1


def at(seconds: float) -> int:
    return round(seconds * RATE_HZ)


def steepest(wave: Wave) -> float:
    """The largest step from one sample to the next, which a click is one of."""
    return float(np.abs(np.diff(wave)).max())


def latents(model: Model, wave: Wave) -> Wave:
    return model.codec.encode(wave, 0)


def apart(model: Model, one: Wave, other: Wave) -> float:
    """Root mean square between the latents."""
    rows = min(len(a := latents(model, one)), len(b := latents(model, other)))
    return float(np.sqrt(np.mean((a[:rows] - b[:rows]) ** 2)))


def pitch_classes(model: Model, wave: Wave) -> Wave:
    loud = notes(model, wave).sum(axis=0)
    return np.bincount(np.arange(len(loud)) % 12, loud, 12)


def loudness(model: Model, wave: Wave) -> float:
    return float(notes(model, wave).sum())
