"""Peak memory of a training as `train` forecasts it, and as it is: whole runs of two steps.

Random weights at a width where layers matter. On CUDA that is what the allocator counts. On the CPU the tensors are
counted (by PyTorch's profiler: the same on every machine), and with --process how far a process of its own grows that
gives every freed block back. One that keeps them for the next layer, as `train` does, has gaps on top.

Target: forecast within 10 % of either, in every case.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from tensor_memory import peak_growth

from acestep_core import load_backend
from acestep_core.jobs import EncodedSong, SongSize, TrainJob, TrainWork
from acestep_core.registry import registry
from acestep_core.run import Run
from acestep_core.train_settings import TrainSettings, resolved

BASE = {"adapter": "lora", "rank": 64, "seconds": [60], "dtype": "float32"}
CASES = [
    {},
    {"gradient_checkpointing": 0.5},
    {"gradient_checkpointing": 1.0},
    {"seconds": [10]},
    {"seconds": [10], "gradient_checkpointing": 1.0},
    {"batch_size": 2, "seconds": [60, 60]},
    {"batch_size": 2, "seconds": [60, 40]},
    {"batch_size": 2, "accumulation": 2, "seconds": [30] * 4},
    {"adapter": "lokr"},
    {"adapter": "lokr", "gradient_checkpointing": 1.0},
    {"adapter": "lora", "dora": True},
    {"adapter": "loha", "rank": 16},
    {"adapter": "oft", "rank": None},
    {"adapter": "full", "rank": None},
    {"adapter": "full", "rank": None, "seconds": [10], "gradient_checkpointing": 1.0, "dtype": "bfloat16"},
    {"optimizer": "adafactor", "seconds": [10]},
    {"optimizer": "prodigy", "seconds": [10], "rank": 256},
    {"optimizer": "schedulefree", "seconds": [10], "rank": 256},
    {"ema": 0.9, "seconds": [10], "rank": 256, "gradient_checkpointing": 1.0},
    {"seconds": [10], "held_out": 120, "gradient_checkpointing": 1.0},
    {"dtype": "bfloat16"},
    {"dtype": "bfloat16", "batch_size": 2, "seconds": [60, 40], "gradient_checkpointing": 0.5},
    {"dtype": "bfloat16", "adapter": "lokr", "mlp": True},
]
_GIVING_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}  # of glibc
_OPTIONS = ("rank", "dora", "mlp", "layers")
TOKENS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--width", type=int, default=768, help="a multiple of 256; 2048 is 2B")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--only", type=int, nargs="*", help="cases by number")
    parser.add_argument("--process", action="store_true", help="measure processes too, on the CPU")
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        from acestep_plugins.backends.pt import device

        device.keep_freed_memory = lambda: None
        print(json.dumps(ran(json.loads(given.case[0]), Path(given.case[1]), given.device, "process")))
        return
    with tempfile.TemporaryDirectory() as folder:
        model = write_model(Path(folder) / "model", given.width, given.layers)
        ways = ["device"] if given.device != "cpu" else ["tensors", *["process"] * given.process]
        print(f"{given.layers} layers of width {given.width} on {given.device}; MB: forecast, measured by")
        print(f"{'':<4}{'forecast':>9}" + "".join(f"{way:>9}{'ratio':>7}" for way in ways) + "  moment      case")
        for number, case in enumerate(CASES):
            if given.only is None or number in given.only:
                show(number, case, model, given.device, ways)


def show(number: int, case: dict[str, Any], model: Path, device: str, ways: list[str]) -> None:
    line, found = "", {}
    for way in ways:
        found = apart(case, model, device) if way == "process" else ran(case, model, device, way)
        line += f"{found['measured'] / 1e6:>9.1f}{found['forecast'] / found['measured']:>7.3f}"
    words = " ".join(f"{k}={v}" for k, v in case.items())
    print(f"{number:<4}{found['forecast'] / 1e6:>9.1f}{line}  {found['moment']:<11} {words}", flush=True)


def apart(case: dict[str, Any], model: Path, device: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--device", device, "--case", json.dumps(case), str(model)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **_GIVING_BACK})
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def write_model(folder: Path, width: int, layers: int) -> Path:
    from acestep_plugins.backends.pt import tiny

    sizes = {"hidden_size": width, "intermediate_size": 3 * width, "num_attention_heads": width // 128,
             "num_key_value_heads": width // 256, "head_dim": 128, "num_hidden_layers": layers, "sliding_window": 128,
             "num_lyric_encoder_hidden_layers": 1, "num_timbre_encoder_hidden_layers": 1,
             "layer_types": ["full_attention" if i % 2 else "sliding_attention" for i in range(layers)]}  # fmt: skip
    before = dict(tiny._DIT)
    tiny._DIT |= sizes
    try:
        tiny.write_checkpoint(folder, "turbo")
    finally:
        tiny._DIT.clear()
        tiny._DIT.update(before)
    return folder


def ran(case: dict[str, Any], model: Path, device: str, way: str) -> dict[str, Any]:
    """Forecast and measured bytes of a case."""
    case = BASE | case
    opened = load_backend("pt", model=model, device=device, dtype=case["dtype"])
    options = {k: case[k] for k in _OPTIONS if case.get(k) is not None and (k != "rank" or case["adapter"] != "lokr")}
    adapter = registry().make("adapters", case["adapter"], options)
    fields = {k: v for k, v in case.items() if k in TrainSettings.__dataclass_fields__}
    fields |= {"save_every": 0, "steps": 2, "learning_rate": None}
    settings = resolved(TrainSettings(**fields), shown=len(case["seconds"]), rate=1e-4, turbo=True)
    songs = [round(25 * s) for s in case["seconds"]]
    held_out = [round(25 * case["held_out"])] if "held_out" in case else []
    sizes, measured = ([SongSize(n, TOKENS) for n in lengths] for lengths in (songs, held_out))
    forecast = opened.backend.train_demand(opened.info.folder, TrainWork(settings, adapter, sizes, measured))
    with tempfile.TemporaryDirectory() as folder:
        job = job_of(opened, adapter, settings, songs, held_out, Path(folder))
        weights = sum(p.nbytes for m in (job.dit.decoder.module, job.dit.encoder) for p in m.parameters())
        if way == "tensors":
            taken = weights + peak_growth(lambda: list(opened.backend.train(job)))
        else:
            taken = next(e["peak"] for e in opened.backend.train(job) if isinstance(e, dict) and e["event"] == "memory")
    return {"forecast": forecast.peak, "measured": taken, "moment": forecast.moment}


def job_of(opened: Any, adapter: Any, settings: Any, songs: list[int], held_out: list[int], folder: Path) -> TrainJob:
    def song(frames: int) -> EncodedSong:
        states = np.zeros((TOKENS, opened.info.condition_size), np.float32)
        return EncodedSong(f"{frames}", "a", np.zeros((frames, 64), np.float32), states)

    return TrainJob(
        run=Run(folder), settings=settings, adapter=adapter, sampler=registry().make("samplers", "uniform"),
        dit=opened.dit, songs=["a"] * len(songs), order=range(len(songs)), frames=lambda s: songs[s.song],
        load=lambda s: song(songs[s.song]), load_fixed=lambda i: song(songs[i]), held_out=["a"] * len(held_out),
        load_held_out=lambda i: song(held_out[i]), steps=settings.steps, resume_from=None, stop=lambda: False,
        loss=lambda default, **given: default(**given), optimizer=lambda default, **given: default(**given),
    )  # fmt: skip


if __name__ == "__main__":
    main()
