"""Each value of a template as an argument takes it; and the script's own argparse reads from them what was meant."""

import json

import pytest

HEAD = '[all]\npretrained_model_name_or_path = "m"\ntrain_data_dir = "images"\noutput_dir = "out"\n'


@pytest.fixture
def passed(tmp_path, kohya):
    """passed('seed = 1') -> the words that the line puts on the command line, by the bundled list."""

    def words(line: str) -> list[str]:
        (tmp_path / "t.toml").write_text(HEAD + line + "\n", encoding="utf-8")
        done = kohya("argv", tmp_path / "t.toml", "--json")
        assert done.code == 0, done.err
        return done.json[5:-1]

    return words


@pytest.fixture
def refused(tmp_path, kohya):
    def error(line: str) -> str:
        (tmp_path / "t.toml").write_text(HEAD + line + "\n", encoding="utf-8")
        done = kohya("argv", tmp_path / "t.toml")
        assert (done.code, done.out) == (1, "")
        return done.err

    return error


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("xformers = true", ["--xformers"]),
        ('xformers = "True"', ["--xformers"]),
        ("xformers = false", []),
        ("seed = 42", ["--seed=42"]),
        ("seed = 42.0", ["--seed=42"]),
        ('seed = "42"', ["--seed=42"]),
        ('seed = "None"', []),
        ('logging_dir = ""', []),
        ("network_args = []", []),
        ("learning-rate = 1e-4", ["--learning_rate=0.0001"]),
        ('learning_rate = "1e-4"', ["--learning_rate=0.0001"]),
        ("network_alpha = 32", ["--network_alpha=32"]),
        ('lr_warmup_steps = 100.0\nlr_scheduler = "linear"', ["--lr_warmup_steps=100", "--lr_scheduler=linear"]),
        ('lr_warmup_steps = 0.1\nlr_scheduler = "linear"', ["--lr_warmup_steps=0.1", "--lr_scheduler=linear"]),
        ('lr_warmup_steps = "5%"\nlr_scheduler = "linear"', ["--lr_warmup_steps=0.05", "--lr_scheduler=linear"]),
        ("resolution = [512, 768]", ["--resolution=512,768"]),
        ("resolution = 512", ["--resolution=512"]),
        ('network_args = ["conv_dim=4", "conv_alpha=1"]', ["--network_args", "conv_dim=4", "conv_alpha=1"]),
        ('network_args = "conv_dim=4"', ["--network_args=conv_dim=4"]),
        ("optimizer_args = {weight_decay = 0.01, decouple = true}",
         ["--optimizer_args", "weight_decay=0.01", "decouple=True"]),
        ("text_encoder_lr = 1e-5", ["--text_encoder_lr=1e-05"]),
        ('training_comment = "--not an option"', ["--training_comment=--not an option"]),
        ("max_token_length = 225", ["--max_token_length=225"]),
    ],
)  # fmt: skip
def test_is_passed(passed, line, words):
    assert passed(line) == words


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("xformers = 1", "xformers = 1 must be true or false (write true or false)"),
        ("seed = 1.5", "seed = 1.5 must be a whole number"),
        ("seed = true", "seed = true must be a whole number"),
        ("seed = [1, 2]", "seed = [1, 2] must be a whole number"),
        ('learning_rate = "fast"', "learning_rate = 'fast' must be a number"),
        ("learning_rate = nan", "learning_rate = nan must be a number"),
        ("learning_rate = 2020-01-01", "must be a number"),
        ("output_name = true", "output_name = true must be text"),
        ("lr_warmup_steps = 1.5", "must be a number of steps, a share below 1, or a percentage"),
        ('save_precision = "fp61"', "save_precision = 'fp61' is none of float, fp16, bf16 (did you mean 'fp16'?)"),
        ('network_args = ["conv_dim"]', "network_args: 'conv_dim' is no KEY=VALUE"),
        ('optimizer_args = ["decouple=true"]', "true in 'decouple=true' is read as Python and is none (write decouple"),
        ('network_args = ["a=1", "--b=1"]', "'--b=1' would be taken for the name of an argument"),
        ("text_encoder_lr = [1e-5, -1e-5]", "'-1e-05' would be taken for the name of an argument"),
        ("learning_rte = 1.0", "the script has no argument 'learning_rte'\n  did you mean 'learning_rate'?; --scripts"),
        ("zzzzz = 1.0", "the script has no argument 'zzzzz'\n  take it out; --scripts FOLDER reads those of your"),
        ("[all.deep]\nlearning_rate = 1", "the script has no argument 'deep'"),
        ('config_file = "x.toml"', "config_file: take it out: the template takes its place"),
    ],
)  # fmt: skip
def test_is_refused_in_a_sentence_with_its_line(refused, line, said):
    error = refused(line)
    assert said in error
    assert "t.toml line" in error


def test_the_scripts_own_parser_reads_what_was_meant(place, kohya, started):
    """Nothing is lost on the way through the command line: odd texts, lists, flags both ways."""
    more = """
[more]
training_comment = "arguments"
optimizer_args = ["weight_decay=0.01", "betas=(0.9,0.99)"]
network_args = {conv_dim = 4}
text_encoder_lr = [1e-5, -0.5]
triple = [1, 2, 3]
tidy = false
drop_ema = false
lr_scheduler = "cosine"
lr_warmup_steps = "10%"
mixed_precision = "bf16"
with-dashes = "-a 'b' \\"c\\" $HOME 日本"
"""
    path = place / "run.toml"
    path.write_text(path.read_text() + more, encoding="utf-8")
    ran = started("run", "run.toml")
    assert ran.code == 0, ran.err
    read = json.loads(next(line for line in ran.out.splitlines() if line.startswith("{")))
    assert read["optimizer_args"] == ["weight_decay=0.01", "betas=(0.9,0.99)"]
    assert read["network_args"] == ["conv_dim=4"] and read["text_encoder_lr"] == [1e-5, -0.5]
    assert read["triple"] == [1, 2, 3] and read["tidy"] is False and read["drop_ema"] is False
    assert read["lr_warmup_steps"] == 0.1 and read["mixed_precision"] == "bf16"
    assert read["with_dashes"] == "-a 'b' \"c\" $HOME 日本"
    assert read["network_module"] == "networks.lora" and read["max_train_steps"] == 6
