"""What must hold between arguments is checked before anything starts."""

import pytest


@pytest.fixture
def argv(tmp_path, kohya):
    def call(lines: str):
        (tmp_path / "t.toml").write_text(f"[all]\n{lines}\n")
        return kohya("argv", tmp_path / "t.toml", "--json")

    return call


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("lr_warmup_steps = 100", "does not go with the lr_scheduler constant"),
        ("lr_scheduler = 'reduce_lr_on_plateau'", "fails in these scripts"),
        ("lr_scheduler = 'cosine_with_min_lr'", "needs lr_scheduler_min_lr_ratio"),
        ("lr_scheduler = 'adafactor'", "goes with the optimizer Adafactor alone"),
        ("cache_latents = true\nrandom_crop = true", "cache_latents and random_crop do not go together"),
        ("use_8bit_adam = true\noptimizer_type = 'Lion'", "both choose the optimizer"),
        ("full_fp16 = true\nfull_bf16 = true", "there is one precision"),
        ("sample_every_n_steps = 10", "does nothing, or fails, without sample_prompts"),
        ("adaptive_noise_scale = 0.1", "without noise_offset"),
        ("optimizer_type = 'Prodigy'", "needs a learning_rate of about 1, and none is given"),
        ("optimizer_type = 'prodigy'\nlearning_rate = 1e-4", "learning_rate = 0.0001 is no rate for prodigy"),
        ("optimizer_type = 'prodigyopt.Prodigy'\nunet_lr = 1e-4", "write unet_lr = 1.0"),
        ("optimizer_type = 'DAdaptLion'\nlearning_rate = 1.0\ntext_encoder_lr = [1.0, 0.05]",
         "text_encoder_lr = [1.0, 0.05] is no rate for DAdaptLion"),
    ],
)  # fmt: skip
def test_is_told(argv, lines, said):
    done = argv(lines)
    assert done.code == 1 and said in done.err, done.err


@pytest.mark.parametrize(
    "lines",
    [
        "lr_warmup_steps = 100\nlr_scheduler = 'cosine'",
        "lr_warmup_steps = 0",
        "lr_warmup_steps = 10\nlr_scheduler_type = 'my.Scheduler'",
        "cache_latents = true\nrandom_crop = false",
        "use_8bit_adam = false\noptimizer_type = 'Lion'",
        "optimizer_type = 'Adafactor'\nlr_scheduler = 'adafactor'",
        "optimizer_type = 'AdamW'\nunet_lr = 1e-4\ntext_encoder_lr = 1e-5",
        "optimizer_type = 'prodigyplus.ProdigyPlusScheduleFree'\nlearning_rate = 1.0\ntext_encoder_lr = 0.5",
        "optimizer_type = 'Prodigy'\nunet_lr = 1.0\ntext_encoder_lr = 0.05\nnetwork_train_unet_only = true",
    ],
)
def test_is_right(argv, lines):
    done = argv(lines)
    assert done.code == 0, done.err
    assert "passed as" not in done.err


@pytest.mark.parametrize("optimizer", ["DAdaptation", "dadaptadam", "Prodigy", "prodigyopt.Prodigy"])
def test_the_rates_of_adaptive_optimizers_are_made_equal(argv, optimizer):
    done = argv(f"optimizer_type = '{optimizer}'\nlearning_rate = 0.5\nunet_lr = 0.8\ntext_encoder_lr = [0.5, 0.4]")
    assert done.code == 0, done.err
    assert [w for w in done.json if "lr=" in w or "rate=" in w] == [
        "--learning_rate=0.8", "--unet_lr=0.8", "--text_encoder_lr=0.8"
    ]  # fmt: skip
    assert "text_encoder_lr = [0.5, 0.4] is passed as 0.8" in done.err
    assert "learning_rate = 0.5 is passed as 0.8" in done.err


def test_a_network_module_of_ones_own_stays(argv):
    assert argv("network_module = 'lycoris.kohya'").json[2:] == ["--network_module=lycoris.kohya"]
    assert argv("network_module = ''").json[2:] == ["--network_module=networks.lora"]


def test_a_missing_alpha_is_worth_a_note(argv):
    assert "there is no network_alpha: it is 1, so the network works at 1/64" in argv("network_dim = 64").err
    assert "network_alpha" not in argv("network_dim = 64\nnetwork_alpha = 32").err


@pytest.mark.parametrize(
    ("lines", "note"),
    [
        ("seed = 1", "there is no learning_rate: it is 2e-06"),
        ("max_train_epochs = 2\nmax_train_steps = 10", "max_train_steps is passed over: max_train_epochs counts"),
    ],
)
def test_what_surprises_is_worth_a_note(argv, lines, note):
    done = argv(lines)
    assert done.code == 0 and f"note: {note}" in done.err
