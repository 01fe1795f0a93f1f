"""What each timestep sampler does to an adapter: validation loss, and how well clips then follow prompt and style.

On acestep-nano: pieces of a style that it never heard are trained on with the same steps, seed and noise, a few of
them held out. Told are the loss of those by timestep (on the same noise for all), and of new clips asked for with the
trigger word and keys and tempos of further such pieces: tempo and key as in nano.py, and the share of the style as in
nano_adapter.py.

Needs contrib/acestep-nano installed. There is no target: it compares. `--seeds` shows how far a seed moves a figure.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from acestep_nano.composing import compose
from acestep_nano.hearing import style_shares
from acestep_nano.pieces import HELD_OUT, Piece
from acestep_nano.rendering import render
from nano import scores
from nano_adapter import ASKED, encoded_pieces, in_style

from acestep_core import TrainSettings, train
from acestep_core.adapters import UsedAdapter
from acestep_core.encoded import EncodedSet
from acestep_core.model import Model, load_backend
from acestep_core.registry import registry
from acestep_core.run import Run

LEARNT = range(710_000_000, 710_000_024)
HEARD = ("tempo", "key", "style")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("nano-base"))
    parser.add_argument("--adapter", default="lokr")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1])
    parser.add_argument("--samplers", nargs="*", help="all that are installed, unless given")
    given = parser.parse_args()
    model = load_backend("pt", model=given.model)
    pieces = [compose(seed, **HELD_OUT) for seed in ASKED]
    names = given.samplers or [k.name for k in registry().known("samplers")]
    with tempfile.TemporaryDirectory() as place:
        songs, alone = EncodedSet.open(encoded_pieces(model, LEARNT, Path(place), held_out=0.25)), None
        for name in names:
            runs = [learnt(songs, model, name, seed, Path(place), given) for seed in given.seeds]
            if alone is None:
                alone = validations(runs[0])[0]
                columns = ["loss", *(f"t={t:g}" for t in alone["t"]), *HEARD]
                print(f"{'':<20}" + "".join(f"{column:>8}" for column in columns))
                of_pieces = adherence(pieces, [render(p) for p in pieces])
                show("the pieces", [*[np.nan] * (len(columns) - len(of_pieces)), *of_pieces])
                show("no adapter", losses(alone) + adherence(pieces, in_style(model, pieces)))
            heard = [in_style(model, pieces, (UsedAdapter(run.adapter),)) for run in runs]
            rows = [losses(validations(run)[-1]) + adherence(pieces, waves)
                    for run, waves in zip(runs, heard, strict=True)]  # fmt: skip
            show(name, np.mean(rows, axis=0))
            if len(rows) > 1:
                show("  spread", np.std(rows, axis=0))


def learnt(
    songs: EncodedSet, model: Model, sampler: str, seed: int, place: Path, given: argparse.Namespace
) -> Run:  # fmt: skip
    settings = TrainSettings(
        steps=given.steps, batch_size=6, learning_rate=given.rate, seed=seed, validate_every=given.steps, save_every=0
    )
    how = {"adapter": given.adapter, "sampler": sampler, "settings": settings}
    return train(songs, model, out=place / f"{sampler}-{seed}", **how).run


def validations(run: Run) -> list[dict[str, Any]]:
    """Of the model alone, and after the last step."""
    return [record for record in run.metrics() if record["event"] == "validation"]


def losses(validation: dict[str, Any]) -> list[float]:
    return [validation["loss"], *validation["by_t"]]


def adherence(pieces: Sequence[Piece], waves: Sequence[np.ndarray]) -> list[float]:
    heard = [[*scores(p, w)[:2], style_shares(w)[p.style]] for p, w in zip(pieces, waves, strict=True)]
    return [float(v) for v in np.mean(heard, axis=0)]


def show(name: str, numbers: Sequence[float]) -> None:
    print(f"{name:<20}" + "".join(f"{v:8.3f}" for v in numbers), flush=True)


if __name__ == "__main__":
    main()
