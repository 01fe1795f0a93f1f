"""What listening to a file finds, each fault made on purpose, in every format that can have it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from acestep_core import UserError
from acestep_core.audio import EXTENSIONS, write_audio
from acestep_core.data import Song
from acestep_core.inspection import inspect, inspect_songs, sound_notes

RATE_HZ = 48_000


def noise(seconds: float = 12.0, peak: float = 0.3, channels: int = 2) -> np.ndarray:
    shape = (channels, round(seconds * RATE_HZ))
    return np.random.default_rng(7).uniform(-peak, peak, shape).astype(np.float32)


def written(path: Path, wave: np.ndarray, **options: str) -> Path:
    soundfile.write(path, wave.T, RATE_HZ, **options)
    return path


def notes(path: Path) -> str:
    return "\n".join(sound_notes(inspect(path)))


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_whole_file_has_no_notes_and_one_that_is_cut_is_refused(tmp_path, extension):
    path = tmp_path / f"song{extension}"
    write_audio(path, noise())
    assert notes(path) == "" and inspect(path).duration_s == pytest.approx(12, abs=0.1)
    raw = path.read_bytes()
    for share in (0.4, 0.95):
        path.write_bytes(raw[: int(share * len(raw))])
        with pytest.raises(UserError, match="cut off|decoding stopped"):
            inspect(path)


@pytest.mark.parametrize("extension", [".ogg", ".opus"])
def test_an_ogg_file_cut_between_pages_is_noted(tmp_path, extension):
    path = tmp_path / f"song{extension}"
    write_audio(path, noise())
    raw = path.read_bytes()
    path.write_bytes(raw[: raw.rindex(b"OggS")])
    assert notes(path) == "nothing in it says where it ends: it may be cut off"


def test_an_mp3_whose_header_says_no_length_is_noted_with_and_without_a_tag(tmp_path):
    path = tmp_path / "song.mp3"
    write_audio(path, noise())
    raw = path.read_bytes()
    frames = raw[raw.index(raw[:2], 200) :]  # the first frame has the length and no sound
    path.write_bytes(frames)
    assert notes(path) == "nothing in it says where it ends: it may be cut off"
    path.write_bytes(b"ID3\x03\x00\x00\x00\x00\x10\x00" + bytes(2048) + raw)
    assert notes(path) == ""


def test_silence_is_a_problem_where_it_is_all_and_a_note_where_it_is_much(tmp_path):
    with pytest.raises(UserError, match="silent from start to end"):
        inspect(written(tmp_path / "all.wav", 0 * noise()))
    wave = noise()
    wave[:, : 7 * RATE_HZ] = 0
    assert notes(written(tmp_path / "start.wav", wave)) == (
        "silent for 58% of its length\nbegins with 7.0 s of silence: cut it off"
    )
    assert notes(written(tmp_path / "end.wav", wave[:, ::-1])).endswith("ends with 7.0 s of silence: cut it off")
    wave = noise(4.0)
    wave[:, 2 * RATE_HZ :] = 0.0005
    sound = inspect(written(tmp_path / "floor.wav", wave))
    assert sound.silent_share == pytest.approx(0.5) and sound.silent_end_s == pytest.approx(2.0)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_clipping_is_counted_in_runs_wherever_blocks_begin(tmp_path, subtype):
    wave = noise(21.0)
    starts = [0, 5000, 10 * RATE_HZ - 3, 10 * RATE_HZ + 50, 20 * RATE_HZ - 1, *range(30_000, 31_000, 100)]
    for start in starts:
        wave[1, start : start + 4] = 1.0
    wave[0, 100:102] = 1.0  # two in a row can be a wave
    sound = inspect(written(tmp_path / "song.wav", wave, subtype=subtype))
    assert sound.clipped_runs == len(starts) and sound.clipped_share == pytest.approx((4 * len(starts) + 2) / wave.size)
    assert f"in {len(starts)} runs of 3 or more" in "\n".join(sound_notes(sound))


def test_a_single_peak_at_full_scale_is_no_clipping(tmp_path):
    wave = noise()
    wave[:, 1000:2000:100] = 1.0
    assert notes(written(tmp_path / "song.wav", wave)) == ""


@pytest.mark.parametrize("extension", [".wav", ".mp3", ".ogg", ".opus"])
def test_equal_channels_are_mono_in_a_stereo_file(tmp_path, extension):
    path = tmp_path / f"song{extension}"
    t = np.arange(6 * RATE_HZ) / RATE_HZ
    write_audio(path, np.repeat(0.3 * np.sin(2 * np.pi * 440 * t)[None], 2, axis=0).astype(np.float32))
    assert "mono in a stereo file" in notes(path)


def test_silent_and_opposite_channels_are_noted_and_one_channel_is_not(tmp_path):
    wave = noise()
    assert "its right channel is silent" in notes(written(tmp_path / "right.wav", wave * [[1], [0]]))
    assert "its left channel is silent" in notes(written(tmp_path / "left.wav", wave * [[0], [1]]))
    assert "cancel out in mono" in notes(written(tmp_path / "opposite.wav", wave[:1] * [[1], [-1]]))
    assert notes(written(tmp_path / "mono.wav", wave[:1])) == ""


def test_problems_and_notes_go_to_their_songs_and_one_bad_file_stops_none(tmp_path):
    wave = noise(6.0)
    wave[0, 1000] = np.nan
    files = [written(tmp_path / "a.wav", noise(6.0)), written(tmp_path / "b.wav", wave, subtype="FLOAT"),
             written(tmp_path / "c.wav", noise(6.0)[:1] * [[1], [1]]), tmp_path / "gone.wav"]  # fmt: skip
    songs, seen = [Song(path=p) for p in files], []
    heard = inspect_songs(songs, 2, lambda song, number, total: seen.append((number, total)))
    assert list(heard) == [files[0], files[2]] and seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [len(s.problems) for s in songs] == [0, 1, 0, 1] and "NaN" in str(songs[1].problems[0])
    assert songs[3].problems[0].remedy and "mono in a stereo file" in songs[2].notes[0]
    assert inspect_songs(songs[1:2]) == {}


def test_an_interrupt_ends_listening_without_the_rest(tmp_path):
    songs = [Song(path=written(tmp_path / f"{n}.wav", noise(0.2))) for n in range(60)]

    def stop(song: Song, number: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inspect_songs(songs, 1, stop)
