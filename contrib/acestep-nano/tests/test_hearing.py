"""The judges know the styles and the drums of pieces they were not taught with, on other instruments too."""

import numpy as np
import pytest
from acestep_nano import hearing
from acestep_nano.composing import compose
from acestep_nano.features import drum_features, magnitudes, style_features
from acestep_nano.rendering import render

from acestep_core.errors import UserError

NEW = [compose(seed) for seed in range(24)]


@pytest.fixture(scope="module")
def taught():
    return hearing.judges(pieces=72)


@pytest.fixture(scope="module")
def waves() -> list[np.ndarray]:
    return [render(piece)[0] for piece in NEW]


def heard(taught, waves: list[np.ndarray]) -> tuple[list[str], list[bool]]:
    """What the judges say of each: the style, and whether there are drums."""
    spectra = [magnitudes(w) for w in waves]
    styles = [taught[0].answer(style_features(s)) for s in spectra]
    return styles, [taught[1].answer(drum_features(s)) == "drums" for s in spectra]


def right(said: list, true: list) -> float:
    return float(np.mean([a == b for a, b in zip(said, true, strict=True)]))


def test_styles_and_drums_of_new_pieces_are_told_and_no_others(taught, waves):
    styles, drums = heard(taught, waves)
    true_styles, true_drums = [p.style for p in NEW], [p.drums for p in NEW]
    assert right(styles, true_styles) >= 0.95 and right(drums, true_drums) >= 0.95
    assert right(styles, true_styles[7:] + true_styles[:7]) < 0.5


def test_noise_and_loudness_do_not_matter(taught, waves):
    noise = np.random.default_rng(0)
    worse = [0.2 * w + 3e-4 * noise.standard_normal(len(w), np.float32) for w in waves]
    styles, drums = heard(taught, worse)
    assert right(styles, [p.style for p in NEW]) >= 0.9 and right(drums, [p.drums for p in NEW]) >= 0.95


def test_the_plain_answers_are_those_of_the_judges(taught, waves, monkeypatch):
    monkeypatch.setattr(hearing, "judges", lambda through: taught)
    stereo = np.stack([waves[0]] * 2)
    assert hearing.style_of(stereo) == NEW[0].style and hearing.has_drums(stereo) == NEW[0].drums
    assert abs(sum(hearing.style_shares(stereo).values()) - 1) < 1e-6


def test_silence_has_no_drums_and_shreds_are_refused(taught, monkeypatch):
    monkeypatch.setattr(hearing, "judges", lambda through: taught)
    silence = np.zeros((2, 240_000), np.float32)
    assert not hearing.has_drums(silence) and np.isfinite(list(hearing.style_shares(silence).values())).all()
    with pytest.raises(UserError, match="too short"):
        hearing.style_of(silence[:, :48_000])
