"""The sampler against SciPy's triangular distribution; the transcriber on files as karaoke programs write them."""

import pytest
import torch
from acestep_example.lrc import Lrc
from acestep_example.triangular import Triangular
from scipy.stats import triang

from acestep_core import UserError
from acestep_core.answers import Segment
from acestep_core.testing.fakes import write_wav

LYRICS = "\ufeff[ar:Somebody]\n[length:00:06]\n\n[00:01.00][00:04.00]La la\n[00:02.50]Rain on the roof\n[00:03.5]\n"


@pytest.fixture
def song(tmp_path):
    return write_wav(tmp_path / "song.wav", 6.0)


@pytest.mark.parametrize("peak", [0.0, 0.3, 1.0])
def test_quantiles_are_scipys(peak):
    u = torch.linspace(0.001, 0.999, 101, dtype=torch.float64)
    assert Triangular(peak=peak).sample(u).numpy() == pytest.approx(triang(peak).ppf(u.numpy()), abs=1e-12)


def test_lines_are_in_the_order_they_are_sung_and_last_until_the_next(song):
    song.with_suffix(".lrc").write_text(LYRICS, encoding="utf-8")
    found = Lrc().transcribe(song)
    assert found.text == "La la\nRain on the roof\nLa la"
    assert found.segments == (
        Segment(1.0, 2.5, "La la"),
        Segment(2.5, 3.5, "Rain on the roof"),
        Segment(4.0, 6.0, "La la"),
    )


def test_lines_after_the_end_of_the_song_stay_within_it(song):
    song.with_suffix(".lrc").write_text("[00:05.00]one\n[01:00.00]two\n")
    assert [(s.start_s, s.end_s) for s in Lrc().transcribe(song).segments] == [(5.0, 6.0), (6.0, 6.0)]


def test_a_song_without_the_file_has_no_words(song):
    assert Lrc().transcribe(song).text == ""


def test_another_encoding_is_told_in_a_sentence(song):
    song.with_suffix(".lrc").write_bytes("[00:01.00]Über".encode("latin-1"))
    with pytest.raises(UserError, match=r"song\.lrc is no UTF-8 text"):
        Lrc().transcribe(song)
