"""Pictures of samplers, runs and sounds, by matplotlib's object interface: no window, no state shared with others."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core.audio import RATE_HZ
from acestep_core.comparison import T_BINS, RunFacts, smoothed
from acestep_core.errors import UserError
from acestep_core.spectrogram import envelope, spectrogram

if TYPE_CHECKING:
    import numpy as np

FORMATS = (".png", ".svg", ".pdf")
_T_AXIS = "t  (0 = data, 1 = noise)"
_DENSITY_BINS = 50
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d4d4d")  # of Okabe and Ito
_MARKERS = "os^Dv*P"
_TICKS_HZ = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
_QUIETEST_DB = -100


def check_picture(path: Path) -> None:
    """Raise `UserError` if no picture can be written there. Cheap, so that nothing is computed in vain."""
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{path} is no picture format that can be drawn", f"give a name ending in {' '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise UserError(f"There is no folder {path.parent}", f"mkdir {path.parent}")
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as e:
        raise UserError(f"Pictures need the package {e.name}", "pip install 'acestep-core[train]'") from e


def draw_samplers(samplers: "Mapping[str, tuple[np.ndarray, Sequence[float]]]", path: Path) -> None:
    """Density and schedule by name of the sampler, out of (t at an even grid of u, schedule)."""
    figure, (density, schedule) = _panels()
    for number, (name, (t, times)) in enumerate(samplers.items()):
        colour, marker = _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)]
        bins = {"bins": _DENSITY_BINS, "range": (0, 1), "density": True, "color": colour}
        density.hist(t, **bins, alpha=0.22)
        density.hist(t, **bins, histtype="step", linewidth=1.6)
        schedule.plot(range(len(times)), times, color=colour, linewidth=1.8, marker=marker, label=_literal(name))
    _label(density, "Where training takes its timesteps", _T_AXIS, "density")
    _label(schedule, "Inference schedule", "step", "t before the step")
    density.set_xlim(0, 1)
    schedule.set_ylim(-0.02, 1.02)
    _whole_numbers(schedule)
    _finish(figure, schedule, path)


def draw_runs(runs: Sequence[RunFacts], path: Path) -> None:
    """Loss over the steps, smoothed over a twentieth of them, and mean loss by timestep."""
    figure, (curves, bars) = _panels()
    width = 0.84 / T_BINS / len(runs)
    for number, run in enumerate(runs):
        colour = _COLOURS[number % len(_COLOURS)]
        steps, losses = [s for s, _ in run.losses], [loss for _, loss in run.losses]
        curves.plot(steps, losses, color=colour, alpha=0.25, linewidth=0.8)
        marker = "o" if len(losses) == 1 else None  # a line through one point cannot be seen
        curves.plot(steps, smoothed(losses, len(losses) // 20), color=colour, linewidth=2, marker=marker,
                    label=_literal(run.name))  # fmt: skip
        left = [(i + 0.08) / T_BINS + number * width for i in range(T_BINS)]
        bars.bar(left, [b or 0.0 for b in run.by_t], width, align="edge", color=colour)
    _label(curves, "Training loss (thin: every step)", "step", "loss")
    _label(bars, "Mean loss by timestep", _T_AXIS, "loss")
    bars.set_xticks([i / T_BINS for i in range(T_BINS + 1)])
    bars.set_xlim(0, 1)
    _whole_numbers(curves)
    _finish(figure, curves, path)


def draw_rate(found: Mapping[str, Any], path: Path) -> Path:
    """d*lr over the steps with its plateau and the chosen rate, and the loss; `found` is the content of a result."""
    figure, (rates, losses) = _panels()
    steps, rate, loss = zip(*found["curve"], strict=True)
    rates.plot(steps, rate, color=_COLOURS[0], linewidth=2, label="d*lr")
    named = "plateau" if found["stable"] else "last stable value"
    rates.axhline(found["plateau"], color=_COLOURS[6], linestyle=":", label=f"{named} {found['plateau']:.2e}")
    rates.axhline(found["rate"], color=_COLOURS[1], linestyle="--", label=f"chosen rate {found['rate']:.2e}")
    rates.set_yscale("log")
    losses.plot(steps, loss, color=_COLOURS[0], alpha=0.25, linewidth=0.8)
    losses.plot(steps, smoothed(loss, found["search"]["window"] // 5), color=_COLOURS[0], linewidth=2)
    _label(rates, "What the optimizer takes for the rate", "step", "d*lr")
    _label(losses, "Training loss (thin: every step)", "step", "loss")
    _whole_numbers(losses)
    return _finish(figure, rates, path)


def draw_layers(panels: "Mapping[str, Mapping[str, float]]", path: Path) -> Path:
    """Heat maps, blocks of the decoder by projections, of values by layer name; the title of each is its key.

    Values of 0 and layers without one stay white. Colours are logarithmic where values span more than a factor of ten.
    """
    import numpy as np
    from matplotlib.colors import LogNorm

    projections = sorted({_place(n)[1] for values in panels.values() for n in values}, key=_projection_order)
    blocks = 1 + max(_place(n)[0] for values in panels.values() for n in values)
    figure = _figure(1.5 + 5 * len(panels), max(3.5, 1.8 + 0.22 * blocks))
    for axes, (title, values) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        grid = np.full((blocks, len(projections)), np.nan)
        for name, value in values.items():
            block, projection = _place(name)
            grid[block, projections.index(projection)] = value if value > 0 else np.nan
        shown = grid[~np.isnan(grid)]
        norm = LogNorm() if len(shown) and shown.max() > 10 * shown.min() else None
        drawn = axes.imshow(grid, aspect="auto", cmap="viridis", norm=norm, interpolation="nearest")
        axes.set_xticks(range(len(projections)), projections, rotation=60, ha="right", fontsize=8)
        axes.set(title=_literal(title), ylabel="block")
        axes.yaxis.get_major_locator().set_params(integer=True)
        figure.colorbar(drawn, ax=axes, pad=0.02)
    return _save(figure, path)


def draw_sound(wave: "np.ndarray", path: Path, title: str = "", rate_hz: int = RATE_HZ) -> Path:
    """Waveform and spectrogram of a wave [channels, S] of any length."""
    import numpy as np

    figure = _figure(12, 7)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
    seconds = wave.shape[1] / rate_hz
    for channel, (low, high) in enumerate(zip(*envelope(wave), strict=True)):
        times = np.linspace(0, seconds, len(low))
        top.fill_between(times, low, high, color=_COLOURS[channel], alpha=0.6, linewidth=0.4)
    _label(top, _literal(title), "", "amplitude")
    top.set(ylim=(-1.02, 1.02), xlim=(0, seconds))
    level, edges = spectrogram(wave, rate_hz)
    times = np.linspace(0, seconds, level.shape[1] + 1)
    drawn = bottom.pcolormesh(times, edges, level, vmin=_QUIETEST_DB, vmax=0, cmap="magma", rasterized=True)
    bottom.set(yscale="log", xlabel="time in s", ylabel="frequency in Hz", ylim=(edges[0], edges[-1]))
    bottom.set_yticks(_TICKS_HZ, [f"{hz:g}" if hz < 1000 else f"{hz / 1000:g}k" for hz in _TICKS_HZ])
    figure.colorbar(drawn, ax=bottom, label="level in dBFS", pad=0.01)
    return _save(figure, path)


def _place(layer: str) -> tuple[int, str]:
    """(3, "self_attn.q_proj") of layers.3.self_attn.q_proj."""
    _, block, projection = layer.split(".", 2)
    return int(block), projection


def _projection_order(projection: str) -> tuple[int, str]:
    kinds = ("self_attn.", "cross_attn.", "mlp.")
    return next((i for i, kind in enumerate(kinds) if projection.startswith(kind)), len(kinds)), projection


def _panels() -> tuple[Any, Any]:
    figure = _figure(12, 5)
    return figure, figure.subplots(1, 2)


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _literal(name: str) -> str:
    """A name for the legend, where $ starts a formula and a leading _ means that nothing is shown."""
    return (" " if name.startswith("_") else "") + name.replace("$", r"\$")


def _label(axes: Any, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _whole_numbers(axes: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _finish(figure: Any, named: Any, path: Path) -> Path:
    """One legend below both panels, out of the names in one of them, and the file."""
    handles, _ = named.get_legend_handles_labels()
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), frameon=False)
    return _save(figure, path)


def _save(figure: Any, path: Path) -> Path:
    temporary = path.with_name(f".{path.name}.tmp")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name that the font cannot show costs no sentence
        figure.savefig(temporary, dpi=130, format=path.suffix.lower().removeprefix("."))
    return temporary.replace(path)
