"""Tasks end to end on a tiny model: what follows from a source, what is kept of it, and what makes no sense."""

import json

import numpy as np
import pytest
import soundfile

from acestep_core import GenerateRequest, UserError, generate
from acestep_core.audio import read_stereo
from acestep_core.codes import write_codes
from acestep_core.record import check_same, load_record
from acestep_core.source import Region, SourceSong, inside_of, length_of, read_timbre, spliced
from acestep_core.tasks import TASKS, Complete, Cover, Extract, Lego, Repaint, Text2Music, task_named

RATE = 48_000


@pytest.fixture(scope="module")
def song(tmp_path_factory, make_song):
    return make_song(tmp_path_factory.mktemp("song") / "song.wav", 6.0, 220.0)


@pytest.fixture(scope="module")
def heard(song):
    """The song as it sounds, [2, S]."""
    return read_stereo(song)


def short(task, **fields):
    return GenerateRequest(caption="a waltz", seed=3, steps=2, task=task, **fields)


def test_every_task_has_the_instruction_of_the_reference():
    told = {
        Text2Music(): "Fill the audio semantic mask based on the given conditions:",
        Text2Music(codes="<|audio_code_1|>"): "Generate audio semantic tokens based on the given conditions:",
        Cover(): "Generate audio semantic tokens based on the given conditions:",
        Repaint(): "Repaint the mask area based on the given conditions:",
        Extract(track="vocals"): "Extract the VOCALS track from the audio:",
        Extract(): "Extract the track from the audio:",
        Lego(track="bass"): "Generate the BASS track based on the audio context:",
        Lego(): "Generate the track based on the audio context:",
        Complete(tracks=("drums", "bass")): "Complete the input track with DRUMS | BASS:",
        Complete(): "Complete the input track:",
    }
    assert {task: task.instruction for task in told} == told


def test_the_names_of_the_page_are_known_too():
    assert task_named("remix") is Cover and task_named("custom") is task_named("simple") is Text2Music
    with pytest.raises(UserError, match="no task 'remixed'") as error:
        task_named("remixed")
    assert "remix" in error.value.hint


@pytest.mark.parametrize("name", ["cover", "repaint"])
def test_a_task_on_a_song_lasts_as_long_as_the_song(turbo, song, name):
    clip = generate(turbo, short(TASKS[name](source=song)))
    assert clip.wave.shape == (2, 6 * RATE) and np.isfinite(clip.wave).all()
    assert clip.record["request"]["task"]["name"] == name and clip.record["request"]["duration_s"] == 6.0


@pytest.mark.parametrize("task", [Extract(track="bass"), Lego(track="bass"), Complete(tracks=("bass",))])
def test_tasks_of_base_models(base, turbo, song, task):
    of_song = type(task)(**{**vars(task), "source": song})
    assert generate(base, short(of_song)).wave.shape == (2, 6 * RATE)
    with pytest.raises(UserError, match=f"turbo cannot {task.name}"):
        generate(turbo, short(of_song))


def test_a_cover_hears_its_song_and_less_of_it_with_less_strength(turbo, song, make_song, tmp_path):
    other = make_song(tmp_path / "other.wav", 6.0, 330.0)
    waves = {(s, c): generate(turbo, GenerateRequest(seed=3, steps=4, task=Cover(source=s, cover_strength=c))).wave
             for s in (song, other) for c in (1.0, 0.5, 0.0)}  # fmt: skip
    assert not np.array_equal(waves[song, 1.0], waves[other, 1.0])
    assert not np.array_equal(waves[song, 1.0], waves[song, 0.5])
    assert np.array_equal(waves[song, 0.0], waves[other, 0.0]), "with no strength the song is not heard"


def test_a_cover_from_a_noisy_song_is_nearer_to_it_the_less_noise(turbo, song, heard):
    latents = []
    for noise in (0.2, 0.9):
        request = GenerateRequest(seed=3, steps=5, shift=1.0, task=Cover(source=song, cover_noise=noise))
        latents.append(turbo.codec.encode(generate(turbo, request).wave, 0))
    own = turbo.codec.encode(heard, 0)
    distances = [np.abs(x[: len(own)] - own[: len(x)]).mean() for x in latents]
    assert distances[1] < distances[0]


def test_a_cover_begins_with_noise_alone_unless_it_is_asked_not_to(turbo, song, make_song, tmp_path):
    """Also where its timesteps begin below 1: with no strength nothing of the song may be heard."""
    other = make_song(tmp_path / "other.wav", 6.0, 330.0)
    times = (0.9, 0.5, 0.0)
    waves = [generate(turbo, GenerateRequest(seed=3, timesteps=times, task=Cover(source=s, cover_strength=0.0))).wave
             for s in (song, other)]  # fmt: skip
    assert np.array_equal(*waves)


@pytest.mark.parametrize("mode", ["conservative", "balanced"])
def test_outside_the_region_a_repaint_is_the_song_itself(turbo, song, heard, mode):
    task = Repaint(source=song, start=2.0, end=3.0, repaint_mode=mode)
    wave = generate(turbo, short(task)).wave
    far = np.r_[: int(1.8 * RATE), int(3.2 * RATE) : 6 * RATE]
    gain = (wave[0, far] * heard[0, far]).sum() / (heard[0, far] ** 2).sum()
    assert np.allclose(wave[:, far], gain * heard[:, far], atol=1e-5)
    inside = slice(int(2.2 * RATE), int(2.8 * RATE))
    assert not np.allclose(wave[:, inside], gain * heard[:, inside], atol=1e-2)


def test_an_aggressive_repaint_is_not_spliced(turbo, song, heard):
    wave = generate(turbo, short(Repaint(source=song, start=2.0, end=3.0, repaint_mode="aggressive"))).wave
    gain = np.abs(wave).max() / np.abs(heard).max()
    assert not np.allclose(wave[0, :RATE], gain * heard[0, :RATE], atol=1e-3)


def test_a_region_outside_the_song_makes_it_longer_on_both_sides(turbo, song, heard):
    before = generate(turbo, short(Repaint(source=song, start=-1.0, end=0.5))).wave
    behind = generate(turbo, short(Repaint(source=song, start=5.5, end=8.0))).wave
    assert before.shape[1] == 7 * RATE and behind.shape[1] == 8 * RATE
    for wave, at in ((before, 4.0), (behind, 3.0)):
        cut, own = wave[0, int(at * RATE) :][:RATE], heard[0, 3 * RATE :][:RATE]
        gain = (cut * own).sum() / (own**2).sum()
        assert np.allclose(cut, gain * own, atol=1e-5)
    assert np.abs(before[:, : RATE // 2]).max() > 0 and np.abs(behind[:, 7 * RATE :]).max() > 0


def test_codes_of_a_song_and_music_from_codes(turbo, heard):
    codes = turbo.dit.codes(turbo.codec.encode(heard, 0))
    assert len(codes) == 30
    clip = generate(turbo, short(Text2Music(codes=write_codes(codes))))
    assert clip.wave.shape[1] == 6 * RATE
    other = generate(turbo, short(Text2Music(codes=write_codes(codes[::-1]))))
    assert not np.array_equal(clip.wave, other.wave)


class QuickCodec:
    """Latents that say what was heard, without the seconds that encoding half a minute takes."""

    def encode(self, wave, seed):
        self.wave = wave
        frames = wave[0, : wave.shape[1] // 1920 * 1920].reshape(-1, 1920)
        return np.repeat(frames.mean(axis=1, keepdims=True), 64, axis=1).astype(np.float32)


def test_a_timbre_is_ten_seconds_of_each_third_drawn_with_the_seed(tmp_path):
    ramp = np.linspace(0.1, 0.9, 66 * RATE)
    soundfile.write(tmp_path / "ramp.wav", ramp, RATE, subtype="FLOAT")
    codec = QuickCodec()
    first, again, other = (read_timbre(tmp_path / "ramp.wav", codec, seed) for seed in (1, 1, 2))
    assert first.shape == (750, 64) and np.array_equal(first, again) and not np.array_equal(first, other)
    for third, piece in enumerate(np.split(codec.wave[0], 3)):
        low, high = ramp[third * 22 * RATE], ramp[(third + 1) * 22 * RATE - 1]
        assert low <= piece.min() and piece.max() <= high and (np.diff(piece) > 0).all()


def test_a_short_timbre_is_repeated_and_heard(turbo, song, monkeypatch):
    codec = QuickCodec()
    read_timbre(song, codec, 0)
    assert codec.wave.shape == (2, 30 * RATE)
    plain = generate(turbo, short(Text2Music(), duration_s=5.2)).wave
    monkeypatch.setattr(type(turbo.codec), "encode", lambda self, wave, seed: codec.encode(wave, seed))
    assert not np.array_equal(plain, generate(turbo, short(Text2Music(), timbre=song, duration_s=5.2)).wave)


def test_a_record_with_a_song_makes_the_same_again_and_misses_a_changed_one(turbo, song, make_song, tmp_path):
    own = make_song(tmp_path / "own.wav", 6.0, 200.0)
    clip = generate(turbo, short(Cover(source=own, cover_strength=0.5)))
    clip.save(tmp_path / "out.wav")
    record = load_record(tmp_path / "out.wav.json")
    assert check_same(record, turbo) == [] and isinstance(record.request.task, Cover)
    assert np.array_equal(generate(turbo, record.request).wave, clip.wave)
    make_song(own, 6.0, 205.0)
    with pytest.raises(UserError, match=r"own\.wav has changed"):
        check_same(record, turbo)
    own.unlink()
    with pytest.raises(UserError, match=r"own\.wav is gone"):
        check_same(load_record(tmp_path / "out.wav.json"), turbo)


@pytest.mark.parametrize(
    ("task", "fields", "reason"),
    [
        (Cover(), {}, "needs a song"), (Cover(source="SONG"), {"duration_s": 8.0}, "--duration does nothing"),
        (Text2Music(codes="<|audio_code_64000|>"), {}, "no audio code 64000"),
        (Text2Music(codes="la la"), {}, "no audio code"),
        (Text2Music(codes_strength=0.5), {}, "does nothing without --codes"),
        (Repaint(source="SONG", start=3.0, end=2.0), {}, "before it starts"),
        (Repaint(source="SONG", start=7.0), {}, "song ends at 6"),
        (Repaint(source="SONG", repaint_mode="aggressive", repaint_strength=0.2), {}, "aggressive decides"),
        (Text2Music(), {"timesteps": (1.0, 0.5, 0.0), "steps": 3}, "--timesteps says all"),
        (Text2Music(), {"timesteps": (0.5, 0.7, 0.0)}, "must fall"),
        (Text2Music(), {"timesteps": (1.0, 0.5)}, "must fall"),
        (Text2Music(), {"reference_mode": True, "steps": 12}, "always takes 8 steps"),
        (Text2Music(), {"guidance_kind": "adg"}, "without guidance"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_before_anything_is_made(turbo, song, task, fields, reason):
    if getattr(task, "source", None):
        task = type(task)(**{**vars(task), "source": song})
    with pytest.raises(UserError, match=reason):
        generate(turbo, GenerateRequest(task=task, **fields))


def test_a_silent_or_missing_source_is_one_sentence(turbo, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros((6 * RATE, 2)), RATE)
    with pytest.raises(UserError, match="silent from start to end"):
        generate(turbo, short(Cover(source=tmp_path / "silent.wav")))
    with pytest.raises(UserError, match="gone.wav: the file is missing"):
        generate(turbo, short(Cover(source=tmp_path / "gone.wav")))


def test_free_timesteps_are_taken_as_they_are_and_snapped_only_for_the_reference(turbo):
    times = (0.97, 0.5, 0.2, 0.0)
    free = generate(turbo, GenerateRequest(seed=1, duration_s=5.2, timesteps=times)).record["schedule"]
    like = generate(turbo, GenerateRequest(seed=1, duration_s=5.2, timesteps=times, reference_mode=True)).record[
        "schedule"
    ]
    assert free == list(times) and like == pytest.approx([1 - 1 / 22, 0.5, 2 / 9, 0.0])


def test_the_splice_ramps_outside_the_region_only():
    song = SourceSong(np.ones((2, RATE), np.float32), np.zeros((25, 64)), Region(0.4, 0.6))
    wave = spliced(np.zeros((2, RATE), np.float32), song, 0.1)[0]
    assert (wave[int(0.4 * RATE) : int(0.6 * RATE)] == 0).all() and (wave[: int(0.29 * RATE)] == 1).all()
    ramp = wave[int(0.61 * RATE) : int(0.69 * RATE)]
    assert (np.diff(ramp) > 0).all() and wave[int(0.65 * RATE)] == pytest.approx(0.5, abs=0.01)


def test_the_region_in_frames_and_the_length_of_a_grown_song(song):
    assert np.flatnonzero(inside_of(Region(2.0, 3.0), 150)).tolist() == list(range(50, 75))
    assert length_of(Repaint(source=song, start=-2.0, end=9.5)) == 11.5
    assert length_of(Text2Music(codes="<|audio_code_0|>" * 7)) == pytest.approx(1.4)


def test_the_command_takes_the_tasks_options_and_refuses_those_of_others(tiny, song, tmp_path, cli):
    out = tmp_path / "cover.wav"
    given = ("generate", "--model", tiny, "--task", "remix", "--source", song, "--steps", 2, "--seed", 1, "-o", out)
    ended = cli(*given, "--cover-strength", "0.5")
    assert (
        ended.code == 0
        and json.loads(out.with_name("cover.wav.json").read_text())["request"]["task"]["cover_strength"] == 0.5
    )
    again = cli("generate", "--model", tiny, "--from", f"{out}.json", "-o", tmp_path / "again.wav")
    assert again.code == 0 and (tmp_path / "again.wav").read_bytes() == out.read_bytes()
    ended = cli(*given, "--start", "1", "--track", "bass")
    assert ended.code == 1 and "--start does nothing" in ended.err and "--track does nothing" in ended.err
    ended = cli("generate", "--model", tiny, "--from", f"{out}.json", "--task", "cover", "-o", tmp_path / "x.wav")
    assert ended.code == 1 and "--from gives everything" in ended.err
