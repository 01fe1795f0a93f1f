"""acestep-core demo"""

import sys
import time
from importlib.resources import files
from pathlib import Path

import click

from acestep_core.adapters import UsedAdapter
from acestep_core.commands import encode, generating, scan, train
from acestep_core.console import clock
from acestep_core.dataset import Dataset
from acestep_core.encode_settings import EncodeSettings
from acestep_core.errors import UserError
from acestep_core.model import Model, load_backend
from acestep_core.registry import registry
from acestep_core.request import GenerateRequest
from acestep_core.train_settings import TrainSettings

STEPS = 60
PROMPT = GenerateRequest(
    caption="a gentle acoustic waltz with accordion lead", bpm=144, keyscale="D major", timesignature="3",
    duration_s=8.0, seed=7,
)  # fmt: skip
_REAL = """
With real weights it is the same four commands. Put the original folders (acestep-v15-turbo/, vae/,
Qwen3-Embedding-0.6B/) into one folder MODELS, and your songs with their text files into SONGS:

  acestep-core scan SONGS
  acestep-core encode SONGS --model MODELS --out encoded
  acestep-core train encoded --model MODELS --adapter lokr --out run
  acestep-core generate --model MODELS --caption "..." --adapter run/adapter --seed 7 -o after.flac
"""


@click.command("demo")
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo-output"), show_default=True)
@click.option("--model", type=click.Path(path_type=Path), help="Use these checkpoints instead of tiny random ones.")
def command(out: Path, model: Path | None) -> None:
    """The whole way on six bundled songs: scan, encode, train a LoKr, generate before and after."""
    start = time.monotonic()
    if out.exists():
        raise UserError(f"{out} is there already", "delete it, or give another --out")
    out.mkdir(parents=True)
    _say(1, "Scan: what the songs folder holds")
    songs = bundled_songs()
    dataset = Dataset.scan(songs)
    scan.show(dataset, as_json=False)
    opened = _model(model, out)
    _say(3, "Encode: audio and texts become training data")
    encode.report(encode.run(dataset, opened, out / "encoded", EncodeSettings()))
    before = _generate(opened, out / "before.flac", ())
    _say(4, f"Train: a LoKr, {STEPS} steps")
    train.tell(train.run(out / "encoded", opened, out / "run", TrainSettings(steps=STEPS)))
    _say(5, "Generate: the same prompt and seed, without and with the adapter")
    after = _generate(opened, out / "after.flac", (UsedAdapter((out / "run" / "adapter").resolve()),))
    click.echo(f"before: {before}\nafter:  {after}")
    click.echo(f"\nDone in {clock(time.monotonic() - start)}{_memory()}. Everything is in {out}/.")
    click.echo(_REAL)


def bundled_songs() -> Path:
    """The example songs, in the installed package or in the source tree."""
    installed = Path(str(files("acestep_core"))) / "examples" / "songs"
    source = Path(__file__).parents[2] / "examples" / "songs"
    for folder in (installed, source):
        if folder.is_dir():
            return folder
    raise UserError("The example songs are not installed", "pip install --force-reinstall acestep-core")


def _model(given: Path | None, out: Path) -> Model:
    if given is not None:
        _say(2, f"Model: {given}")
        return load_backend("pt", model=given)
    _say(2, "Model: a tiny one with RANDOM weights. It runs everything, but what it makes is noise, not music")
    folder = out / "models"
    registry().make("backends", "pt").write_tiny(folder, "turbo")
    return load_backend("pt", model=folder)


def _generate(model: Model, path: Path, adapters: tuple[UsedAdapter, ...]) -> Path:
    return generating.run(model, PROMPT, adapters).save(path)


def _say(number: int, text: str) -> None:
    click.echo(f"\n[{number}/5] {text}\n")


def _memory() -> str:
    """The most memory used, where the system tells."""
    try:
        import resource
    except ImportError:  # Windows
        return ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f", at most {peak / (2**30 if sys.platform == 'darwin' else 2**20):.1f} GB of memory"
