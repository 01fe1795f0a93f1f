"""The text the model was trained on: templates, vocabularies and limits, as pure functions.

The same functions build the conditions of a training song and of a generated one.
Source: acestep/constants.py and handler/prompt_utils.py of ACE-Step 1.5 (April 2026).
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acestep_core.data import Song

PROMPT_VERSION = 1
"""Raised when a template changes, so that encoded songs are known to be stale."""

TEXT2MUSIC = "Fill the audio semantic mask based on the given conditions:"
CAPTION_TOKENS = 256
LYRIC_TOKENS = 2048
TIMESIGNATURES = ("2", "3", "4", "6")
KEYSCALES = tuple(
    f"{note}{accidental} {scale}"
    for note in "ABCDEFG"
    for accidental in ("", "#", "b", "♯", "♭")
    for scale in ("major", "minor")
)
_LANGUAGES = (
    "ar az bg bn ca cs da de el en es fa fi fr he hi hr ht hu id is it ja ko la lt ms ne nl no pa pl pt ro ru sa sk "
    "sr sv sw ta te th tl tr uk ur vi yue zh unknown"
)
LANGUAGES = tuple(_LANGUAGES.split())


def metas_text(bpm: int | None, timesignature: str, keyscale: str, duration_s: float) -> str:
    """The metadata lines; what is not known reads N/A."""
    lines = {
        "bpm": bpm,
        "timesignature": timesignature,
        "keyscale": keyscale,
        "duration": f"{int(duration_s)} seconds",
    }
    return "".join(f"- {name}: {value or 'N/A'}\n" for name, value in lines.items())


def caption_text(caption: str, metas: str, instruction: str = TEXT2MUSIC) -> str:
    """The text whose encoder states describe the music."""
    return f"# Instruction\n{instruction}\n\n# Caption\n{caption}\n\n# Metas\n{metas}<|endoftext|>\n"


def lyric_text(lyrics: str, language: str = "unknown") -> str:
    """The text whose token embeddings are the lyrics."""
    return f"# Languages\n{language}\n\n# Lyric\n{lyrics}<|endoftext|>"


_META = re.compile(r"^- (bpm|timesignature|keyscale): (.+)$", re.MULTILINE)
_LYRICS = re.compile(r"# Languages\n(.*?)\n\n# Lyric\n(.*)<\|endoftext\|>", re.DOTALL)


def read_texts(caption: str, lyrics: str) -> dict[str, Any]:
    """What two texts of `caption_text` and `lyric_text` say, as fields of a request; what they leave open is absent."""
    metas = dict(_META.findall(caption.rpartition("\n\n# Metas\n")[2]))
    found: dict[str, Any] = {name: value for name, value in metas.items() if value != "N/A"}
    if "bpm" in found:
        found["bpm"] = int(found["bpm"])
    sung = _LYRICS.fullmatch(lyrics)
    if sung is not None:
        found |= {"language": sung[1], "lyrics": "" if sung[2] == "[Instrumental]" else sung[2]}
    return found


def tagged(caption: str, tag: str, position: str) -> str:
    """Caption with the trigger tag put before, after or instead of it."""
    if not tag or not caption or position == "replace":
        return tag or caption
    return f"{tag}, {caption}" if position == "prepend" else f"{caption}, {tag}"


def song_texts(song: "Song", caption: str, duration_s: float | None = None, words: bool = True) -> tuple[str, str]:
    """(caption text, lyric text) of a song under the given caption; of a part that lasts `duration_s`, if given.

    Without `words` the lyrics are left open, which is something else than an instrumental.
    """
    metas = metas_text(song.bpm, song.timesignature, song.keyscale, duration_s or song.duration_s)
    lyrics = (song.lyrics or "[Instrumental]") if words or song.instrumental else ""
    return caption_text(caption, metas), lyric_text(lyrics, song.language)


def token_warnings(caption: str, lyrics: str, count: Callable[[str], int], who: str) -> list[str]:
    """Sentences about texts longer than the model was trained on. Nothing is ever cut."""
    found = []
    for label, text, limit in (("caption", caption, CAPTION_TOKENS), ("lyrics", lyrics, LYRIC_TOKENS)):
        tokens = count(text)
        if tokens > limit:
            found.append(
                f"{who}: the {label} with its template is {tokens} tokens, the model knows {limit}; shorten it"
            )
    return found
