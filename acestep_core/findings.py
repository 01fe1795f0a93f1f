"""What a person should know of a song that can be used all the same: its length, its channels, texts that look odd."""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePath

from acestep_core.data import LONGEST_S, SHORTEST_S, Song
from acestep_core.lookalikes import reads_like_caption, reads_like_lyrics
from acestep_core.prompts import CAPTION_TOKENS, LYRIC_TOKENS, song_texts

FULL_RATE_HZ = 44_100

# Byte-pair tokenizers of such models take about 0.3 tokens a letter of English and 0.6 a Chinese character. These
# numbers err on the high side, most for scripts that are split into bytes.
_PIECES = re.compile(
    r"(?P<ascii>[A-Za-z]+(?![^\W\d_]))|(?P<han>[\u3400-\u9fff\u3040-\u30ff])|(?P<hangul>[\uac00-\ud7af])"
    r"|(?P<letters>[^\W\d_\u0590-\u1cff\u3040-\u9fff\uac00-\ud7af]+)|(?P<lines>\s*\n\s*)|\s+|(?P<rest>(.)\3*)"
)
_COST: dict[str, Callable[[int], float]] = {
    "ascii": lambda n: math.ceil(n / 5),
    "han": lambda n: 0.75,
    "hangul": lambda n: 1.0,
    "letters": lambda n: math.ceil(n / 2.5),
    "lines": lambda n: 1.0,
    "rest": lambda n: max(1.0, n / 4),
}


def header_notes(song: Song) -> Iterator[str]:
    """What its length, channels and rate mean for training."""
    if song.duration_s < SHORTEST_S:
        yield f"shorter than {SHORTEST_S} s: encode will leave it out"
    if song.duration_s > LONGEST_S:
        yield f"longer than {LONGEST_S:g} s: encode will leave it out, cut it into pieces"
    if song.channels == 1:
        yield "mono: both channels will be the same"
    if song.rate_hz < FULL_RATE_HZ:
        yield f"sampled at {song.rate_hz} Hz: nothing above {song.rate_hz / 2000:g} kHz is in it"


def text_notes(song: Song) -> Iterator[str]:
    """Texts that seem to stand in the wrong place, and no lyrics at all."""
    if song.lyrics and song.lyrics == song.caption:
        yield "caption and lyrics are the same text: remove one of them"
    elif song.lyrics and reads_like_caption(song.lyrics):
        yield f"{song.sources['lyrics']}: its lyrics read like a caption{_move(song, 'lyrics', 'caption')}"
    elif song.caption and reads_like_lyrics(song.caption):
        yield f"{song.sources['caption']}: its caption reads like lyrics{_move(song, 'caption', 'lyrics')}"
    if not song.lyrics and not song.problems:
        yield "no lyrics: treated as instrumental"


def _move(song: Song, name: str, other: str) -> str:
    """How to put the text where it belongs, where a file holds nothing else."""
    source, stem = PurePath(song.sources[name]).name, song.path.stem
    if source == f"{stem}.txt":
        return f"; if it is one, use --txt {other}" if other == "caption" else f"; if so, use --txt {other}"
    return f"; if so, rename it to {stem}.{other}.txt" if source.endswith(".txt") else ""


def note_lengths(songs: Iterable[tuple[Song, str]], count: Callable[[str], int] | None = None) -> None:
    """Add a note to each song whose texts under this caption are longer than the model knows.

    `count` is the model's own; without it the number is an estimate that rather says too much.
    """
    for song, caption in songs:
        song.notes += _length_notes(song, caption, count)


def _length_notes(song: Song, caption: str, count: Callable[[str], int] | None) -> Iterator[str]:
    named = zip(("caption", "lyrics"), song_texts(song, caption), (CAPTION_TOKENS, LYRIC_TOKENS), strict=True)
    for name, text, limit in named:
        tokens = count(text) if count else estimated_tokens(text)
        if tokens > limit and count:
            yield f"its {name} with the template is {tokens} tokens, the model knows {limit}: shorten it"
        elif tokens > limit:
            yield (f"its {name} with the template is about {tokens} tokens by estimate, the model knows {limit}: "
                   "shorten it, or see the exact number with --model")  # fmt: skip


def estimated_tokens(text: str) -> int:
    """About how many tokens a text is, without the model."""
    pieces = ((m.lastgroup, len(m[0])) for m in _PIECES.finditer(text) if m.lastgroup)
    return math.ceil(sum(_COST[kind](length) for kind, length in pieces))
