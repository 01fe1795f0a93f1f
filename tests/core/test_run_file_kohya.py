"""Kohya's names in a run file: what they mean here, what is not used and said, what is refused."""

import re
from pathlib import Path

import pytest

from acestep_core.registry import registry
from acestep_core.run_file.checking import checked, problems
from acestep_core.run_file.kohya import NAMES
from acestep_core.run_file.reading import RunFile, read_run_file

TEMPLATE = """
[model_arguments]
pretrained_model_name_or_path = "models"
output_dir = "runs"
output_name = "mine"
[training_arguments]
learning_rate = 0.0001
max_train_epochs = 15
train_batch_size = 2
gradient_accumulation_steps = 4
gradient_checkpointing = true
mixed_precision = "bf16"
optimizer_type = "AdamW8bit"
optimizer_args = ["weight_decay=0.05"]
lr_scheduler = "cosine_with_restarts"
lr_scheduler_num_cycles = 3
lr_warmup_steps = "5%"
max_grad_norm = 0.0
seed = 0
save_every_n_epochs = 5
save_last_n_epochs = 2
save_model_as = "safetensors"
metadata_author = "A. Singer"
metadata_license = "CC-BY-4.0"
metadata_trigger_phrase = "zxc"
min_snr_gamma = 5
cache_latents_to_disk = true
clip_skip = 2
noise_offset = 0
xformers = true
[network_arguments]
network_module = "networks.lora"
network_dim = 64
network_alpha = 32
network_train_unet_only = true
[dataset_arguments]
dataset_config = "dataset.toml"
"""
EXPECTED = {
    ("model", "folder"): Path("models"), ("save", "out"): Path("runs/mine"), ("optimizer", "learning_rate"): 1e-4,
    ("train", "epochs"): 15, ("train", "batch_size"): 2, ("train", "accumulation"): 4,
    ("train", "gradient_checkpointing"): 1.0, ("backend", "dtype"): "bfloat16", ("optimizer", "name"): "adamw8bit",
    ("optimizer", "weight_decay"): 0.05, ("schedule", "name"): "restarts", ("schedule", "cycles"): 3,
    ("schedule", "warmup"): 0.05, ("optimizer", "clip_norm"): 0.0, ("train", "seed"): 0, ("save", "every_epochs"): 5,
    ("save", "keep"): 2, ("train", "loss_weight"): "min_snr", ("train", "snr_gamma"): 5.0, ("adapter", "name"): "lora",
    ("adapter", "rank"): 64, ("adapter", "alpha"): 32.0, ("save", "author"): "A. Singer",
    ("save", "license"): "CC-BY-4.0", ("save", "trigger"): "zxc",
}  # fmt: skip


def read(folder: Path, text: str, *changes: str) -> RunFile:
    (folder / "k.toml").write_text(text, encoding="utf-8")
    return read_run_file(folder / "k.toml", changes)


def values(file: RunFile) -> dict:
    return dict(checked(file, registry()).values)


def refusals(file: RunFile) -> list[str]:
    return [str(e) for e in problems(file, registry()) if "no folder" not in str(e)]


def test_a_whole_template_means_what_it_meant(tmp_path):
    assert values(read(tmp_path, TEMPLATE)) == EXPECTED


def test_every_argument_has_a_row_that_says_what_became_of_it(tmp_path):
    file = read(tmp_path, TEMPLATE)
    rows = {row.name: row for row in file.rows}
    assert rows["network_dim"].here == "adapter.rank = 64" and rows["network_dim"].why == ""
    for name in ("clip_skip", "xformers"):
        assert rows[name].here == "" and "about pictures" in rows[name].why
    assert rows["cache_latents_to_disk"].why == "done anyway" and "encode" in rows["dataset_config"].why
    quiet = {"noise_offset", "save_model_as"}  # asked for nothing, or for what is always so
    said = set(re.findall(r"(?m)^(\w+) =", TEMPLATE))
    assert rows.keys() == said - quiet


def test_the_tables_have_any_name_and_may_be_missing(tmp_path):
    flat = re.sub(r"(?m)^\[.*\n", "", TEMPLATE)
    assert values(read(tmp_path, flat)) == EXPECTED
    assert values(read(tmp_path, "[odd_arguments]\n" + flat)) == EXPECTED


@pytest.mark.parametrize(
    "text, expected",
    [
        ("network_dim = 8", {"name": "lora", "rank": 8}),
        ('network_module = "lycoris.kohya"\nnetwork_dim = 8\nnetwork_alpha = 8\n'
         'network_args = ["algo=lokr", "factor=4", "decompose_both=True", "conv_dim=4"]',
         {"name": "lokr", "dim": 8, "factor": 4, "decompose_both": True}),
        ('network_module = "lycoris.kohya"\nnetwork_dim = 100000\nnetwork_alpha = 1\nnetwork_args = ["algo=lokr"]',
         {"name": "lokr"}),
        ('network_module = "lycoris.kohya"\nnetwork_dim = 4\nnetwork_args = ["algo=loha", "dora_wd=True"]',
         {"name": "loha", "rank": 4, "dora": True}),
    ],
)  # fmt: skip
def test_the_network_becomes_an_adapter(tmp_path, text, expected):
    found = values(read(tmp_path, f"[network_arguments]\n{text}\n"))
    assert found == {("adapter", key): value for key, value in expected.items()}


@pytest.mark.parametrize(
    "text, said",
    [
        ("network_dmi = 8", "did you mean 'network_dim'?"),
        ('network_module = "networks.dylora"', "'networks.dylora' is not offered"),
        ('network_module = "lycoris.kohya"\nnetwork_args = ["algo=boft"]', "algo=boft is not offered"),
        ('network_module = "lycoris.kohya"\nnetwork_dim = 8\nnetwork_alpha = 1\nnetwork_args = ["algo=lokr"]',
         "network_alpha has no meaning for lokr"),
        ('network_args = ["rank_dropout=0.1"]', "rank_dropout means nothing for lora"),
        ('network_args = "factor=2"', "is no list"),
        ('optimizer_type = "Lion"', "optimizer_type = 'Lion' is not offered"),
        ('lr_scheduler = "polynomial"', "lr_scheduler = 'polynomial' is not offered"),
        ('optimizer_args = ["betas=0.9,0.99"]', "'betas=0.9,0.99', which is not offered"),
        ("text_encoder_lr = [5e-5]", "the text encoder, which stays as it is"),
        ("sample_every_n_epochs = 1", "counts samples in epochs"),
        ("shuffle_caption = true", "belongs to the songs"),
        ('resume = "state"', "is not how a run goes on here"),
        ('loss_type = "huber"', "loss_type = 'huber' is not offered"),
        ('log_with = "wandb"', "write tensorboard"),
        ("train_batch_size = 0", "train.batch_size must be at least 1, not 0"),
    ],
)  # fmt: skip
def test_what_is_not_done_is_refused_with_its_line(tmp_path, text, said):
    told = refusals(read(tmp_path, f"[training_arguments]\n{text}\n"))
    assert len(told) == 1 and said in told[0] and re.match(r"k\.toml line \d: ", told[0])


def test_what_asks_for_nothing_is_not_refused(tmp_path):
    text = 'resume = ""\nshuffle_caption = false\ntext_encoder_lr = 0\nprior_loss_weight = 1\nscale_weight_norms = 0\n'
    assert refusals(read(tmp_path, f"[training_arguments]\n{text}")) == []


def test_which_of_two_counts_is_said(tmp_path):
    text = "[training_arguments]\nmax_train_steps = 100\nmax_train_epochs = 2\nlearning_rate = 0.1\nunet_lr = 0.2\n"
    file = read(tmp_path, text)
    assert values(file) == {("train", "epochs"): 2, ("optimizer", "learning_rate"): 0.2}
    assert {row.name for row in file.rows if not row.here} == {"max_train_steps", "learning_rate"}


def test_the_same_argument_twice_must_be_alike(tmp_path):
    text = "[training_arguments]\nseed = 1\n[network_arguments]\nseed = {}\n"
    assert values(read(tmp_path, text.format(1))) == {("train", "seed"): 1}
    assert "stands in k.toml line 2 with another value" in refusals(read(tmp_path, text.format(2)))[0]


def test_kohyas_and_our_names_stand_side_by_side_but_not_for_the_same(tmp_path):
    text = "[training_arguments]\nseed = 1\n[train]\n{} = 2\n"
    assert values(read(tmp_path, text.format("steps"))) == {("train", "seed"): 1, ("train", "steps"): 2}
    assert "train.seed stands in k.toml line 4 already" in refusals(read(tmp_path, text.format("seed")))[0]


def test_set_takes_kohyas_names_and_ours(tmp_path):
    text = "[network_arguments]\nnetwork_dim = 8\n"
    assert values(read(tmp_path, text, "network_dim=4"))["adapter", "rank"] == 4
    assert values(read(tmp_path, text, "network_arguments.network_dim=4"))["adapter", "rank"] == 4
    assert values(read(tmp_path, text, "adapter.rank=2"))["adapter", "rank"] == 2


def test_every_argument_of_train_network_is_known():
    bundled = pytest.importorskip("acestep_kohya.bundled", reason="contrib/acestep-kohya is not installed")
    for script in ("train_network.py", "sdxl_train_network.py"):
        assert set(bundled.bundled_schema(script).arguments) <= NAMES
