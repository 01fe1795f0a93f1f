"""How good the rate is that `lr-find` chooses: trainings with it, and with each rate of a grid.

The bundled example songs on a tiny model with random weights, two of them held out; LoRA and LoKr, several seeds. All
trainings have the same steps, seed and noise; what counts is the loss of the songs held out after the last step. Prints
a row per adapter and seed.

Target: the loss with the found rate is at most 1.05 of that with the best rate of the grid.
"""

import argparse
import tempfile
from pathlib import Path

from adapters_table import prepared

from acestep_core import TrainSettings, UserError, find_rate, train
from acestep_core.console import table
from acestep_core.encoded import EncodedSet
from acestep_core.model import Model
from acestep_core.rate_finding import FindSettings

TARGET = 1.05
GRID = (1e-4, 3.16e-4, 1e-3, 3.16e-3, 1e-2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--adapter", nargs="*", default=["lora", "lokr"])
    parser.add_argument("--seed", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--recipe", nargs="*", default=["prodigy"], help="prodigy, dadaptation")
    parser.add_argument("--rate", type=float, nargs="*", default=GRID)
    given = parser.parse_args()
    rows, worst = [], 0.0
    with tempfile.TemporaryDirectory() as place:
        songs, model = prepared(Path(place))
        for adapter in given.adapter:
            for seed in given.seed:
                folder = Path(place) / f"{adapter}-{seed}"
                grid = {rate: loss(songs, model, adapter, rate, seed, given.steps, folder) for rate in given.rate}
                for recipe in given.recipe:
                    row, ratio = compared(songs, model, adapter, seed, recipe, grid, given.steps, folder)
                    rows.append(row)
                    worst = max(worst, ratio)
                    print(*row, flush=True)
    rates = [f"{rate:.2e}" for rate in given.rate]
    named = ("adapter", "seed", "recipe", *rates, "plateau", "found", "loss", "of the best")
    print(f"\nloss of songs held out after {given.steps} steps, by rate; {TARGET} of the best at most is wanted")
    table(named, rows, right=named[1:])
    print(f"worst: {worst:.3f}, {'within' if worst <= TARGET else 'MISSES'} the target")


def compared(
    songs: EncodedSet, model: Model, adapter: str, seed: int, recipe: str, grid: dict[float, float], steps: int,
    folder: Path,
) -> tuple[list[str], float]:  # fmt: skip
    """A row of the table, and the found rate's loss in parts of the best of the grid."""
    settings, finding = TrainSettings(seed=seed), FindSettings(recipe=recipe)
    losses = [f"{value:.4f}" for value in grid.values()]
    try:
        found = find_rate(songs, model, folder / recipe, finding, adapter=adapter, settings=settings)
    except UserError as e:
        return [adapter, str(seed), recipe, *losses, "-", "-", e.problem, "-"], float("inf")
    own = loss(songs, model, adapter, found.rate, seed, steps, folder)
    ratio = own / min(grid.values())
    at = f"{found.plateau:.2e} (step {found.step})"
    return [adapter, str(seed), recipe, *losses, at, f"{found.rate:.2e}", f"{own:.4f}", f"{ratio:.3f}"], ratio


def loss(songs: EncodedSet, model: Model, adapter: str, rate: float, seed: int, steps: int, place: Path) -> float:
    """Of the songs held out, after a training."""
    settings = TrainSettings(steps=steps, learning_rate=rate, seed=seed, validate_every=steps, save_every=0)
    run = train(songs, model, adapter=adapter, out=place / f"{rate:g}", settings=settings).run
    return run.validations()[-1][1]


if __name__ == "__main__":
    main()
