"""Clips on their way to files: progress, previews, what is there already, and what is said at the end."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from acestep_core.adapters import UsedAdapter
from acestep_core.audio import write_audio
from acestep_core.audio_format import AudioSettings
from acestep_core.clip import Clip
from acestep_core.commands.audio_choices import draw_beside
from acestep_core.console import Ticker, clock, print_json
from acestep_core.errors import UserError
from acestep_core.events import Failed, Preview, Progress
from acestep_core.generation import generate, generating
from acestep_core.lm.thinking import Thought, before_thinking
from acestep_core.model import Model
from acestep_core.observers import Observers
from acestep_core.record import load_record
from acestep_core.registry import registry
from acestep_core.request import GenerateRequest, resolve
from acestep_core.saving import record_path


@dataclass(frozen=True)
class Written:
    """A clip and its file."""

    path: Path
    clip: Clip


@dataclass
class Done:
    """What came of a run: files written, files that were there, and what failed."""

    clips: list[Written] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    failed: dict[Path, UserError] = field(default_factory=dict)


def run(model: Model, request: GenerateRequest, adapters: tuple[UsedAdapter, ...] = ()) -> Clip:
    """One clip, with progress on stderr."""
    return generate(model, request, adapters=adapters, on_progress=Shown(1).tell)


def making(
    model: Model,
    requests: Sequence[GenerateRequest],
    out: Path,
    *,
    adapters: Sequence[UsedAdapter] = (),
    options: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    preview_every: int = 0,
    resume: bool = False,
    only: int | None = None,
    settings: AudioSettings | None = None,
    png: bool = False,
    thinks: Callable[[Model, Sequence[GenerateRequest]], list[Thought]] | None = None,
) -> Done:
    """Make them into files; with `only`, all are made but that one is written. What fails is told at once.

    `thinks` thinks those through that are to be made.
    """
    paths = [out] * len(requests) if only is not None else _numbered(out, len(requests))
    done = Done()
    todo = list(range(len(requests)))
    if resume:
        done.kept = [p for p, r in zip(paths, requests, strict=True) if _is_there(p, r, adapters, model)]
        todo = [i for i in todo if paths[i] not in done.kept]
    thoughts = thinks(model, [requests[i] for i in todo]) if thinks and todo else []
    asked = [t.request for t in thoughts] or [requests[i] for i in todo]
    shown, observers = Shown(len(todo)), Observers(registry().manager)
    how = {"adapters": adapters, "options": options, "batch_size": batch_size, "preview_every": preview_every}
    try:
        for event in generating(model, asked, **how):
            path = paths[todo[event.item]]
            if isinstance(event, Progress):
                shown.tell(event)
            elif only is not None and todo[event.item] != only:
                continue
            elif isinstance(event, Preview):
                beside = path.with_name(f"{path.stem}.step-{event.step}{path.suffix}")
                write_audio(beside, event.wave, settings=settings)
            elif isinstance(event, Failed):
                click.echo(f"Error: {path.name}: {event.error}", err=True)
                done.failed[path] = event.error
            else:
                clip = event.clip
                if thoughts:
                    clip = replace(clip, record={**clip.record, "plan": thoughts[event.item].record})
                clip.save(path, settings)
                if png:
                    draw_beside(clip.wave, path)
                done.clips.append(Written(path, clip))
                observers.notify("acestep_audio", request=event.request, clip=clip, path=path)
    except KeyboardInterrupt:
        click.echo(f"\nStopped: {len(done.clips)} of {len(todo)} clips are written. Go on with --resume.", err=True)
        raise
    return done


def report(done: Done, as_json: bool) -> None:
    """Ends the program with 1 if anything failed."""
    if as_json:
        records = [{"audio": w.path, **w.clip.record} for w in done.clips]
        failed = [{"audio": path, **e.as_plain()} for path, e in done.failed.items()]
        one = len(records) == 1 and not failed and not done.kept
        print_json(records[0] if one else {"clips": records, "there": done.kept, "failed": failed})
    else:
        for path in done.kept:
            click.echo(f"{path}: is there already")
        for written in done.clips:
            _say(written)
    if done.failed:
        sys.exit(1)


class Shown:
    """Progress of all items together, a line per stage."""

    def __init__(self, items: int):
        self._items = items
        self._tickers: dict[str, Ticker] = {}
        self._seen: dict[str, dict[int, Progress]] = {}

    def tell(self, p: Progress) -> None:
        """An item not heard of yet is taken for as long as this one."""
        if not p.done:
            return
        seen = self._seen.setdefault(p.stage, {})
        seen[p.item] = p
        total = sum(s.total for s in seen.values()) + (self._items - len(seen)) * p.total
        ticker = self._tickers.setdefault(p.stage, Ticker(p.stage, total))
        ticker.update(sum(s.done for s in seen.values()), total=total)


def _numbered(out: Path, count: int) -> list[Path]:
    if count == 1:
        return [out]
    width = len(str(count))
    return [out.with_name(f"{out.stem}-{i:0{width}}{out.suffix}") for i in range(1, count + 1)]


def _is_there(path: Path, request: GenerateRequest, adapters: Sequence[UsedAdapter], model: Model) -> bool:
    """Whether the file and its record are there. Raises `UserError` if they are of another request."""
    if not (path.exists() and record_path(path).exists()):
        return False
    made = load_record(record_path(path))
    plan = made.content.get("plan")
    before = before_thinking(plan, made.request) if plan else made.request
    asked, there = resolve(request, model.info), resolve(before, model.info)
    asked = replace(asked, seed=there.seed) if request.seed is None else asked
    if asked != there or tuple(adapters) != made.adapters:
        raise UserError(f"{path} is there already, and is another clip", "give another --out, or leave --resume out")
    return True


def _say(written: Written) -> None:
    record = written.clip.record
    for line in record["notes"]:
        click.echo(f"note: {line}")
    seconds = record["audio"]["samples"] / record["audio"]["rate_hz"]
    seed = record["request"]["seed"]
    click.echo(f"{written.path}: {clock(seconds)}, seed {seed}; record in {record_path(written.path)}")
