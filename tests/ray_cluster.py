"""Two machines of a Ray cluster on this one, and a plugin that says where it was asked and dies where it is told to."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

QUICK = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 300, "health_check_failure_threshold": 4}
MEMORY = 100 * 2**20
CONFIG = {"model_type": "acestep", "is_turbo": True, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
          "num_key_value_heads": 1, "head_dim": 8, "intermediate_size": 8}  # fmt: skip

PLUGIN = '''
import os
import time
from pathlib import Path

from acestep_core import Annotator, Backend, Value, hookimpl, option
from acestep_core.testing.fakes import ToyCodec


def asked(folder, what):
    """Writes down what was asked on which machine, where it then waits as long as it is held."""
    import ray

    node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else "here"
    with open(folder / "asked", "a") as file:
        file.write(f"{what} {node}\\n")
    if what.startswith("deadly") and node != "here":
        os._exit(1)
    while (folder / f"held.{node}").exists():
        time.sleep(0.05)
    time.sleep(0.02)


class Witness(Annotator):
    """Hears a tempo in the name of a song."""

    name = "witness"
    folder: Path = option(Path("said"), "where it writes")

    def annotate(self, song, wanted):
        asked(self.folder, song.path.stem)
        return {"bpm": Value(60 + len(song.path.stem), 0.9), "genre": Value("folk")}


class Toy(Backend):
    """Parts without weights."""

    name = "toy"
    parts = frozenset({"text", "codec", "dit"})
    folder: Path = option(Path("said"), "where it writes")

    def load(self, part, folder):
        return {"text": Text, "codec": lambda: Codec(self.folder), "dit": Dit}[part]()


class Codec(ToyCodec):
    def __init__(self, folder):
        self.folder = folder

    def encode(self, wave, seed):
        asked(self.folder, str(wave.shape[1]))
        return super().encode(wave, seed)


class Text:
    def count(self, text):
        return len(text.split())

    def caption(self, text):
        return [float(len(text))]

    lyrics = caption


class Dit:
    def condition(self, caption, lyrics):
        return [caption, lyrics]

    def numpy(self, states):
        import numpy as np

        return np.array(states, np.float32)


@hookimpl
def acestep_annotators():
    return [Witness]


@hookimpl
def acestep_backends():
    return [Toy]
'''


def write_model(folder: Path) -> Path:
    """Folders as a checkpoint has them, with no numbers in them."""
    for part in ("acestep-v15-turbo", "vae", "Qwen3-Embedding-0.6B"):
        (folder / part).mkdir(parents=True)
        (folder / part / "config.json").write_text(json.dumps(CONFIG if part == "acestep-v15-turbo" else {}))
        (folder / part / "model.safetensors").write_bytes(part.encode())
    return folder


@contextmanager
def cluster() -> Iterator[Any]:
    """Its head with one processor. Two at once on a machine would take each other's nodes for their own."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with FileLock(Path(tempfile.gettempdir()) / "acestep-tests-ray.lock"):
        yield from _alone()


def _alone() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": MEMORY, "_system_config": QUICK}
    made = Cluster(initialize_head=True, head_node_args=head)
    logs = made.head_node.get_session_dir_path()
    try:
        yield made
    finally:
        made.shutdown()
        shutil.rmtree(logs, ignore_errors=True)


def second(made: Any) -> Any:
    """Another machine joins, with one processor."""
    node = made.add_node(num_cpus=1, object_store_memory=MEMORY)
    made.wait_for_nodes()
    return node


def files(folder: Path, *left_out: str) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file() and p.name not in left_out}
