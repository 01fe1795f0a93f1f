"""acestep-core score"""

import sys
from pathlib import Path
from typing import Any

import click

from acestep_core.alignment.clips import Scores, open_clip, score_clip
from acestep_core.alignment.listening import Listening
from acestep_core.commands.choices import made, model_choices, plugin_choices, settings_options
from acestep_core.commands.lm_choices import lm_choices, open_with_lm
from acestep_core.commands.one_by_one import one_by_one
from acestep_core.console import print_json
from acestep_core.lm.scoring import Scoring


@click.command("score")
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@model_choices
@lm_choices
@settings_options(Scoring)
@settings_options(Listening)
@plugin_choices
@click.option("--json", "as_json", is_flag=True, help="Print the scores as JSON.")
@click.pass_obj
def command(config: dict[str, Any], clips: tuple[Path, ...], model: Path, variant: str | None, backend: str,
            lm: str | None, lm_backend: str | None, pairs: tuple[str, ...], as_json: bool,
            **given: Any) -> None:  # fmt: skip
    """Score generated clips by how their audio goes with what was asked for, 0 to 1.

    lm: how far the language model would say these words of this audio; 0.5 is no difference. dit: how well the lyrics
    are followed, by the attention of the model. Both compare clips of one prompt; neither knows what sounds good.
    """
    opened = open_with_lm(model, variant, backend, lm, lm_backend, pairs=pairs, config=config)
    scoring, listening = made(Scoring, given), made(Listening, given)
    done: dict[str, dict[str, Any]] = {}
    problems: dict[str, str] = {}
    for path, scores in one_by_one(clips, lambda p: score_clip(opened, open_clip(p), listening, scoring), problems):
        done[str(path)] = scores.describe()
        if not as_json:
            _say(path, scores)
    if as_json:
        print_json({"clips": done, "problems": problems})
    unscored = any(d["lm"] is None and d["dit"] is None for d in done.values())
    sys.exit(1 if problems or unscored else 0)


def _say(path: Path, scores: Scores) -> None:
    click.echo(f"{path}:")
    if scores.lm:
        parts = ", ".join(f"{name} {value:.3f}" for name, value in scores.lm.parts.items())
        click.echo(f"  lm   {scores.lm.score:.3f}  {parts}")
    if scores.dit:
        d = scores.dit
        parts = f"coverage {d.coverage:.3f}, monotonicity {d.monotonicity:.3f}, confidence {d.confidence:.3f}"
        click.echo(f"  dit  {d.score:.3f}  {parts}")
    for problem in scores.problems:
        click.echo(f"  note: {problem}")
