"""What each adapter and timestep sampler learns: validation loss of songs held out, the model alone and after training.

The bundled example songs on a tiny model with random weights, two of them held out; every adapter of the package with
every sampler, the same steps, seed and noise. Such a model says that training works and compares its parts roughly; it
says nothing about music. Prints a table.

Target: after 200 steps every adapter is below the base with every sampler.
"""

import argparse
import tempfile
from pathlib import Path

from acestep_core import Dataset, EncodeSettings, TrainSettings, encode, load_backend, train
from acestep_core.commands.demo import bundled_songs
from acestep_core.console import table
from acestep_core.encoded import EncodedSet
from acestep_core.model import Model
from acestep_core.registry import registry

OURS = "acestep-core"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--adapter", nargs="*", help="all that are bundled, unless given")
    parser.add_argument("--sampler", nargs="*", help="likewise")
    given = parser.parse_args()
    adapters, samplers = given.adapter or bundled("adapters"), given.sampler or bundled("samplers")
    with tempfile.TemporaryDirectory() as place:
        songs, model = prepared(Path(place))
        losses: dict[tuple[str, str], tuple[float, float]] = {}
        for adapter in adapters:
            for sampler in samplers:
                losses[adapter, sampler] = learnt(songs, model, adapter, sampler, given.steps, Path(place))
    report(adapters, samplers, losses, given.steps)


def bundled(kind: str) -> list[str]:
    return [k.name for k in registry().known(kind) if k.dist == OURS]


def prepared(place: Path) -> tuple[EncodedSet, Model]:
    registry().make("backends", "pt").write_tiny(place / "models", "turbo")
    model = load_backend("pt", model=place / "models", device="cpu", dtype="float32")
    dataset = Dataset.scan(bundled_songs())
    dataset.hold_out(0.34, seed=0)
    return EncodedSet.open(encode(dataset, model, place / "encoded", EncodeSettings(seed=0)).folder), model


def learnt(songs: EncodedSet, model: Model, adapter: str, sampler: str, steps: int, place: Path) -> tuple[float, float]:
    """(base, adapter) validation loss."""
    settings = TrainSettings(steps=steps, validate_every=steps, save_every=0)
    out = place / f"{adapter}-{sampler}"
    run = train(songs, model, adapter=adapter, sampler=sampler, out=out, settings=settings).run
    return run.base(), run.validations()[-1][1]


def report(
    adapters: list[str], samplers: list[str], losses: dict[tuple[str, str], tuple[float, float]], steps: int
) -> None:
    base = next(iter(losses.values()))[0]
    print(f"validation loss after {steps} steps; {base:.4f} without any adapter")
    rows = [[a, *(f"{losses[a, s][1]:.4f} ({losses[a, s][1] / base - 1:+.1%})" for s in samplers)] for a in adapters]
    table(("adapter", *samplers), rows, right=samplers)
    worse = [f"{a} with {s}" for (a, s), (before, after) in losses.items() if after >= before]
    print(f"not below the base: {', '.join(worse)}" if worse else "All are below the base.")


if __name__ == "__main__":
    main()
