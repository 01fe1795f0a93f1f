"""Presets: what each says, which value wins over it, and files that are none."""

import tomllib
from pathlib import Path

import pytest

from acestep_core import UserError
from acestep_core.registry import registry
from acestep_core.run_file.checking import checked, problems
from acestep_core.run_file.presets import import_preset, preset, presets, presets_folder, remove_preset, wrong_with
from acestep_core.run_file.reading import read_run_file

OURS = ("quick", "recommended", "quality", "vram-8", "vram-12", "vram-16", "vram-24")
LORA_WIDTHS = {"attention": 4 * (2048 + 2048) + 4 * (2048 + 1024), "mlp": 3 * (2048 + 6144)}  # inputs + outputs, 2B
LAYERS, MINUTES_4_GB, TWICE_GB, LAYER_GB = 24, 0.41, 0.0152, 0.45  # saved per layer at 240 s in bfloat16, measured


@pytest.fixture(autouse=True)
def person(tmp_path, monkeypatch) -> Path:
    """A person without presets of their own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return presets_folder()


@pytest.fixture
def write(tmp_path):
    def written(text: str, name: str = "mine.toml") -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return written


def merged(name: str, *changes: str, path: Path | None = None) -> dict:
    return checked(read_run_file(path, changes, preset(name).run_file()), registry()).complete(registry())


def test_the_bundled_presets_are_listed_in_an_order_that_helps():
    found, wrong = presets()
    assert [p.name for p in found] == list(OURS) and not wrong
    assert all(30 < len(p.about) < 120 and not p.own for p in found)


@pytest.mark.parametrize("name", OURS)
def test_every_bundled_preset_is_right_and_says_why(name):
    found = preset(name)
    assert wrong_with(found, registry()) == []
    assert problems(read_run_file(found.path), registry()) == []
    lines = [line for line in found.text.splitlines() if "=" in line.partition("#")[0]]
    assert sum("#" in line for line in lines) >= 3, "the reasons stand beside the values"
    file = found.run_file()
    assert file.value("train", "steps") >= 300 and file.value("train", "gradient_checkpointing") is not None
    assert file.settings["train", "steps"].where.startswith(f"preset {name} line ")


@pytest.mark.parametrize("name", [n for n in OURS if n.startswith("vram-")])
def test_a_song_of_four_minutes_fits_the_memory_that_a_preset_is_for(name):
    """Weights, adapter with gradient and optimizer (16 bytes a number), activations kept, a layer at work, driver."""
    said = merged(name)
    numbers = LAYERS * said["adapter.rank"] * sum(LORA_WIDTHS.values())
    twice = said["train.gradient_checkpointing"]
    saved = LAYERS * said["train.batch_size"] * ((1 - twice) * MINUTES_4_GB + twice * TWICE_GB)
    needed = 4.8 + 16e-9 * numbers + saved + LAYER_GB + 0.5
    size = int(name.removeprefix("vram-"))
    assert size * 0.5 < needed < size * 0.9


def test_values_come_from_flag_then_set_then_file_then_preset(write):
    path = write("[train]\nseed = 5\n[adapter]\nrank = 4\n")
    said = merged("recommended", "train.seed=6", path=path)
    assert (said["train.seed"], said["adapter.rank"], said["adapter.mlp"]) == (6, 4, True)
    assert said["adapter.name"] == "lora" and said["train.steps"] == 2000


@pytest.mark.parametrize("said", ["[adapter]\nname = 'lokr'\n", ""])
def test_another_adapter_takes_neither_the_options_nor_the_rate_of_the_presets(write, said):
    changes = () if said else ("adapter.name=lokr",)
    file = read_run_file(write(said), changes, preset("quality").run_file())
    values = checked(file, registry()).complete(registry())
    assert values["adapter.name"] == "lokr" and values["adapter.mlp"] is False
    assert values["optimizer.learning_rate"] is None and values["train.steps"] == 6000
    assert file.notes == [
        "[adapter] is about lora, and lokr is asked for: not used are rank, mlp",
        "lokr learns at its own rate, not at that of the preset, 0.0002",
    ]


def test_the_same_adapter_by_its_full_name_keeps_everything(write):
    said = merged("quality", "adapter.name=lora@acestep-core")
    assert said["adapter.rank"] == 128 and said["optimizer.learning_rate"] == 2e-4


@pytest.mark.parametrize("changes, text", [((), "[train]\nepochs = 3\n"), (("train.epochs=3",), "")])
def test_epochs_take_the_place_of_the_steps_of_a_preset(write, changes, text):
    said = merged("quick", *changes, path=write(text))
    assert (said["train.epochs"], said["train.steps"]) == (3, None)


def test_steps_and_epochs_both_typed_still_contradict(write):
    file = read_run_file(None, ("train.epochs=3", "train.steps=4"), preset("quick").run_file())
    assert any("say the same thing twice" in str(e) for e in problems(file, registry()))


def test_kohyas_names_in_the_file_win_over_a_preset(write):
    path = write("[network_arguments]\nnetwork_module = 'networks.lora'\nnetwork_dim = 3\nnetwork_alpha = 3\n")
    assert merged("quick", path=path)["adapter.rank"] == 3


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(UserError) as e:
        preset("vram12")
    assert "There is no preset 'vram12'" in str(e.value) and "did you mean 'vram-12'?" in str(e.value)


def test_a_preset_of_ones_own_is_imported_used_and_removed(write, person):
    text = "# For my choir.\n[train]\nsteps = 7\n"
    kept = import_preset(write(text), registry())
    assert kept.path == person / "mine.toml" and kept.path.read_text() == text
    assert [(p.name, p.about) for p in presets()[0] if p.own] == [("mine", "For my choir.")]
    assert merged("mine")["train.steps"] == 7
    with pytest.raises(UserError, match="already"):
        import_preset(write(text), registry())
    import_preset(write(text.replace("7", "8")), registry(), replace=True)
    assert merged("mine")["train.steps"] == 8
    remove_preset("mine")
    assert not kept.path.exists()
    with pytest.raises(UserError, match="comes with the program"):
        remove_preset("quick")


@pytest.mark.parametrize(
    "text, said",
    [
        ("[train]\nsteps = \n", "is no valid TOML"),
        ("[train]\nstpes = 3\n[adapter]\nname = 'lroa'\n", "did you mean 'steps'?"),
        ("[train]\nsteps = 3\n[data]\nencoded = 'e'\n", "data.encoded says what to train on or where to, not how"),
        ("[train]\nsteps = 3\n[save]\nout = 'e'\n", "save.out says what to train on"),
        ("# nothing\n", "says no setting"),
        ("[sample]\nevery = 3\n", "sample.every says what to train on or where to"),
    ],
)
def test_what_is_no_preset_is_told_and_not_kept(write, person, text, said):
    with pytest.raises(UserError) as e:
        import_preset(write(text), registry())
    assert said in str(e.value) and not person.exists()


@pytest.mark.parametrize("name", ["quick", "../up", "", "a b", "con", "x" * 80])
def test_a_name_that_cannot_be_one_is_told(write, person, name):
    with pytest.raises(UserError, match=r"comes with the program|cannot be the name"):
        import_preset(write("[train]\nsteps = 3\n"), registry(), name)
    assert not person.exists()


def test_a_damaged_file_among_ones_own_costs_a_sentence_and_the_others_stay(person):
    person.mkdir(parents=True)
    (person / "bad.toml").write_bytes(b"[train]\nsteps = \xff\n")
    (person / "broken.toml").write_text("[train\n")
    found, wrong = presets()
    assert [p.name for p in found] == [*OURS, "broken"]
    assert len(wrong) == 1 and "bad.toml is not UTF-8" in str(wrong[0])
    with pytest.raises(UserError, match="no valid TOML"):
        preset("broken").run_file()


def test_a_file_called_as_a_bundled_preset_is_never_taken_for_it(person):
    person.mkdir(parents=True)
    (person / "quick.toml").write_text("[train]\nsteps = 1\n")
    with pytest.raises(UserError, match="has the name of a preset that comes with the program"):
        preset("quick")


def test_the_record_holds_name_and_values():
    found = preset("quick")
    record = found.record(found.run_file())
    assert record["name"] == "quick" and record["settings"] == tomllib.loads(found.text)
