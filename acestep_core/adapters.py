"""Finds out what an adapter file or folder holds, and puts it on a model: one, or many with a strength each."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.api import Adapter, Attached
from acestep_core.errors import PluginError, UserError
from acestep_core.registry import Registry, registry

# Under these names programs save an adapter in a folder of other files.
NAMES = ("adapter_model", "lokr_weights", "loha_weights", "oft_weights", "full_weights", "pytorch_lora_weights")
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")


@dataclass(frozen=True)
class UsedAdapter:
    """An adapter file or folder and the strength it is heard at."""

    path: Path
    scale: float = 1.0


def recognise(path: Path, plugins: Registry) -> Adapter:
    """The adapter plugin, with fitting options, for the weights in `path`. Raises `UserError` if none knows them."""
    return recognised(path, plugins).from_files(path)


def recognised(path: Path, plugins: Registry) -> type[Adapter]:
    """The class of the plugin that knows the weights in `path`."""
    if not path.exists():
        raise UserError(f"There is no adapter {path}", "give the adapter/ folder of a run, or a .safetensors file")
    broken = []
    for known in plugins.known("adapters"):
        try:
            cls = plugins.load("adapters", known.qualified)
        except PluginError as e:
            broken.append(e.problem)
            continue
        if cls.recognises(path):
            return cls
    check_readable(adapter_file(path))
    failed = f" ({'; '.join(broken)})" if broken else ""
    raise UserError(f"{path} holds no adapter that an installed plugin knows{failed}", "see: acestep-core plugins list")


def adapter_file(path: Path) -> Path:
    """The safetensors file meant by a file or folder. Raises `UserError` where that is unclear."""
    if not path.is_dir():
        if path.suffix.lower() in PICKLES:
            raise UserError(f"{path} is a pickle, which may hold any program and is not opened",
                            "ask whoever made it for a .safetensors file")  # fmt: skip
        return path
    named = [path / f"{n}.safetensors" for n in NAMES if (path / f"{n}.safetensors").is_file()]
    found = named or sorted(p for p in path.glob("*.safetensors") if not p.name.startswith("."))
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(p.name for p in found)
        raise UserError(f"{path} holds {len(found)} adapter files ({names})", f"name one: {found[0]}")
    if (path / "adapter").is_dir():
        raise UserError(f"{path} is no adapter but holds one", f"give {path / 'adapter'}")
    for pickle in sorted(p for p in path.iterdir() if p.suffix.lower() in PICKLES):
        return adapter_file(pickle)
    raise UserError(f"{path} holds no .safetensors file", "give the adapter/ folder of a run, or a .safetensors file")


def check_readable(file: Path) -> None:
    """Raise `UserError` for a file that is no safetensors."""
    from safetensors import SafetensorError, safe_open

    if not file.stat().st_size:
        raise UserError(f"{file} is empty", "copy or download it again")
    try:
        with safe_open(str(file), "np"):
            return
    except (SafetensorError, OSError) as e:
        raise UserError(f"{file} is no readable safetensors file ({e})", "copy or download it again") from e


def attach(dit: Any, path: Path, scale: float, plugins: Registry) -> Attached:
    """The adapter in `path` on the model's decoder, at a strength; every tensor must match."""
    attached = recognise(path, plugins).attach(dit.decoder)
    try:
        attached.load(path)
        attached.set_scale(scale)
    except BaseException:
        attached.detach()
        raise
    return attached


@dataclass
class _Own:
    """An adapter that the user put on the model."""

    scale: float
    on: bool = True


@dataclass(frozen=True)
class _Loaded:
    """An adapter on a decoder, and the state of its files when they were read."""

    attached: Attached
    dit: Any
    files: tuple[Any, ...]


class Stack:
    """The adapters of a model. Strengths change at once; nothing is read again while it stays on the model.

    What is added stays until it is removed, for every clip. What a single call asks for is switched off after it, and
    let go of when another call asks for others. All of them at strength 0, or off: the model as it was, bit for bit.
    """

    def __init__(self, dit: Callable[[], Any]):
        self._dit = dit
        self._own: dict[Path, _Own] = {}
        self._loaded: dict[Path, _Loaded] = {}
        self._order: list[Path] = []

    def __iter__(self) -> Iterator[UsedAdapter]:
        """Those that are heard, in order."""
        return iter([UsedAdapter(path, own.scale) for path, own in self._own.items() if own.on])

    def add(self, path: str | Path, scale: float = 1.0, *, on: bool = True, plugins: Registry | None = None) -> None:
        """Read an adapter and put it on; of one that is there already, change the strength."""
        path = Path(path).resolve()
        _check_scale(path, scale)
        self._load(path, self._dit(), plugins or registry())
        self._own[path] = _Own(scale, on)
        self._hear_own()

    def set_scale(self, path: str | Path, scale: float) -> None:
        _check_scale(path, scale)
        self._of(path).scale = scale
        self._hear_own()

    def enable(self, path: str | Path, on: bool = True) -> None:
        """Switch one on or off; it keeps its strength."""
        self._of(path).on = on
        self._hear_own()

    def remove(self, path: str | Path) -> None:
        self._of(path)
        del self._own[Path(path).resolve()]
        self._drop(Path(path).resolve())
        self._hear_own()

    def clear(self) -> None:
        """Take all of them off."""
        self._own.clear()
        for path in tuple(self._loaded):
            self._drop(path)

    def forget(self) -> None:
        """The model's weights are let go of: what was on them goes too, and comes back with them."""
        self._loaded.clear()

    @contextmanager
    def heard(self, adapters: Sequence[UsedAdapter], plugins: Registry) -> Iterator[tuple[UsedAdapter, ...]]:
        """While the block runs, the user's own are heard and these; of one that is in both, this strength.

        Gives all that are heard. The same adapter twice is heard with the sum of its strengths.
        """
        asked: dict[Path, float] = {}
        for used in adapters:
            _check_scale(used.path, used.scale)
            path = Path(used.path).resolve()
            asked[path] = asked.get(path, 0.0) + used.scale
        wanted = self._heard() | asked
        for path in self._loaded.keys() - self._own.keys() - wanted.keys():
            self._drop(path)
        try:
            dit = self._dit()
            for path in wanted:
                self._load(path, dit, plugins)
            self._hear(wanted)
            yield tuple(UsedAdapter(path, scale) for path, scale in wanted.items())
        finally:
            self._hear_own()

    def _hear_own(self) -> None:
        """Those of the user's that are loaded: of released weights nothing is on until the next clip."""
        self._hear({path: scale for path, scale in self._heard().items() if path in self._loaded})

    def _heard(self) -> dict[Path, float]:
        return {used.path: used.scale for used in self}

    def _of(self, path: str | Path) -> _Own:
        try:
            return self._own[Path(path).resolve()]
        except KeyError:
            raise UserError(f"{path} is not on the model", "add it first") from None

    def _hear(self, scales: Mapping[Path, float]) -> None:
        """In the order given: sums of floats depend on it, and a record has to make the same bytes again."""
        order = [path for path, scale in scales.items() if scale]
        for path, loaded in self._loaded.items():
            if path not in order or self._order != order:
                loaded.attached.set_scale(0.0)
        for path in order:
            self._loaded[path].attached.set_scale(scales[path])
        self._order = order

    def _load(self, path: Path, dit: Any, plugins: Registry) -> None:
        files, there = _state(path), self._loaded.get(path)
        if there is not None and there.dit is dit and there.files == files:
            return
        attached = attach(dit, path, 0.0, plugins)
        self._drop(path)
        self._loaded[path] = _Loaded(attached, dit, files)

    def _drop(self, path: Path) -> None:
        if path in self._loaded:
            self._loaded.pop(path).attached.detach()


def _check_scale(path: str | Path, scale: float) -> None:
    if not math.isfinite(scale):
        raise UserError(f"The strength of {path} is {scale}", "give a number; negative ones and above 1 are allowed")


def _state(path: Path) -> tuple[Any, ...]:
    """Changes whenever a file of the adapter is written."""
    files = sorted(path.glob("*")) if path.is_dir() else [path] if path.exists() else []
    return tuple((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files)
