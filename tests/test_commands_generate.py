"""acestep-core generate, of many clips: files, previews, going on, failures."""

import json

import numpy as np
import pytest
import soundfile

QUICK = ("--caption", "x", "--duration", "5.2", "--steps", "4")


def test_count_numbers_files_and_seeds(cli, tiny, tmp_path):
    made = cli("generate", "--model", tiny, *QUICK, "--seed", "5", "--count", "2", "-o", tmp_path / "a.wav", "--json")
    told = json.loads(made.out)
    assert [c["request"]["seed"] for c in told["clips"]] == [5, 6] and told["failed"] == []
    one, two = (soundfile.read(tmp_path / f"a-{n}.wav")[0] for n in (1, 2))
    assert one.shape == two.shape and not np.array_equal(one, two)


def test_previews_are_written_beside_the_clip(cli, tiny, tmp_path):
    made = cli("generate", "--model", tiny, *QUICK, "--preview-every", "2", "-o", tmp_path / "a.wav")
    assert made.code == 0 and sorted(p.name for p in tmp_path.iterdir()) == ["a.step-2.wav", "a.wav", "a.wav.json"]


def test_resume_makes_what_is_missing(cli, tiny, tmp_path):
    call = ("generate", "--model", tiny, *QUICK, "--seed", "5", "-o", tmp_path / "a.wav", "--count", "3")
    assert cli(*call).code == 0
    (tmp_path / "a-2.wav.json").unlink()
    kept = (tmp_path / "a-1.wav").stat().st_mtime_ns
    again = cli(*call, "--resume")
    assert again.out.count("is there already") == 2 and "a-2.wav: 0:05" in again.out
    assert (tmp_path / "a-1.wav").stat().st_mtime_ns == kept
    other = cli(*call, "--resume", "--bpm", "90")
    assert other.code == 1 and "is another clip" in other.err


def test_what_fails_costs_a_sentence_and_the_exit_code(cli, tiny, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(48_000 * 5), 48_000)
    (tmp_path / "items.jsonl").write_text(
        '{"task": {"name": "cover", "source": "silent.wav"}, "seed": 1}\n{"seed": 1, "duration_s": 5.2}\n'
    )
    call = ("generate", "--model", tiny, "--steps", "2", "--items", tmp_path / "items.jsonl")
    made = cli(*call, "-o", tmp_path / "a.wav")
    assert made.code == 1 and "a-1.wav" in made.err and "silent from start to end" in made.err
    assert (tmp_path / "a-2.wav").exists() and "Traceback" not in made.err


@pytest.mark.parametrize("option", [("--count", "2"), ("--batch-size", "2"), ("--items", "x.jsonl"), ("--resume",)])
def test_a_record_gives_everything(cli, tiny, tmp_path, option):
    refused = cli("generate", "--model", tiny, "--from", tmp_path / "a.json", *option)
    assert refused.code == 1 and f"{option[0]} too" in refused.err
