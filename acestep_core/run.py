"""A run folder: settings, metrics, checkpoints and the adapter. Killed at any moment, it can be gone on with.

run.toml (resolved settings), metrics.jsonl (a line per step), checkpoints/step-000500/, adapter/ (written last).
"""

import json
import shutil
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from acestep_core.config import dump_toml
from acestep_core.errors import UserError
from acestep_core.files import write_text

SETTINGS, METRICS, ADAPTER, CHECKPOINTS = "run.toml", "metrics.jsonl", "adapter", "checkpoints"
FOUND = "found_rate"  # the table that says where a rate that was searched for comes from


class Run:
    """One training run on disk."""

    def __init__(self, folder: Path):
        self.folder = folder

    @classmethod
    def open(cls, folder: Path, settings: Mapping[str, Any], same: tuple[str, ...], longer: bool = False) -> "Run":
        """A new run, or the unfinished one in `folder` if its tables named in `same` are equal.

        With `longer` the one there, which may be finished, is given the new length. Raises `UserError` if the folder
        holds a finished run, another run, or something else.
        """
        run = cls(folder)
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is a file, not a folder", "give another --out")
        if not folder.exists() or all(p.name.startswith(".") for p in folder.iterdir()):
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / SETTINGS, dump_toml(settings))
            return run
        if not (folder / SETTINGS).is_file():
            raise UserError(f"{folder} is not empty and holds no run", "give another --out")
        if run.adapter.is_dir() and not longer:
            raise UserError(f"The run in {folder} is finished", "give another --out, or more --steps with --extend")
        written = tomllib.loads(dump_toml(settings))
        differences = differing(run.settings(), written, same, _LENGTH if longer else ())
        if differences:
            raise UserError(
                f"{folder} holds an unfinished run with other settings:\n  " + "\n  ".join(differences),
                "repeat them to go on with it, or give another --out",
            )
        if longer:
            run._lengthen(settings)
        return run

    @property
    def adapter(self) -> Path:
        return self.folder / ADAPTER

    def settings(self) -> dict[str, Any]:
        path = self.folder / SETTINGS
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except ValueError as e:
            raise UserError(f"{path} is damaged ({e})", "give another --out, or delete the folder") from e

    def checkpoints(self) -> list[tuple[int, Path]]:
        """(step, folder) of every complete checkpoint, oldest first."""
        found = (self.folder / CHECKPOINTS).glob("step-*")
        numbered = [(p.name.removeprefix("step-"), p) for p in found]
        return sorted((int(step), p) for step, p in numbered if step.isdecimal())

    def at(self, step: int) -> Path:
        """The folder of that step's checkpoint."""
        return self.folder / CHECKPOINTS / f"step-{step:06d}"

    def best(self) -> tuple[int, float] | None:
        """(step, loss) of the smallest validation loss after the first step, the earliest of equal ones."""
        return min(self.validations(), key=lambda v: (v[1], v[0]), default=None)

    def validations(self) -> list[tuple[int, float]]:
        """(step, loss) of every validation after the first step."""
        return [(r["step"], r["loss"]) for r in self.metrics() if r["event"] == "validation" and r["step"]]

    def base(self) -> float | None:
        """The validation loss before the first step, which is that of the model alone."""
        found = (r["loss"] for r in self.metrics() if r["event"] == "validation" and not r["step"])
        return next(found, None)

    def checkpoint(self, step: int, write: Callable[[Path], None], keep: int) -> Path:
        """Write a checkpoint into a temporary folder, rename it, and delete all but the best and the last `keep`.

        With `keep` 0 none is deleted.
        """
        final = self.at(step)
        temporary = final.with_name(f".{final.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        write(temporary)
        shutil.rmtree(final, ignore_errors=True)
        temporary.rename(final)
        best = self.best() or (0,)
        for number, old in self.checkpoints()[:-keep] if keep else ():
            if number != best[0]:
                shutil.rmtree(old)
        return final

    def finish(self, write: Callable[[Path], None]) -> Path:
        """Write the adapter folder; its existence says that the run is finished."""
        temporary = self.folder / f".{ADAPTER}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        write(temporary)
        temporary.rename(self.adapter)
        return self.adapter

    def _lengthen(self, settings: Mapping[str, Any]) -> None:
        """The adapter made so far is kept under the name of its step; run.toml tells the lengths it had before."""
        before = self.settings()
        if self.adapter.is_dir():
            made = next(reversed(self.checkpoints()), (before["train"]["steps"],))[0]
            kept = self.adapter.with_name(f"{ADAPTER}-{made:06d}")
            shutil.rmtree(kept, ignore_errors=True)
            self.adapter.rename(kept)
        earlier = [*before.get("extended", {}).get("steps", []), before["train"]["steps"]]
        write_text(self.folder / SETTINGS, dump_toml({**settings, "extended": {"steps": earlier}}))

    def log(self, record: Mapping[str, Any]) -> None:
        with (self.folder / METRICS).open("a", encoding="utf-8") as f:
            f.write(json.dumps(record) + "\n")

    def metrics(self) -> Iterator[dict[str, Any]]:
        """The logged records; a line cut off by a kill is passed over."""
        path = self.folder / METRICS
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def forget_after(self, step: int) -> None:
        """Drop the records of steps that will be done again."""
        kept = [
            json.dumps(r) for r in self.metrics() if r["step"] <= step and (r["event"], r["step"]) != ("grid", step)
        ]
        if (self.folder / METRICS).exists():
            write_text(self.folder / METRICS, "".join(f"{line}\n" for line in kept))


# Settings that do not change what is learnt, so a run may be gone on with under other ones.
_FREE = ("train.save_every", "train.save_every_epochs", "train.save_every_minutes", "train.keep", "train.trigger",
         "train.author", "train.license")  # fmt: skip
# What may differ when a run is to become longer.
_LENGTH = ("train.steps", "train.patience")
_BATCHES = "train.accumulation"


def differing(
    old: Mapping[str, Any], new: Mapping[str, Any], tables: tuple[str, ...], allowed: tuple[str, ...] = ()
) -> list[str]:
    """What is not the same in these tables of two runs, a line each. Numbers of processes may come to the same."""
    lines, counts = [], [r.get("processes", {}).get("count", 1) for r in (old, new)]
    for table in tables:
        before, after = _flat(old.get(table, {})), _flat(new.get(table, {}))
        for key in sorted(before.keys() | after.keys()):
            there, now, name = before.get(key), after.get(key), f"{table}.{key}"
            if name == _BATCHES and counts[0] != counts[1]:
                lines += _other_batches(there, now, *counts)
            elif there != now and name not in (*_FREE, *allowed):
                lines.append(f"{name}: there {there!r}, now {now!r}")
    return lines


def _other_batches(there: int, now: int, before: int, after: int) -> list[str]:
    """All processes together take them in one step."""
    if there * before == now * after:
        return []
    return [f"{_BATCHES}: there {there} in {_counted(before)}, now {now} in {_counted(after)}"]


def _counted(processes: int) -> str:
    return f"each of {processes} processes" if processes > 1 else "one process"


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
