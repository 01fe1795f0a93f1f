"""The way from nothing to acestep-nano, stage by stage; each is done once and leaves a folder."""

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from acestep_core import TimestepSampler
from acestep_core.checkpoint import TEXT, VAE
from acestep_core.console import Ticker
from acestep_core.data import INSTRUMENTAL
from acestep_core.files import write_json
from acestep_core.parts import FRAME_RATE_HZ
from acestep_core.prompts import caption_text, lyric_text, metas_text
from acestep_core.registry import registry
from acestep_core.run import Run
from acestep_core.schedule import shifted
from acestep_core.train_settings import TrainSettings
from acestep_nano.learning.beats import BeatsFirst, Rehearsal, learn_beats
from acestep_nano.learning.blank import write_blank, write_dit, write_silence, write_text
from acestep_nano.learning.codes import learn_codes
from acestep_nano.learning.conditions import Conditions
from acestep_nano.learning.everything import Everything
from acestep_nano.learning.lesson import Lesson
from acestep_nano.learning.library import Learnt, read_library, write_library
from acestep_nano.learning.packing import pack
from acestep_nano.learning.recipe import Recipe
from acestep_nano.learning.training import run_lesson
from acestep_nano.learning.turbo import Teacher
from acestep_nano.learning.words import learn_words
from acestep_plugins.backends.note_bank.bank import Bank, write_bank

BASE = "acestep-nano-base"
TIMES = "times.json"
_TEXTS = 2000  # captions and lyrics that the tokenizer learns from
_SAVE_EVERY = 500
_TIMES = 200  # of the schedule that the base model learns at: so many that they are all of it


class Stages:
    """Of one model in the folder `out`. Each method does its stage if it is not done, and what it needs before it."""

    def __init__(self, out: Path, recipe: Recipe, backend: Mapping[str, Any]):
        self.out, self.recipe = out, recipe
        self._backend = registry().make("backends", "pt", {"dtype": "float32", **backend})

    def all(self) -> Path | None:
        """The finished checkpoint; None where it was stopped."""
        if not self.turbo():
            return None
        nano = self.out / "nano"
        pack(self.out / "taught", self.out / "turbo" / "adapter", nano, "turbo", torch.float16)
        pack(self.out / "start", self.out / "base" / "adapter", nano, "base", torch.float16)
        return nano

    def library(self) -> list[Learnt]:
        folder, recipe = self.out / "library", self.recipe
        (self.out / "start" / VAE).mkdir(parents=True, exist_ok=True)
        write_bank(self.out / "start" / VAE, Bank())
        ticker = Ticker("files of pieces", None)
        self._timed("pieces", lambda: write_library(
            folder, partial(_codec, self.out / "start" / VAE), recipe.seed, recipe.pieces, recipe.with_stems,
            lambda done, total: ticker.update(done, total=total),
        ))  # fmt: skip
        return read_library(folder)

    def start(self) -> Path:
        """A checkpoint that can read, keep time and make audio codes, and nothing else yet."""
        root, done = self.out / "start", self.out / "codes.json"
        if done.is_file():
            return root
        pieces, recipe = self.library(), self.recipe
        folder = write_blank(root, _texts(pieces), recipe.vocabulary, recipe.seed)
        write_silence(folder, _codec(root / VAE))
        self._timed("words", lambda: self._words(root / TEXT, pieces))
        self._timed("beats", lambda: self._beats(root, folder, pieces))
        self._timed("codes", lambda: self._codes(folder, pieces, done))
        return root

    def base(self) -> bool:
        """Whether the base model has learnt to the end; with it the checkpoint that teaches is written."""
        root, pieces, recipe = self.start(), self.library(), self.recipe
        dit, text = (self._backend.load(part, root / name) for part, name in (("dit", BASE), ("text", TEXT)))
        lesson = Lesson(
            dit, Conditions(dit, text), pieces, recipe.held_out, recipe.seed, tracks=True, learns_encoder=True
        )
        settings = self._settings(steps=recipe.steps, learning_rate=recipe.learning_rate, ema=recipe.average)
        often = BeatsFirst(shift=recipe.shift, count=_TIMES, share=recipe.beat_share)
        rehearsed = Rehearsal({str(p.seed): p for p in pieces})
        run = self._learnt("base", lesson, Everything().of(dit, encoder=True), often, settings, rehearsed.loss)
        if run is not None:
            pack(root, run.adapter, self.out / "taught", "base", torch.float32)
        return run is not None

    def turbo(self) -> bool:
        """Whether the few-step model has learnt to the end."""
        if not self.base():
            return False
        root, recipe = self.out / "taught", self.recipe
        teacher, dit = (self._backend.load("dit", root / BASE) for _ in range(2))
        conditions = Conditions(dit, self._backend.load("text", root / TEXT))
        lesson = Lesson(dit, conditions, self.library(), recipe.held_out, recipe.seed + 1, tracks=False,
                        learns_encoder=False)  # fmt: skip
        how = {"steps": recipe.turbo_steps, "learning_rate": recipe.turbo_learning_rate, "ema": recipe.average}
        settings = self._settings(**how, null_condition=0.0)
        heard = Teacher(teacher, recipe.guidance, recipe.substeps, shifted(8, 3.0)[:-1])
        eight = registry().make("samplers", "turbo_steps")
        run = self._learnt("turbo", lesson, Everything().of(dit, encoder=False), eight, settings, heard.loss)
        return run is not None

    def _learnt(self, name: str, lesson: Lesson, adapter: Everything, sampler: TimestepSampler, settings: TrainSettings,
                loss: Callable[..., Any]) -> Run | None:  # fmt: skip
        how = (lesson, adapter, sampler, settings, self.out / name, self.recipe.described(), loss, name)
        return self._timed(name, lambda: run_lesson(*how))

    def _settings(self, **given: Any) -> TrainSettings:
        return TrainSettings(
            batch_size=self.recipe.batch_size, seed=self.recipe.seed, save_every=_SAVE_EVERY,
            validate_every=_SAVE_EVERY, export="ema", keep=1, warmup=0.03, **{"null_condition": 0.12, **given},
        )  # fmt: skip

    def _words(self, folder: Path, pieces: list[Learnt]) -> None:
        ticker = Ticker("words", self.recipe.word_steps)
        text = self._backend.load("text", folder)
        made = learn_words(text, pieces, self.recipe.word_steps, self.recipe.seed,
                           lambda step, loss: ticker.update(step, f"loss {loss:.3f}"))  # fmt: skip
        write_text(folder, made, torch.float32)

    def _beats(self, root: Path, folder: Path, pieces: list[Learnt]) -> None:
        recipe = self.recipe
        ticker = Ticker("beats", recipe.beat_steps)
        dit, text = self._backend.load("dit", folder), self._backend.load("text", root / TEXT)
        made = learn_beats(dit, text, pieces, recipe.beat_steps, recipe.batch_size, recipe.seed,
                           lambda step, error: ticker.update(step, f"error {error:.3f}"))  # fmt: skip
        write_dit(folder, "base", load_file(str(folder / "model.safetensors")) | made, torch.float32)

    def _codes(self, folder: Path, pieces: list[Learnt], done: Path) -> None:
        recipe, losses = self.recipe, []
        ticker = Ticker("codes", recipe.code_steps)

        def heard(step: int, loss: float) -> None:
            losses.append(loss)
            ticker.update(step, f"loss {loss:.3f}")

        dit = self._backend.load("dit", folder)
        made = learn_codes(dit, pieces, recipe.code_steps, recipe.batch_size, recipe.seed, heard)
        write_dit(folder, "base", load_file(str(folder / "model.safetensors")) | made, torch.float32)
        write_json(done, {"steps": recipe.code_steps, "loss": float(np.mean(losses[-100:])), "first": losses[0]})

    def _timed(self, name: str, work: Callable[[], Any]) -> Any:
        """Adds the seconds it took to those that are written down, over all times the training was gone on with."""
        began, path = time.monotonic(), self.out / TIMES
        try:
            return work()
        finally:
            spent = json.loads(path.read_text()) if path.is_file() else {}
            write_json(path, spent | {name: round(spent.get(name, 0.0) + time.monotonic() - began, 1)})


def _codec(folder: Path) -> Any:
    return registry().make("backends", "pt", {"device": "cpu", "dtype": "float32"}).load("codec", folder)


def _texts(pieces: list[Learnt]) -> list[str]:
    """As they are read, so that the frame around every prompt takes few tokens."""
    said = []
    for piece in pieces[:_TEXTS]:
        metas = metas_text(piece.bpm, piece.timesignature, piece.keyscale, len(piece.latents) / FRAME_RATE_HZ)
        said += [caption_text(caption, metas) for caption in piece.captions]
        said.append(lyric_text(piece.lyrics or INSTRUMENTAL, piece.language))
    return said
