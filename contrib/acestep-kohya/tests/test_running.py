"""A run in its own environment: steps with the time left, Ctrl-C, SIGTERM, exit codes, the record."""

import json
import os
import signal
import subprocess
import time

import pytest
from acestep_kohya.progress import Steps, heard
from conftest import program


def test_runs_in_the_venv_and_shows_steps_with_the_time_left(place, started):
    ran = started("run", "run.toml")
    assert ran.code == 0, ran.err
    before, _, after = ran.out.partition("prepare")
    assert "1050 samples in 1050 batches an epoch: 6 steps as max_train_steps says" in before  # before anything loads
    assert f"数据 in {place}," in after and f"python {place / 'sd-scripts' / 'venv' / 'bin' / 'python'}" in after
    assert "train_network.py has ended after step 6 of 6" in after and "is written." in after
    assert after.count("4/4") == 1 and "1/4" not in after  # of a bar, its end
    assert "steps 6/6  loss 0.0833  " in ran.err and " left" in ran.err
    record = json.loads((place / "out" / "name.run.json").read_text())
    assert record["exit_code"] == 0 and record["commit"] == "ab" * 20
    assert record["steps"] == {"done": 6, "total": 6, "loss": 0.0833}
    assert record["argv"][1].endswith("train_network.py") and "--max_train_steps=6" in record["argv"]


def test_its_exit_code_is_ours(place, started):
    ran = started("run", "run.toml", "--set", "training_comment=fail")
    assert ran.code == 3
    assert "train_network.py ended with exit code 3 after step 2 of 6; the command is in" in ran.err
    assert json.loads((place / "out" / "name.run.json").read_text())["exit_code"] == 3


def test_as_json_the_result_alone_is_on_stdout(place, started):
    ran = started("run", "run.toml", "--json")
    assert ran.code == 0 and ran.json["exit_code"] == 0 and ran.json["result"].endswith("name.safetensors")
    assert "prepare" in ran.err and "1050 samples" in ran.err


def test_what_an_earlier_run_made_stays(place, started):
    (place / "out").mkdir()
    (place / "out" / "name.safetensors").write_text("earlier")
    refused = started("run", "run.toml")
    assert refused.code == 1 and "is there already" in refused.err and "--overwrite" in refused.err
    assert (place / "out" / "name.safetensors").read_text() == "earlier"
    assert not (place / "out" / "name.run.json").exists()
    assert started("run", "run.toml", "--overwrite").code == 0
    assert (place / "out" / "name.safetensors").read_text() == "weights"


def test_a_problem_starts_nothing(place, started):
    ran = started("run", "run.toml", "--set", "train_data_dir=nowhere")
    assert ran.code == 1 and "There is no folder nowhere" in ran.err
    assert "prepare" not in ran.out and not (place / "out").exists()


def test_without_sd_scripts_nothing_can_run(place, started):
    text = (place / "run.toml").read_text().replace('scripts = "sd-scripts"\n', "")
    (place / "run.toml").write_text(text)
    ran = started("run", "run.toml")
    assert ran.code == 1 and "It is not said where sd-scripts is" in ran.err


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("sent", "code", "said"), [(signal.SIGINT, 130, True), (signal.SIGTERM, 143, False)])
def test_signals_are_handed_on(place, sent, code, said):
    command = program("run", "run.toml", "--set", "training_comment=wait")
    with subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        seen = ""
        while "waiting" not in seen:
            line = running.stdout.readline()
            assert line, running.stderr.read()
            seen += line
        started_as = int(seen.partition("pid ")[2].partition(",")[0])
        running.send_signal(sent)
        out, err = running.communicate(timeout=30)
    assert running.returncode == code
    assert ("told to stop" in out) is said
    assert f"was stopped with exit code {code} after step 2 of 6" in err
    assert json.loads((place / "out" / "name.run.json").read_text())["interrupted"] is True
    _gone(started_as)


def _gone(process: int) -> None:
    """The trainer is not left behind."""
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail(f"process {process} is still there")


BAR = "steps:  10%|█         | 102/1050 [01:31<14:10,  1.11it/s, avr_loss=0.0886]"


@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_output_is_understood_in_pieces_of_any_size(size):
    cached = "  0%|  | 0/2 [00:00<?]\r100%|██| 2/2 [00:00<00:00]\r\n"
    raw = f"loading\r\n日本\n{cached}\rsteps:   0%|  | 0/9 [00:00<?]\r{BAR}\r{BAR}\nend".encode()
    said = list(heard(raw[i : i + size] for i in range(0, len(raw), size)))
    at = Steps(102, 1050, 0.0886)
    assert said == ["loading", "日本", "100%|██| 2/2 [00:00<00:00]", Steps(0, 9), at, "end"]


def test_a_step_is_told_as_soon_as_its_bar_is_whole():
    def pieces():
        yield b"\r" + BAR.encode()[:-5]
        yield BAR.encode()[-5:]
        pytest.fail("more was asked for before the step was told")

    assert next(heard(pieces())) == Steps(102, 1050, 0.0886)


@pytest.mark.parametrize(("loss", "read"), [("nan", "nan"), ("1.2e-05", "1.2e-05"), ("0.0886", "0.0886")])
def test_losses_are_read(loss, read):
    (steps,) = heard([BAR.replace("0.0886", loss).encode()])
    assert str(steps.loss) == read


def test_a_bar_with_other_words_behind_it_is_one_too():
    text = "steps:  42%|████▏     | 420/1000 [1:02:03<1:30:00,  9.01s/it, avr_loss=0.12, avg_key_norm=0.01]"
    assert list(heard([text.encode()])) == [Steps(420, 1000, 0.12)]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_trainer_that_does_not_listen_is_ended_by_the_third_ctrl_c(place):
    trainer = place / "sd-scripts" / "train_network.py"
    deaf = "import signal; [signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)]"
    trainer.write_text(
        trainer.read_text(encoding="utf-8").replace("time.sleep(60)", f"{deaf}\n                {LISTEN}")
    )
    command = program("run", "run.toml", "--set", "training_comment=wait")
    with subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        while running.stdout.readline() != "deaf\n":
            pass
        for _ in range(2):
            running.send_signal(signal.SIGINT)
            time.sleep(0.3)
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert running.returncode == 128 + signal.SIGKILL
    assert "was stopped with exit code 137" in err


LISTEN = 'print("deaf", flush=True); time.sleep(60)'
