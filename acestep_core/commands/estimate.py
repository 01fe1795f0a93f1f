"""acestep-core estimate"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from acestep_core.commands.choices import (
    PluginName,
    chosen_options,
    made,
    model_choices,
    open_model,
    plugin_choices,
    settings_options,
)
from acestep_core.console import STOPPED, Ticker, print_json, table
from acestep_core.errors import UserError
from acestep_core.estimating import RESULT, Estimate, EstimateSettings, estimate
from acestep_core.rank_sharing import RANKS, chosen_layers, estimate_facts, parameters_of, ranked, share_out
from acestep_core.ranks import LEAST, MOST, read_budget
from acestep_core.registry import registry
from acestep_core.scores import LayerScore

SAMPLER = "logit_normal"
PICTURE = "estimate.png"
_UNSURE = 0.7  # rank correlation of repeats below which the order of layers is doubtful


@click.command("estimate")
@click.argument("encoded", type=click.Path(path_type=Path))
@model_choices
@click.option("--sampler", type=PluginName("samplers"), metavar="NAME",
              help=f"Timestep sampler plugin of the focus balanced.  [default: {SAMPLER}]")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("estimate"), show_default=True)
@settings_options(EstimateSettings)
@click.option("--by", type=click.Choice(("fisher", "sensitivity")), default="fisher", show_default=True,
              help="The score that ranks layers.")  # fmt: skip
@click.option("--layers", "patterns", multiple=True, metavar="PATTERN",
              help="Only layers whose whole name fits this regular expression; may be repeated.")  # fmt: skip
@click.option("--top", type=click.IntRange(0), default=20, show_default=True, help="Layers shown; 0 = all.")
@click.option("--budget", metavar="PARAMETERS", help="Share out so many, such as 20M, and write ranks.json.")
@click.option("--average-rank", type=click.FloatRange(0, min_open=True),
              help="Likewise what a LoRA of this rank in every layer would have.")  # fmt: skip
@click.option("--min-rank", type=click.IntRange(0, 1024), help=f"0 leaves layers out.  [default: {LEAST}]")
@click.option("--max-rank", type=click.IntRange(1, 1024), help=f"The largest rank of a layer.  [default: {MOST}]")
@click.option("--png", is_flag=True, help="Draw blocks by projections, as estimate.png in --out.")
@plugin_choices
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.pass_obj
def command(config: dict[str, Any], encoded: Path, model: Path, variant: str | None, backend: str,
            sampler: str | None, out: Path, by: str, patterns: tuple[str, ...], top: int, budget: str | None,
            average_rank: float | None, min_rank: int | None, max_rank: int | None, png: bool, pairs: tuple[str, ...],
            as_json: bool, **given: Any) -> None:  # fmt: skip
    """Find which layers of the decoder the songs in ENCODED move most, by the gradients of its own weights.

    Songs measured before with the same settings are not measured again, so a stopped estimate is gone on with by the
    same command, and another --budget costs nothing. Exit code 1 if a song could not be measured.
    """
    settings = made(EstimateSettings, given)
    if sampler is not None and settings.focus != "balanced":
        raise UserError(f"--sampler does nothing with the focus {settings.focus}", "leave it out")
    if budget is not None and average_rank is not None:
        raise UserError("--budget and --average-rank say the same thing twice", "give one of them")
    shared_out = budget is not None or average_rank is not None
    if not shared_out and (min_rank is not None or max_rank is not None):
        raise UserError("--min-rank and --max-rank do nothing without a budget", "add --budget 20M, or --average-rank")
    parameters = read_budget(budget) if budget is not None else None
    if png:
        _check_picture(out)
    chosen = {"backend": ("backends", backend)}
    if settings.focus == "balanced":
        chosen["sampler"] = ("samplers", sampler or SAMPLER)
    options = chosen_options(pairs, config, registry(), chosen)
    opened = open_model(model, variant, backend, options["backend"])
    result = run(encoded, opened, out, settings, sampler=sampler or SAMPLER, options=options.get("sampler"))
    if result.stopped:
        click.echo(f"Stopped after {result.kept + result.measured} of {result.total} measurements; "
                   "the same command goes on from there.", err=True)  # fmt: skip
        sys.exit(STOPPED)
    layers = ranked(chosen_layers(result.layers, patterns), by)
    ranks = None
    if shared_out:
        limits = (LEAST if min_rank is None else min_rank, MOST if max_rank is None else max_rank)
        ranks = share_out(layers, by, parameters, average_rank, limits, result)
    if png:
        _draw(layers, by, ranks, out / PICTURE)
    report(result, layers, by, ranks, top=top, picture=out / PICTURE if png else None, as_json=as_json)
    sys.exit(1 if result.problems else 0)


def run(encoded: Path, model: Any, out: Path, settings: EstimateSettings, **rest: Any) -> Estimate:
    """Estimate with progress on stderr."""
    tickers: list[Ticker] = []

    def tell(done: int, total: int, name: str) -> None:
        if tickers:
            tickers[0].update(done, name)
        else:
            tickers.append(Ticker("estimate", total, done))

    return estimate(encoded, model, out, settings, on_song=tell, **rest)


def report(
    result: Estimate,
    layers: Sequence[LayerScore],
    by: str,
    ranks: Mapping[str, int] | None,
    *,
    top: int,
    picture: Path | None,
    as_json: bool,
) -> None:
    if as_json:
        files = {"result": result.folder / RESULT, "picture": picture,
                 "ranks": result.folder / RANKS if ranks else None}  # fmt: skip
        print_json({**files, **estimate_facts(result, layers, by, ranks)})
        return
    _show(layers[: top or None], by, ranks)
    if top and len(layers) > top:
        click.echo(f"{len(layers) - top} more layers are in {result.folder / RESULT}; --top 0 shows all.")
    if result.agreement is not None:
        doubt = ": too little to trust the order, give more --repeats or --draws" if result.agreement < _UNSURE else ""
        click.echo(f"The repeats rank the layers alike to {result.agreement:.2f} (1 = the same){doubt}")
    for name, problem in result.problems.items():
        click.echo(f"left out {name}: {problem}")
    click.echo(f"result: {result.folder / RESULT}")
    if picture is not None:
        click.echo(f"drawn: {picture}")
    if ranks:
        kept = sum(rank > 0 for rank in ranks.values())
        click.echo(f"{parameters_of(layers, ranks):,} parameters in {kept} layers: "
                   f"train --adapter lora --ranks {result.folder / RANKS}")  # fmt: skip


def _show(layers: Sequence[LayerScore], by: str, ranks: Mapping[str, int] | None) -> None:
    columns = ["layer", "fisher", "spread", "sensitivity", "spread ", *(["rank"] if ranks else [])]
    rows = [
        [layer.name, _number(layer.fisher), _share(layer.fisher_spread, layer.fisher), _number(layer.sensitivity),
         _share(layer.sensitivity_spread, layer.sensitivity), *([ranks[layer.name]] if ranks else [])]
        for layer in layers
    ]  # fmt: skip
    table(columns, rows, right=columns[1:])


def _number(value: float) -> str:
    return f"{value:.3g}"


def _share(spread: float | None, mean: float) -> str:
    return "-" if spread is None or not mean else f"±{spread / mean:.0%}"


def _check_picture(out: Path) -> None:
    from acestep_core.plots import check_picture

    out.mkdir(parents=True, exist_ok=True)
    check_picture(out / PICTURE)


def _draw(layers: Sequence[LayerScore], by: str, ranks: Mapping[str, int] | None, path: Path) -> None:
    from acestep_core.plots import draw_layers

    panels = {by: {layer.name: getattr(layer, by) for layer in layers}}
    panels |= {"rank": dict(ranks)} if ranks else {}
    draw_layers(panels, path)
