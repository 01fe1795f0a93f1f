"""What `train` and `lr-find` share: the plugins of a training as options or a run file choose them, and its model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from acestep_core.commands.choices import chosen_options, extension_tables, open_model
from acestep_core.commands.run_files import remarks
from acestep_core.hooks import STEPS
from acestep_core.model import Model
from acestep_core.ranks import check_takes_ranks, load_ranks
from acestep_core.registry import registry
from acestep_core.run_file.places import PLUGINS

ADAPTER, SAMPLER = (PLUGINS[section][1] for section in ("adapter", "sampler"))
PROGRESS = "progress@acestep-core"
HOOKS = ("acestep_train_start", "acestep_train_step", "acestep_validation", "acestep_checkpoint", "acestep_train_end",
         "acestep_audio", *STEPS)  # fmt: skip

ranks_choice = click.option("--ranks", "ranks_file", type=click.Path(path_type=Path), metavar="FILE",
                            help="Layers and their ranks for a LoRA, which `estimate` wrote.")  # fmt: skip
progress_choice = click.option("--progress/--no-progress", default=True,
                               help="Show how far it is.  [default: progress]")  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """Plugins by section of a run file, the options of each, and the options of the extensions that take part."""

    names: Mapping[str, str]
    options: Mapping[str, Mapping[str, Any]]
    extensions: Mapping[str, Mapping[str, Any]]

    def opened(self, model: Path, variant: str | None, ranks: Path | None) -> tuple[Model, dict[str, Any]]:
        """The model, and what a training takes besides: adapter, sampler and the options of all."""
        adapter, options = self.names["adapter"], dict(self.options)
        if ranks is not None:
            check_takes_ranks(adapter, registry().load("adapters", adapter), options["adapter"])
        opened = open_model(model, variant, self.names["backend"], options["backend"])
        if ranks is not None:
            options["adapter"] = {**options["adapter"], **load_ranks(ranks, opened.hashes["dit"])}
        return opened, {"adapter": adapter, "sampler": self.names["sampler"], "options": options}


def chosen_for_training(
    ctx: click.Context,
    names: Mapping[str, str],
    pairs: Sequence[str],
    extensions: Sequence[str],
    *,
    progress: bool,
    speaks: bool = True,
) -> Chosen:
    """`names` by section: backend, adapter and sampler. What of the run file is not used is told, if it `speaks`."""
    if speaks:
        for remark in remarks(ctx, names):
            click.echo(f"note: {remark}", err=True)
    chosen = {section: (PLUGINS[section][0], name) for section, name in names.items()}
    if progress and "progress" not in {name.partition("@")[0] for name in extensions}:
        extensions = (PROGRESS, *extensions)
    heard = extension_tables(extensions, chosen)
    options = chosen_options(pairs, ctx.obj, registry(), chosen | heard)
    extended = {name: options.pop(table) for table, (_, name) in heard.items()}
    return Chosen(names, options, extended)
