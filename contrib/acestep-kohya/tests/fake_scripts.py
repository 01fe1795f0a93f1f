"""An sd-scripts folder in small: its parser is put together as the real one is, its training is a bar of steps."""

from pathlib import Path

FILES = {
    "train_network.py": """
import argparse
import json
import os
import sys
import time

from library import config_util, train_util
import library.extra_util as extra_util
from library.utils import add_logging_arguments


def bar(name, done, total, more=""):
    share = 100 * done // total
    sys.stderr.write(f"\\r{name}{share:3d}%|{'█' * (share // 10):10}| {done}/{total} [00:01<00:02,  1.11it/s{more}]")
    sys.stderr.flush()


def setup_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    add_logging_arguments(parser)
    train_util.add_model_arguments(parser)
    train_util.add_dataset_arguments(parser, True, support_caption=True)
    train_util.add_training_arguments(parser)
    train_util.add_optimizer_arguments(parser)
    config_util.add_config_arguments(parser)
    extra_util.add_extra_arguments(parser)
    parser.add_argument("--no_metadata", action="store_true", help="do not save metadata")
    parser.add_argument("--save_model_as", type=str, default="safetensors",
                        choices=[None, "ckpt", "pt", "safetensors"])
    parser.add_argument("--unet_lr", type=float, default=None)
    parser.add_argument("--text_encoder_lr", type=float, default=None, nargs="*")
    parser.add_argument("--network_module", type=str, default=None)
    parser.add_argument("--network_dim", type=int, default=None)
    parser.add_argument("--network_alpha", type=float, default=1)
    parser.add_argument("--network_args", type=str, default=None, nargs="*")
    parser.add_argument("--network_train_unet_only", action="store_true")
    return parser


if __name__ == "__main__":
    args = setup_parser().parse_args()
    if args.training_comment == "arguments":
        print(json.dumps(vars(args)))
        sys.exit(0)
    import threading  # after the arguments, as torch is

    print(f"prepare\\u3000数据 in {os.getcwd()}, pid {os.getpid()}, python {sys.executable}")
    for i in range(4):
        bar("", i + 1, 4)
    sys.stderr.write("\\n")
    total = args.max_train_steps
    for step in range(1, total + 1):
        bar("steps: ", step, total, f", avr_loss={0.5 / step:.3g}")
        if args.training_comment == "fail" and step == 2:
            sys.exit(3)
        if args.training_comment == "wait" and step == 2:
            try:
                print("\\nwaiting", flush=True)
                time.sleep(60)
            except KeyboardInterrupt:
                print("told to stop", flush=True)
                raise
    sys.stderr.write("\\n")
    os.makedirs(args.output_dir, exist_ok=True)
    with open(os.path.join(args.output_dir, args.output_name + ".safetensors"), "w") as f:
        f.write("weights")
""",
    "sdxl_train_network.py": """
import train_network
from library import sdxl_util


def setup_parser():
    parser = train_network.setup_parser()
    sdxl_util.add_sdxl_arguments(parser, support_caching=False)
    return parser
""",
    "library/__init__.py": "",
    "library/utils.py": """
import argparse


def add_logging_arguments(parser):
    parser.add_argument("--console_log_level", type=str, default=None, choices=["DEBUG", "INFO"])
""",
    "library/config_util.py": """
def add_config_arguments(parser):
    parser.add_argument("--dataset_config", type=str, default=None)
""",
    "library/sdxl_util.py": """
def add_sdxl_arguments(parser, support_caching=True):
    if support_caching:
        parser.add_argument("--cache_text_encoder_outputs", action="store_true")
    parser.add_argument("--disable_mmap_load_safetensors", action="store_true")
""",
    "library/extra_util.py": """
import argparse

from .names import AXES, PREFIX


def add_extra_arguments(parser):
    group = parser.add_argument_group("extra")
    for axis in AXES:
        group.add_argument(f"--{PREFIX}_{axis}", type=float, default=0.0)
    with open(__file__):
        group.add_argument("--triple", type=int, nargs=3)
    group.add_argument("--tidy", action=argparse.BooleanOptionalAction, default=True)
    group.add_argument("--keep_ema", dest="drop_ema", action="store_false", help="leave the average where it is")
    group.add_argument("-w", "--with-dashes", type=str, default="", help="DEPRECATED, use nothing")
""",
    "library/names.py": 'AXES = ["x", "y"]\nPREFIX = "shift"\n',
}
FILES["library/train_util.py"] = '''
"""Stands for the large module that imports torch at its top."""
import argparse

PRECISIONS = ["no", "fp16", "bf16"]


def int_or_float(value):
    if value.endswith("%"):
        return float(value[:-1]) / 100
    number = float(value)
    if number >= 1:
        return int(value)
    return number


def add_model_arguments(parser: argparse.ArgumentParser):
    parser.add_argument("--pretrained_model_name_or_path", type=str, default=None)
    parser.add_argument("--vae", type=str, default=None)


def add_dataset_arguments(parser, support_dreambooth: bool, support_caption: bool):
    parser.add_argument("--train_data_dir", type=str, default=None)
    parser.add_argument("--caption_extension", type=str, default=".caption")
    parser.add_argument("--caption_extention", type=str, default=None, help="(backward compatibility)")
    parser.add_argument("--resolution", type=str, default=None)
    for_buckets(parser)
    parser.add_argument("--cache_latents", action="store_true")
    parser.add_argument("--cache_latents_to_disk", action="store_true")
    parser.add_argument("--color_aug", action="store_true")
    parser.add_argument("--shuffle_caption", action="store_true")
    if support_dreambooth:
        parser.add_argument("--reg_data_dir", type=str, default=None)
    else:
        parser.add_argument("--without_folders", type=str)
    if support_caption:
        parser.add_argument("--dataset_repeats", type=int, default=1)
    if not support_caption:
        parser.add_argument("--never", type=int)


def for_buckets(parser):
    parser.add_argument("--enable_bucket", action="store_true")
    parser.add_argument("--bucket_no_upscale", action="store_true")
    parser.add_argument("--bucket_reso_steps", type=int, default=64)


def add_training_arguments(parser):
    parser.add_argument("--output_dir", type=str, default=None)
    parser.add_argument("--output_name", type=str, default=None)
    parser.add_argument("--train_batch_size", type=int, default=1)
    parser.add_argument("--max_train_steps", type=int, default=1600)
    parser.add_argument("--max_train_epochs", type=int, default=None)
    parser.add_argument("--max_data_loader_n_workers", type=int, default=8)
    parser.add_argument("--gradient_accumulation_steps", type=int, default=1)
    parser.add_argument("--gradient_checkpointing", action="store_true")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--mixed_precision", type=str, default="no", choices=PRECISIONS)
    parser.add_argument("--save_precision", type=str, default=None, choices=[None, "float", "fp16", "bf16"])
    parser.add_argument("--save_every_n_epochs", type=int, default=None)
    parser.add_argument("--xformers", action="store_true")
    parser.add_argument("--logging_dir", type=str, default=None)
    parser.add_argument("--training_comment", type=str, default=None)
    parser.add_argument("--wandb_api_key", type=str, default=None)
    parser.add_argument("--sample_every_n_epochs", type=int, default=None)
    parser.add_argument("--sample_prompts", type=str, default=None)
    parser.add_argument("--config_file", type=str, default=None)
    parser.add_argument("--output_config", action="store_true")


def add_optimizer_arguments(parser):
    parser.add_argument("--optimizer_type", type=str, default="", help="AdamW (default), AdamW8bit, ...")
    # kept for old command lines
    parser.add_argument("--use_8bit_adam", action="store_true")
    parser.add_argument("--learning_rate", type=float, default=2.0e-6)
    parser.add_argument("--max_grad_norm", default=1.0, type=float)
    parser.add_argument("--optimizer_args", type=str, default=None, nargs="*")
    parser.add_argument("--lr_scheduler", type=str, default="constant")
    parser.add_argument("--lr_scheduler_num_cycles", type=int, default=1)
    parser.add_argument("--lr_warmup_steps", type=int_or_float, default=0)
'''


def write_scripts(folder: Path) -> Path:
    """The folder, with a git commit as a clone has it."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
    (folder / ".git" / "packed-refs").write_text(f"# pack-refs\n{'ab' * 20} refs/heads/main\n", encoding="utf-8")
    return folder
