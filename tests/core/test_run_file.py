"""Run files: where settings stand, what is told of mistakes, and which value wins."""

import re
import tomllib
from pathlib import Path

import pytest
from synthetic_run import write_run

from acestep_core import TrainSettings, UserError
from acestep_core.config import dump_toml
from acestep_core.options import as_dict, options_of
from acestep_core.registry import registry
from acestep_core.run import Run
from acestep_core.run_file.checking import checked, problems
from acestep_core.run_file.places import PLUGINS, fields
from acestep_core.run_file.reading import read_run_file
from acestep_core.run_file.writing import explained, template

NAMES = {section: name for section, (_, name) in PLUGINS.items()}


@pytest.fixture
def write(tmp_path: Path):
    """write(text) -> a run file with that text."""

    def written(text: str | bytes) -> Path:
        path = tmp_path / "r.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return written


def parameters(path: Path | None, *changes: str) -> dict:
    return checked(read_run_file(path, changes), registry()).parameters()


def wrong(path: Path | None, *changes: str) -> list[str]:
    return [str(e) for e in problems(read_run_file(path, changes), registry())]


def test_every_section_reaches_the_command(write):
    text = """
[data]
encoded = "e"
[model]
folder = "m"
variant = "turbo"
[adapter]
name = "lora"
rank = 16
[sampler]
name = "uniform"
[optimizer]
name = "prodigy"
clip_norm = 0
[schedule]
name = "constant"
warmup = 5
[train]
steps = 40
ema = 0.9
[save]
out = "o"
every = 10
keep = 1
export = "ema"
[backend]
dtype = "float32"
[extensions.tensorboard]
"""
    made = checked(read_run_file(write(text)), registry())
    assert made.parameters() == {
        "encoded": Path("e"), "model": Path("m"), "variant": "turbo", "adapter": "lora", "sampler": "uniform",
        "optimizer": "prodigy", "clip_norm": 0.0, "schedule": "constant", "warmup": 5.0, "steps": 40, "ema": 0.9,
        "out": Path("o"), "save_every": 10, "keep": 1, "export": "ema", "extensions": ["tensorboard"],
    }  # fmt: skip
    tables = made.plugin_tables()
    assert tables["adapters", "lora"] == {"rank": 16} and tables["backends", "pt"] == {"dtype": "float32"}
    assert tables["extensions", "tensorboard"] == {}


def test_every_setting_of_the_loop_has_one_place():
    assert sorted(fields().values()) == sorted(options_of(TrainSettings))


def test_all_mistakes_are_told_at_once_with_line_and_nearest_name(write):
    text = (
        '[trian]\nsteps = 3\n[train]\nstpes = 3\nbatch_size = 0\nlearning_rate = "fast"\nout = "x"\n'
        '[adapter]\nname = "lora"\nrnak = 2\n[sampler]\nname = "unifrom"\n'
    )
    assert wrong(write(text)) == [
        "r.toml line 1: [trian]: nothing reads this table\n  did you mean 'train'?",
        "r.toml line 4: [train] has no key 'stpes'\n  did you mean 'steps'?",
        "r.toml line 5: train.batch_size must be at least 1, not 0",
        "r.toml line 6: optimizer.learning_rate must be float|auto, not 'fast'",
        "r.toml line 7: [train] has no key 'out'\n  write out under [save]",
        "r.toml line 10: [adapter] has no key 'rnak'\n  did you mean 'rank'?",
        "r.toml line 12: There is no sampler 'unifrom'\n  did you mean 'uniform'?",
    ]


def test_contradictions_and_missing_folders_are_told_before_anything_loads(write, tmp_path):
    text = '[data]\nencoded = "gone"\n[train]\nsteps = 1\nepochs = 1\n[schedule]\ncycles = 2\n'
    told = "\n".join(wrong(write(text)))
    assert "r.toml line 2: there is no folder gone" in told
    assert "--steps and --epochs" in told and "--cycles does nothing" in told
    (tmp_path / "gone").mkdir()
    assert "there is no folder" not in "\n".join(wrong(write(text)))
    assert parameters(write(text))["encoded"] == tmp_path / "gone"


@pytest.mark.parametrize(
    "text, said",
    [
        ("steps = 5\n", "'steps' stands outside of every table\n  write steps under [train]"),
        ("train = 5\n", "'train' is no table\n  write [train]"),
        ("[extensions]\ntensorboard = true\n", "'tensorboard' is no table\n  write [extensions.tensorboard]"),
        ('[adapter]\nname = ""\n', "There is no adapter ''"),
        ("[extensions.tensorbord]\n", "did you mean 'tensorboard'?"),
        ("[train]\nsave_every = 5\n[save]\nevery = 5\n", "save.every stands in r.toml line 2 already"),
        ("[train]\ngradient_checkpointing = true\n", "train.gradient_checkpointing must be float, not True"),
    ],
)
def test_one_mistake_is_one_sentence(write, text, said):
    assert said in "\n".join(wrong(write(text)))


def test_a_byte_order_mark_and_other_line_ends_change_nothing(write):
    text = "[train]\nsteps = 7\n"
    expected = parameters(write(text))
    for raw in (b"\xef\xbb\xbf" + text.encode(), text.replace("\n", "\r\n").encode(), text.encode("utf-16")):
        assert parameters(write(raw)) == expected == {"steps": 7}


@pytest.mark.parametrize(
    "raw, said",
    [
        (b"[train]\nsteps = 1\nsteps = 2\n", "'steps' of line 2 stands again in line 3"),
        (b"[train\n", "is no valid TOML"),
        (b"\xff\xfe\x00", "save it again as UTF-8"),
        (b"[[datasets]]\n[[datasets.subsets]]\naudio_dir = 'x'\n", "describes a dataset, not a run"),
    ],
)
def test_what_is_no_run_file_is_one_sentence(write, raw, said):
    with pytest.raises(UserError) as caught:
        read_run_file(write(raw))
    assert said in str(caught.value)


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="There is no file"):
        read_run_file(tmp_path / "no.toml")


def test_set_wins_over_the_file_and_needs_none(write):
    path = write("[train]\nsave_every = 5\nsteps = 3\n[optimizer]\nlearning_rate = 0.1\n[save]\nkeep = 1\n")
    changed = parameters(path, "train.steps=9", "save.every=7", "train.keep=2", "optimizer.learning_rate=none")
    assert changed == {"steps": 9, "save_every": 7, "keep": 2, "learning_rate": None}
    assert parameters(None, "adapter.name=oft", "train.seed=0") == {"adapter": "oft", "seed": 0}


@pytest.mark.parametrize("change", ["train.stpes=1", "steps=1", "train.steps", "train.steps=x", "sample.evrey=1", "=1"])
def test_a_wrong_set_names_itself(change):
    told = wrong(None, change)
    assert len(told) == 1 and told[0].startswith(f"--set {change}: ")


def test_another_adapter_by_set_leaves_the_options_of_the_first_out_and_says_so(write):
    path = write('[adapter]\nname = "lokr"\nfactor = 4\n')
    file = read_run_file(path, ["adapter.rank=4", "adapter.name=lora"])
    assert checked(file, registry()).plugin_tables()["adapters", "lora"] == {"rank": 4}
    assert file.notes == ["[adapter] is about lokr, and lora is asked for: not used are factor"]


def test_the_run_toml_of_a_run_is_taken_as_far_as_it_says_settings(tmp_path):
    run = write_run(tmp_path / "old", train=as_dict(TrainSettings(steps=20, learning_rate=1e-3, save_every=4)))
    more = {
        "paths": {"encoded": "/e", "model": "/m"}, "versions": {"python": "3"}, "extended": {"steps": [10]},
        "extensions": {"progress": "acestep-core 1"},
    }  # fmt: skip
    (run / "run.toml").write_text(dump_toml(Run(run).settings() | more))
    said = parameters(run)
    assert said == parameters(run / "run.toml")
    assert (said["steps"], said["learning_rate"], said["save_every"]) == (20, 1e-3, 4)
    assert (said["encoded"], said["model"], said["adapter"]) == (Path("/e"), Path("/m"), "lokr@acestep-core")
    assert "extensions" not in said and "songs" not in said


def test_the_template_is_right_and_says_the_defaults(write):
    for adapter in ("lokr", "lora"):
        text = template(NAMES | {"adapter": adapter}, registry())
        whole = re.sub(r"(?m)^#(?=[a-z_]+ = )", "", text)
        assert len(tomllib.loads(whole)["train"]) > len(tomllib.loads(text)["train"])
        plain, full = (checked(read_run_file(write(t)), registry()).complete(registry()) for t in (text, whole))
        assert plain == full
        assert {field: plain[".".join(place)] for place, field in fields().items()} == as_dict(TrainSettings())


def test_the_template_has_the_help_of_every_option():
    text = template(NAMES, registry())
    for o in options_of(TrainSettings).values():
        assert o.help in text


@pytest.mark.parametrize(
    "name, settings",
    [
        ("optimizer.learning_rate", ["optimizer.learning_rate"]),
        ("learning-rate", ["optimizer.learning_rate"]),
        ("save_every", ["save.every"]),
        ("max_grad_norm", ["optimizer.clip_norm"]),
        ("name", [f"{section}.name" for section in ("adapter", "sampler", "optimizer", "schedule", "backend")]),
    ],
)
def test_a_setting_is_found_by_its_name_its_option_and_kohyas_name(name, settings):
    assert [f"{e.section}.{e.key}" for e in explained(name, {}, registry())] == settings


def test_an_option_of_several_adapters_is_explained_for_each():
    found = {e.owner: e.as_dict()["default"] for e in explained("adapter.rank", {}, registry())}
    assert found == {"lora": 64, "loha": 16}
    assert [e.owner for e in explained("rank", {"adapter": "loha"}, registry())] == ["loha"]


@pytest.mark.parametrize(
    "name, said",
    [
        ("lerning_rate", "did you mean 'learning_rate'?"),
        ("noise_offset", "is not used here: it is about pictures"),
        ("resume", "is not how a run goes on here"),
        ("network_alpha", "depends on the file"),
    ],
)
def test_what_is_no_setting_is_told(name, said):
    with pytest.raises(UserError) as caught:
        explained(name, {}, registry())
    assert said in str(caught.value)
