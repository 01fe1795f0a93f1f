"""Makes the samples of a training. Whatever goes wrong with them is told, and the training goes on."""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.adapters import UsedAdapter
from acestep_core.clip import Clip, adapter_hash, request_record
from acestep_core.errors import UserError
from acestep_core.events import Failed, Made
from acestep_core.files import write_json
from acestep_core.generation import generating
from acestep_core.model import Model
from acestep_core.observers import Observers
from acestep_core.registry import Registry
from acestep_core.request import GenerateRequest, resolve
from acestep_core.run import CHECKPOINTS, Run
from acestep_core.samples.beside import Beside
from acestep_core.samples.settings import SampleSettings
from acestep_core.samples.stored import difference_db, folder_of, read_record
from acestep_core.saving import record_path
from acestep_core.train_settings import TrainSettings


@dataclass(frozen=True)
class Round:
    """The samples of one moment: after `step` steps, 0 = of the model alone. Those there already are not made again."""

    step: int
    made: Sequence[Path]
    there: int
    problems: Sequence[str]
    seconds: float


class Auditions:
    """The samples of a run; `told` hears of every round in which anything was made or went wrong."""

    def __init__(
        self,
        model: Model,
        run: Run,
        requests: Sequence[GenerateRequest],
        settings: SampleSettings,
        train: TrainSettings,
        plugins: Registry,
        stop: Callable[[], bool],
        told: Callable[[Round], None],
    ):
        self._model, self._run, self._requests, self._settings = model, run, requests, settings
        self._train, self._plugins, self._stop, self._told = train, plugins, stop, told
        self._observers = Observers(plugins.manager)
        self._beside: Beside | None = None

    def due(self, step: int) -> bool:
        """Whether there is to be a sample after that step; the last is heard out of the file that is written then."""
        every = self._train.save_every if self._settings.every is None else self._settings.every
        return bool(self._requests) and every > 0 and step % every == 0 and step < (self._train.steps or math.inf)

    def base(self) -> None:
        """Of the model alone: nothing may be on it."""
        if not self._requests and self._settings.count != 0:
            self._told(Round(0, [], 0, ["no song says what it sounds like: give --sample-prompts FILE"], 0.0))
        self._round(0, (), [])

    def during(self, step: int) -> None:
        """While the model computes what would be exported now. A record names the checkpoint that is this adapter."""
        folder = (self._run.folder / CHECKPOINTS / f"step-{step:06d}").resolve()
        digest = adapter_hash(folder) if folder.is_dir() else ""
        self._round(step, (), [{"path": str(folder), "scale": 1.0, "hash": digest}])

    def finished(self, last: int) -> None:
        """Of the adapter as it was written, after everything of the training has left the model."""
        best = self._run.best() if self._train.export == "best" else None
        self._round(best[0] if best else last, (UsedAdapter(self._run.adapter.resolve()),), None)

    def _round(self, step: int, adapters: Sequence[UsedAdapter], recorded: list[dict[str, Any]] | None) -> None:
        start, folder = time.monotonic(), folder_of(self._run.folder, step)
        files = [folder / f"{n:02d}.{self._settings.format}" for n in range(1, len(self._requests) + 1)]
        waiting = [n for n, path in enumerate(files) if not self._is_there(path, self._requests[n])]
        made, problems = [], []
        if not waiting:
            return
        try:
            asked = [self._requests[n] for n in waiting]
            with closing(self._events(asked, adapters)) as events:
                for event in events:
                    if isinstance(event, Made):
                        path = files[waiting[event.item]]
                        self._write(event.clip, path, step, recorded)
                        self._observers.notify("acestep_audio", request=event.request, clip=event.clip, path=path)
                        made.append(path)
                    elif isinstance(event, Failed):
                        problems.append(f"sample {waiting[event.item] + 1}: {event.error.problem}")
                    if self._stop():
                        break
        except Exception as e:  # isolation wall: no sample is worth a training
            problems.append(e.problem if isinstance(e, UserError) else f"{type(e).__name__}: {e}")
        finally:
            if self._beside is not None:
                self._beside.release()
        done = Round(step, made, len(files) - len(waiting), problems, time.monotonic() - start)
        self._run.log({"event": "samples", "step": step, "made": len(made), "problems": problems,
                       "seconds": round(done.seconds, 3)})  # fmt: skip
        self._told(done)

    def _events(self, requests: Sequence[GenerateRequest], adapters: Sequence[UsedAdapter]) -> Any:
        """One at a time: there is least memory now, and a sample must not depend on others."""
        if self._beside is None:
            self._beside = Beside(self._model)
        return generating(self._beside, requests, adapters=adapters, plugins=self._plugins, batch_size=1)

    def _write(self, clip: Clip, path: Path, step: int, adapters: list[dict[str, Any]] | None) -> None:
        """The difference is that of the files: what a format loses, it loses in both."""
        said: Mapping[str, Any] = clip.record if adapters is None else {**clip.record, "adapters": adapters}
        path.parent.mkdir(parents=True, exist_ok=True)
        Clip(clip.wave, {**said, "sample": {"step": step}}).save(path)
        base, beside = folder_of(self._run.folder, 0) / path.name, record_path(path)
        if step and base.is_file():
            about = {"step": step, "difference_db": round(difference_db(base, path), 4)}
            write_json(beside, {**json.loads(beside.read_text(encoding="utf-8")), "sample": about})
        if self._settings.spectrograms:
            from acestep_core.plots import draw_sound

            draw_sound(clip.wave, path.with_name(f"{path.name}.png"), f"{path.parent.name}/{path.name}")

    def _is_there(self, path: Path, request: GenerateRequest) -> bool:
        """Whether the very sample that is asked for was made before."""
        record = read_record(path)
        asked = request_record(resolve(request, self._model.info))
        return record is not None and record["request"] == json.loads(json.dumps(asked, default=str))
