"""`models plan` with language models in the folder, and what thinks where there are several."""

import json
import shlex
import shutil

import pytest

from acestep_core.hub.outlines import write_outlines


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """Outlines of the 2B model, its parts and all language models."""
    folder = tmp_path_factory.mktemp("released")
    write_outlines(folder)
    return folder


@pytest.fixture
def two(tiny, tmp_path):
    """A tiny checkpoint with two language models."""
    folder = shutil.copytree(tiny, tmp_path / "two")
    shutil.copytree(folder / "acestep-5Hz-lm-0.6B", folder / "acestep-5Hz-lm-1.7B")
    return folder


@pytest.mark.parametrize(("vram", "places", "chosen"), [
    (4, ("in turn", "no", "no"), "0.6B"), (6, ("in turn", "in turn", "no"), "1.7B"),
    (8, ("in turn", "in turn", "no"), "1.7B"), (12, ("beside", "in turn", "in turn"), "4B"),
    (16, ("beside", "beside", "in turn"), "4B"), (24, ("beside", "beside", "beside"), "4B"),
])  # fmt: skip
def test_usual_cards(released, cli, vram, places, chosen):
    found = json.loads(cli("models", "plan", released, "--vram", str(vram), "--think", "--json").out)
    assert tuple(p["place"] for p in found["lms"]) == places and found["lm"] == f"acestep-5Hz-lm-{chosen}"
    command = found["command"]
    assert command[command.index("--lm") + 1] == chosen and "--think" in command


def test_without_think_they_are_shown_and_the_command_stays(released, cli):
    done = cli("models", "plan", released, "--vram", "8")
    assert done.code == 0 and "--think takes acestep-5Hz-lm-1.7B" in done.out
    assert "--think" not in done.out.splitlines()[-1]
    one = json.loads(cli("models", "plan", released, "--vram", "12", "--lm", "0.6B", "--json").out)
    assert [p["name"] for p in one["lms"]] == ["acestep-5Hz-lm-0.6B"] and one["lms"][0]["longest_s"] == 600


@pytest.mark.parametrize(("given", "problem"), [
    (("--lm", "4B", "--vram", "6"), "4B needs 10.85 GB for 240 s, there are 6.00 GB"),
    (("--seconds", "6", "--vram", "6"), "knows no song of 6 s"),
    (("--lm", "9B", "--vram", "6"), "none is '9B'"),
])  # fmt: skip
def test_what_cannot_think_is_told(released, cli, given, problem):
    done = cli("models", "plan", released, "--think", *given)
    assert done.code == 1 and problem in done.err and "Traceback" not in done.err


def test_a_folder_without_any(released, cli, tmp_path):
    for part in released.iterdir():
        if "lm" not in part.name:
            (tmp_path / part.name).symlink_to(part)
    assert "language model" not in cli("models", "plan", tmp_path, "--vram", "8").out
    done = cli("models", "plan", tmp_path, "--vram", "8", "--think")
    assert done.code == 1 and "models download acestep-5Hz-lm-1.7B" in done.err


@pytest.mark.slow
def test_the_printed_command_thinks_as_planned(two, cli, tmp_path):
    done = cli("models", "plan", two, "--seconds", "10", "--vram", "2", "--think")
    line = shlex.split(done.out.splitlines()[-1])
    made = cli(*line[1:], "--no-cot-caption", "-o", tmp_path / "a.wav", "--json")
    assert made.code == 0, made.err
    record = json.loads(made.out)
    assert record["plan"]["model"]["folder"] == f"acestep-5Hz-lm-{line[line.index('--lm') + 1]}"
    assert "chosen" not in record["plan"]["model"]


@pytest.mark.slow
def test_of_several_one_is_chosen_told_and_recorded(two, cli, tmp_path):
    made = cli("generate", "--model", two, "--caption", "bells", "--cot-language", "--duration", "10", "--count", "2",
               "--seed", "1", "-o", tmp_path / "a.wav")  # fmt: skip
    assert made.code == 0, made.err
    model = json.loads((tmp_path / "a-1.wav.json").read_text())["plan"]["model"]
    assert "thinks, the largest that fits" in model["chosen"] and model["chosen"] in made.err
    assert model["folder"] in model["chosen"]
    done = cli("lm", "create", "rain", "--model", two, "--instrumental", "--duration", "10", "--seed", "1")
    assert done.code == 0 and "thinks, the largest that fits" in done.err


def test_where_memory_cannot_be_asked_one_is_to_be_named(two, cli, monkeypatch):
    monkeypatch.setattr("acestep_plugins.backends.pt.PyTorch.room", lambda self: None)
    done = cli("generate", "--model", two, "--caption", "a", "--think")
    assert done.code == 1 and "holds 2 language models and say which one" in done.err


def test_where_none_fits_the_remedy_is_told(two, cli, monkeypatch):
    monkeypatch.setattr("acestep_plugins.backends.pt.PyTorch.room", lambda self: 10**8)
    done = cli("generate", "--model", two, "--caption", "a", "--think")
    assert done.code == 1 and "leave --think out" in done.err
