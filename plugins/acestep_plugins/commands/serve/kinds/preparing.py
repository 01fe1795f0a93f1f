"""Jobs on songs: look at them, find lyrics and labels, encode."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.asking import Prepared
from acestep_core.data import Song, usable
from acestep_core.dataset import Dataset
from acestep_core.dataset_facts import dataset_facts
from acestep_core.encode_settings import EncodeSettings, check_settings
from acestep_core.encoding import Done, encode
from acestep_core.errors import UserError
from acestep_core.findings import note_lengths
from acestep_core.inspection import inspect_songs
from acestep_core.kohya.variants import balance_notes
from acestep_core.options import option
from acestep_core.preparation import ANNOTATED, process_folder
from acestep_core.scan import TxtMeaning
from acestep_plugins.commands.serve.kinds.asked import Asked, Shape
from acestep_plugins.commands.serve.kinds.kind import BACKENDS, FOLDERS, Desk, Kind, ModelChoice, must_exist


@dataclass(frozen=True, kw_only=True)
class Source:
    """Which songs."""

    source: Path = option(help="folder of songs, dataset.json or dataset TOML")
    txt: TxtMeaning | None = option(None, "what a bare {stem}.txt is; lyrics unless given")
    kohya: bool = option(False, "read the numbers of N_name folders as repeats")


@dataclass(frozen=True, kw_only=True)
class Looking:
    """How closely."""

    deep: bool = option(False, "decode every file: cut off, silent, clipped, mono in stereo")
    jobs: int | None = option(None, "files decoded at a time by deep; as many as there are processors", ge=1)


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Songs whose sidecars are filled, and what may be replaced."""

    folder: Path = option(help="folder of songs")
    jobs: int = option(1, "songs at a time", ge=1, le=64)
    overwrite: list[str] = option([], "fields to replace even where a person wrote them, or all")
    again: bool = option(False, "ask once more for what plugins gave or did not know")
    txt: TxtMeaning = option("lyrics", "what a bare {stem}.txt is")


@dataclass(frozen=True, kw_only=True)
class Transcribing:
    """Who finds the lyrics."""

    transcriber: str = option(help="transcriber plugin", plugin="transcribers")
    language: str | None = option(None, "the language that is sung, such as en; a hint")
    add_tags: bool = option(False, "put section tags into lyrics that are there, without changing a word")


@dataclass(frozen=True, kw_only=True)
class Annotating:
    """Who finds the labels."""

    annotators: list[str] = option(help="annotator plugins; the first that knows a field fills it", plugin="annotators")
    fields: list[str] = option([*ANNOTATED], "what to ask for")


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """Where to."""

    out: Path = option(Path("encoded"), "folder of the encoded songs")


def scan(asked: Asked, desk: Desk) -> dict[str, Any]:
    """Everything known of the songs, and what is wrong with them."""
    source, looking = asked[Source], asked[Looking]
    dataset = Dataset.open(source.source, source.txt, kohya=source.kohya)
    total, sounds = len(usable(dataset.songs)), {}
    if looking.deep:

        def tell(song: Song, done: int, _: int) -> None:
            desk.progress("listened to", done, total, song.path.name)

        sounds = inspect_songs(dataset.songs, looking.jobs, tell)
    note_lengths(dataset.captions(), None)
    return dataset_facts(dataset, sounds)


def transcribe(asked: Asked, desk: Desk) -> dict[str, Any]:
    chosen = asked[Transcribing]
    named = {"transcriber": chosen.transcriber, "language": chosen.language, "add_tags": chosen.add_tags}
    return _filled(asked, desk, **named)


def annotate(asked: Asked, desk: Desk) -> dict[str, Any]:
    return _filled(asked, desk, annotators=asked[Annotating].annotators, fields=asked[Annotating].fields)


def _filled(asked: Asked, desk: Desk, **request: Any) -> dict[str, Any]:
    folder = asked[Folder]

    def tell(done: Prepared) -> None:
        desk.progress("songs", done.number, done.total, f"{done.song.path.name} {done.what}")

    how = {n: getattr(folder, n) for n in ("jobs", "overwrite", "again", "txt")}
    result = process_folder(folder.folder, options=asked.using(desk.config), on_song=tell, **how, **request)
    if result.stopped:
        raise KeyboardInterrupt
    if result.ended and not result.filled:
        raise UserError(result.ended.text, result.ended.remedy)
    return result.describe()


def make_encoded(asked: Asked, desk: Desk) -> dict[str, Any]:
    """Training data of songs; what is there of the same inputs is kept."""
    source, settings = asked[Source], asked[EncodeSettings]
    dataset = Dataset.open(source.source, source.txt, kohya=source.kohya)
    for note in [*map(str, dataset.problems), *dataset.notes, *balance_notes(dataset)]:
        desk.note(note)

    def tell(done: Done) -> None:
        desk.progress("encode", done.number, done.total, f"{done.song.path.name} {done.what}")

    result = encode(dataset, desk.model(asked), asked[Encoding].out, settings, on_song=tell)
    if not (result.encoded or result.kept):
        reasons = "; ".join(f"{name}: {p}" for name, each in result.problems.items() for p in each)
        raise UserError(f"No song of {source.source} was encoded ({reasons or 'there is none'})", "scan tells more")
    return result.describe()


def _check_encode(asked: Asked) -> None:
    must_exist(asked[Source].source)
    check_settings(asked[EncodeSettings])


_LABELS = {"lane": FOLDERS, "limited": False, "check": lambda asked: must_exist(asked[Folder].folder)}

SCAN = Kind(
    name="scan",
    about="Tell what a folder of songs or a dataset holds and what is wrong with it.",
    shape=Shape(flat=(Source, Looking)),
    work=scan,
    check=lambda asked: must_exist(asked[Source].source),
    lane=FOLDERS,
    limited=False,
)
TRANSCRIBE = Kind(
    name="transcribe",
    about="Find the lyrics of the songs of a folder.",
    shape=Shape(flat=(Folder, Transcribing), plugins={"transcriber": ("transcribers", "transcriber")}),
    work=transcribe,
    **_LABELS,
)
ANNOTATE = Kind(
    name="annotate",
    about="Find captions, tempo, key and more for the songs of a folder.",
    shape=Shape(flat=(Folder, Annotating), plugins={"annotator": ("annotators", "annotators")}),
    work=annotate,
    **_LABELS,
)
ENCODE = Kind(
    name="encode",
    about="Turn songs into training data.",
    shape=Shape(flat=(Source, Encoding, EncodeSettings, ModelChoice), plugins=BACKENDS),
    work=make_encoded,
    check=_check_encode,
    limited=False,
)
