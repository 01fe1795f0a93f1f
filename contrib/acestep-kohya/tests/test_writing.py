"""The call as files: they are the same call, whatever stands in the values."""

import json
import os
import shlex
import subprocess
import sys
import tomllib

import pytest

ODD = "a 'b' \"c\" $HOME `x` \\\\ 日本"
LINES = f'''[own]
training_comment = """{ODD}"""
resolution = [512, 512]
seed = "7"
xformers = true
no_metadata = false
'''


@pytest.fixture
def template(place):
    path = place / "run.toml"
    path.write_text(path.read_text().replace('resolution = "512,512"\n', "") + LINES, encoding="utf-8")
    return path


def test_the_printed_command_is_the_list_of_words_in_a_shell(template, kohya):
    words = kohya("argv", template, "--json").json
    assert shlex.split(kohya("argv", template).out.replace("\\\n", " ")) == words
    assert any(ODD.replace("\\\\", "\\") in word for word in words)


@pytest.mark.skipif(os.name == "nt", reason="needs bash")
@pytest.mark.parametrize("name", ["train.sh", "train.py"])
def test_scripts_start_that_very_command(template, kohya, place, name):
    words = kohya("argv", template, "--json").json[1:]
    assert kohya("script", template, "-o", name).code == 0
    trainer = place / "sd-scripts" / "train_network.py"  # from now on it tells its arguments instead
    trainer.write_text("import json, sys\nprint(json.dumps(sys.argv))\nsys.exit(5)\n")
    program = [sys.executable, name] if name.endswith(".py") else [f"./{name}"]
    ran = subprocess.run(program, cwd=place, capture_output=True, text=True)
    assert ran.returncode == 5, ran.stderr
    assert json.loads(ran.stdout) == words


def test_nothing_is_written_where_something_is_wrong(template, kohya, place):
    assert kohya("script", template, "--set", "seed=x", "-o", "train.sh").code == 1
    assert kohya("toml", template, "--set", "seed=x", "-o", "clean.toml").code == 1
    assert not list(place.glob("train.sh")) and not list(place.glob("clean.toml"))


def test_the_toml_has_the_types_that_the_scripts_work_with(template, kohya, place):
    assert kohya("toml", template, "-o", "clean.toml").code == 0
    content = tomllib.loads((place / "clean.toml").read_text(encoding="utf-8"))
    assert "kohya" not in content
    own = content["own"]
    assert own == {"training_comment": ODD.replace("\\\\", "\\"), "resolution": "512,512", "seed": 7, "xformers": True}
    assert content["arguments"] == {"network_module": "networks.lora"}
    again = kohya("argv", "clean.toml", "--scripts", "sd-scripts", "--json").json
    assert again == kohya("argv", template, "--scripts", "sd-scripts", "--json").json


def test_a_script_of_another_kind_is_refused(template, kohya):
    done = kohya("script", template, "-o", "train.bat")
    assert done.code == 1 and "write -o train.sh or -o train.py" in done.err


@pytest.mark.parametrize(
    ("env", "first"),
    [
        ("conda:sd", ["conda", "run", "--no-capture-output", "-n", "sd", "python"]),
        ("venv:sd-scripts/venv", None),
        (f"python:{sys.executable}", [sys.executable]),
    ],
)
def test_environments(template, kohya, place, env, first):
    words = kohya("argv", template, "--env", env, "--json").json
    first = first or [str(place / "sd-scripts" / "venv" / "bin" / "python")]
    assert words[: len(first) + 1] == [*first, str(place / "sd-scripts" / "train_network.py")]


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ("nowhere", "'nowhere' is no environment\n  write venv:FOLDER, conda:NAME or python:PROGRAM"),
        ("venv:nowhere", "There is no virtual environment in nowhere"),
        ("python:/nowhere/python", "There is no Python at /nowhere/python"),
    ],
)
def test_environments_that_are_none(template, kohya, env, said):
    done = kohya("argv", template, "--env", env)
    assert done.code == 1 and said in done.err


def test_accelerate_starts_it_where_asked(template, kohya):
    template.write_text(template.read_text(encoding="utf-8").replace("[kohya]", "[kohya]\naccelerate = 2"))
    words = kohya("argv", template, "--env", "conda:x", "--json").json
    assert words[5:9] == ["python", "-m", "accelerate.commands.launch", "--num_cpu_threads_per_process=2"]
    assert words[9].endswith("train_network.py")


def test_sdxl_by_its_short_name(template, kohya):
    words = kohya("argv", template, "--script", "sdxl", "--set", "disable_mmap_load_safetensors=true", "--json").json
    assert words[1].endswith("sdxl_train_network.py") and "--disable_mmap_load_safetensors" in words


def test_paths_of_the_own_table_count_from_the_template_and_all_others_from_here(template, kohya, place):
    (place / "configs").mkdir()
    text = template.read_text(encoding="utf-8").replace('"sd-scripts"', '"../sd-scripts"')
    moved = place / "configs" / "run.toml"
    moved.write_text(text.replace("[kohya]", '[kohya]\nenv = "venv:../sd-scripts/venv"'), encoding="utf-8")
    words = kohya("argv", moved, "--json").json
    assert os.path.samefile(words[0], place / "sd-scripts" / "venv" / "bin" / "python")
    assert os.path.samefile(words[1], place / "sd-scripts" / "train_network.py")
    assert "--train_data_dir=images" in words
    assert kohya("check", moved).code == 0


def test_a_path_that_would_be_right_beside_the_template_is_told(template, kohya, place):
    (place / "configs").mkdir()
    (place / "configs" / "prompts.txt").touch()
    moved = place / "configs" / "run.toml"
    moved.write_text(template.read_text(encoding="utf-8").replace('"sd-scripts"', '"../sd-scripts"'), encoding="utf-8")
    done = kohya("check", moved, "--set", "sample_prompts=prompts.txt")
    assert done.code == 1 and f"write {place / 'configs' / 'prompts.txt'}" in done.out
