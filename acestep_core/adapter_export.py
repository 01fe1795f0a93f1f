"""Writes adapters for other programs, or into a model: finds what is meant, writes beside the place, then renames."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from acestep_core.adapters import NAMES, UsedAdapter, recognised
from acestep_core.checkpoint import Checkpoint
from acestep_core.errors import UserError, raise_all
from acestep_core.export_settings import Exported, ExportSettings
from acestep_core.merging import RECORD as MERGED_RECORD
from acestep_core.merging import base_weight, check_model, write_merged
from acestep_core.registry import Registry, registry
from acestep_core.run import ADAPTER, SETTINGS, Run

MERGED = "merged"
# Programs of the bundled adapters; plugins may know more.
TARGETS = ("comfyui", "diffusers", "reference", MERGED, "lora-svd", "lycoris")
FOLDERS = ("reference", MERGED, "lora-svd")
_ENDING = ".safetensors"

Told = Callable[[int, int], None]


def adapter_of(path: Path, checkpoint: str | None = None) -> Path:
    """The adapter that a run, or an adapter's own file or folder, stands for.

    `checkpoint` is best, last or a step of a run. Without it a run gives what it made, and one that is not finished
    its last checkpoint.
    """
    if not (path / SETTINGS).is_file():
        if checkpoint is not None:
            raise UserError(f"{path} is no run folder, so --checkpoint does nothing", "leave it out, or give the run")
        return path
    run = Run(path)
    if checkpoint is None and run.adapter.is_dir():
        return run.adapter
    there = dict(run.checkpoints())
    if not there:
        raise UserError(f"The run in {path} has no checkpoint", "train it to its first one: --save-every")
    step = _step(run, checkpoint or "last", sorted(there))
    if step not in there:
        steps = ", ".join(map(str, sorted(there)))
        raise UserError(f"The run in {path} has no checkpoint of step {step}", f"there are {steps}")
    return there[step]


def _step(run: Run, asked: str, steps: Sequence[int]) -> int:
    if asked == "last":
        return steps[-1]
    if asked == "best":
        best = run.best()
        if best is None:
            raise UserError(f"The run in {run.folder} was not validated, so none is the best", "say last, or a step")
        return best[0]
    if not asked.isdecimal():
        raise UserError(f"'{asked}' is no checkpoint", "say best, last or the number of a step")
    return int(asked)


def named(source: Path, to: str) -> Path:
    """run-comfyui.safetensors of run/adapter: where it is written unless the user says where."""
    source = source.resolve()
    plain = source.parent if source.is_file() and source.stem in NAMES else source
    plain = plain.parent if plain.name == ADAPTER else plain
    stem = plain.stem if plain.is_file() else plain.name
    return Path(f"{stem}-{to}" if to in FOLDERS else f"{stem}-{to}{_ENDING}")


def check_asked(
    to: str, adapters: Sequence[UsedAdapter], out: Path, settings: ExportSettings, model: Checkpoint | None
) -> None:
    """Raise `UserError` telling everything of what is asked for that does nothing or cannot be done."""
    idle = [f.name for f in fields(settings) if f.name in ("rank", "max_error", "dtype")
            and getattr(settings, f.name) is not None]  # fmt: skip
    single = to in TARGETS and to not in FOLDERS
    told = (
        (to == MERGED and model is None, "A merged model needs the model", "add --model DIR"),
        (to == MERGED and idle, f"{' and '.join(_flag(n) for n in idle)} does nothing for a merged model, which keeps "
         "its own precision", "leave it out"),
        (to != MERGED and len(adapters) > 1, f"{len(adapters)} adapters do not go into one file",
         "use --to merged, or export one after the other"),
        (single and out.suffix != _ENDING, f"{out} would be one file for {to}", f"call it {out.name}{_ENDING}"),
        (to in FOLDERS and out.suffix == _ENDING, f"{out} would be a folder for {to}", f"call it {out.stem}"),
    )  # fmt: skip
    raise_all([UserError(problem, hint) for wrong, problem, hint in told if wrong], "The command line")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def export_adapters(
    adapters: Sequence[UsedAdapter],
    to: str,
    out: Path,
    settings: ExportSettings | None = None,
    *,
    model: Checkpoint | None = None,
    plugins: Registry | None = None,
    force: bool = False,
    on_layer: Told = lambda done, total: None,
) -> Exported:
    """Write one adapter for a program, or any number of them into a model, to `out`.

    What is written is read back and compared; until it is the same, nothing is at `out`.
    """
    settings, plugins = settings or ExportSettings(), plugins or registry()
    check_asked(to, adapters, out, settings, model)
    kinds = [recognised(a.path, plugins) for a in adapters]
    if to == MERGED:
        assert model is not None
        return _merged(list(zip(adapters, kinds, strict=True)), out, settings, model, force, on_layer)
    (adapter,), (cls,) = adapters, kinds
    if to not in cls.exports:
        known = [*cls.exports, MERGED]
        raise UserError(f"The adapter '{cls.name}' is not written for '{to}'", f"use --to {' or '.join(known)}")
    weights = None
    if model is not None:
        check_model(adapter.path, cls.describe(adapter.path), model.dit)
        weights = base_weight(model.dit)
    _check_apart(out, [adapter.path])
    with placed(out, force) as place:
        return cls.export(adapter.path, to, place, settings, scale=adapter.scale, weights=weights, on_layer=on_layer)


def _merged(
    used: Sequence[tuple[UsedAdapter, Any]],
    out: Path,
    settings: ExportSettings,
    model: Checkpoint,
    force: bool,
    on_layer: Told,
) -> Exported:
    from acestep_core.clip import adapter_hash

    _check_apart(out, [model.dit.folder, model.root, *(a.path for a, _ in used)])
    for adapter, cls in used:
        check_model(adapter.path, cls.describe(adapter.path), model.dit)
    record: dict[str, Any] = {
        "model": model.dit.folder.name,
        "model_hash": model.dit.hash(),
        "adapters": [
            {"file": a.path.name, "hash": adapter_hash(a.path), "scale": a.scale,
             "header": dict(cls.describe(a.path).get("header", {}))}
            for a, cls in used
        ],
        **{k: v for k in ("trigger", "author", "license") if (v := getattr(settings, k)) is not None},
    }  # fmt: skip
    changes = [(cls.changes(a.path), a.scale) for a, cls in used]
    with placed(out, force, resumable=True) as place:
        changed = write_merged(model, changes, place, record, on_layer)
    return Exported([f"{changed} layers of {model.dit.folder.name} changed, every weight read back and compared"])


def _check_apart(out: Path, sources: Sequence[Path]) -> None:
    """Raise `UserError` where replacing `out` would take what it is made from."""
    within = [s for s in sources if s.resolve() == out.resolve() or out.resolve() in s.resolve().parents]
    if within:
        raise UserError(f"{out} holds {within[0]}, which it would be made from", "give another --out")


@contextmanager
def placed(out: Path, force: bool, resumable: bool = False) -> Iterator[Path]:
    """A place that becomes `out` when everything was written; after an error it is nothing.

    What a kill or Ctrl-C leaves there is deleted by the next one, or, if it is `resumable`, gone on with.
    """
    if out.exists() and not force:
        raise UserError(f"{out} is there already", "add --force to replace it, or give another --out")
    if out.is_dir() and not _replaceable(out):
        raise UserError(f"{out} holds something else than an export and is not replaced", "give another --out")
    place = out.with_name(f".{out.name}.tmp")
    if not resumable:
        _remove(place)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield place
        _remove(out)
        place.rename(out)
    except BaseException as e:
        if isinstance(e, Exception) or not resumable:
            _remove(place)
        if isinstance(e, OSError):
            raise UserError(f"{out} cannot be written ({e.strerror or e})", "give another --out") from e
        raise


def _replaceable(folder: Path) -> bool:
    """Whether a folder holds an adapter or a merged model and nothing besides."""
    inside = list(folder.iterdir())
    adapter = any((folder / f"{name}{_ENDING}").is_file() for name in NAMES) and all(p.is_file() for p in inside)
    return not inside or adapter or any((p / MERGED_RECORD).is_file() for p in inside)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def scales_of(paths: Sequence[Path], scales: Sequence[float]) -> Mapping[Path, float]:
    """The strength of each; one for all, or as many as there are adapters. Raises `UserError` for one given twice."""
    if len(set(paths)) < len(paths):
        raise UserError("The same adapter is given twice", "give it once, with the sum of the strengths")
    given = list(scales) * len(paths) if len(scales) == 1 else list(scales) or [1.0] * len(paths)
    if len(given) != len(paths):
        raise UserError(f"There are {len(paths)} adapters and {len(scales)} --scale", "give one, or one for each")
    return dict(zip(paths, given, strict=True))
