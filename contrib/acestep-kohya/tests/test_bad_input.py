"""What is wrong with a template is told in a sentence with a remedy, all of it at once, with exit code 1."""

import pytest

TWO = """
[model_arguments]
pretrained_model_name_or_path = "m"
learning_rate = 1e-4

[training_arguments]
learning_rate = 2e-4
save_precision = "banana"
outptu_dir = "out"
seed = "abc"
"""


@pytest.fixture
def written(tmp_path):
    def write(content: str | bytes) -> str:
        path = tmp_path / "t.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.mark.parametrize("command", ["check", "argv", "toml", "script", "run"])
def test_every_mistake_is_told_at_once(written, kohya, command):
    done = kohya(command, written(TWO))
    text = done.out + done.err
    assert done.code == 1 and "Traceback" not in text
    for said in (
        "t.toml line 7: learning_rate = 0.0002, but [model_arguments] (line 4) says 0.0001",
        "t.toml line 8: save_precision = 'banana' is none of float, fp16, bf16",
        "t.toml line 9: the script has no argument 'outptu_dir'",
        "did you mean 'output_dir'?",
        "t.toml line 10: seed = 'abc' must be a whole number",
    ):
        assert said in text, command


def test_check_as_json_says_the_same(written, kohya):
    done = kohya("check", written(TWO), "--json")
    assert done.code == 1
    assert done.json["arguments"] is None
    assert {k["key"]: k["status"] for k in done.json["keys"]} == {
        "pretrained_model_name_or_path": "passed", "learning_rate": "passed", "save_precision": "wrong",
        "outptu_dir": "unknown", "seed": "wrong", "network_module": "added",
    }  # fmt: skip
    assert any("says 0.0001" in p["problem"] and "delete one" in p["hint"] for p in done.json["problems"])


@pytest.mark.parametrize("text", ["a = 1\na = 2\n", "[x\n", "a = \n", "\0"])
def test_what_is_no_toml(written, kohya, text):
    done = kohya("check", written(text))
    assert done.code == 1 and done.out == "" and "Traceback" not in done.err
    assert "no valid TOML" in done.err or "no text file" in done.err


def test_a_key_that_toml_forbids_to_repeat_is_named_with_both_lines(written, kohya):
    assert "'a' of line 2 stands again in line 3" in kohya("check", written("[x]\na = 1\na = 2\n")).err


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", None])
def test_files_of_windows_editors_are_read(written, kohya, mark):
    text = '[a]\npretrained_model_name_or_path = "m"\nseed = 1\n'
    done = kohya("argv", written(mark + text.encode() if mark else text.encode("utf-16")))
    assert done.code == 0 and "--seed=1" in done.out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "t.toml is empty"),
        ('[[datasets]]\n[[datasets.subsets]]\nimage_dir = "x"\n', "describes a dataset, not a run"),
        ("title = '日本'".encode("cp932"), "is not UTF-8"),
        ("[kohya]\nscript_folder = 'x'\n", "[kohya] has no key 'script_folder'"),
        ("[kohya]\naccelerate = 0\n", "accelerate = 0 must be at least 1"),
        ("[kohya]\nequal_lr = 'no'\n", "equal_lr = 'no' must be true or false"),
        ("[kohya]\nscripts = 'nowhere'\n", "There is no train_network.py in"),
        ("[kohya]\nscript = 'flux'\n", "The arguments of flux_train_network.py are not known without sd-scripts"),
    ],
)
def test_what_is_no_template(written, kohya, content, said):
    done = kohya("check", written(content))
    assert done.code == 1 and said in done.out + done.err


@pytest.mark.parametrize("command", ["check", "argv", "toml", "script", "run"])
def test_a_file_that_is_not_there(tmp_path, kohya, command):
    done = kohya(command, tmp_path / "nowhere.toml")
    assert (done.code, done.out) == (1, "")
    assert f"Error: There is no file {tmp_path / 'nowhere.toml'}\n  give the TOML" in done.err


def test_as_json_too(tmp_path, kohya):
    done = kohya("check", tmp_path / "nowhere.toml", "--json")
    assert done.code == 1 and "There is no file" in done.json["problems"][0]["problem"]


def test_the_same_value_twice_is_a_note(written, kohya):
    done = kohya("argv", written("[a]\nseed = 1\n[b]\nseed = 1\n"))
    assert done.code == 0 and "line 4: seed stands there again, alike" in done.err


@pytest.mark.parametrize("change", ["seed", "=1"])
def test_a_change_without_key_or_value(written, kohya, change):
    done = kohya("argv", written("[a]\nseed = 1\n"), "--set", change)
    assert done.code == 1 and f"--set {change}: is no KEY=VALUE" in done.err


def test_changes_win_and_take_out(written, kohya):
    path = written("[a]\nseed = 1\nxformers = true\nnetwork_dim = 4\nnetwork_alpha = 4\n")
    words = kohya("argv", path, "--set", "seed=2", "--set", "a.xformers=false", "--set", "network_dim=", "--json").json
    assert words[2:] == ["--seed=2", "--network_alpha=4", "--network_module=networks.lora"]


def test_passwords_are_refused_and_not_shown(written, kohya):
    path = written("[a]\nwandb_api_key = 'c0ffee'\n")
    for command in ("check", "argv", "script"):
        done = kohya(command, path)
        assert done.code == 1 and "c0ffee" not in done.out + done.err
        assert "set WANDB_API_KEY in the environment" in done.out + done.err
    assert "c0ffee" not in kohya("check", path, "--json").out
    assert 'wandb_api_key = "c0ffee"' in kohya("toml", path).out  # a file of one's own, as the template is


def test_old_names_are_told_and_still_passed(written, kohya):
    done = kohya("check", written("[a]\nuse_8bit_adam = true\ncaption_extention = '.txt'\n"), "--json")
    rows = {k["key"]: k for k in done.json["keys"]}
    assert rows["use_8bit_adam"]["status"] == "deprecated"
    assert rows["use_8bit_adam"]["passed"] == ["--use_8bit_adam"]
    assert rows["use_8bit_adam"]["remark"] == 'write optimizer_type = "AdamW8bit"'
    assert rows["caption_extention"]["remark"] == "write caption_extension"
