"""The tutorials' way: 35 images in `30_Name`, a run that finds the rate, one that uses it; the templates' recipe."""

from pathlib import Path

import pytest

# The settings of both runs as the tutorial prints them, and then those that differ.
BOTH = """
[kohya]
scripts = "sd-scripts"
equal_lr = {equal}
[all]
enable_bucket = true
pretrained_model_name_or_path = "model.safetensors"
train_data_dir = "images"
resolution = "512,512"
output_dir = "out"
logging_dir = "log"
network_alpha = 64
save_model_as = "safetensors"
network_module = "networks.lora"
text_encoder_lr = {text}
unet_lr = {rate}
network_dim = 128
output_name = "Name"
lr_scheduler_num_cycles = 1
learning_rate = {rate}
lr_scheduler = "{scheduler}"
train_batch_size = 1
max_train_steps = 1050
save_every_n_epochs = 1
mixed_precision = "fp16"
save_precision = "fp16"
cache_latents = true
optimizer_type = "{optimizer}"
max_data_loader_n_workers = 0
bucket_reso_steps = 64
xformers = true
bucket_no_upscale = true
caption_extension = ".txt"
"""
COMMAND = """
--enable_bucket --pretrained_model_name_or_path=model.safetensors --train_data_dir=images --resolution=512,512
--output_dir=out --logging_dir=log --network_alpha=64 --save_model_as=safetensors --network_module=networks.lora
--text_encoder_lr={text} --unet_lr={rate} --network_dim=128 --output_name=Name --lr_scheduler_num_cycles=1
--learning_rate={rate} --lr_scheduler={scheduler} --train_batch_size=1 --max_train_steps=1050 --save_every_n_epochs=1
--mixed_precision=fp16 --save_precision=fp16 --cache_latents --optimizer_type={optimizer} --max_data_loader_n_workers=0
--bucket_reso_steps=64 --xformers --bucket_no_upscale --caption_extension=.txt
"""
FIRST = {"rate": "1.0", "text": "0.5", "optimizer": "DAdaptation", "scheduler": "constant"}
SECOND = {"rate": "3.64e-05", "text": "3.64e-06", "optimizer": "AdamW8bit", "scheduler": "constant_with_warmup"}


@pytest.fixture
def template(place: Path):
    def write(values: dict[str, str], equal: str = "true") -> Path:
        path = place / "tutorial.toml"
        path.write_text(BOTH.format(**values, equal=equal), encoding="utf-8")
        return path

    return write


def test_thirty_five_images_shown_thirty_times_are_1050_steps(template, kohya):
    checked = kohya("check", template(FIRST))
    assert checked.code == 0, checked.out
    assert "30_Name: 35 images x 30 repeats = 1050; all have captions\n" in checked.out
    assert "1050 samples in 1050 batches an epoch: 1050 steps as max_train_steps says, 1 epoch\n" in checked.out


def test_an_epoch_is_as_many_steps(template, kohya):
    plan = kohya("check", template(FIRST), "--set", "max_train_epochs=1", "--json").json["plan"]
    assert (plan["samples"], plan["batches"], plan["steps"], plan["epochs"]) == (1050, 1050, 1050, 1)


@pytest.mark.parametrize("values", [FIRST, SECOND], ids=["find the rate", "use it"])
def test_the_command_is_the_tutorials(template, kohya, place, values):
    done = kohya("argv", template(values, equal="false"), "--json")
    python, script, *arguments = done.json
    assert python == str(place / "sd-scripts" / "venv" / "bin" / "python")
    assert Path(script) == place / "sd-scripts" / "train_network.py"
    assert arguments == COMMAND.format(**values).split()


def test_todays_dadaptation_gets_one_rate_for_all_and_that_is_told(template, kohya):
    done = kohya("argv", template(FIRST), "--json")
    assert done.json[2:] == COMMAND.format(**FIRST | {"text": "1.0"}).split()
    assert "note: text_encoder_lr = 0.5 is passed as 1.0" in done.err


def test_the_second_command_is_the_first_with_other_rates(template, kohya):
    changes = ("optimizer_type=AdamW8bit", "learning_rate=3.64e-05", "unet_lr=3.64e-05", "text_encoder_lr=3.64e-06",
               "lr_scheduler=constant_with_warmup")  # fmt: skip
    options = [word for change in changes for word in ("--set", change)]
    done = kohya("argv", template(FIRST), *options, "--json")
    assert done.json[2:] == COMMAND.format(**SECOND).split()


def test_captions_that_would_go_unread_are_a_problem(template, kohya):
    """The tutorial's tagger wrote .txt, its training looked for .caption."""
    checked = kohya("check", template(FIRST), "--set", "caption_extension=")
    assert checked.code == 1
    assert 'has a .caption file, but 35 have .txt, which would go unread; write caption_extension = ".txt"' in (
        checked.out
    )


TEMPLATES = """
[model_arguments]
pretrained_model_name_or_path = "/models/base.safetensors"
output_dir = "/out"

[training_arguments]
learning_rate = 0.0001
max_train_epochs = 15
optimizer_type = "AdamW8bit"
mixed_precision = "fp16"
gradient_checkpointing = true
cache_latents_to_disk = true

[network_arguments]
network_dim = 64
network_alpha = 32

[dataset_arguments]
dataset_config = "/configs/dataset.toml"
"""


def test_a_configuration_template_becomes_the_call_its_recipe_meant(tmp_path, kohya):
    """Which, as printed, lacked network_module and the alpha."""
    (tmp_path / "lora.toml").write_text(TEMPLATES)
    done = kohya("argv", tmp_path / "lora.toml", "--env", "conda:kohya_ss", "--json")
    assert done.json == [
        "conda", "run", "--no-capture-output", "-n", "kohya_ss", "python", "train_network.py",
        "--pretrained_model_name_or_path=/models/base.safetensors", "--output_dir=/out", "--learning_rate=0.0001",
        "--max_train_epochs=15", "--optimizer_type=AdamW8bit", "--mixed_precision=fp16", "--gradient_checkpointing",
        "--cache_latents_to_disk", "--network_dim=64", "--network_alpha=32",
        "--dataset_config=/configs/dataset.toml", "--network_module=networks.lora",
    ]  # fmt: skip
