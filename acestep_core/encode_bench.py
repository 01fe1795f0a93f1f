"""Makes the content of songs' files with a model: the part of encoding that needs one, here or on another machine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core import prompts
from acestep_core.audio import SILENCE, read_stereo
from acestep_core.bench import Bench, Recipe, raise_problem
from acestep_core.data import LONGEST_S, SHORTEST_S, Problem, Song
from acestep_core.encode_settings import EncodeSettings
from acestep_core.encode_work import Work
from acestep_core.errors import UserError
from acestep_core.files import text_id
from acestep_core.model import PARTS, Model, load_backend
from acestep_core.options import options_of
from acestep_core.registry import Registry
from acestep_core.stores import store_of

if TYPE_CHECKING:
    import numpy as np

_TOGETHER = 32  # songs for which parts of a model that take turns are loaded once


@dataclass(frozen=True)
class Unit:
    """What is to be encoded; where only its texts have changed, with its latents, or why they cannot be read."""

    work: Work
    latents: "np.ndarray | Problem | None" = None


@dataclass(frozen=True)
class Encoded:
    """The bytes of a song's file, and what to tell of it."""

    content: bytes
    warnings: tuple[str, ...] = ()


class Encoding(Bench):
    """A model that songs are encoded with."""

    def __init__(self, model: Model, settings: EncodeSettings, plugins: Registry | None = None):
        self.group = _TOGETHER if model.one_at_a_time else 1
        self._model, self._settings, self._plugins = model, settings, plugins
        self._store = store_of(Path(), settings.format, model)

    def song(self, unit: Unit) -> Song:
        return unit.work.song

    def load(self) -> None:
        """The parts: one that cannot be loaded is told once, here, not once for every song."""
        for part in PARTS:
            self._model.part(part)

    def work(self, units: Sequence[Unit]) -> Iterator[Encoded | Problem]:
        """Song by song or, with several, stage by stage."""
        latents = [attempt(self._latents, u) for u in units]
        states = [x if isinstance(x, Problem) else attempt(self._states, u)
                  for u, x in zip(units, latents, strict=True)]  # fmt: skip
        for unit, found, said in zip(units, latents, states, strict=True):
            yield said if isinstance(said, Problem) else attempt(self._content, unit, found, *said)

    def recipe(self) -> Recipe:
        if self._plugins is None:
            return super().recipe()
        model, backend = self._model, self._model.backend
        options = {name: getattr(backend, name) for name in options_of(type(backend))}
        name = self._plugins.find("backends", backend.name).qualified
        given = {"backend": name, "options": options, "folder": model.checkpoint.root.absolute(),
                 "variant": model.info.folder.name, "hashes": model.hashes, "settings": self._settings}  # fmt: skip
        return Recipe.of(elsewhere, given, [("backends", name)], self._plugins)

    def notes(self) -> list[str]:
        return self._model.notes()

    def close(self) -> None:
        self._model.release()

    def _latents(self, unit: Unit) -> "np.ndarray":
        """Float32 [T, 64]."""
        if isinstance(unit.latents, Problem):
            raise_problem(unit.latents)
        if unit.latents is not None:
            return unit.latents
        song = unit.work.song
        _check_length(song.duration_s, self._settings)
        wave = read_stereo(song.path)
        if max(wave.max(), -wave.min()) < SILENCE:
            raise UserError("it is silent from start to end", "export it again, or leave it out")
        return self._model.codec.encode(wave, int(text_id(song.id, str(self._settings.seed)), 16))

    def _states(self, unit: Unit) -> tuple[list[str], dict[str, Any], dict[str, Any]]:
        """Warnings, then the states of every caption and of every lyric text by the text."""
        work, text = unit.work, self._model.text
        first = work.conditions[0]
        warnings = prompts.token_warnings(first.caption, first.lyrics, text.count, work.name)
        captions = {caption: text.caption(caption) for caption in dict.fromkeys(c.caption for c in work.conditions)}
        return (
            warnings,
            captions,
            {words: text.lyrics(words) for words in dict.fromkeys(c.lyrics for c in work.conditions)},
        )

    def _content(
        self, unit: Unit, latents: "np.ndarray", warnings: list[str], captions: Mapping[str, Any],
        lyrics: Mapping[str, Any],
    ) -> Encoded:  # fmt: skip
        import numpy as np

        work, dit = unit.work, self._model.dit
        conditions = {c.name: dit.numpy(dit.condition(captions[c.caption], lyrics[c.lyrics]))
                      for c in work.conditions}  # fmt: skip
        if not all(np.isfinite(a).all() for a in (latents, *conditions.values())):
            raise UserError("the model made NaN or infinite numbers of it", "try -o dtype=float32")
        content = self._store.content(work.song, work.prompts[0].caption, latents, conditions, work.header)
        return Encoded(content, tuple(warnings))


def elsewhere(
    backend: str, options: Mapping[str, Any], folder: Path, variant: str, hashes: Mapping[str, str],
    settings: EncodeSettings,
) -> Encoding:  # fmt: skip
    """Made of a recipe. Raises `UserError` if the model in that folder is another one here."""
    model = load_backend(backend, model=folder, variant=variant, **options)
    if model.hashes != hashes:
        raise UserError(f"{folder} holds other weights here than there", "let every machine have the same model there")
    return Encoding(model, settings)


def attempt(step: Callable[..., Any], *inputs: Any) -> Any:
    """The step's result, or the problem that ended it: one bad song never stops the others."""
    try:
        return step(*inputs)
    except UserError as e:
        return Problem(e.problem, e.hint)
    except Exception as e:  # isolation wall: per-song loop
        return Problem(f"{type(e).__name__}: {e}", "report this if the file plays elsewhere")


def _check_length(seconds: float, settings: EncodeSettings) -> None:
    if seconds < settings.min_seconds:
        hint = f"leave it out; --min-seconds can be {SHORTEST_S} at least"
        raise UserError(f"it lasts {seconds:.2f} s, less than {settings.min_seconds:g} s", hint)
    if seconds > settings.max_seconds:
        hint = f"cut it into pieces; --max-seconds can be {LONGEST_S:g} at most"
        raise UserError(f"it lasts {seconds:.2f} s, more than {settings.max_seconds:g} s", hint)
