"""acestep-core samplers plot"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from acestep_core.api import TimestepSampler
from acestep_core.commands.choices import PluginName, chosen_options, plugin_choices, split_out
from acestep_core.console import print_json, table
from acestep_core.errors import UserError
from acestep_core.registry import registry
from acestep_core.schedule import check_schedule

if TYPE_CHECKING:
    import numpy as np

_GRID = 20_000
_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Shape:
    """A sampler's distribution: t at an even grid of u, and what follows from it without any random number."""

    t: "np.ndarray"
    mean: float
    quantiles: tuple[float, ...]
    """At `_SHARES`."""
    schedule: Sequence[float]


@click.group("samplers")
def command() -> None:
    """Draw timestep samplers: their density and schedule."""


@command.command("plot")
@click.argument("names", nargs=-1, required=True, type=PluginName("samplers"), metavar="NAME...")
@click.option("--steps", type=click.IntRange(1, 1000), default=8, show_default=True, help="Steps of the schedule.")
@click.option("--out", type=click.Path(path_type=Path), help="png, svg or pdf; -o FILE does the same.")
@plugin_choices
@click.option("--json", "as_json", is_flag=True, help="Print as JSON; draws only if a file is given.")
@click.pass_obj
def plot(config: dict[str, Any], names: tuple[str, ...], steps: int, out: Path | None, pairs: tuple[str, ...],
         as_json: bool) -> None:  # fmt: skip
    """Draw the density and the inference schedule of samplers side by side, and print their quantiles.

    -o takes the file to draw into (samplers.png if none is given) and options, such as -o uniform.low=0.1.
    """
    pairs, out = split_out(pairs, out, None if as_json else Path("samplers.png"))
    if out is not None:
        from acestep_core.plots import check_picture

        check_picture(out)
    chosen = {name: ("samplers", name) for name in names}
    options = chosen_options(pairs, config, registry(), chosen)
    shapes = {name: shape_of(registry().make("samplers", name, options[name]), steps) for name in chosen}
    if out is not None:
        from acestep_core.plots import draw_samplers

        draw_samplers({name: (shape.t, shape.schedule) for name, shape in shapes.items()}, out)
    _report(shapes, options, out, as_json)


def shape_of(sampler: TimestepSampler, steps: int) -> Shape:
    """Raises `UserError` if its t leave [0, 1] or its schedule does not fall to 0."""
    import torch

    t = sampler.sample((torch.arange(_GRID, dtype=torch.float64) + 0.5) / _GRID)
    if not bool(((t >= 0) & (t <= 1)).all()):
        raise UserError(f"The sampler '{sampler.name}' gives t from {t.min():g} to {t.max():g}", "t is from 0 to 1")
    schedule = sampler.schedule(steps)
    check_schedule(schedule)
    quantiles = sampler.sample(torch.tensor(_SHARES, dtype=torch.float64)).tolist()
    return Shape(t.numpy(), t.mean().item(), tuple(quantiles), schedule)


def _report(shapes: dict[str, Shape], options: dict[str, Any], out: Path | None, as_json: bool) -> None:
    if as_json:
        print_json({name: _as_json(shape) for name, shape in shapes.items()} | ({"picture": out} if out else {}))
        return
    percent = [f"{share:.0%}" for share in _SHARES]
    rows = [(n, f"{s.mean:.3f}", *(f"{q:.3f}" for q in s.quantiles)) for n, s in shapes.items()]
    table(("sampler", "mean t", *percent), rows, right=("mean t", *percent))
    for name, shape in shapes.items():
        click.echo(f"{name}: {' '.join(f'{t:.3f}' for t in shape.schedule)}")
    click.echo(f"drawn: {out}")


def _as_json(shape: Shape) -> dict[str, Any]:
    quantiles = {f"{share:g}": q for share, q in zip(_SHARES, shape.quantiles, strict=True)}
    return {"mean": shape.mean, "quantiles": quantiles, "schedule": list(shape.schedule)}
