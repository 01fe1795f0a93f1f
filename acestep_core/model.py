"""A checkpoint opened with a backend: its parts, loaded when first used and let go of when memory is short."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from acestep_core.adapters import Stack
from acestep_core.api import Backend
from acestep_core.checkpoint import Checkpoint, ModelInfo, open_checkpoint, weight_files
from acestep_core.errors import OutOfMemory, UserError
from acestep_core.registry import Registry, registry
from acestep_core.remembered import Remembered

T = TypeVar("T")
PARTS = ("text", "codec", "dit")


class Model:
    """`text`, `codec`, `dit` and, if asked for, `lm` of one checkpoint (see `acestep_core.parts`).

    With `one_at_a_time`, loading a part lets go of the others; by default the backend says whether all fit.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        backend: Backend,
        one_at_a_time: bool | None = None,
        lm_backend: Backend | None = None,
    ):
        self.checkpoint = checkpoint
        self.backend = backend
        self.lm_backend = lm_backend or backend
        if one_at_a_time is None:
            one_at_a_time = not backend.fits(sum(self._bytes(p) for p in PARTS))
        self.one_at_a_time = one_at_a_time
        self.remembered = Remembered()  # what parts have made of texts and sounds
        self._loaded: dict[str, Any] = {}
        self._notes: list[str] = []
        self.adapters = Stack(lambda: self.dit)

    @property
    def info(self) -> ModelInfo:
        return self.checkpoint.dit

    @property
    def text(self) -> Any:
        return self.part("text")

    @property
    def codec(self) -> Any:
        return self.part("codec")

    @property
    def dit(self) -> Any:
        return self.part("dit")

    @property
    def lm(self) -> Any:
        """The 5 Hz language model (`acestep_core.lm.speaking.LmPart`), which a backend of its own may run."""
        return self.part("lm")

    @cached_property
    def hashes(self) -> dict[str, str]:
        """Names of the weights of each part."""
        return {p: self.checkpoint.hash(p) if p != "dit" else self.info.hash() for p in PARTS}

    def loaded(self, name: str) -> Any | None:
        """The part if it is in memory; nothing is read."""
        return self._loaded.get(name)

    def part(self, name: str) -> Any:
        if name not in self._loaded:
            if self.one_at_a_time:
                self.release()
            backend = self.lm_backend if name == "lm" else self.backend
            self._loaded[name] = self._tried(name, lambda: load_part(backend, name, self.checkpoint.part(name)))
        return self._loaded[name]

    def working(self, name: str, work: Callable[[Any], T]) -> T:
        """What `work` makes with a part. Where memory is short it is tried again without the other parts."""
        return self._tried(name, lambda: work(self.part(name)))

    def alone(self, name: str, short: OutOfMemory) -> bool:
        """Let go of every other part; False if there is none."""
        others = [n for n in self._loaded if n != name]
        if others:
            self.release(*others)
            self._notes.append(f"{short.problem}: tried again without {' and '.join(others)}")
        return bool(others)

    def notes(self) -> list[str]:
        """What parts did otherwise than expected since this was last asked, such as smaller tiles."""
        for part in self._loaded.values():
            self._hear(part)
        told, self._notes = self._notes, []
        return told

    def release(self, *names: str) -> None:
        """Let go of some parts, or of all."""
        for name in names or tuple(self._loaded):
            self._hear(self._loaded.pop(name, None))
        if "dit" not in self._loaded:
            self.adapters.forget()
        for backend in {self.backend, self.lm_backend}:
            backend.release()

    def _tried(self, name: str, work: Callable[[], T]) -> T:
        try:
            return work()
        except OutOfMemory as e:
            if not self.alone(name, e):
                raise
        return work()

    def _hear(self, part: Any) -> None:
        notes = getattr(part, "notes", None)
        if notes:
            self._notes += notes
            notes.clear()

    def _bytes(self, part: str) -> int:
        return sum(f.stat().st_size for f in weight_files(self.checkpoint.part(part)))


def load_part(backend: Backend, name: str, folder: Path) -> Any:
    """Raises `UserError` for a part that the backend does not have."""
    if name not in backend.parts:
        known = ", ".join(sorted(backend.parts))
        raise UserError(f"The backend '{backend.name}' has no part '{name}'", f"it has {known}; take another backend")
    return backend.load(name, folder)


def load_backend(
    name: str = "pt",
    *,
    model: str | Path,
    variant: str | None = None,
    one_at_a_time: bool | None = None,
    plugins: Registry | None = None,
    lm: str | None = None,
    lm_backend: Backend | None = None,
    **options: Any,
) -> Model:
    """The checkpoint in folder `model`, run by the backend with that name and these options.

    `lm` names the language model where there are several, `lm_backend` runs it in place of the same backend.
    Reads no weights yet. Raises `UserError` for a folder that is no ACE-Step 1.5 model.
    """
    backend = (plugins or registry()).make("backends", name, options)
    backend.check()
    checkpoint = open_checkpoint(Path(model).expanduser(), variant, lm)
    return Model(checkpoint, backend, one_at_a_time, lm_backend)
