"""acestep-core demo"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import click

from acestep_core.adapters import UsedAdapter
from acestep_core.audio import read_stereo
from acestep_core.bundled import NANO
from acestep_core.clip import Clip
from acestep_core.commands import encode, generating, scan, train
from acestep_core.console import clock, table
from acestep_core.data import Song
from acestep_core.dataset import Dataset
from acestep_core.demonstration.character import Character, apart, character
from acestep_core.demonstration.pictures import draw_pair
from acestep_core.encode_settings import EncodeSettings
from acestep_core.errors import UserError
from acestep_core.model import Model, load_backend
from acestep_core.registry import registry
from acestep_core.request import GenerateRequest
from acestep_core.samples.settings import SampleSettings
from acestep_core.train_settings import TrainSettings

TRAINING = TrainSettings(steps=150, learning_rate=6e-3, batch_size=3)
_ABOUT = """acestep-nano: a complete model of 3 million weights that comes with the package. It was taught by pieces
that a program composed, so it plays notes and not songs: a model for teaching and tests, not a small ACE-Step."""
PROMPTS = {
    "waltz": GenerateRequest(caption="a gentle waltz with accordion", bpm=144, keyscale="D major", timesignature="3",
                             duration_s=10.0, seed=1),
    "night": GenerateRequest(caption="a driving bass riff with drums", bpm=116, keyscale="F# minor",
                             timesignature="4", duration_s=10.0, seed=2),
    "lantern": GenerateRequest(caption="rippling harp arpeggios, no drums", bpm=84, keyscale="Bb major",
                               timesignature="4", duration_s=10.0, seed=3),
}  # fmt: skip
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
@click.option("--model", type=click.Path(path_type=Path), default=Path(NANO), show_default=True,
              help="Checkpoints to use instead.")  # fmt: skip
def command(out: Path, model: Path) -> None:
    """The whole way on six bundled songs: generate, scan, encode, train a LoKr, generate again, and compare."""
    start = time.monotonic()
    if out.exists():
        raise UserError(f"{out} is there already", "delete it, or give another --out")
    out.mkdir(parents=True)
    opened = load_backend("pt", model=model)
    _say(1, "Generate: three prompts, by the model as it is")
    click.echo(_ABOUT if str(model) == NANO else f"Model: {model}")
    before = _generated(opened, out, "before", ())
    _say(2, "Scan: what the songs folder holds")
    dataset = Dataset.scan(bundled_songs())
    scan.show(dataset, as_json=False)
    _say(3, "Encode: audio and texts become training data")
    encode.report(encode.run(dataset, opened, out / "encoded", EncodeSettings()))
    _say(4, f"Train: a LoKr, {TRAINING.steps} steps")
    # A few-step model has to learn anew what it runs at, and nothing else.
    how = {"sampler": "turbo_steps"} if opened.info.turbo else {}
    train.tell(train.run(out / "encoded", opened, out / "run", TRAINING, samples=SampleSettings(count=0), **how))
    _say(5, "Generate: the same prompts and seeds, with the adapter")
    after = _generated(opened, out, "after", (UsedAdapter((out / "run" / "adapter").resolve()),))
    _say(6, "Compare: what can be measured, and pictures (spectrograms, above before and below after)")
    _compare(before, after, [song.path for song in dataset.songs])
    for name in PROMPTS:
        picture = draw_pair(before[name].clip.wave, after[name].clip.wave, out / f"{name}.png")
        click.echo(f"{name}: {before[name].path}, {after[name].path}, {picture}")
    click.echo(f"\nDone in {clock(time.monotonic() - start)}{_memory()}. Everything is in {out}/.")
    click.echo(_REAL)


@dataclass(frozen=True)
class Heard:
    """A clip, its file, and what is measured of it."""

    clip: Clip
    path: Path
    tempo: str
    key: str
    character: Character


def _generated(model: Model, out: Path, when: str, adapters: tuple[UsedAdapter, ...]) -> dict[str, Heard]:
    heard = {}
    for name, request in PROMPTS.items():
        clip = generating.run(model, request, adapters)
        path = clip.save(out / f"{name}-{when}.flac")
        found = registry().make("annotators", "tempo_key").annotate(Song(path), ("bpm", "keyscale"))
        said = {k: str(v.value) if v.value is not None else "none" for k, v in found.items()}
        heard[name] = Heard(clip, path, said.get("bpm", "none"), said.get("keyscale", "none"), character(clip.wave))
    return heard


def _compare(before: dict[str, Heard], after: dict[str, Heard], songs: Sequence[Path]) -> None:
    """A table of both, and how far the clips are from the songs."""
    known = [character(read_stereo(path)) for path in songs]
    rows, away = [], {"before": 0.0, "after": 0.0}
    for name, request in PROMPTS.items():
        rows.append([name, "asked", request.bpm, request.keyscale, *[""] * 6])
        for when, heard in (("before", before[name]), ("after", after[name])):
            distance = apart(heard.character, known)
            away[when] += distance / len(PROMPTS)
            rows.append([name, when, heard.tempo, heard.key, *_shown(heard.character), f"{distance:.2f}"])
    rows += [[path.stem, "song", "", "", *_shown(c), ""] for path, c in zip(songs, known, strict=True)]
    numbers = ["onsets/s", "centre Hz", "low", "high", "held", "from songs"]
    table(["clip", "", "BPM", "key", *numbers], rows, right=["BPM", *numbers])
    means = ", ".join(f"{mean:.2f} {when}" for when, mean in away.items())
    click.echo(f"\nDistance to the songs, in spreads of theirs: {means}.")


def _shown(one: Character) -> list[str]:
    return [f"{one.onsets_per_s:.1f}", f"{one.centre_hz:.0f}", f"{one.low:.2f}", f"{one.high:.2f}", f"{one.held:.2f}"]


def bundled_songs() -> Path:
    """The example songs, in the installed package or in the source tree."""
    installed = Path(str(files("acestep_core"))) / "examples" / "songs"
    source = Path(__file__).parents[2] / "examples" / "songs"
    for folder in (installed, source):
        if folder.is_dir():
            return folder
    raise UserError("The example songs are not installed", "pip install --force-reinstall acestep-core")


def _say(number: int, text: str) -> None:
    click.echo(f"\n[{number}/6] {text}\n")


def _memory() -> str:
    """The most memory used, where the system tells."""
    try:
        import resource
    except ImportError:  # Windows
        return ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f", at most {peak / (2**30 if sys.platform == 'darwin' else 2**20):.1f} GB of memory"
