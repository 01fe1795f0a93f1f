"""acestep-core samplers: numbers against closed forms, and a picture with every sampler in it."""

import json
import sys

import pytest
from matplotlib.image import imread

from acestep_core.schedule import shifted


def test_samplers_plot_draws_every_sampler_and_prints_its_numbers(cli, tmp_path):
    picture = tmp_path / "samplers.png"
    ended = cli("samplers", "plot", "uniform", "turbo_steps", "-o", picture, "-o", "uniform.low=0.2", "--steps", "4")
    assert ended.code == 0 and ended.err == ""
    assert ended.out.splitlines()[2].split() == ["uniform", "0.600", "0.240", "0.400", "0.600", "0.800", "0.960"]
    assert "uniform: 1.000 0.800 0.600 0.400 0.000" in ended.out and f"drawn: {picture}" in ended.out
    pixels = imread(picture)
    for colour in ("0072b2", "d55e00"):
        wanted = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        assert (abs(pixels[..., :3] - wanted).max(axis=-1) < 0.01).sum() > 500


def test_samplers_plot_as_json_equals_the_closed_forms_and_draws_nothing(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = cli("samplers", "plot", "uniform", "turbo_steps", "logit_normal", "--json", "-o", "logit_normal.draws=1")
    told = json.loads(ended.out)
    assert told["uniform"]["mean"] == pytest.approx(0.5) and told["uniform"]["quantiles"]["0.05"] == pytest.approx(0.05)
    assert told["uniform"]["schedule"] == pytest.approx([1 - i / 8 for i in range(9)])
    assert told["turbo_steps"]["schedule"] == pytest.approx(shifted(8, 3.0))
    assert told["turbo_steps"]["mean"] == pytest.approx(sum(shifted(8, 3.0)) / 8)
    assert told["logit_normal"]["quantiles"]["0.5"] == pytest.approx(0.401312, abs=1e-6)  # sigmoid(-0.4)
    assert list(tmp_path.iterdir()) == []


def test_samplers_plot_has_nothing_random(cli, tmp_path):
    for name in ("a.png", "b.png"):
        assert cli("samplers", "plot", "logit_normal", "--out", tmp_path / name).code == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_samplers_plot_takes_options_from_the_settings_file(cli, tmp_path):
    settings = tmp_path / "own.toml"
    settings.write_text("[samplers.uniform]\nlow = 0.5\n[samplers.plot]\nsteps = 2\n")
    told = json.loads(cli("--config", settings, "samplers", "plot", "uniform", "--json").out)
    assert told["uniform"]["mean"] == pytest.approx(0.75) and len(told["uniform"]["schedule"]) == 3
    settings.write_text("[samplers.plot]\nstepps = 2\n")
    ended = cli("--config", settings, "samplers", "plot", "uniform", "--json")
    assert ended.code == 1 and "[samplers.plot] has no key 'stepps'" in ended.err


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["turbo_step"], "did you mean 'turbo_steps'"),
        (["uniform", "-o", "uniform.lo=1"], "has no option 'lo'"),
        (["uniform", "-o", "a.png", "-o", "b.png"], "There are 2 output files"),
        (["uniform", "-o", "a.tiff"], "a.tiff is no picture format"),
    ],
)
def test_samplers_plot_refuses_with_one_sentence(cli, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    ended = cli("samplers", "plot", *arguments)
    assert ended.code == 1 and ended.err.startswith("Error: ") and said in ended.err and ended.out == ""


def test_without_matplotlib_the_way_to_get_it_is_told_and_json_still_works(cli, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ended = cli("samplers", "plot", "uniform", "-o", tmp_path / "a.png")
    assert ended.code == 1 and "pip install 'acestep-core[train]'" in ended.err
    assert cli("samplers", "plot", "uniform", "--json").code == 0


def test_a_sampler_that_leaves_its_range_is_told(cli, tmp_path):
    (tmp_path / "far.py").write_text(
        "from acestep_core import TimestepSampler, hookimpl\n"
        "class Far(TimestepSampler):\n"
        "    name = 'far'\n"
        "    def sample(self, u):\n"
        "        return 2 * u\n"
        "@hookimpl\n"
        "def acestep_samplers():\n"
        "    return [Far]\n"
    )
    ended = cli("samplers", "plot", "--plugin", tmp_path / "far.py", "far", "--json")
    assert ended.code == 1 and "'far' gives t from" in ended.err
