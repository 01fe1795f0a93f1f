"""The songs of a folder with their captions, edits applied to them, and the files that would have to change."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from acestep_core.data import Problem, Song, names
from acestep_core.dataset import Dataset
from acestep_core.errors import UserError
from acestep_core.options import nearest
from acestep_core.scan import TxtMeaning
from acestep_core.sidecars import sidecar
from acestep_core.tags.captions import Caption, normal, parse
from acestep_core.tags.edits import Counts, Edit
from acestep_core.tags.journal import FileChange
from acestep_core.tags.where import Selected, Where, everything


@dataclass
class Tagged:
    """A song and the caption it has now; `song.caption` is the one it had."""

    song: Song
    name: str
    text: str

    @property
    def caption(self) -> Caption:
        return parse(self.text)

    @property
    def tags(self) -> tuple[str, ...]:
        return self.caption.tags

    @property
    def changed(self) -> bool:
        return self.text != self.song.caption

    @property
    def selected(self) -> Selected:
        return Selected(self.song, self.text, self.tags)


@dataclass
class Captions:
    """The songs that can be used; problems by name of the others, and of edits; notes that are worth a line."""

    source: Path
    txt: TxtMeaning
    songs: list[Tagged] = field(default_factory=list)
    problems: dict[str, list[Problem]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    trigger: str = ""
    """What the settings of a dataset.json put into every caption."""

    @property
    def changed(self) -> list[Tagged]:
        return [s for s in self.songs if s.changed]

    def where(self, where: Where) -> list[Tagged]:
        return [s for s in self.songs if where(s.selected)]


@dataclass(frozen=True)
class Step:
    """One edit of the selected songs; `place` says where it was asked for, as in 'line 3'."""

    edit: Edit
    where: Where = everything
    place: str = ""


def open_captions(source: str | Path, txt: TxtMeaning = "lyrics") -> Captions:
    """The captions of a folder or a dataset.json. Songs with problems are left out and told."""
    dataset = Dataset.open(source, txt)
    called = names(dataset.songs)
    opened = Captions(Path(source), txt, trigger=dataset.metadata["custom_tag"])
    for song in dataset.songs:
        if song.problems:
            opened.problems[called[song.path]] = list(song.problems)
        else:
            opened.songs.append(Tagged(song, called[song.path], song.caption))
    if dataset.problems:
        opened.problems[str(source)] = list(dataset.problems)
    return opened


def counts_of(songs: Sequence[Tagged]) -> Counts:
    """In how many songs each tag stands, by its normal form."""
    return Counter(t for s in songs for t in {normal(t) for t in s.tags})


def apply(captions: Captions, steps: Sequence[Step]) -> None:
    """Do the edits in memory, one after the other; what cannot be done is a problem of its song."""
    for step in steps:
        chosen = captions.where(step.where)
        counts = counts_of(chosen)
        captions.notes += _idle(step, chosen, captions)
        for song in chosen:
            caption = song.caption
            try:
                tags = step.edit(caption.tags, counts)
                if tuple(tags) != caption.tags:
                    song.text = caption.with_tags(tags)
            except UserError as e:
                place = f"{step.place}: " if step.place else ""
                captions.problems.setdefault(song.name, []).append(Problem(f"{place}{e.problem}", e.hint))


def _idle(step: Step, chosen: Sequence[Tagged], captions: Captions) -> list[str]:
    """Why a step does less than it says."""
    place = f"{step.place}: " if step.place else ""
    if not chosen:
        return [f"{place}no song is selected"] if captions.songs else []
    present = {t for s in chosen for t in s.tags}
    missing = step.edit.missing(present)
    return [f"{place}no selected song has the tag '{n}'; {_like(n, present)}" for n in missing]


def _like(name: str, present: set[str]) -> str:
    same = sorted(t for t in present if normal(t) == normal(name))
    if same:
        return f"'{same[0]}' is there (--ignore-case)"
    hint = nearest(name, present)
    return hint if hint.startswith("did you") else "see 'tags stats'"


def changes(captions: Captions) -> list[FileChange]:
    """What has to be written for the new captions to count; a song for which that cannot be is a problem."""
    tables = any(captions.source.rglob("*.[cC][sS][vV]"))
    found: list[FileChange] = []
    for song in captions.changed:
        try:
            found += _changes_of(song, captions.txt, tables)
        except UserError as e:
            captions.problems.setdefault(song.name, []).append(Problem(e.problem, e.hint))
            song.text = song.song.caption
    return found


def _changes_of(tagged: Tagged, txt: TxtMeaning, tables: bool) -> list[FileChange]:
    """Where the caption that counts stands now. A table is not written: what it says goes into the JSON, which wins.

    Text files that said the same say the new caption too.
    """
    song, old, new = tagged.song, tagged.song.caption, tagged.text
    in_json = sidecar(song.path, ".json")
    raw = _bytes(in_json)
    content = json.loads(raw.decode("utf-8-sig").strip() or "{}") if raw else {}
    texts = [sidecar(song.path, e) for e in ([".txt"] if txt == "caption" else []) + [".caption.txt"]]
    said = {p: _text(_bytes(p)) for p in texts}
    files = [p for p in texts if old and said[p] == old]
    found: list[FileChange] = []
    if content.get("caption") not in (None, "") or _is_elsewhere(song, files):
        found.append(FileChange(tagged.name, in_json, raw, _json_with(raw, content, new)))
    elif not files:
        files = texts[-1:]
    if not new and (any(said[p] for p in texts if p not in files) or (found and (tables or txt == "fields"))):
        raise UserError("no tag would be left, and an older caption beside it would count again",
                        f"add a tag in the same edit, or empty the caption in {in_json.name} by hand")  # fmt: skip
    return [*found, *(FileChange(tagged.name, p, _bytes(p), _text_with(_bytes(p), new)) for p in files)]


def _is_elsewhere(song: Song, files: Sequence[Path]) -> bool:
    """Whether the caption is from a file that is not written; one that a plugin gave stands in a text file too."""
    source = song.sources.get("caption")
    if source is None or source in {p.name for p in files}:
        return False
    return source.lower().endswith((".csv", ".txt")) or not files


def _json_with(raw: bytes | None, content: dict[str, object], caption: str) -> bytes:
    """The file with another caption, indented as it was."""
    found = re.search(rb"\{\s*?\n([ \t]+)\"", raw or b'{\n  "')
    indent = found[1].decode() if found else None
    text = json.dumps({**content, "caption": caption}, indent=indent, ensure_ascii=False)
    return text.encode() + (b"\n" if raw is None or raw.endswith(b"\n") else b"")


def _text_with(raw: bytes | None, caption: str) -> bytes:
    """The file with another caption between the white space and the byte-order mark it had."""
    old = raw.decode("utf-8") if raw else "\n"
    start = "\ufeff" if old.startswith("\ufeff") else ""
    body = old.removeprefix("\ufeff")
    end = body[len(body.rstrip()) :]
    return (start + caption + end).encode()


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as e:
        raise UserError(f"{path.name} cannot be read ({e.strerror})", "check its permissions") from None


def _text(raw: bytes | None) -> str:
    return raw.decode("utf-8-sig", "replace").strip() if raw else ""
