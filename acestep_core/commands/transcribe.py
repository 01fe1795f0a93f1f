"""acestep-core transcribe"""

from pathlib import Path
from typing import Any

import click

from acestep_core.commands.choices import PluginName, chosen_options, executor_choice, plugin_choices
from acestep_core.commands.labelling import finish, folder_options
from acestep_core.registry import registry


@click.command("transcribe")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--transcriber", required=True, type=PluginName("transcribers"), metavar="NAME",
              help="Transcriber plugin. See: plugins list --kind transcribers.")  # fmt: skip
@click.option("--language", metavar="CODE", help="The language that is sung, such as en; a hint.")
@click.option(
    "--add-tags",
    is_flag=True,
    help="Put [Verse], [Chorus] and the like into lyrics that are there, without changing a word.",
)
@executor_choice
@folder_options("lyrics")
@plugin_choices
@click.pass_obj
def command(config: dict[str, Any], folder: Path, transcriber: str, executor: str, pairs: tuple[str, ...],
            **rest: Any) -> None:  # fmt: skip
    """Write {stem}.lyrics.txt beside the songs of FOLDER that have no lyrics.

    Lyrics that a person wrote stay. Who found them stands in {stem}.json. Run again, it goes on where it was and
    tries what failed; exit code 1 if a song failed, 130 if Ctrl-C stopped it.
    """
    chosen = {"transcriber": ("transcribers", transcriber), "executor": ("executors", executor)}
    options = chosen_options(pairs, config, registry(), chosen)
    finish(folder, executor, transcriber=transcriber, options=options, **rest)
