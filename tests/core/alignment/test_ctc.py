"""Lyrics laid over emissions whose boundaries are known, and over what a tiny wav2vec 2.0 hears."""

import numpy as np
import pytest
from tiny_ctc import LETTERS, write_ctc

from acestep_core import UserError
from acestep_core.alignment.ctc import Alphabet, Span, align, time_lines
from acestep_core.alignment.ctc_model import CtcModel

ALPHABET = Alphabet(LETTERS, 0, 1)
FRAME_S = 0.02


def emissions(said, noise=0.0, seed=0):
    """Log-probabilities where each of (letter, frames) is said with 0.9."""
    frames = [LETTERS[letter] for letter, count in said for _ in range(count)]
    probabilities = np.full((len(frames), len(LETTERS)), 0.1 / (len(LETTERS) - 1))
    probabilities[np.arange(len(frames)), frames] = 0.9
    probabilities += noise * np.random.default_rng(seed).random(probabilities.shape)
    return np.log(probabilities / probabilities.sum(1, keepdims=True)).astype(np.float32)


SAID = [("<pad>", 50), ("L", 3), ("<pad>", 2), ("A", 10), ("|", 4), ("L", 2), ("A", 8), ("<pad>", 100), ("|", 1),
        ("R", 5), ("A", 5), ("I", 5), ("N", 5), ("<pad>", 20)]  # fmt: skip


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_known_boundaries_are_found_again(noise):
    timed = time_lines(emissions(SAID, noise), ALPHABET, "[Verse]\nLa, la!\n\nräin 7", FRAME_S, 4.4)
    assert [t.text for t in timed] == ["La, la!", "räin 7"]
    assert [(t.start_s, t.end_s) for t in timed] == [
        (pytest.approx(50 * FRAME_S), pytest.approx(79 * FRAME_S)),
        (pytest.approx(180 * FRAME_S), pytest.approx(200 * FRAME_S)),
    ]
    assert all(abs(t.confidence - 0.9) < 0.01 if not noise else 0.2 < t.confidence < 0.9 for t in timed)


def test_other_words_are_not_trusted():
    right, wrong = (
        time_lines(emissions(SAID), ALPHABET, lyrics, FRAME_S, 4.4) for lyrics in ("la la\nrain", "neri\nelle")
    )
    assert min(t.confidence for t in right) > 0.8 > 0.4 > max(t.confidence for t in wrong)


def test_every_token_has_its_span():
    said = [("A", 2), ("<pad>", 1), ("A", 3), ("L", 1)]
    found = align(emissions(said), [2, 2, 4], 0)
    assert [(s.start, s.end) for s in found] == [(0, 2), (3, 6), (6, 7)]
    assert found[0] == Span(0, 2, pytest.approx(np.log(0.9), abs=1e-5))


def test_a_line_without_letters_has_no_time_of_its_own():
    timed = time_lines(emissions(SAID), ALPHABET, "la la\n雨\nrain", FRAME_S, 4.4)
    assert timed[1].start_s == timed[1].end_s == timed[0].end_s and timed[1].confidence == 0


@pytest.mark.parametrize(
    ("lyrics", "problem"),
    [("", "no words to time"), ("[Instrumental]", "no words to time"), ("雨が降る", "knows no letter"),
     ("la " * 90, "take 269 frames, and the audio has 220")],
)  # fmt: skip
def test_what_cannot_be_aligned_is_told(lyrics, problem):
    with pytest.raises(UserError, match=problem):
        time_lines(emissions([("<pad>", 220)]), ALPHABET, lyrics, FRAME_S, 4.4)


@pytest.fixture(scope="module")
def ctc_folder(tmp_path_factory):
    return write_ctc(tmp_path_factory.mktemp("ctc") / "model")


def test_windows_hear_what_the_whole_does(ctc_folder, monkeypatch):
    import torch
    from transformers import Wav2Vec2ForCTC

    model = CtcModel(ctc_folder)
    assert model.rate_hz == 16_000 and model.frame_s == 0.02 and model.alphabet == ALPHABET
    wave = np.random.default_rng(0).standard_normal(16_000 * 3 + 77).astype(np.float32)
    whole, told = model.hear(wave), []
    plain = Wav2Vec2ForCTC.from_pretrained(ctc_folder).eval()
    normal = torch.from_numpy((wave - wave.mean()) / wave.std())[None]
    direct = plain(normal).logits[0].log_softmax(-1)
    assert whole[20:130].allclose(direct[20:130], atol=1e-3) and not whole[21:131].allclose(direct[20:130], atol=1e-2)
    monkeypatch.setattr("acestep_core.alignment.ctc_model._WINDOW_S", 1)
    parts = model.hear(wave, lambda done, total: told.append((done, total)))
    assert whole.shape == parts.shape == (151, len(LETTERS)) and told == [(50, 151), (100, 151), (150, 151), (151, 151)]
    assert parts.allclose(whole, atol=1e-4) and not parts[1:].allclose(whole[:-1], atol=1e-2)
    assert whole.exp().sum(1).allclose(whole.new_ones(151), atol=1e-4)
    lines = [time_lines(heard, model.alphabet, "la la\nrain", model.frame_s, 3.0) for heard in (whole, parts)]
    assert all(0 <= a.start_s <= a.end_s <= 3 for timed in lines for a in timed)


def test_a_folder_without_a_model_is_told(tmp_path, ctc_folder):
    with pytest.raises(UserError, match=r"config\.json cannot be read"):
        CtcModel(tmp_path)
    (tmp_path / "config.json").write_text((ctc_folder / "config.json").read_text())
    with pytest.raises(UserError, match="holds no usable CTC model"):
        CtcModel(tmp_path)
