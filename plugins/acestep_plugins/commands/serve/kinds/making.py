"""Jobs that make clips."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from acestep_core.adapters import UsedAdapter
from acestep_core.alignment.clips import open_clip, score_clip, time_clip
from acestep_core.alignment.listening import Listening
from acestep_core.alignment.timed import lrc
from acestep_core.audio import write_audio
from acestep_core.audio_format import AudioSettings, encoding_of
from acestep_core.checkpoint import open_checkpoint
from acestep_core.errors import FatalError, OutOfMemory, UserError
from acestep_core.events import Failed, Preview, Progress
from acestep_core.files import write_text
from acestep_core.generation import generating
from acestep_core.items import repeated
from acestep_core.lm.planner import think_with
from acestep_core.lm.requests import LmSettings
from acestep_core.lm.scoring import Scoring
from acestep_core.lm.thinking import Thinking, Thought
from acestep_core.model import Model
from acestep_core.observers import Observers
from acestep_core.options import option
from acestep_core.registry import registry
from acestep_core.request import GenerateRequest, resolve
from acestep_plugins.commands.serve.kinds.asked import Asked, Shape
from acestep_plugins.commands.serve.kinds.kind import BACKENDS, Desk, Kind, ModelChoice
from acestep_plugins.commands.serve.kinds.wording import worded


@dataclass(frozen=True, kw_only=True)
class Making:
    """How many clips, and what becomes of them."""

    count: int = option(1, "how many clips, with seeds that follow each other", ge=1, le=8)
    batch_size: int | None = option(None, "clips made at once; as the device likes unless given", ge=1, le=8)
    preview_every: int = option(0, "write what it sounds like every so many steps; 0 = never", ge=0)
    format: Literal["flac", "wav", "mp3", "ogg", "opus"] = option("flac", "format of the files")
    lrc: bool = option(False, "write when each line is sung beside each clip")
    score: bool = option(False, "score each clip by how it goes with what was asked for")
    query: str = option("", "a sentence of which the language model makes caption, lyrics and the rest first")
    rewrite: bool = option(False, "have the language model word caption and lyrics anew first")
    own_adapters: bool = option(False, "use the adapters of this request alone, and not those the server has on")


@dataclass(frozen=True, kw_only=True)
class AdapterUse:
    """Adapters that are heard, each with a strength."""

    path: Path = option(help="adapter file or folder")
    scale: float = option(1.0, "its strength")


def _settled(asked: Asked) -> Asked:
    seed = asked[GenerateRequest].seed
    return asked.having(seed=secrets.randbits(32)) if seed is None else asked


def _check(asked: Asked) -> None:
    choice, request, making = asked[ModelChoice], asked[GenerateRequest], asked[Making]
    if making.query and (request.caption or request.lyrics or making.rewrite):
        raise UserError("query makes caption and lyrics itself", "leave caption, lyrics and rewrite out, or query")
    if making.rewrite and not (request.caption.strip() or request.lyrics.strip()):
        raise UserError("There is nothing to rewrite", "give a caption or lyrics, or a query")
    resolve(replace(asked[GenerateRequest], task=asked.task), open_checkpoint(choice.model, choice.variant).dit)
    encoding_of(Path(f"clip.{asked[Making].format}"), asked.tables["audio"])


def make(asked: Asked, desk: Desk) -> dict[str, Any]:
    """Clips with their records beside them. What fails is told; the job fails if nothing was made."""
    making, audio, options = asked[Making], asked.tables["audio"], asked.using(desk.config)
    base = replace(asked[GenerateRequest], task=asked.task)
    model = desk.model(asked)
    if making.query or making.rewrite:
        base = worded(base, making.query, asked, desk)
    requests = list(repeated(base, making.count))
    thoughts = _thoughts(asked, model, requests, desk)
    clips: list[Path] = []
    failed: list[UserError] = []
    how = {"options": {n: options[n] for n in ("solver", "schedule") if n in options}, "batch_size": making.batch_size}
    adapters = [UsedAdapter(a.path, a.scale) for a in asked.lists["adapters"]]
    observers = Observers(registry().manager)
    asked_for = [t.request for t in thoughts] or requests
    for event in generating(model, asked_for, adapters=adapters, preview_every=making.preview_every, **how):
        path = desk.folder / f"clip-{event.item + 1}.{making.format}"
        if isinstance(event, Progress):
            desk.progress(event.stage, event.done, event.total, item=event.item)
        elif isinstance(event, Preview):
            beside = path.with_stem(f"{path.stem}.step-{event.step}")
            write_audio(beside, event.wave, settings=audio)
            desk.ready(beside)
        elif isinstance(event, Failed):
            desk.note(f"{path.name}: {event.error}")
            failed.append(event.error)
        else:
            clip = event.clip
            if thoughts:
                clip = replace(clip, record={**clip.record, "plan": thoughts[event.item].record})
            clip.save(path, audio)
            desk.ready(path)
            observers.notify("acestep_audio", request=event.request, clip=clip, path=path)
            clips.append(path)
    if not clips:
        raise failed[0]
    told = [_about(model, path, making, desk) for path in sorted(clips)]
    return {"clips": told, "failed": [e.as_plain() for e in failed]}


def _thoughts(asked: Asked, model: Model, requests: Sequence[GenerateRequest], desk: Desk) -> list[Thought]:
    thinking = asked.tables["thinking"]
    if not thinking.any:
        return []

    def tell(stage: str, index: int, said: int, total: int | None) -> None:
        desk.progress(stage, said, total, "tokens", index)

    return think_with(model, requests, thinking, asked.tables["lm_settings"], on_choice=desk.note, on_token=tell)


def _about(model: Model, path: Path, making: Making, desk: Desk) -> dict[str, Any]:
    clip = open_clip(path)
    record = clip.record.content
    about = {"file": path.name, "record": f"{path.name}.json", "seed": record["request"]["seed"],
             "duration_s": clip.duration_s, "notes": record["notes"], "request": record["request"]}  # fmt: skip
    if making.lrc:
        try:
            write_text(path.with_suffix(".lrc"), lrc(time_clip(model, clip, Listening())))
            about["lrc"] = path.with_suffix(".lrc").name
        except (OutOfMemory, FatalError):
            raise
        except UserError as e:
            desk.note(f"{path.name} gets no .lrc: {e}")
    if making.score:
        about["scores"] = score_clip(model, clip, Listening(), Scoring()).describe()
    return about


GENERATE = Kind(
    name="generate",
    about="Make clips of words, songs or audio codes.",
    shape=Shape(
        flat=(GenerateRequest, Making, ModelChoice),
        tables={"thinking": Thinking, "lm_settings": LmSettings, "audio": AudioSettings},
        lists={"adapters": AdapterUse},
        plugins={"solver": ("solvers", "solver"), "schedule": ("samplers", "schedule"), **BACKENDS},
        task=True,
    ),
    work=make,
    check=_check,
    complete=_settled,
)
