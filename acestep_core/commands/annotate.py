"""acestep-core annotate"""

from pathlib import Path
from typing import Any

import click

from acestep_core.commands.choices import PluginName, chosen_options, executor_choice, plugin_choices
from acestep_core.commands.labelling import finish, folder_options
from acestep_core.errors import UserError
from acestep_core.preparation import ANNOTATED
from acestep_core.registry import registry


@click.command("annotate")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--annotator", "chosen", required=True, multiple=True, type=PluginName("annotators"), metavar="NAME",
              help="Annotator plugin; repeat it, or a,b. The first that knows a field fills it.")  # fmt: skip
@click.option("--fields", default=",".join(ANNOTATED), show_default=True, help="What to ask for.")
@executor_choice
@folder_options("bpm,keyscale")
@plugin_choices
@click.pass_obj
def command(config: dict[str, Any], folder: Path, chosen: tuple[str, ...], fields: str, executor: str,
            pairs: tuple[str, ...], **rest: Any) -> None:  # fmt: skip
    """Fill what is missing of caption, tempo, key, metre, language and genre beside the songs of FOLDER.

    Values go into {stem}.json and {stem}.caption.txt, with who gave them and how sure. What a person wrote stays. Run
    again, it goes on where it was and tries what failed; exit code 1 if a song failed, 130 if Ctrl-C stopped it.
    """
    annotators = [n.strip() for text in chosen for n in text.split(",") if n.strip()]
    options = chosen_options(pairs, config, registry(), _tables(annotators) | {"executor": ("executors", executor)})
    finish(folder, executor, annotators=annotators, fields=fields.split(","), options=options, **rest)


def _tables(annotators: list[str]) -> dict[str, tuple[str, str]]:
    """The table for -o is 'annotator', or the annotator's own name where there are several."""
    if len(annotators) == 1:
        return {"annotator": ("annotators", annotators[0])}
    tables = {name.partition("@")[0]: ("annotators", name) for name in annotators}
    if len(tables) < len(annotators):
        raise UserError("Two of the annotators have the same name", "name each once")
    return tables
