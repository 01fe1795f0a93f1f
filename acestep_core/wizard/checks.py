"""What the questions look up and hold answers against: folders, models, presets, the device."""

import functools
from collections.abc import Sequence
from pathlib import Path

from acestep_core.checkpoint import ModelInfo, list_models
from acestep_core.encoded import EncodedSet
from acestep_core.errors import UserError
from acestep_core.registry import Registry
from acestep_core.run import SETTINGS
from acestep_core.run_file.places import PLUGINS
from acestep_core.run_file.presets import Preset, preset, presets
from acestep_core.run_file.reading import RunFile
from acestep_core.train_settings import TrainSettings, planned_steps, steps_per_epoch
from acestep_core.wizard.question import Choice, Session

_ROOM = 0.95  # of what a preset is for has to be free: a part of it is the driver's
_AUDIO = (".wav", ".mp3", ".flac", ".ogg", ".opus")


def encoded_folder(session: Session, text: str) -> str:
    folder = Path(text).expanduser()
    if folder.is_dir() and any(p.suffix.lower() in _AUDIO for p in folder.iterdir()):
        raise UserError(f"{folder} holds songs, which are not encoded yet",
                        f"run: acestep-core encode {folder} --model MODELS --out encoded")  # fmt: skip
    if not len(EncodedSet.open(folder).part("train")):
        raise UserError(f"All songs of {folder} are held out", "save the dataset with a smaller --validation")
    return str(folder)


def songs(session: Session) -> EncodedSet:
    return EncodedSet.open(session.answers["encoded"])


def model_folder(session: Session, text: str) -> str:
    folder = Path(text).expanduser()
    found = list_models(folder)
    if len(found) == 1:
        _check_made_with(session, found[0])
    return str(folder)


def models(session: Session) -> list[ModelInfo]:
    return list_models(Path(session.answers["model"]))


def made_with(session: Session) -> str | None:
    """The name of the model in the folder that encoded the songs."""
    wanted = _hash(session)
    return next((m.folder.name for m in models(session) if m.hash() == wanted), None)


def variant(session: Session, name: str) -> str:
    _check_made_with(session, next(m for m in models(session) if m.folder.name == name))
    return name


def _check_made_with(session: Session, model: ModelInfo) -> None:
    wanted = _hash(session)
    if wanted is not None and model.hash() != wanted:
        raise UserError(f"{session.answers['encoded']} was encoded with another model than {model.folder}",
                        "give that one, or encode the songs again with this one")  # fmt: skip


def _hash(session: Session) -> str | None:
    """Of the model that encoded the songs; the reference's files do not say it."""
    found = songs(session)
    return None if found.foreign else found.manifest["model"]["hashes"]["dit"]


@functools.cache
def free_gb(plugins: Registry) -> float | None:
    """Memory free on the GPU, in 10^9 bytes; 0 without one, None where it does not say."""
    backend = plugins.make("backends", PLUGINS["backend"][1])
    if str(backend.settings().get("device", "")).partition(":")[0] == "cpu":
        return 0.0
    room = backend.room()
    return None if room is None else round(room / 1e9, 1)


def preset_choices(session: Session) -> list[Choice]:
    return [Choice(p.name, p.about) for p in presets()[0]]


def fitting_preset(session: Session) -> str:
    """The one for this much memory; without a GPU the shortest."""
    memory = session.answers["memory"]
    if memory == 0:
        return "quick"
    sizes = [size for size in _sizes() if size * _ROOM <= memory]
    return f"vram-{max(sizes)}" if sizes else f"vram-{min(_sizes())}"


def usable_preset(session: Session, name: str) -> str:
    file = preset(name).run_file()
    if file.errors:
        raise file.errors[0]
    return name


def about_preset(session: Session) -> list[str]:
    size, memory = _size(session.answers["preset"]), session.answers["memory"]
    named = session.answers.get("variant")
    told = []
    if memory == 0:
        told.append("Without a GPU even the shortest preset takes long.")
    elif size is not None and size * _ROOM > memory:
        told.append(f"It is for {size} GB and there are {memory:g}: with long songs it may run out of memory.")
    if memory and any(m.xl for m in models(session) if named in (None, m.folder.name)):
        told.append("An XL model has about 4 GB more of weights than presets count on.")
    return told


def chosen_preset(session: Session) -> Preset:
    return preset(session.answers["preset"])


def preset_file(session: Session) -> RunFile:
    return chosen_preset(session).run_file()


def preset_steps(session: Session) -> int:
    """As many as the preset says, or as its epochs come to."""
    return planned_steps(_shown(session), _lengths(session))


def _lengths(session: Session) -> TrainSettings:
    """What the preset says that the length depends on."""
    file = preset_file(session)
    said = {key: file.value("train", key) for key in ("steps", "epochs", "batch_size", "accumulation")}
    return TrainSettings(**{k: v for k, v in said.items() if isinstance(v, int)})


def _shown(session: Session) -> int:
    """Songs of an epoch, repeats counted."""
    return len(songs(session).part("train").order)


def whole(session: Session, value: float) -> int:
    if value != int(value) or value < 1:
        raise UserError(f"{value:g} is no number of steps", "type a whole number from 1")
    return int(value)


def about_steps(session: Session) -> list[str]:
    shown = _shown(session)
    passes = session.answers["steps"] / steps_per_epoch(shown, _lengths(session))
    return [f"About {max(1, round(passes))} passes over {shown} songs."]


def adapter_choices(session: Session) -> list[Choice]:
    known = session.plugins.known("adapters")
    names = [k.name for k in known]
    return [Choice(k.name if names.count(k.name) == 1 else k.qualified, f"from {k.dist}") for k in known]


def held_out(session: Session) -> int:
    return len(songs(session).part("validation"))


def new_folder(session: Session, text: str) -> str:
    folder = Path(text).expanduser()
    if folder.is_file():
        raise UserError(f"{folder} is a file, not a folder", "give another name")
    if folder.is_dir() and any(folder.iterdir()):
        holds = "holds a run" if (folder / SETTINGS).is_file() else "is not empty"
        raise UserError(f"{folder} {holds}", f"give a folder that is not there yet, such as {free_name(text)}")
    return str(folder)


def free_name(text: str = "run") -> str:
    """That name, or with the first number behind it at which there is nothing."""
    names = [text, *(f"{text}-{number}" for number in range(2, 1000))]
    return next((n for n in names if not Path(n).expanduser().exists()), text)


def new_file(session: Session, text: str) -> str:
    path = Path(text).expanduser()
    if path.is_dir():
        raise UserError(f"{path} is a folder", "give the name of a file, such as run.toml")
    if not path.parent.is_dir():
        raise UserError(f"There is no folder {path.parent}", "make it, or give another place")
    return str(path)


def yes(session: Session, value: bool) -> bool:
    if not value:
        raise UserError(f"{session.answers['file']} stays as it is", "go back (b) and give another name")
    return value


def _sizes() -> Sequence[int]:
    return [size for p in presets()[0] if not p.own and (size := _size(p.name)) is not None]


def _size(name: str) -> int | None:
    head, _, digits = name.partition("-")
    return int(digits) if head == "vram" and digits.isdecimal() else None
