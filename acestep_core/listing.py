"""The files below a folder, listed once: whether a song has a text file beside it is looked up, not tried."""

import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from acestep_core.lyrics import TIMED

_ENDINGS = (".txt", ".json", *TIMED)
_KINDS = (".lyrics", ".caption")
_NONE: Mapping[str, str] = {}


@dataclass
class Listing:
    """Names of visible files, in order, by folder, as the disk spells them."""

    folders: dict[str, dict[str, None]] = field(default_factory=dict)
    ignores_case: bool = False
    _texts: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, on_error: Callable[[OSError], None], recursive: bool = True) -> "Listing":
        """Everything below `folder` but hidden files and folders; links to folders are not followed."""
        found = cls()
        for root, folders, names in os.walk(folder, onerror=on_error):
            folders[:] = sorted(f for f in folders if recursive and not f.startswith("."))
            found.folders[root] = dict.fromkeys(sorted(n for n in names if not n.startswith(".")))
        found.ignores_case = any(map(found._opens_in_any_case, found.folders))
        return found

    def ending_with(self, *extensions: str) -> list[Path]:
        """The files with these extensions, in order of path."""
        return sorted(Path(root, n) for root, names in self.folders.items()
                      for n in names if n.lower().endswith(extensions))  # fmt: skip

    def beside(self, audio: str | Path) -> Mapping[str, str]:
        """The text files of a song: ending, such as .lyrics.txt, -> path. Accents may be spelt in another way."""
        folder, name = os.path.split(audio)
        stem = os.path.splitext(name)[0]
        if folder not in self._texts:
            self._texts[folder] = self._by_stem(folder)
        found = self._texts[folder].get(self._key(stem), _NONE)
        if stem.isascii():
            return found
        return {e: os.path.join(folder, stem + e) if stem + e in self.folders[folder] else p for e, p in found.items()}

    def strays(self) -> Iterator[tuple[Path, str]]:
        """Lyrics and captions that nothing reads, each with the reason."""
        for folder, names in self.folders.items():
            texts = {n for n in names if n.lower().endswith((".lyrics.txt", ".caption.txt", *TIMED))}
            stems = {self._key(os.path.splitext(n)[0]) for n in names if n not in texts}
            cases = {s.casefold(): s for s in stems}
            for name in sorted(texts):
                found = [n for n in _splits(name.lower()) if self._key(name[: len(n[0])]) in stems]
                near = [cases.get(self._key(stem).casefold()) for stem, _ in _splits(name.lower())]
                if found and (self.ignores_case or any(name.endswith(ending) for _, ending in found)):
                    continue
                case = any(near) and "upper and lower case differ from the song's name"
                yield Path(folder, name), case or "no song has its name"

    def _by_stem(self, folder: str) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        start = os.path.join(folder, "")
        for name in self.folders.get(folder, ()):
            for stem, ending in _splits(name.lower() if self.ignores_case else name):
                key = self._key(name[: len(stem)])
                found.setdefault(key, {}).setdefault(ending, start + name)
        return found

    def _key(self, name: str) -> str:
        return composed(name).casefold() if self.ignores_case else composed(name)

    def _opens_in_any_case(self, folder: str) -> bool:
        name = next((n for n in self.folders[folder] if n.swapcase() not in self.folders[folder]), None)
        return name is not None and os.path.exists(os.path.join(folder, name.swapcase()))


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """(stem, ending) in each way: `a.lyrics.txt` may be the lyrics of `a.wav` and the text of `a.lyrics.wav`."""
    stem, dot, kind = name.rpartition(".")
    if dot + kind in _ENDINGS:
        yield stem, dot + kind
        if kind == "txt" and stem.endswith(_KINDS):
            first, dot, kind = stem.rpartition(".")
            yield first, f"{dot}{kind}.txt"


def composed(name: str) -> str:
    """macOS spells 'é' in file names as two characters, most others as one."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)
