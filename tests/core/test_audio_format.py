"""Formats, rates and tags of written audio, read back by other means than what wrote them."""

import shutil
import struct
import time
import wave as stdlib_wave

import numpy as np
import pytest
import soundfile
from tinytag import TinyTag

from acestep_core import UserError
from acestep_core.audio import EXTENSIONS, RATE_HZ, probe, read_blocks, read_stereo, write_audio
from acestep_core.audio_format import MP3_KBPS, AudioSettings, encoding_of, read_tag
from acestep_core.audio_tags import TAGS
from acestep_core.repeatable import make_repeatable

TEXTS = {"title": "Straße 東京", "artist": "Ärtist & Söhne", "album": "Ünder", "date": "2021", "genre": "Jazz",
         "tracknumber": "3", "copyright": "© nobody", "comment": "a waltz | " + "long " * 1000 + "end é"}  # fmt: skip


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (2, round(seconds * RATE_HZ))).astype(np.float32)


def kbps(path, seconds):
    return path.stat().st_size * 8 / seconds / 1000


@pytest.mark.parametrize(("name", "sample_format", "subtype", "step"), [
    ("a.wav", None, "PCM_16", 2**-15), ("a.wav", "pcm16", "PCM_16", 2**-15), ("a.wav", "pcm24", "PCM_24", 2**-23),
    ("a.wav", "float32", "FLOAT", 0), ("a.flac", "pcm16", "PCM_16", 2**-15), ("a.flac", "pcm24", "PCM_24", 2**-23),
])  # fmt: skip
def test_numbers_are_kept_as_finely_as_asked(tmp_path, name, sample_format, subtype, step):
    write_audio(tmp_path / name, noise(2), settings=AudioSettings(sample_format=sample_format))
    assert soundfile.info(tmp_path / name).subtype == subtype
    lost = np.abs(soundfile.read(tmp_path / name, dtype="float32")[0].T - noise(2)).max()
    assert lost <= step and (step == 0 or lost > step / 10)


def test_float32_alone_holds_what_is_above_full_scale(tmp_path):
    for sample_format, highest in (("float32", 2.0), ("pcm24", 1.0)):
        write_audio(tmp_path / "a.wav", 4 * noise(1), settings=AudioSettings(sample_format=sample_format))
        assert np.abs(read_stereo(tmp_path / "a.wav")).max() == pytest.approx(highest, abs=1e-3)


@pytest.mark.parametrize("bitrate", MP3_KBPS)
def test_an_mp3_has_the_constant_bitrate_asked_for(tmp_path, bitrate):
    path = tmp_path / "a.mp3"
    write_audio(path, noise(8), settings=AudioSettings(bitrate=bitrate))
    assert TinyTag.get(path).bitrate == pytest.approx(bitrate)
    assert kbps(path, 8) == pytest.approx(bitrate, rel=0.02)
    assert headers_of(path) == {bitrate}


def headers_of(path):
    """Bitrates in the headers of the frames of an MPEG-1 layer III file."""
    rates = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
    content, at, found = path.read_bytes(), 0, set()
    while at + 4 <= len(content):
        (head,) = struct.unpack(">I", content[at : at + 4])
        assert head >> 17 == 0x7FFD  # MPEG-1 layer III
        rate = rates[head >> 12 & 15]
        found.add(rate)
        at += 144 * rate * 1000 // RATE_HZ + (head >> 9 & 1)
    return found


@pytest.mark.parametrize("bitrate", [32, 96, 192, 320])
def test_opus_comes_near_the_average_bitrate_asked_for(tmp_path, bitrate):
    write_audio(tmp_path / "a.opus", noise(8), settings=AudioSettings(bitrate=bitrate))
    assert kbps(tmp_path / "a.opus", 8) == pytest.approx(bitrate, rel=0.15)
    assert soundfile.info(tmp_path / "a.opus").samplerate == RATE_HZ


@pytest.mark.parametrize("ending", ["mp3", "ogg"])
def test_a_higher_quality_is_a_larger_file_nearer_to_the_sound(tmp_path, ending):
    """A chord, since what noise loses cannot be compared sample by sample."""
    t = np.arange(8 * RATE_HZ) / RATE_HZ
    chord = sum(0.1 * np.sin(2 * np.pi * hz * t) for hz in (220, 277, 330, 5000, 9000)) + 0.2 * noise(8)
    sizes = []
    for quality in (0.0, 0.5, 1.0):
        path = tmp_path / f"{quality}.{ending}"
        write_audio(path, chord.astype(np.float32), settings=AudioSettings(quality=quality))
        sizes.append(path.stat().st_size)
    assert sizes[0] < 0.8 * sizes[1] < 0.8 * 0.8 * sizes[2]
    assert len(headers_of(path)) > 1 if ending == "mp3" else True


@pytest.mark.parametrize(("name", "settings", "problem", "hint"), [
    ("a.flac", {"bitrate": 128}, "--bitrate does nothing in .flac", ".mp3 .opus"),
    ("a.wav", {"quality": 0.5}, "--quality does nothing in .wav", ".mp3 .ogg"),
    ("a.ogg", {"bitrate": 128}, "--bitrate does nothing in .ogg", ".mp3 .opus"),
    ("a.mp3", {"sample_format": "pcm24"}, "--sample-format does nothing in .mp3", ".wav .flac"),
    ("a.opus", {"quality": 0.5}, "--quality does nothing in .opus", ".mp3 .ogg"),
    ("a.flac", {"sample_format": "float32"}, ".flac cannot have --sample-format float32", "pcm16, pcm24"),
    ("a.mp3", {"bitrate": 100}, ".mp3 cannot have --bitrate 100", "128, 160"),
    ("a.opus", {"bitrate": 600}, ".opus cannot have --bitrate 600", "16 to 510"),
    ("a.mp3", {"bitrate": 128, "quality": 0.5}, "exclude each other", "leave one"),
    ("a.wav", {"sample_format": "pcm32"}, "must be pcm16|pcm24|float32, not 'pcm32'", ""),
    ("a.m4a", {}, "Cannot write '.m4a' audio", ".wav, .flac"),
    ("a", {}, "a: its name has no ending", ".wav, .flac"),
    ("a.wav", {"tags": {"titel": "x"}}, "There is no tag 'titel'", "did you mean 'title'"),
    ("a.wav", {"tags": {"bpm": "120"}}, "Only mp3 has the tag 'bpm'", "comment"),
    ("a.mp3", {"tags": {"title": "a\0b"}}, "The tag 'title' has a NUL", "remove"),
])  # fmt: skip
def test_what_does_nothing_or_cannot_be_is_refused(tmp_path, name, settings, problem, hint):
    with pytest.raises(UserError) as error:
        write_audio(tmp_path / name, noise(1), settings=AudioSettings(**settings))
    assert problem in error.value.problem and hint in error.value.hint
    assert not list(tmp_path.iterdir())


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    with pytest.raises(UserError, match="2 problems"):
        encoding_of(tmp_path / "a.flac", AudioSettings(bitrate=128, tags={"bpm": "1"}))


@pytest.mark.parametrize("ending", EXTENSIONS)
def test_tags_are_read_back_as_they_were_written(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    more = {"bpm": "92"} if ending == ".mp3" else {}
    write_audio(path, noise(1), settings=AudioSettings(tags=TEXTS | more))
    assert set(TAGS) == {*TEXTS, "bpm"}
    found = TinyTag.get(path)
    assert (found.title, found.artist, found.album) == tuple(TEXTS[n] for n in ("title", "artist", "album"))
    assert (found.genre, found.year, str(found.track)) == ("Jazz", "2021", "3")
    assert found.comment == TEXTS["comment"] and found.other["copyright"] == [TEXTS["copyright"]]
    assert ending != ".mp3" or found.other["bpm"] == ["92"]
    assert probe(path).duration_s == pytest.approx(1, abs=0.01)


def test_tags_do_not_touch_the_sound(tmp_path):
    for ending in EXTENSIONS:
        plain, tagged = tmp_path / f"plain{ending}", tmp_path / f"tagged{ending}"
        write_audio(plain, noise(1))
        write_audio(tagged, noise(1), settings=AudioSettings(tags=TEXTS))
        assert np.array_equal(read_stereo(plain), read_stereo(tagged)), ending


@pytest.mark.parametrize(("name", "settings"), [(f"a{e}", {}) for e in EXTENSIONS] + [
    ("a.wav", {"sample_format": "float32"}), ("a.mp3", {"bitrate": 320}), ("a.opus", {"bitrate": 64})])  # fmt: skip
def test_the_same_sound_is_the_same_bytes_at_another_time(tmp_path, name, settings):
    (tmp_path / "later").mkdir()
    settings = AudioSettings(**settings, tags=TEXTS)
    write_audio(tmp_path / name, noise(2), settings=settings)
    time.sleep(1.05)  # the time in a WAV counts seconds
    write_audio(tmp_path / "later" / name, noise(2), settings=settings)
    assert (tmp_path / name).read_bytes() == (tmp_path / "later" / name).read_bytes()


def crc_of(page: bytes) -> int:
    """RFC 3533, bit by bit."""
    crc = 0
    for byte in page[:22] + bytes(4) + page[26:]:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (0x104C11DB7 if crc & 0x80000000 else 0)
    return crc


@pytest.mark.parametrize("ending", [".ogg", ".opus"])
def test_the_pages_of_an_ogg_file_have_right_checksums_and_one_serial_number(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    write_audio(path, noise(2))
    content, at, serials = path.read_bytes(), 0, set()
    while at < len(content):
        end = at + 27 + content[at + 26] + sum(content[at + 27 : at + 27 + content[at + 26]])
        page = content[at:end]
        assert page[:4] == b"OggS" and int.from_bytes(page[22:26], "little") == crc_of(page)
        serials.add(page[14:18])
        at = end
    assert len(serials) == 1
    write_audio(path, noise(2, seed=1))
    assert path.read_bytes()[14:18] not in serials  # two of them can be joined in one file


def test_a_chunk_of_odd_length_before_the_dated_one_is_passed(tmp_path):
    def chunk(name, content):
        return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)

    peak = chunk(b"PEAK", struct.pack("<II", 1, 1_700_000_000) + bytes(16))
    wav = b"WAVE" + chunk(b"LIST", b"odd") + peak + chunk(b"data", bytes(range(16)) * 4)
    (tmp_path / "a.wav").write_bytes(b"RIFF" + struct.pack("<I", len(wav)) + wav)
    make_repeatable(tmp_path / "a.wav")
    made = (tmp_path / "a.wav").read_bytes()
    assert made == b"RIFF" + struct.pack("<I", len(wav)) + wav.replace(struct.pack("<I", 1_700_000_000), bytes(4))


def test_a_plain_wav_is_read_by_the_standard_library(tmp_path):
    write_audio(tmp_path / "a.wav", noise(1), settings=AudioSettings(sample_format="pcm24", tags=TEXTS))
    with stdlib_wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 3, RATE_HZ)
        assert file.getnframes() == RATE_HZ


def test_a_tag_of_the_command_line_may_hold_equals_signs():
    assert read_tag(" Title = a=b ") == ("title", "a=b")
    with pytest.raises(UserError, match="has no value"):
        read_tag("title")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "settings"), [(f"a{e}", {}) for e in EXTENSIONS] + [
    ("a.wav", {"sample_format": "float32"})])  # fmt: skip
def test_ten_minutes_are_written_whole(tmp_path, name, settings):
    """libvorbis overflows its stack on one long write."""
    if shutil.disk_usage(tmp_path).free < 2**30:
        pytest.skip("less than 1 GiB of disk is free")
    t = np.arange(600 * RATE_HZ) / RATE_HZ
    rising = (t / 1000 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    write_audio(tmp_path / name, np.stack([rising, -rising]), settings=AudioSettings(**settings))
    assert probe(tmp_path / name).duration_s == pytest.approx(600, abs=0.1)
    peaks = [float(np.abs(block).max()) for block in read_blocks(tmp_path / name) if len(block)]
    assert len(peaks) >= 60 and peaks[30] == pytest.approx(0.31, abs=0.02) and peaks[59] == pytest.approx(0.6, abs=0.03)
