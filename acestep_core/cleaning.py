"""Lyrics files without their times, as scan reads them: what would change, and writing it beside the songs."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from acestep_core.audio import EXTENSIONS
from acestep_core.data import Problem
from acestep_core.errors import UserError
from acestep_core.files import read_text, write_text
from acestep_core.listing import Listing
from acestep_core.lyrics import TIMED, clean_lyrics, has_times, lyrics_diff
from acestep_core.scan import TxtMeaning


@dataclass(frozen=True)
class Cleaning:
    """One file whose lyrics have times in them, where the words alone go, and both texts."""

    file: Path
    target: Path
    before: str
    after: str

    @property
    def diff(self) -> str:
        return lyrics_diff(self.before, self.after, self.file.name)


def plan_cleaning(source: str | Path, txt: TxtMeaning = "lyrics") -> tuple[list[Cleaning], list[Problem]]:
    """What cleaning would change in one file, or in those that scan takes the lyrics of a folder's songs from."""
    source = Path(source)
    problems: list[Problem] = []
    if source.is_dir():
        listing = Listing.of(source, lambda e: problems.append(Problem(f"{e.filename} cannot be opened")))
        texts = [listing.beside(audio) for audio in listing.ending_with(*EXTENSIONS)]
        endings = (".lyrics.txt", *([".txt"] if txt == "lyrics" else []), *TIMED)
        songs = [[Path(each[e]) for e in endings if e in each] for each in texts]
    elif source.is_file():
        songs = [[source]]
    else:
        raise UserError(f"There is no file or folder {source}", "give a folder of songs or one file of lyrics")
    found = [cleaning for files in songs if (cleaning := _first_with_words(files, problems))]
    return [c for c in found if has_times(c.before)], problems


def write_cleaning(cleaning: Cleaning) -> None:
    """Write `{stem}.lyrics.txt`. Where that is the file itself, what was in it is kept under the name .orig."""
    if cleaning.target == cleaning.file:
        keep_original(cleaning.file)
    write_text(cleaning.target, cleaning.after + "\n")


def keep_original(path: Path) -> Path:
    """A copy of the file beside it; one that is there already is the older original and stays."""
    kept = path.with_name(f"{path.name}.orig")
    if not kept.exists():
        temporary = path.with_name(f".{kept.name}.tmp")
        shutil.copyfile(path, temporary)
        temporary.replace(kept)
    return kept


def _first_with_words(files: list[Path], problems: list[Problem]) -> Cleaning | None:
    for file in files:
        try:
            before = read_text(file).strip()
        except OSError as e:
            problems.append(Problem(f"{file} cannot be read ({e.strerror})", "check its permissions"))
        except UserError as e:
            problems.append(Problem(e.problem, e.hint))
        else:
            if after := clean_lyrics(before).text:
                return Cleaning(file, _target(file), before, after)
    return None


def _target(file: Path) -> Path:
    if file.name.endswith(".lyrics.txt"):
        return file
    return file.with_name(f"{file.stem}.lyrics.txt")
