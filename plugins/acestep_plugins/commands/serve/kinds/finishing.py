"""Jobs on what was made: adapters for other programs, scores and times of clips; and on the model itself."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from acestep_core.adapter_export import FOLDERS as FOLDER_TARGETS
from acestep_core.adapter_export import adapter_of, export_adapters, named, scales_of
from acestep_core.adapters import UsedAdapter
from acestep_core.alignment.by_ctc import time_audio
from acestep_core.alignment.clips import open_clip, score_clip, time_clip
from acestep_core.alignment.ctc_model import CtcModel
from acestep_core.alignment.listening import Listening
from acestep_core.alignment.timed import TimedLine, lrc, merged
from acestep_core.checkpoint import open_checkpoint
from acestep_core.errors import UserError
from acestep_core.export_settings import ExportSettings
from acestep_core.files import write_text
from acestep_core.lm.scoring import Scoring
from acestep_core.options import option
from acestep_plugins.commands.serve.kinds.asked import Asked, Shape
from acestep_plugins.commands.serve.kinds.file_by_file import file_by_file
from acestep_plugins.commands.serve.kinds.kind import BACKENDS, FOLDERS, Desk, Kind, ModelChoice
from acestep_plugins.commands.serve.places import model_name

_BEGUN = ".begun"  # a file of an attempt, and no result of it


@dataclass(frozen=True, kw_only=True)
class Exporting:
    """What is exported, and for what."""

    sources: list[Path] = option(help="runs or adapters")
    to: str = option(help="the program: comfyui, diffusers, reference, lycoris, lora-svd, or merged for a whole model")
    out: Path | None = option(None, "file or folder; among the results of the job unless given")
    checkpoint: str | None = option(None, "of a run: best, last or a step; what it made in the end unless given")
    scales: list[float] = option([], "strength, 1 unless given; of several adapters one for each")
    model: Path | None = option(None, "folder with the model, where the weights are needed")
    variant: str | None = option(None, "which model, when the folder holds several")
    force: bool = option(False, "replace what is there")


@dataclass(frozen=True, kw_only=True)
class Clips:
    clips: list[Path] = option(help="generated clips; their records lie beside them")


@dataclass(frozen=True, kw_only=True)
class Aligning:
    """What is timed, and by what."""

    audio: list[Path] = option(help="audio files; generated clips unless ctc is given")
    ctc: Path | None = option(None, "time lyrics of any audio by this CTC model, a folder")
    lyrics: str | None = option(None, "with ctc: the words; those beside the audio unless given")
    merge_s: float = option(0.0, "show lines shorter than this together with the next", ge=0)


def export(asked: Asked, desk: Desk) -> dict[str, Any]:
    """An adapter for another program, read back and compared before it is called done."""
    about = asked[Exporting]
    paths = [adapter_of(source, about.checkpoint) for source in about.sources]
    adapters = [UsedAdapter(path, scale) for path, scale in scales_of(paths, about.scales).items()]
    opened = open_checkpoint(about.model, about.variant) if about.model else None
    out = about.out or desk.folder / named(about.sources[0], about.to).name
    force = about.force or _begun_before(desk, out)
    done = export_adapters(adapters, about.to, out, asked[ExportSettings], model=opened, force=force,
                           on_layer=lambda done, total: desk.progress("layers", done, total))  # fmt: skip
    if out.is_file():
        desk.ready(out, out.name)
    used = [{"path": str(a.path), "scale": a.scale} for a in adapters]
    return {"out": str(out), "to": about.to, "adapters": used, "notes": list(done.notes), "layers": list(done.layers)}


def _begun_before(desk: Desk, out: Path) -> bool:
    """Whether what is there now is of an attempt whose worker died: it had found nothing there."""
    before = any(desk.folder.parent.glob(f"*/{_BEGUN}"))
    if not out.exists():
        (desk.folder / _BEGUN).touch()
    return before


def score(asked: Asked, desk: Desk) -> dict[str, Any]:
    """How clips go with what was asked for."""
    model, clips = desk.model(asked), asked[Clips].clips
    found = file_by_file(
        clips, desk, lambda p: score_clip(model, open_clip(p), asked[Listening], asked[Scoring]).describe()
    )
    return {"clips": found[0], "problems": found[1]}


def align(asked: Asked, desk: Desk) -> dict[str, Any]:
    """When each line of lyrics is sung; an .lrc of each file is among the results."""
    about = asked[Aligning]
    timed = _by_ctc(about, desk) if about.ctc else _by_model(asked, desk)

    def written(path: Path) -> dict[str, Any]:
        lines = merged(timed(path), about.merge_s)
        target = desk.folder / f"{about.audio.index(path) + 1}-{path.stem}.lrc"
        write_text(target, lrc(lines))
        desk.ready(target)
        return {"lrc": target.name, "lines": [asdict(line) for line in lines]}

    found = file_by_file(about.audio, desk, written)
    return {"songs": found[0], "problems": found[1]}


def load(asked: Asked, desk: Desk) -> dict[str, Any]:
    """Load a model, and have requests mean it that name none."""
    model, choice = desk.model(asked), asked[ModelChoice]
    parts = ("dit", "codec", "text")
    for done, part in enumerate(parts, 1):
        model.part(part)
        desk.progress("load", done, len(parts), part)
    chosen = {**vars(choice), "model": model_name(choice.model, choice.variant)}
    desk.keep("choice", {**chosen, "options": {n: dict(t) for n, t in asked.options.items()}})
    return desk.loaded()


def unload(asked: Asked, desk: Desk) -> dict[str, Any]:
    """Let go of the model; the next job that needs it loads it again."""
    desk.release()
    return desk.loaded()


def _by_model(asked: Asked, desk: Desk) -> Callable[[Path], list[TimedLine]]:
    model = desk.model(asked)
    return lambda path: time_clip(model, open_clip(path), asked[Listening])


def _by_ctc(about: Aligning, desk: Desk) -> Callable[[Path], list[TimedLine]]:
    model = CtcModel(about.ctc)

    def tell(done: int, total: int) -> None:
        desk.progress("hear", done, total)

    return lambda path: time_audio(model, path, about.lyrics, tell)


def _check_export(asked: Asked) -> None:
    about = asked[Exporting]
    if not about.sources:
        raise UserError("There is nothing to export", "name a run or an adapter in sources")
    if about.variant is not None and about.model is None:
        raise UserError("variant does nothing without model", "give model, or leave it out")
    if about.to in FOLDER_TARGETS and about.out is None:
        raise UserError(f"{about.to} writes a folder", "say where: out")


def _check_align(asked: Asked) -> None:
    about = asked[Aligning]
    if about.lyrics is not None and about.ctc is None:
        raise UserError("lyrics does nothing without ctc: the record has them", "leave it out, or give ctc")


EXPORT = Kind(
    name="export",
    about="Write an adapter for another program, or into a model.",
    shape=Shape(flat=(Exporting, ExportSettings)),
    work=export,
    check=_check_export,
    lane=FOLDERS,
    limited=False,
)
SCORE = Kind(
    name="score",
    about="Score clips by how they go with what was asked for.",
    shape=Shape(flat=(Clips, Scoring, Listening, ModelChoice), plugins=BACKENDS),
    work=score,
)
ALIGN = Kind(
    name="align",
    about="Say when each line of lyrics is sung.",
    shape=Shape(flat=(Aligning, Listening, ModelChoice), plugins=BACKENDS),
    work=align,
    check=_check_align,
)
LOAD = Kind(
    name="load",
    about="Load a model, which requests then mean that name none.",
    shape=Shape(flat=(ModelChoice,), plugins=BACKENDS),
    work=load,
    check=lambda asked: open_checkpoint(asked[ModelChoice].model, asked[ModelChoice].variant) and None,
)
UNLOAD = Kind(name="unload", about="Let go of the model.", shape=Shape(flat=()), work=unload)
