"""acestep-core report, runs show, and what train leaves to be heard and looked at."""

import json

import pytest
from synthetic_run import write_changes, write_run, write_samples

from acestep_core.run import Run

FAST = ("--steps", "2", "-o", "backend.device=cpu", "--no-progress")
SHORT = ("--sample-count", "1", "--sample-seconds", "5.2", "--sample-steps", "2")


@pytest.fixture
def run(tmp_path):
    folder = write_run(tmp_path / "run", data={"songs": list("abcdefg"), "held_out": ["h"]})
    write_changes(folder, {"layers.0.self_attn.q_proj": (10.0, 0.01)})
    write_samples(folder, {1: {0: None, 20: 0.25}})
    return folder


def test_report_writes_the_page_and_prints_the_warnings(cli, run, tmp_path):
    ended = cli("report", run)
    assert ended.code == 0 and ended.err == ""
    told = "The adapter's change is 0.10% of the weights, and the samples differ by 0.2 dB: it is probably inaudible"
    assert ended.out.splitlines() == [
        f"Warning: {told}",
        "  train longer, or with a higher --learning-rate",
        f"written: {run / 'report.html'}",
    ]  # fmt: skip
    told = json.loads(cli("report", run, "-o", tmp_path / "r.html", "--embed-mb", "0", "--json").out)
    assert told["report"] == str(tmp_path / "r.html") and told["sounds"] == 0 and len(told["linked"]) == 2
    assert [f["key"] for f in told["findings"]] == ["tiny_change"]
    assert 'src="run/samples/base/01.flac"' in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("nothing",), "nothing holds no run"),
        (("run", "-o", "r.pdf"), "r.pdf is no page"),
        (("run", "-o", "none/r.html"), "There is no folder none"),
    ],
)
def test_report_says_what_it_cannot_do(cli, run, tmp_path, monkeypatch, args, said):
    monkeypatch.chdir(tmp_path)
    ended = cli("report", *args)
    assert ended.code == 1 and said in ended.err


def test_runs_show_tells_numbers_and_warnings(cli, run):
    lines = [" ".join(line.split()) for line in cli("runs", "show", run).out.splitlines()]
    for line in ("steps done 20", "change of the weights 0.10%", "sample 1 against the model alone 0.2 dB"):
        assert line in lines
    assert any(line.startswith("Warning: The adapter's change is 0.10%") for line in lines)
    told = json.loads(cli("runs", "show", run, "--json").out)
    assert told["change"] == pytest.approx(0.001) and told["samples_db"] == {"1": 0.25}
    assert [f["key"] for f in told["findings"]] == ["tiny_change"]


def test_train_makes_samples_and_the_report(cli, encoded, tiny, tmp_path):
    out = tmp_path / "run"
    ended = cli("train", encoded.folder, "--model", tiny, "--out", out, *FAST, *SHORT, "--sample-every", "1")
    assert ended.code == 0, ended.err
    assert sorted(p.parent.name for p in (out / "samples").rglob("*.flac")) == ["base", "step-000001", "step-000002"]
    assert "1 samples of the model alone" in ended.err and "1 samples after step 2" in ended.err
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("data:audio/flac") == 3 and f"The report is {out / 'report.html'}" in ended.out
    assert Run(out).settings()["sample"]["seconds"] == 5.2
    (out / "deltas.json").unlink()
    told = json.loads(cli("runs", "show", out, "--json").out)
    assert told["change"] is None
    assert cli("report", out).code == 0  # the model is where it was: it is measured now
    assert 0 < json.loads(cli("runs", "show", out, "--json").out)["change"] < 1


def test_train_leaves_both_out_when_asked(cli, encoded, tiny, tmp_path):
    out = tmp_path / "run"
    ended = cli(
        "train", encoded.folder, "--model", tiny, "--out", out, *FAST, "--sample-count", "0", "--no-report", "--json"
    )
    told = json.loads(ended.out)
    assert told["report"] is None and {"few_songs"} <= {f["key"] for f in told["findings"]}
    assert not (out / "samples").exists() and not (out / "report.html").exists()


def test_the_run_file_says_it_too_and_a_run_repeats_it(cli, encoded, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "songs.txt").write_text("glass bells --d 5\n")
    (tmp_path / "sub" / "r.toml").write_text(
        f'[data]\nencoded = "{encoded.folder}"\n[model]\nfolder = "{tiny}"\n[train]\nsteps = 2\n'
        '[save]\nreport = false\n[backend]\ndevice = "cpu"\n[sample]\nevery = 0\nprompts = "songs.txt"\nseconds = 5.2\n'
        "steps = 2\n"
    )
    assert cli("config", "check", "sub/r.toml").code == 0
    ended = cli("train", "--config", "sub/r.toml", "--out", "run")
    assert ended.code == 0, ended.err
    assert not (tmp_path / "run" / "report.html").exists()
    record = json.loads((tmp_path / "run" / "samples" / "base" / "01.flac.json").read_text())
    assert (record["request"]["caption"], record["request"]["seed"]) == ("glass bells", 5)
    ended = cli("train", "--config", "run", "--out", "again", "--set", 'sample.prompts=["a drum"]', "--no-report")
    assert ended.code == 0, ended.err
    record = json.loads((tmp_path / "again" / "samples" / "base" / "01.flac.json").read_text())
    assert record["request"]["caption"] == "a drum" and record["request"]["duration_s"] == 5.2
    assert Run(tmp_path / "again").settings()["sample"]["prompts"] == ["a drum"]


def test_wrong_samples_end_train_before_anything_is_made(cli, encoded, tiny, tmp_path):
    (tmp_path / "p.txt").write_text("a boat --w 512\n")
    ended = cli("train", encoded.folder, "--model", tiny, "--out", tmp_path / "run", *FAST,
                "--sample-prompts", tmp_path / "p.txt")  # fmt: skip
    assert ended.code == 1 and "p.txt line 1 has no option '--w'" in ended.err and not (tmp_path / "run").exists()
    (tmp_path / "r.toml").write_text('[sample]\nprompts = "gone.txt"\nevrey = 3\n')
    ended = cli("config", "check", tmp_path / "r.toml")
    assert "there is no file gone.txt" in ended.err + ended.out and "did you mean 'every'?" in ended.err + ended.out
