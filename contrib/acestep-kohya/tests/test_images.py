"""The images are counted as the scripts count them, and what they would pass over is told."""

from pathlib import Path

import pytest
from conftest import write_images


@pytest.fixture
def check(place, kohya):
    """check("seed=1") -> what `check --json` says of run.toml with these changes, and its exit code."""

    def run(*changes: str):
        done = kohya("check", "run.toml", "--json", *(word for c in changes for word in ("--set", c)))
        return done.code, done.json

    return run


def problems(found) -> str:
    return "\n".join(f"{p['problem']}; {p['hint']}" for p in found["problems"])


def test_the_place_is_right(check):
    code, found = check()
    assert (code, found["problems"]) == (0, [])
    assert found["images"] == [
        {"name": "30_Name", "images": 35, "captioned": 35, "repeats": 30, "fallback": "Name", "is_reg": False,
         "dataset": 0, "batch_size": 1, "samples": 1050}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "batches", "steps", "epochs"),
    [
        (("max_train_epochs=2",), 1050, 2100, 2),
        (("max_train_epochs=2", "train_batch_size=4"), 263, 526, 2),
        (("max_train_epochs=2", "train_batch_size=4", "gradient_accumulation_steps=2"), 263, 264, 2),
        (("max_train_steps=1000", "train_batch_size=4"), 263, 1000, 4),
        (("max_train_steps=",), 1050, 1600, 2),
    ],
)
def test_steps_are_those_of_the_scripts(check, changes, batches, steps, epochs):
    plan = check(*changes)[1]["plan"]
    assert (plan["batches"], plan["steps"], plan["epochs"]) == (batches, steps, epochs)


def test_regularisation_images_are_repeated_until_there_are_as_many(check, place):
    write_images(place / "reg" / "1_person", 20)
    plan = check("reg_data_dir=reg", "max_train_epochs=1")[1]["plan"]
    assert plan["samples"] == plan["steps"] == 2100


def test_several_folders_add_up_and_odd_ones_are_told(check, place):
    write_images(place / "images" / "2_Side view", 3, captions="")
    write_images(place / "images" / "rejected", 1)
    write_images(place / "images", 1)
    code, found = check()
    assert code == 0 and found["plan"]["samples"] == 1050 + 6
    assert found["images"][0]["captioned"] == 0 and found["images"][0]["fallback"] == "Side view"
    assert "the folder rejected is passed over: its name begins with no number" in found["notes"]
    assert any(n.startswith("1 images directly in") for n in found["notes"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (("train_data_dir=images/30_Name",), "holds no folder named as 30_name"),
        (("train_data_dir=nowhere",), "There is no folder nowhere; check the path"),
        (("train_data_dir=",), "names no images; add train_data_dir"),
        (("pretrained_model_name_or_path=",), "there is no pretrained_model_name_or_path"),
        (("pretrained_model_name_or_path=nowhere.safetensors",), "there is no file nowhere.safetensors"),
        (("vae=nowhere.pt",), "vae: there is no file nowhere.pt"),
        (("sample_prompts=prompts.txt",), "sample_prompts: there is no prompts.txt"),
        (("output_dir=",), "there is no output_dir"),
        (("resolution=",), "there is no resolution"),
        (("caption_extension=.caption",), "but 35 have .txt, which would go unread"),
        (("dataset_config=data.toml",), "There is no file data.toml; check dataset_config"),
    ],
)
def test_what_is_missing_on_the_disk(check, changes, said):
    code, found = check(*changes)
    assert code == 1 and said in problems(found), problems(found)


def test_names_of_models_on_a_hub_are_no_files(check):
    assert check("pretrained_model_name_or_path=owner/name")[0] == 0


def test_folders_without_repeats_or_images(check, place):
    write_images(place / "images" / "0_none", 2)
    (place / "images" / "4_empty").mkdir()
    code, found = check()
    assert code == 1
    assert "The folder 0_none asks for no repeats and would be passed over; rename it to 1_none" in problems(found)
    assert "There are no images in images/4_empty" in problems(found).replace("\\", "/")


def test_an_earlier_result_is_told(check, place):
    (place / "out").mkdir()
    (place / "out" / "name.safetensors").touch()
    code, found = check()
    assert code == 0 and any("is there already" in n for n in found["notes"])


DATASET = """
[general]
shuffle_caption = true
keep_tokens = 3
caption_extension = ".txt"

[[datasets]]
resolution = 512
batch_size = 10

  [[datasets.subsets]]
  image_dir = "images/30_Name"
  class_tokens = "character boy"
  num_repeats = 4

  [[datasets.subsets]]
  image_dir = "more"
  caption_extension = "caption"

[[datasets]]
resolution = [768, 768]

  [[datasets.subsets]]
  image_dir = "more"
  num_repeats = 2
  caption_extension = ".caption"
"""


@pytest.fixture
def dataset(place: Path):
    """dataset(text) writes data.toml, whose folders are there."""
    write_images(place / "more", 5, captions=".caption")

    def write(text: str, name: str = "data.toml") -> str:
        (place / name).write_text(text, encoding="utf-8")
        return f"dataset_config={name}"

    return write


def test_a_dataset_inherits_and_counts_batches_per_dataset(check, dataset):
    code, found = check(dataset(DATASET), "max_train_epochs=1")
    assert code == 0, problems(found)
    assert [(p["images"], p["repeats"], p["captioned"]) for p in found["images"]] == [(35, 4, 35), (5, 1, 5), (5, 2, 5)]
    assert found["plan"]["samples"] == 140 + 5 + 10
    assert found["plan"]["batches"] == found["plan"]["steps"] == 15 + 10
    assert "train_data_dir is passed over: there is a dataset_config" in found["notes"]


def test_every_mistake_of_a_dataset_is_told_at_once(check, dataset):
    wrong = DATASET.replace("keep_tokens = 3", "keep_tokens = 3.0").replace("batch_size", "batch_sise")
    wrong = wrong.replace('image_dir = "more"\n  num', 'image_dir = "nowhere"\n  num').replace(
        "[general]", "[general]\nimage_dir = 'x'\nvalidation_split = 0"
    )
    code, found = check(dataset(wrong))
    assert code == 1
    for said in (
        "data.toml line 3: 'image_dir' has no meaning here; write it under [[datasets.subsets]]",
        "data.toml line 4: validation_split = 0 must be a number with a point, such as 0.0",
        "data.toml line 6: keep_tokens = 3.0 must be a whole number",
        "data.toml line 11: nothing reads 'batch_sise'; did you mean 'batch_size'?",
        "data.toml line 26: there is no folder nowhere",
    ):
        assert said in problems(found), problems(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[training]\nseed = 1\n", "is no dataset: it has no [[datasets]]"),
        ("[[datasets]]\n[[datasets]]\nx = \n", "cannot be read"),
        ("[[datasets]]\nresolution = 512\n", "the dataset has no [[datasets.subsets]]"),
        ("[[datasets]]\n[[datasets.subsets]]\nclass_tokens = 'x'\n", "the subset names no images"),
    ],
)
def test_what_is_no_dataset(check, dataset, text, said):
    code, found = check(dataset(text))
    assert code == 1 and said in problems(found)


def test_a_dataset_may_be_json(check, dataset):
    text = '{"datasets": [{"resolution": 512, "subsets": [{"image_dir": "more", "num_repeats": 7}]}]}'
    code, found = check(dataset(text, "data.json"), "caption_extension=")
    assert code == 0 and found["plan"]["samples"] == 35


def test_what_cannot_be_counted_exactly_is_said(check, dataset):
    text = DATASET.replace("resolution = 512\n", "resolution = 512\nenable_bucket = true\nvalidation_split = 0.1\n")
    found = check(dataset(text))[1]
    assert len(found["about"]) == 2 and "there may be more steps" in found["about"][0]
