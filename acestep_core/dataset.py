"""A dataset: songs with their labels, from a folder or a dataset.json in the reference's schema."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from acestep_core.data import Problem, Song, names, usable
from acestep_core.dataset_file import SETTINGS, read_dataset, write_dataset
from acestep_core.files import text_id
from acestep_core.scan import TxtMeaning, mark_same_audio, scan_folder
from acestep_core.splitting import split_songs
from acestep_core.wording import Wording


@dataclass
class Dataset:
    """Songs, problems of files that belong to no song, and dataset-wide settings (`metadata`)."""

    songs: list[Song] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=lambda: dict(SETTINGS))
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def scan(cls, folder: str | Path, txt: TxtMeaning = "lyrics") -> "Dataset":
        """The songs of a folder; see `acestep_core.scan` for the files it reads."""
        found = scan_folder(Path(folder), txt)
        return cls(found.songs, {**SETTINGS, "name": Path(folder).resolve().name}, found.problems, found.notes)

    @classmethod
    def load(cls, path: str | Path) -> "Dataset":
        """A dataset.json of ours or the reference's. Raises `UserError` if it is none; bad samples become problems."""
        metadata, songs, problems = read_dataset(Path(path))
        mark_same_audio(songs)
        return cls(songs, metadata, problems)

    @classmethod
    def open(cls, source: str | Path, txt: TxtMeaning | None = None, *, kohya: bool = False) -> "Dataset":
        """A folder is scanned, a dataset.json is loaded; a dataset TOML and metadata JSON or JSONL are read as Kohya's.

        `kohya` reads the numbers in `N_name` folders as repeats. `txt` None means lyrics in a plain folder, and is an
        error where Kohya's files leave open what a bare {stem}.txt is.
        """
        from acestep_core.kohya.sources import open_kohya, with_kohya_note  # they build on this module

        dataset = open_kohya(Path(source), txt, kohya)
        if dataset is not None:
            return dataset
        txt = txt or "lyrics"
        to_load = str(source).lower().endswith(".json") and not Path(source).is_dir()
        return cls.load(source) if to_load else with_kohya_note(cls.scan(source, txt), Path(source))

    def save(self, path: str | Path) -> None:
        """Write the reference's schema plus fields of ours, which it ignores. Songs with problems are left out."""
        write_dataset(Path(path), usable(self.songs), self.metadata)

    def captions(self) -> Iterator[tuple[Song, str]]:
        """Each usable song with the caption its prompt uses: caption or genre, with the trigger tag applied."""
        yield from ((w.song, w.tagged(w.texts[0])) for w in self.wordings())

    def wordings(self) -> Iterator[Wording]:
        """What the prompts of each usable song say; `captions` has the first of it."""
        songs, ratio = usable(self.songs), self.metadata["genre_ratio"]
        drawn = sorted((text_id("genre", s.id), s.id) for s in songs)
        by_genre = {i for _, i in drawn[: int(len(songs) * ratio / 100)]}
        for song in songs:
            choice = song.prompt_override or ("genre" if song.id in by_genre else "caption")
            known = {"genre": (song.genre, ratio / 100), "caption": (song.caption, 1 - ratio / 100)}
            text, share = known.pop(choice) if song.genre else (song.caption, 1.0)
            (other, rest), *_ = known.values()
            both = song.genre and other and text and rest and not song.prompt_override
            tag = song.custom_tag or self.metadata["custom_tag"]
            texts, shares = ((text, other), (share, rest)) if both else ((text,), (1.0,))
            yield Wording(self._as_sung(song), texts, shares, tag, self.metadata["tag_position"])

    def _as_sung(self, song: Song) -> Song:
        """As the reference has it, a song without words has no language where all are said to be instrumental."""
        wordless = self.metadata["all_instrumental"] is True and song.instrumental
        return replace(song, language="unknown") if wordless and song.language != "unknown" else song

    def without_words(self) -> list[str]:
        """Names of the songs that are not said to be instrumental and have no lyrics."""
        songs = usable(self.songs) if self.metadata["all_instrumental"] is False else []
        return [names(self.songs)[s.path] for s in songs if not s.lyrics]

    def hold_out(self, share: float, seed: int = 0, again: bool = False) -> None:
        """Set each usable song's `split`: about `share` of them for validation; see `splitting.split_songs`.

        Songs that have a side keep it, unless all are drawn `again`.
        """
        songs = usable(self.songs)
        kept = {} if again else {s.id: s.split for s in songs if s.split is not None}
        sides = split_songs(songs, share, seed, kept)
        for song in songs:
            song.split = sides[song.id]
