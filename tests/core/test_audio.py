"""Audio in and out: what is read equals what was recorded, what cannot be used says why, nothing is half written."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from acestep_core import UserError
from acestep_core.audio import EXTENSIONS, RATE_HZ, probe, read_stereo, write_audio
from acestep_core.audio_format import format_of

BROKEN = ("empty.wav", "text.mp3", "text.ogg", "cut.mp3", "cut.flac", "cut.wav", "no samples.wav", "three.wav",
          "nan.wav", "infinite.wav", "endless.flac")  # fmt: skip


def sine(seconds: float, hz: float = 440.0, rate_hz: int = RATE_HZ, peak: float = 0.5) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def loudest_hz(wave: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return float(spectrum.argmax() * RATE_HZ / len(wave))


def rms_db(wave: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(wave.astype(np.float64) ** 2))))


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (2, round(seconds * RATE_HZ))).astype(np.float32)


def test_mono_is_doubled(tmp_path):
    soundfile.write(tmp_path / "mono.wav", sine(1), RATE_HZ, subtype="FLOAT")
    wave = read_stereo(tmp_path / "mono.wav")
    assert wave.shape == (2, RATE_HZ) and wave.dtype == np.float32
    np.testing.assert_array_equal(wave[0], sine(1))
    np.testing.assert_array_equal(wave[0], wave[1])


def test_stereo_at_48_khz_is_read_unchanged(tmp_path):
    soundfile.write(tmp_path / "stereo.wav", noise(25).T, RATE_HZ, subtype="FLOAT")
    np.testing.assert_array_equal(read_stereo(tmp_path / "stereo.wav"), noise(25))


@pytest.mark.parametrize("rate_hz", [44_100, 22_050, 96_000])
def test_another_rate_is_resampled_in_length_frequency_and_level(tmp_path, rate_hz):
    soundfile.write(tmp_path / "song.wav", sine(12.3, 1000, rate_hz), rate_hz, subtype="FLOAT")
    left = read_stereo(tmp_path / "song.wav")[0]
    middle = left[RATE_HZ : 11 * RATE_HZ]
    assert abs(len(left) - round(12.3 * RATE_HZ)) <= 1
    assert loudest_hz(middle) == pytest.approx(1000, abs=0.2)
    assert rms_db(middle) == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.02)


def test_reading_in_blocks_equals_resampling_the_whole(tmp_path):
    import soxr

    wave = np.stack([sine(23, 300, 44_100), sine(23, 7000, 44_100)])
    soundfile.write(tmp_path / "song.wav", wave.T, 44_100, subtype="FLOAT")
    whole = soxr.resample(wave.T, 44_100, RATE_HZ).T
    np.testing.assert_allclose(read_stereo(tmp_path / "song.wav"), whole, atol=1e-6)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_every_format_comes_back_as_it_was_written(tmp_path, extension):
    path = tmp_path / f"song{extension}"
    write_audio(path, np.stack([sine(6), sine(6, 880)]))
    wave, info = read_stereo(path), probe(path)
    assert (info.rate_hz, info.channels) == (RATE_HZ, 2) and info.duration_s == pytest.approx(6, abs=0.05)
    for channel, hz in zip(wave, (440, 880), strict=True):
        middle = channel[RATE_HZ : 5 * RATE_HZ]
        assert loudest_hz(middle) == pytest.approx(hz, abs=0.5)
        assert rms_db(middle) == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.3)


@pytest.mark.parametrize("extension", [".wav", ".flac"])
def test_the_lossless_formats_lose_less_than_a_16_bit_step(tmp_path, extension):
    write_audio(tmp_path / f"song{extension}", noise(3))
    assert np.abs(read_stereo(tmp_path / f"song{extension}") - noise(3)).max() <= 1 / 32768


def test_a_long_vorbis_file_is_written(tmp_path):
    """libvorbis overflows its stack when it is given 100 s at once."""
    write_audio(tmp_path / "long.ogg", noise(100))
    assert probe(tmp_path / "long.ogg").duration_s == pytest.approx(100, abs=0.05)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_what_is_too_loud_is_clipped_and_does_not_wrap(tmp_path, extension):
    path = tmp_path / f"loud{extension}"
    write_audio(path, np.stack([sine(1, peak=3.0), -sine(1, peak=3.0)]))
    wave = read_stereo(path)[:, 4800:43200]
    lossy = 0.2 if extension in (".mp3", ".ogg", ".opus") else 1e-4
    assert wave.max() == pytest.approx(1, abs=lossy) and wave.min() == pytest.approx(-1, abs=lossy)
    if lossy == 1e-4:
        assert (np.sign(wave[0]) == np.sign(sine(1)[4800:43200])).mean() > 0.99


def test_only_the_finished_file_is_left(tmp_path):
    write_audio(tmp_path / "new folder" / "song.flac", noise(1))
    assert [p.name for p in (tmp_path / "new folder").iterdir()] == ["song.flac"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "song.wav"
    path.write_bytes(b"old")

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(soundfile.SoundFile, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        write_audio(path, noise(1))
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_an_extension_that_cannot_be_written_is_refused_with_those_that_can():
    assert format_of(Path("a.MP3")) == ("MP3", "MPEG_LAYER_III")
    with pytest.raises(UserError, match="Cannot write '.m4a'") as error:
        format_of(Path("a.m4a"))
    assert all(e in error.value.hint for e in EXTENSIONS)


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Folder with one file for every way of being unusable."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "empty.wav").touch()
    for name in ("text.mp3", "text.ogg"):
        (folder / name).write_text("These are the lyrics.\n" * 200)
    for name in ("cut.mp3", "cut.flac", "cut.wav"):
        write_audio(folder / name, noise(8))
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
    soundfile.write(folder / "no samples.wav", np.zeros((0, 2)), RATE_HZ)
    soundfile.write(folder / "three.wav", np.zeros((RATE_HZ, 3)), RATE_HZ)
    for name, value in (("nan.wav", np.nan), ("infinite.wav", -np.inf)):
        wave = noise(25).T.copy()
        wave[20 * RATE_HZ, 1] = value
        soundfile.write(folder / name, wave, RATE_HZ, subtype="FLOAT")
    _write_without_length(folder / "endless.flac")
    return folder


def _write_without_length(path: Path) -> None:
    """As encoders leave a FLAC they wrote to a pipe: 0 for the 36 bits of the number of samples."""
    write_audio(path, noise(1))
    raw = bytearray(path.read_bytes())
    raw[21] &= 0xF0
    raw[22:26] = bytes(4)
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("name", "reason"),
    zip(BROKEN, ["is empty", "no readable .mp3", "no readable .ogg", "cut off", "decoding stopped", "cut off",
                 "no sound", "3 channels", "NaN or infinite", "NaN or infinite", "how long"], strict=True),
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_one_sentence_with_a_remedy(broken, name, reason):
    with pytest.raises(UserError, match=reason) as error:
        read_stereo(broken / name)
    assert "\n" not in error.value.problem and error.value.hint


@pytest.mark.parametrize("name", [n for n in BROKEN if n not in ("cut.mp3", "cut.flac", "nan.wav", "infinite.wav")])
def test_what_the_header_tells_is_known_without_decoding(broken, name):
    with pytest.raises(UserError):
        probe(broken / name)


@pytest.mark.parametrize("name", ["cut.mp3", "cut.wav"])
def test_a_file_cut_in_the_middle_says_how_much_is_left(broken, name):
    with pytest.raises(UserError, match=r"3\.\d s are there of 8\.\d s|4\.0 s are there of 8\.0 s"):
        read_stereo(broken / name)


@pytest.mark.parametrize("declared", [0x7FFFF000, 0xFFFFFFFF], ids=["sox", "ffmpeg"])
def test_a_wav_written_to_a_pipe_is_read_to_its_end(tmp_path, declared):
    path = tmp_path / "pipe.wav"
    write_audio(path, noise(2))
    raw = bytearray(path.read_bytes())
    at = raw.index(b"data") + 4
    raw[at : at + 4] = declared.to_bytes(4, "little")
    path.write_bytes(raw)
    assert read_stereo(path).shape == (2, 2 * RATE_HZ)
