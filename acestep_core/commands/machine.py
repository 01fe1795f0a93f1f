"""acestep-core doctor"""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from acestep_core.commands.downloading import FOLDER, FOLDER_ENV
from acestep_core.console import print_json
from acestep_core.lm.fitting import short
from acestep_core.machine.examining import Use, troubles, use_of, uses
from acestep_core.machine.gpus import Gpu, find_gpus
from acestep_core.machine.probe import Probe
from acestep_core.machine.trouble import Trouble
from acestep_core.planning import gigabytes
from acestep_core.registry import registry
from acestep_core.tiers import Tier


@click.command("doctor")
@click.option("--vram", type=click.FloatRange(min=0, min_open=True), metavar="GB", multiple=True,
              help="Say what a GPU with so much memory, in 10^9 bytes, is good for; may be repeated.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def command(config: dict[str, Any], vram: tuple[float, ...], as_json: bool) -> None:
    """What is wrong with this machine and the command that mends it, and which models, lengths and batches it is for.

    Looks at PyTorch and torchaudio, GPUs and their drivers, what chosen backends need, and disks; changes nothing.
    Exit code 1 if something has to be mended. Of plugins: plugins doctor.
    """
    probe = Probe()
    if vram:
        good = [use_of(round(v * 1e9), registry(), f"a GPU of {v:g} GB") for v in vram]
        found: list[Trouble] = []
    else:
        models = Path(os.environ.get(FOLDER_ENV) or FOLDER)
        found = list(troubles(probe, config, models, registry()))
        good = list(uses(probe, config, registry()))
    if as_json:
        print_json(_facts(probe, [] if vram else find_gpus(probe), found, good, bool(vram)))
    else:
        if not vram:
            _show(probe, find_gpus(probe), found)
        for use in good:
            for line in _good_for(use):
                click.echo(line)
    sys.exit(1 if any(t.serious for t in found) or (vram and any(u.problem for u in good)) else 0)


def _facts(probe: Probe, gpus: list[Gpu], found: list[Trouble], good: list[Use], asked: bool) -> dict[str, Any]:
    facts = {"torch": asdict(probe.torch), "gpus": [asdict(g) for g in gpus],
             "troubles": [asdict(t) for t in found]} if not asked else {}  # fmt: skip
    used = [{"device": u.device, "problem": u.problem, "tier": u.tier and u.tier.describe()} for u in good]
    return facts | {"uses": used}


def _show(probe: Probe, gpus: list[Gpu], found: list[Trouble]) -> None:
    torch = probe.torch
    built = next((f"{n} {v}" for n, v in (("CUDA", torch.cuda), ("ROCm", torch.hip), ("XPU", torch.xpu)) if v), "")
    if not torch.problem:
        sees = ", ".join(torch.sees) or "no GPU"
        click.echo(f"PyTorch {torch.version}{f', built for {built}' if built else ''}; sees {sees}")
    for gpu in gpus:
        memory = f", {gigabytes(gpu.memory)}" if gpu.memory else ""
        click.echo(f"{gpu.name}{memory}, driver: {gpu.driver or 'none'}")
    for t in found:
        click.echo(f"{'problem' if t.serious else 'advice'}: {t.problem}\n  {t.mend}")
    if not found:
        click.echo("nothing to mend")


def _good_for(use: Use) -> list[str]:
    if use.tier is None:
        return [f"{use.device}: {use.problem}"]
    t = use.tier
    head = f"{use.device}, {gigabytes(t.budget)}: {_clips(t.batch, t.seconds, t.longest_s)}"
    if t.lm:
        head += f"; with acestep-5Hz-lm-{short(t.lm)} {_clips(t.lm_batch, t.seconds, t.lm_longest_s)}"
    lines = [head, f"  backend {t.backend}, {_how(t)}", f"  because {'; '.join(t.why)}"]
    return lines + [f"  {t.note}"] * bool(t.note)


def _clips(batch: int, seconds: float, longest_s: int) -> str:
    return f"{batch} x {seconds:g} s at once, one clip up to {longest_s} s"


def _how(t: Tier) -> str:
    weights = "weights as they are" if t.quantization == "none" else f"{t.quantization} weights"
    return f"{weights}, {'one part at a time' if t.one_at_a_time else 'all parts loaded'}"
