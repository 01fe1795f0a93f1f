"""acestep-core wizard: what is typed, what comes of it, and who leaves in the middle."""

import io
import json
import shlex
import sys
import tomllib
from pathlib import Path
from unittest.mock import patch

import pytest
from click.testing import CliRunner

from acestep_core import EncodeSettings, encode
from acestep_core.cli import group
from acestep_core.commands import train
from acestep_core.dataset import Dataset
from acestep_core.errors import UserError
from acestep_core.wizard.remembering import answers_file


@pytest.fixture(scope="module")
def held_out(encoded, tmp_path_factory) -> Path:
    """The songs encoded with one of three held out."""
    folder = tmp_path_factory.mktemp("held-out") / "split"
    dataset = Dataset.scan(encoded.songs[0].parent)
    dataset.songs[0].split = "validation"
    encode(dataset, encoded.model, folder, EncodeSettings(seed=0))
    return folder


@pytest.fixture
def at(tmp_path, monkeypatch, encoded, tiny) -> Path:
    """A working folder with encoded/ and models/, of somebody whom the wizard does not know yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    Path("encoded").symlink_to(encoded.folder)
    Path("models").symlink_to(tiny)
    return tmp_path / "work"


def wizard(*typed: str, options: tuple[str, ...] = ()):
    """The outcome with these lines typed."""
    return CliRunner().invoke(group, ["wizard", *options], input="".join(f"{t}\n" for t in typed))


def resolved(cli, *words: str) -> dict:
    """What `train` would train with, up to the model."""
    heard = {}

    def heard_run(encoded, model, out, settings, extensions, **rest):
        heard.update(
            rest, encoded=Path(encoded).resolve(), out=out, settings=settings, model=model.info.folder.resolve()
        )
        raise UserError("enough")

    with patch.object(train, "run", heard_run):
        assert "enough" in cli("train", *words).err
    heard["options"].pop("backend", None)
    return {k: v for k, v in heard.items() if k != "preset"}


DEFAULTS = ("", "", "12", "", "", "", "", "")  # encoded, model, memory, preset, adapter, steps, out, file


def test_all_defaults_make_a_run_file_and_a_command_that_mean_the_same(at, cli):
    ended = wizard(*DEFAULTS, "n")
    assert ended.exit_code == 0, ended.output
    assert cli("config", "check", "run.toml").code == 0
    command = next(line for line in ended.output.splitlines() if line.startswith("  acestep-core train "))
    words = shlex.split(command)[2:]
    assert words == ["encoded", "--preset", "vram-12", "--model", "models", "--out", "run"]
    told = resolved(cli, *words)
    assert told == resolved(cli, "--config", "run.toml")
    assert told["settings"].steps == 2000 and told["options"]["adapter"]["rank"] == 64
    assert not Path("run").exists()


def test_answers_that_differ_from_the_preset_are_in_both(at, cli):
    ended = wizard("", "", "24", "quick", "lokr", "40", "my run", "mine.toml", "n")
    assert ended.exit_code == 0, ended.output
    assert "note: lokr learns at its own rate" in ended.output and "About 20 passes over 3 songs" in ended.output
    command = next(line for line in ended.output.splitlines() if line.startswith("  acestep-core train "))
    told = resolved(cli, *shlex.split(command)[2:])
    assert told == resolved(cli, "--config", "mine.toml")
    assert (told["adapter"], told["settings"].steps, told["out"]) == ("lokr", 40, Path("my run"))
    assert told["settings"].learning_rate is None and told["settings"].accumulation == 2


def test_a_run_file_in_another_folder_means_the_same(at, cli):
    Path("files").mkdir()
    Path("files/encoded").mkdir()  # would be taken for the songs
    ended = wizard(*DEFAULTS[:-1], "files/r.toml", "n")
    assert ended.exit_code == 0, ended.output
    words = ("encoded", "--preset", "vram-12", "--model", "models", "--out", "run")
    assert resolved(cli, "--config", "files/r.toml") == resolved(cli, *words)


def test_b_goes_back_and_question_mark_explains(at):
    ended = wizard("b", "?", "", "", "12", "quick", "b", "quality", "b", "b", "8", "", "", "", "", "", "n")
    assert ended.exit_code == 0, ended.output
    assert "This is the first question" in ended.output and "What `encode` wrote" in ended.output
    assert "the preset vram-8:" in Path("run.toml").read_text()


def test_a_wrong_answer_is_told_at_once_with_its_remedy(at, songs_dir):
    Path("full").mkdir()
    Path("full/thing").touch()
    typed = [str(songs_dir), "gone", "", "encoded", "", "lots", "12", "qiuck", "quick", "lroa", "", "0", "1.5", "5",
             "full", "", "gone/r.toml", "", "n"]  # fmt: skip
    ended = wizard(*typed)
    assert ended.exit_code == 0, ended.output
    for said in ("holds songs, which are not encoded yet; run: acestep-core encode", "gone holds no manifest.json",
                 "encoded holds no ACE-Step 1.5 model",
                 "'lots' is no number", "did you mean 'quick'?", "did you mean 'lora'?", "0 is no number of steps",
                 "1.5 is no number of steps", "full is not empty; give a folder that is not there yet, such as full-2",
                 "There is no folder gone; make it"):  # fmt: skip
        assert said in ended.output, said
    assert tomllib.loads(Path("run.toml").read_text())["train"]["steps"] == 5


def test_another_model_than_that_of_the_songs_is_told_at_once(at, tmp_path, cli):
    cli("models", "tiny", tmp_path / "base", "--variant", "base")
    ended = wizard("", str(tmp_path / "base"))
    assert "was encoded with another model than" in ended.output


def test_with_several_models_that_of_the_songs_is_proposed(at, tmp_path, tiny, cli):
    cli("models", "tiny", tmp_path / "both", "--variant", "base")
    for part in tiny.iterdir():
        if not (tmp_path / "both" / part.name).exists():
            (tmp_path / "both" / part.name).symlink_to(part)
    ended = wizard("", str(tmp_path / "both"), "acestep-v15-tiny-base", "", "12", *[""] * 5, "n")
    assert ended.exit_code == 0, ended.output
    assert "was encoded with another model" in ended.output
    assert tomllib.loads(Path("run.toml").read_text())["model"]["variant"] == "acestep-v15-tiny-turbo"


def test_songs_held_out_let_the_best_weights_be_kept(at, held_out, cli):
    ended = wizard(str(held_out), "", "12", "", "", "", "", "", "", "n")
    assert ended.exit_code == 0 and "2 songs to train on, 1 held out" in ended.output, ended.output
    assert tomllib.loads(Path("run.toml").read_text())["save"]["export"] == "best"
    assert "--export best" in ended.output
    assert wizard(str(held_out), "", "12", "", "", "", "n", "", "two.toml", "n").exit_code == 0
    assert "export" not in tomllib.loads(Path("two.toml").read_text())["save"]


def test_a_file_that_is_there_is_only_written_over_when_told(at):
    Path("run.toml").write_text("precious")
    ended = wizard(*DEFAULTS, "n", "", "b", "other.toml", "n")
    assert ended.exit_code == 0, ended.output
    assert "run.toml stays as it is" in ended.output and Path("run.toml").read_text() == "precious"
    assert wizard(*DEFAULTS[:-1], "run.toml", "y", "n").exit_code == 0
    assert "precious" not in Path("run.toml").read_text()


def test_answers_are_proposed_the_next_time_also_after_leaving(at):
    Path("songs").symlink_to(Path("encoded").resolve())
    ended = wizard("songs", "", "12", "quality", "q")
    assert ended.exit_code == 130 and "kept for the next time" in ended.output
    assert not Path("run.toml").exists()
    ended = wizard("", "", "12", "", "", "", "", "", "n")
    assert ended.exit_code == 0, ended.output
    made = tomllib.loads(Path("run.toml").read_text())
    assert made["data"]["encoded"] == "songs" and made["train"]["steps"] == 6000


def test_what_was_remembered_and_is_gone_is_not_proposed(at):
    answers_file().parent.mkdir(parents=True)
    answers_file().write_text(json.dumps({"encoded": "gone", "preset": "deleted", "steps": 3, "memory": 1}))
    ended = wizard(*DEFAULTS, "n")
    assert ended.exit_code == 0, ended.output
    assert tomllib.loads(Path("run.toml").read_text())["train"]["steps"] == 2000


def test_damaged_memory_is_told_and_the_questions_go_on(at):
    answers_file().parent.mkdir(parents=True)
    answers_file().write_text("{")
    ended = wizard(*DEFAULTS, "n")
    assert ended.exit_code == 0 and "The answers of last time are not used" in ended.output


def test_the_end_of_the_input_is_one_sentence(at, cli, monkeypatch):
    for typed in ("", "\n"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        ended = cli("wizard")
        assert ended.code == 1 and not Path("run.toml").exists()
        assert "The input ends where" in ended.err and "--answers FILE" in ended.err
        assert "Traceback" not in ended.err
    assert json.loads(answers_file().read_text()) == {"encoded": "encoded"}


def test_ctrl_c_leaves_without_harm(at, cli, monkeypatch):
    class Interrupting(io.StringIO):
        def readline(self, *_: int) -> str:
            return super().readline() or (_ for _ in ()).throw(KeyboardInterrupt)

    monkeypatch.setattr(sys, "stdin", Interrupting("\n\n12\n"))
    ended = cli("wizard")
    assert ended.code == 130 and "kept for the next time" in ended.err and not Path("run.toml").exists()
    assert json.loads(answers_file().read_text())["model"] == "models"


@pytest.mark.parametrize("ending", [".toml", ".json"])
def test_answers_from_a_file_ask_nothing(at, cli, ending):
    said = {"memory": 12, "preset": "quick", "steps": 5}
    text = json.dumps(said) if ending == ".json" else "".join(f"{k} = {v!r}\n" for k, v in said.items())
    Path(f"a{ending}").write_text(text)
    ended = cli("wizard", "--answers", f"a{ending}", "--json")
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert told["answers"]["encoded"] == "encoded" and told["command"][-4:] == ["--steps", "5", "--out", "run"]
    assert cli("config", "check", told["file"]).code == 0
    ended = cli("wizard", "--answers", f"a{ending}")
    assert ended.code == 1 and "'overwrite' is not answered" in ended.err


def test_everything_wrong_in_an_answers_file_is_told(at, cli):
    Path("a.toml").write_text('encodde = "x"\nmodel = "gone"\nmemory = 12\nbest = true\nsteps = "x"\n')
    ended = cli("wizard", "--answers", "a.toml")
    assert ended.code == 1 and not Path("run.toml").exists()
    for said in ("a.toml has 4 problems", "did you mean 'encoded'?", "model: There is no folder gone",
                 "'best' is not asked here: no songs are held out", "steps: 'x' is no number"):  # fmt: skip
        assert said in ended.err
    Path("a.toml").write_text("memory = 12\nstart = true\n")
    assert "--json starts nothing" in cli("wizard", "--answers", "a.toml", "--json").err


def test_json_says_the_questions_elsewhere(at):
    ended = wizard(*DEFAULTS, options=("--json",))
    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.stdout)["command"][:2] == ["acestep-core", "train"]
    assert "How many steps?" in ended.stderr


def test_y_starts_the_training_that_was_shown(at):
    Path("acestep.toml").write_text('[backends.pt]\ndevice = "cpu"\ndtype = "float32"\n[train]\nprogress = false\n')
    ended = wizard("", "", "12", "quick", "", "2", "", "", "y")
    assert ended.exit_code == 0, ended.output
    run = tomllib.loads(Path("run/run.toml").read_text())
    assert run["train"]["steps"] == 2 and run["preset"]["name"] == "quick" and Path("run/adapter").is_dir()
