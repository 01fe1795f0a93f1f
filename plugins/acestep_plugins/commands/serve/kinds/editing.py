"""Jobs with which a person works on songs one by one: look at one, correct it, review, edit tags, save the dataset."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from acestep_core.data import FIELDS, Song, usable
from acestep_core.dataset import Dataset
from acestep_core.dataset_facts import dataset_facts
from acestep_core.errors import UserError, raise_all
from acestep_core.options import option
from acestep_core.reviewing import Item, accept, items_of, set_by_user
from acestep_core.scan import TxtMeaning, scan_folder
from acestep_core.tags.captions import tag_list
from acestep_core.tags.edits import Add, Dedupe, Edit, Match, Remove, Rename, Replace, Sort
from acestep_core.tags.folder import Step, apply, changes, counts_of, open_captions
from acestep_core.tags.journal import write_changes
from acestep_core.tags.where import everything, parse_where
from acestep_plugins.commands.serve.kinds.asked import Asked, Shape
from acestep_plugins.commands.serve.kinds.kind import QUICK, Desk, Kind, must_exist


@dataclass(frozen=True, kw_only=True)
class OneSong:
    """Which song."""

    song: Path = option(help="audio file")
    txt: TxtMeaning = option("lyrics", "what a bare {stem}.txt is")


@dataclass(frozen=True, kw_only=True)
class Correcting:
    """What a person says of it: "" takes a value away, what is left out stays as it is."""

    caption: str | None = option(None, "what the music is like")
    genre: str | None = option(None, "its genre")
    lyrics: str | None = option(None, "the words")
    bpm: str | None = option(None, "tempo")
    keyscale: str | None = option(None, "key, such as 'F# minor'")
    timesignature: str | None = option(None, "beats in a bar: 2, 3, 4 or 6")
    language: str | None = option(None, "language of the lyrics, such as en, zh or ja")
    accept: list[str] = option([], "fields whose present value is right")


@dataclass(frozen=True, kw_only=True)
class Reviewing:
    """What of a folder a person should look at."""

    folder: Path = option(help="folder of songs")
    everything: bool = option(False, "each value of a plugin that nobody has accepted")
    fields: list[str] = option([*FIELDS], "only these fields")
    txt: TxtMeaning = option("lyrics", "what a bare {stem}.txt is")


@dataclass(frozen=True, kw_only=True)
class Saving:
    """Where to, and what is said of all songs."""

    source: Path = option(help="folder of songs, or a dataset.json whose settings stay but for those given")
    out: Path = option(Path("dataset.json"), "file to write")
    txt: TxtMeaning | None = option(None, "what a bare {stem}.txt is; lyrics unless given")
    name: str | None = option(None, "name of the dataset")
    custom_tag: str | None = option(None, "trigger word that is put into every caption")
    tag_position: Literal["prepend", "append", "replace"] | None = option(None, "where the trigger word stands")
    genre_ratio: int | None = option(None, "percent of songs that are prompted by their genre", ge=0, le=100)
    all_instrumental: bool | None = option(None, "all songs are without words; their lyrics say it unless given")
    validation: float | None = option(None, "share of the songs that is held out for validation", ge=0, lt=1)
    split_seed: int = option(0, "drives which are held out", ge=0)


@dataclass(frozen=True, kw_only=True)
class Tagging:
    """An edit of the tags in the captions of a folder."""

    folder: Path = option(help="folder of songs")
    edit: Literal["none", "add", "remove", "replace", "rename", "dedupe", "sort"] = option("none", "what to do")
    tags: str = option("", "the tags, with commas between; of replace and rename the one that is there")
    new: str = option("", "of replace and rename: what takes its place")
    position: str = option("end", "of add: start, end, before:TAG or after:TAG")
    where: str = option("", "only these songs: 'tag:piano and bpm>120'")
    dry_run: bool = option(False, "tell what would be changed and write nothing")
    txt: TxtMeaning = option("lyrics", "what a bare {stem}.txt is")


def look(asked: Asked, desk: Desk) -> dict[str, Any]:
    """All that is known of a song and what of it needs a person; its sound is a result."""
    path = asked[OneSong].song
    song = _found(path, asked[OneSong].txt)
    desk.ready(path, path.name)
    return {**_facts(song), "file": path.name, "review": [_item(i) for i in items_of(song, everything=True)]}


def correct(asked: Asked, desk: Desk) -> dict[str, Any]:
    """Write what a person says of a song beside it."""
    about, given = asked[OneSong], asked[Correcting]
    song, errors = _found(about.song, about.txt), list[UserError]()
    for name in FIELDS:
        value = getattr(given, name)
        try:
            if value is not None:
                set_by_user(song, name, value)
            elif name in given.accept:
                accept(song, name)
        except UserError as e:
            errors.append(e)
    raise_all(errors, about.song.name)
    return _facts(_found(about.song, about.txt))


def review(asked: Asked, desk: Desk) -> dict[str, Any]:
    """Each value that a person should look at, and why."""
    about = asked[Reviewing]
    songs = usable(scan_folder(about.folder, about.txt).songs)
    return {"items": [_item(i) for song in songs for i in items_of(song, about.everything, about.fields)]}


def save(asked: Asked, desk: Desk) -> dict[str, Any]:
    """Write the songs and what is said of all of them as a dataset.json."""
    about = asked[Saving]
    dataset = Dataset.open(about.source, about.txt)
    said = {n: getattr(about, n) for n in ("name", "custom_tag", "tag_position", "genre_ratio", "all_instrumental")}
    dataset.metadata |= {n: v for n, v in said.items() if v is not None}
    if about.validation is not None:
        dataset.hold_out(about.validation, about.split_seed)
    dataset.save(about.out)
    good = usable(dataset.songs)
    held = sum(s.split == "validation" for s in good)
    return {"out": str(about.out), "songs": len(good), "held_out": held, "left_out": len(dataset.songs) - len(good),
            "without_words": dataset.without_words()}  # fmt: skip


def retag(asked: Asked, desk: Desk) -> dict[str, Any]:
    """The captions before and after an edit, and in how many songs each tag stands."""
    about = asked[Tagging]
    captions = open_captions(about.folder, about.txt)
    if about.edit != "none":
        apply(captions, [Step(_edit(about), parse_where(about.where) if about.where else everything)])
    changed = [{"song": s.name, "before": s.song.caption, "after": s.text} for s in captions.changed]
    wanted = changes(captions)
    if not about.dry_run and wanted:
        done = write_changes(about.folder, f"tags {about.edit} {about.tags}", wanted)
        captions.problems |= done.problems
    problems = {name: [str(p) for p in each] for name, each in captions.problems.items()}
    counts = counts_of(captions.songs).most_common()
    return {"changed": changed, "problems": problems, "notes": captions.notes, "counts": counts}


def _edit(about: Tagging) -> Edit:
    tags = tuple(tag_list([about.tags]))
    made = {
        "add": lambda: Add(tags, about.position),
        "remove": lambda: Remove(Match(tags)),
        "replace": lambda: Replace(Match((about.tags,)), about.new),
        "rename": lambda: Rename(about.tags, about.new),
        "dedupe": lambda: Dedupe(False),
        "sort": lambda: Sort(),
    }
    return made[about.edit]()


def _found(path: Path, txt: TxtMeaning) -> Song:
    """The song as its folder has it, tables beside it included."""
    if not path.is_file():
        raise UserError(f"There is no song {path}", "scan the folder again")
    for song in scan_folder(path.parent, txt).songs:
        if song.path.resolve() == path.resolve():
            return song
    raise UserError(f"{path.name} is no song", "give an audio file")


def _facts(song: Song) -> dict[str, Any]:
    return dict(dataset_facts(Dataset(songs=[song]))["songs"][0])


def _item(item: Item) -> dict[str, Any]:
    sure = item.song.confidence.get(item.field)
    return {"path": str(item.song.path), "field": item.field, "value": item.value, "source": item.source,
            "confidence": sure, "alternatives": item.alternatives, "why": list(item.why)}  # fmt: skip


SONG = Kind(
    name="song",
    about="Tell all of one song, and give its sound.",
    shape=Shape(flat=(OneSong,)),
    work=look,
    lane=QUICK,
)
CORRECT = Kind(
    name="correct",
    about="Write what a person says of a song beside it.",
    shape=Shape(flat=(OneSong, Correcting)),
    work=correct,
    lane=QUICK,
)
REVIEW = Kind(
    name="review",
    about="Tell what of a folder a person should look at.",
    shape=Shape(flat=(Reviewing,)),
    work=review,
    check=lambda asked: must_exist(asked[Reviewing].folder),
    lane=QUICK,
)
SAVE = Kind(
    name="save_dataset",
    about="Write a dataset.json.",
    shape=Shape(flat=(Saving,)),
    work=save,
    check=lambda asked: must_exist(asked[Saving].source),
    lane=QUICK,
)
TAGS = Kind(
    name="tags",
    about="Edit and count the tags in the captions of a folder.",
    shape=Shape(flat=(Tagging,)),
    work=retag,
    check=lambda asked: must_exist(asked[Tagging].folder),
    lane=QUICK,
)
