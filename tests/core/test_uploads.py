"""Audio made fit for a service: sent as it is where it fits, else small mono pieces cut where it is quiet."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from acestep_core import UserError
from acestep_core.testing.fakes import write_wav
from acestep_core.uploads import RATE_HZ, Limits, estimate, prepared, quiet_ends

ROOMY = Limits(10**9, 3600.0)


def write(path: Path, wave: np.ndarray, rate_hz: int = RATE_HZ, **kind: str) -> Path:
    soundfile.write(path, wave.astype(np.float32), rate_hz, **kind)
    return path


def words_and_pauses(path: Path, pauses_s: list[float], seconds: float) -> Path:
    """Noise with half a second of silence at each of the times."""
    wave = np.random.default_rng(0).uniform(-0.3, 0.3, round(seconds * RATE_HZ))
    for at in pauses_s:
        wave[round(at * RATE_HZ) : round((at + 0.5) * RATE_HZ)] = 0.0
    return write(path, wave)


def test_what_fits_is_sent_as_it_is(tmp_path: Path):
    song = write_wav(tmp_path / "song.wav")
    with prepared(song, ROOMY) as pieces:
        assert [(p.path, p.start_s, p.end_s, p.file_name) for p in pieces] == [(song, 0.0, 6.0, "audio.wav")]


def test_a_wrong_ending_does_not_deceive_it(tmp_path: Path):
    song = write_wav(tmp_path / "song.wav").rename(tmp_path / "song.mp3")
    with prepared(song, ROOMY) as pieces:
        assert (pieces[0].file_name, pieces[0].mime) == ("audio.wav", "audio/wav")


@pytest.mark.parametrize(("kind", "sent"), [
    ({"format": "OGG", "subtype": "OPUS"}, "FLAC"), ({"format": "OGG", "subtype": "VORBIS"}, "VORBIS"),
    ({"format": "WAV", "subtype": "FLOAT"}, "FLAC"), ({"format": "MP3", "subtype": "MPEG_LAYER_III"}, "MP3"),
])  # fmt: skip
def test_containers_services_do_not_take_are_transcoded(kind: dict[str, str], sent: str, tmp_path: Path):
    song = write(tmp_path / "song.audio", np.zeros((48_000, 2)), 48_000, **kind)
    with prepared(song, ROOMY) as pieces:
        assert pieces[0].format == sent


def test_a_file_that_is_too_large_becomes_mono_flac_of_the_same_sound(tmp_path: Path):
    song = write_wav(tmp_path / "song.wav")
    with prepared(song, Limits(400_000, 60.0)) as pieces:
        made = soundfile.info(pieces[0].path)
        wave, _ = soundfile.read(pieces[0].path)
    assert (made.format, made.samplerate, made.channels, len(pieces)) == ("FLAC", RATE_HZ, 1, 1)
    expected, _ = soundfile.read(write_wav(tmp_path / "expected.wav", rate_hz=RATE_HZ, channels=1))
    assert len(wave) == len(expected) and np.corrcoef(wave, expected)[0, 1] > 0.99


def test_where_flac_is_still_too_large_it_becomes_mp3(tmp_path: Path):
    song = words_and_pauses(tmp_path / "noise.wav", [], 20.0)
    with prepared(song, Limits(250_000, 60.0)) as pieces:
        assert pieces[0].format == "MP3" and pieces[0].path.stat().st_size <= 250_000
    with pytest.raises(UserError, match="noise.wav is too large"), prepared(song, Limits(1000, 60.0)):
        pass


def test_pieces_are_cut_in_pauses_and_hold_the_whole_song(tmp_path: Path):
    song = words_and_pauses(tmp_path / "long.wav", [9.0, 18.7], 30.0)
    with prepared(song, Limits(10**9, 12.0)) as pieces:
        waves = [soundfile.read(p.path, dtype="float32")[0] for p in pieces]
        starts = [p.start_s for p in pieces]
    assert 9.0 < starts[1] < 9.5 and 18.7 < starts[2] < 19.2 and len(pieces) == 3
    assert [len(w) for w in waves] == [round((p.end_s - p.start_s) * RATE_HZ) for p in pieces]
    assert np.abs(np.concatenate(waves) - soundfile.read(song, dtype="float32")[0]).max() < 1e-3


def test_temporary_files_are_gone_afterwards_even_after_an_error(tmp_path: Path):
    song = words_and_pauses(tmp_path / "long.wav", [], 10.0)
    with pytest.raises(ZeroDivisionError), prepared(song, Limits(10**9, 4.0)) as pieces:
        raise ZeroDivisionError
    assert not any(p.path.exists() for p in pieces) and [p.name for p in tmp_path.iterdir()] == ["long.wav"]


@pytest.mark.parametrize("windows", [101, 250, 999, 1000, 1001, 4321])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_piece_is_too_long_or_empty_wherever_it_is_quiet(windows: int, seed: int):
    levels = np.random.default_rng(seed).uniform(size=windows)
    ends = [*quiet_ends(levels, 0.1, 10.0), windows * 0.1]
    lengths = np.diff([0.0, *ends])
    assert lengths.max() <= 10.0 + 1e-6 and lengths.min() > 2.0
    assert len(ends) == int(np.ceil(windows / 100 - 1e-9))


def test_silence_is_cut_into_equal_pieces():
    assert quiet_ends(np.zeros(300), 0.1, 11.0) == pytest.approx([10.0, 20.0], abs=0.1)


def long_song(path: Path, seconds: int) -> Path:
    """Written a minute at a time."""
    minute = np.sin(np.arange(60 * RATE_HZ) * 0.05).astype(np.float32) * 0.3
    with soundfile.SoundFile(path, "w", RATE_HZ, 2, format="WAV", subtype="PCM_16") as f:
        for _ in range(seconds // 60):
            f.write(np.stack([minute, minute], axis=1))
    return path


@pytest.mark.slow
def test_two_hours_need_no_more_memory_than_ten_minutes(tmp_path: Path):
    peaks = []
    for seconds in (600, 7200):
        song = long_song(tmp_path / f"{seconds}.wav", seconds)
        tracemalloc.start()
        with prepared(song, Limits(25_000_000, 300.0)) as pieces:
            assert len(pieces) == seconds // 300 and pieces[-1].end_s == seconds
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5 and peaks[1] < 100e6


def test_an_estimate_is_made_from_the_header(tmp_path: Path):
    song = write_wav(tmp_path / "song.wav", 60.0, rate_hz=8000, channels=1)
    fits, cut = estimate(song, ROOMY, 0.6), estimate(song, Limits(10**9, 25.0), None)
    assert (fits.pieces, fits.upload_bytes, fits.seconds) == (1, song.stat().st_size, 60.0)
    assert fits.cost_usd == pytest.approx(0.6)
    assert (cut.pieces, cut.cost_usd) == (3, None) and 0 < cut.upload_bytes < 60 * 32_000


def test_the_estimate_tells_as_many_pieces_as_there_will_be(tmp_path: Path):
    song = words_and_pauses(tmp_path / "long.wav", [3.0], 10.0)
    with prepared(song, Limits(10**9, 4.0)) as pieces:
        assert estimate(song, Limits(10**9, 4.0), None).pieces == len(pieces)
