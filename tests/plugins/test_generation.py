"""Clips from a tiny model: length, repeatability, adapters, and options that would do nothing."""

import json

import numpy as np
import pytest
import soundfile

from acestep_core import GenerateRequest, UserError, generate, load_backend
from acestep_core.adapters import UsedAdapter
from acestep_core.events import Progress
from acestep_core.record import check_same, load_record
from acestep_core.saving import record_path

SHORT = {"caption": "a slow waltz", "duration_s": 5.2, "seed": 7}


def test_a_clip_has_exactly_the_asked_length_and_level(turbo):
    clip = generate(turbo, **SHORT, peak_db=-3.0)
    assert clip.wave.shape == (2, round(5.2 * 48000)) and clip.wave.dtype == np.float32
    assert np.abs(clip.wave).max() == pytest.approx(10 ** (-3 / 20), rel=1e-4)


def test_a_clip_shorter_than_the_models_minimum_is_cut_to_length(turbo):
    assert generate(turbo, caption="x", duration_s=1.0, seed=1).wave.shape == (2, 48000)


def test_same_request_same_samples_and_another_seed_others(turbo):
    first, again = (generate(turbo, **SHORT) for _ in range(2))
    other = generate(turbo, **SHORT | {"seed": 8})
    assert np.array_equal(first.wave, again.wave)
    assert not np.array_equal(first.wave, other.wave)


@pytest.mark.parametrize("solver", ["euler", "heun", "sde"])
def test_every_solver_is_repeatable(turbo, solver):
    first, again = (generate(turbo, **SHORT, solver=solver) for _ in range(2))
    assert first.record["audio"]["sha256"] == again.record["audio"]["sha256"]


def test_prompt_and_lyrics_matter(turbo):
    waves = [generate(turbo, **SHORT | change).wave for change in ({}, {"caption": "metal"}, {"lyrics": "[Verse]\nla"})]
    assert not np.array_equal(waves[0], waves[1]) and not np.array_equal(waves[0], waves[2])


def test_an_adapter_is_heard_at_its_scale_and_gone_afterwards(turbo, adapter):
    plain = generate(turbo, **SHORT).wave
    full = generate(turbo, **SHORT, adapters=[UsedAdapter(adapter)]).wave
    none = generate(turbo, **SHORT, adapters=[UsedAdapter(adapter, 0.0)]).wave
    half = generate(turbo, **SHORT, adapters=[UsedAdapter(adapter, 0.5)]).wave
    assert np.array_equal(plain, none) and np.array_equal(plain, generate(turbo, **SHORT).wave)
    assert not np.allclose(plain, full, atol=1e-3) and not np.allclose(half, full, atol=1e-3)


def test_a_failing_generation_leaves_no_adapter_behind(turbo, adapter):
    plain = generate(turbo, **SHORT).wave

    def fail(progress: Progress) -> None:
        if progress.stage == "steps":
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        generate(turbo, **SHORT, adapters=[UsedAdapter(adapter)], on_progress=fail)
    assert np.array_equal(plain, generate(turbo, **SHORT).wave)


def test_the_record_makes_the_same_samples_again(turbo, adapter, tmp_path):
    """Drawn seed, solver and adapter included; read back from the file beside the audio."""
    clip = generate(turbo, caption="x", duration_s=5.2, solver="sde", adapters=[UsedAdapter(adapter, 0.7)])
    path = clip.save(tmp_path / "a.flac")
    record = load_record(record_path(path))
    assert check_same(record, turbo) == []
    again = generate(turbo, record.request, adapters=record.adapters, options=record.options)
    assert again.record["audio"]["sha256"] == record.sha256
    again.save(tmp_path / "b.flac")
    assert (tmp_path / "a.flac").read_bytes() == (tmp_path / "b.flac").read_bytes()


def test_a_record_of_another_model_or_adapter_is_refused(turbo, base, adapter, tmp_path):
    generate(turbo, **SHORT, adapters=[UsedAdapter(adapter)]).save(tmp_path / "a.wav")
    record = load_record(tmp_path / "a.wav.json")
    with pytest.raises(UserError, match="the dit weights are others"):
        check_same(record, base)
    content = json.loads((tmp_path / "a.wav.json").read_text())
    content["adapters"][0]["hash"] = "another"
    (tmp_path / "a.wav.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="has changed"):
        check_same(load_record(tmp_path / "a.wav.json"), turbo)


@pytest.mark.parametrize("extension", ["wav", "flac", "mp3", "ogg", "opus"])
def test_every_format_is_written_with_its_record(turbo, tmp_path, extension):
    path = generate(turbo, **SHORT).save(tmp_path / f"a.{extension}")
    info = soundfile.info(str(path))
    assert (info.samplerate, info.channels) == (48000, 2) and info.duration == pytest.approx(5.2, abs=0.06)
    assert json.loads(record_path(path).read_text())["request"]["seed"] == 7


def test_guidance_is_applied_on_base_and_kinds_differ(base):
    quick = SHORT | {"steps": 4}
    waves = [generate(base, **quick, **g).wave for g in (
        {"guidance": 1.0}, {"guidance": 5.0}, {"guidance": 5.0, "guidance_kind": "cfg"},
        {"guidance": 5.0, "guidance_end": 0.4},
    )]  # fmt: skip
    assert len({w.tobytes() for w in waves}) == 4


def test_base_uses_its_own_defaults(base):
    record = generate(base, **SHORT, steps=3).record
    assert record["request"]["guidance"] == 7.0 and record["request"]["shift"] == 1.0
    assert record["schedule"] == pytest.approx([1, 2 / 3, 1 / 3, 0])


def test_a_samplers_schedule_can_be_used(turbo):
    record = generate(turbo, **SHORT, steps=4, schedule="uniform").record
    assert record["schedule"] == [1.0, 0.75, 0.5, 0.25, 0.0]


@pytest.mark.parametrize(("fields", "message"), [
    ({"guidance": 5.0}, "--guidance 5 does nothing"),
    ({"guidance_kind": "cfg"}, "do nothing without guidance"),
    ({"schedule": "uniform", "shift": 2.0}, "--shift does nothing"),
    ({"keyscale": "H major"}, "no key such as"),
    ({"language": "klingon"}, "no language code"),
    ({"duration_s": 0.0}, "above 0"),
    ({"solver": "eular"}, "did you mean 'euler'"),
])  # fmt: skip
def test_what_would_do_nothing_or_is_wrong_is_an_error(turbo, fields, message):
    with pytest.raises(UserError) as caught:
        generate(turbo, **{"caption": "x", **fields})
    assert message in str(caught.value)


def test_all_problems_of_a_request_are_told_at_once(turbo):
    with pytest.raises(UserError, match="2 problems"):
        generate(turbo, GenerateRequest(keyscale="H", guidance=3.0))


def test_a_caption_that_is_too_long_is_used_whole_and_warned_about(turbo):
    record = generate(turbo, **SHORT | {"caption": "slow piano " * 200}).record
    assert "tokens, the model knows 256" in record["notes"][0]


def test_progress_is_told_per_step(turbo):
    seen = []
    generate(turbo, **SHORT, on_progress=seen.append)
    assert [p.done for p in seen if p.stage == "steps"] == list(range(1, 9))
    assert seen[-1].stage == "decode" and seen[-1].done == seen[-1].total


def test_with_parts_taking_turns_the_result_is_the_same(tiny, turbo):
    turns = load_backend("pt", model=tiny, device="cpu", one_at_a_time=True)
    assert np.array_equal(generate(turns, **SHORT).wave, generate(turbo, **SHORT).wave)
