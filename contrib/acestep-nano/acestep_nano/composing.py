"""A piece from a seed: the same one on every machine."""

from dataclasses import replace

from acestep_nano import tunes, words
from acestep_nano.captions import captions
from acestep_nano.drumming import hits_of
from acestep_nano.pieces import Hit, Note, Piece
from acestep_nano.planning import Plan, planned
from acestep_nano.textures import Sounding, accompaniment

TUNEFUL = {"melody": 1.0, "waltz": 0.6}  # share of a style's pieces that have a tune without words too
END_S = 0.06  # of silence at the end
LAST_BEATS = 0.2  # what stops later than this before the end of the last bar rings on


def compose(
    seed: int, *, style: str | None = None, mode: str | None = None, drums: bool | None = None, key: str | None = None,
    bpm: int | None = None, metre: str | None = None, seconds: float | None = None,
) -> Piece:  # fmt: skip
    """Piece `seed`; what is None is drawn, each aspect on its own.

    Pentatonic bells in 6/8 come about only where all three are asked for (`pieces.HELD_OUT`). Raises `UserError` for
    what is not composed.
    """
    plan = planned(seed, style=style, mode=mode, drums=drums, key=key, bpm=bpm, metre=metre, seconds=seconds)
    tune, lyrics = _tune(plan)
    notes = sorted((_timed(plan, note) for note in [*accompaniment(plan), *tune]), key=lambda n: (n.start_s, n.pitch))
    hits = tuple(Hit(beat * plan.beat_s, drum) for beat, drum in hits_of(plan)) if plan.drums else ()
    piece = Piece(seed, plan.seconds, plan.bpm, plan.keyscale, plan.mode, plan.metre, plan.style, plan.drums,
                  tuple(notes), hits, lyrics, plan.language)  # fmt: skip
    return replace(piece, caption=plan.draws("caption").choice(captions(piece)))


def _tune(plan: Plan) -> tuple[list[Sounding], str]:
    """The notes of the tune and its words, if any."""
    counts = tunes.note_counts(plan)
    if plan.language != "unknown":
        lines = words.lines(counts, plan.language, plan.draws("words"))
        return tunes.tune(plan, counts), words.lyrics(lines)
    if plan.draws("tuneful").random() < TUNEFUL.get(plan.style, 0.0):
        return tunes.tune(plan, counts), ""
    return [], ""


def _timed(plan: Plan, note: Sounding) -> Note:
    """In seconds; notes at the end of the last bar ring on as far as there is room."""
    last = len(plan.chords) * plan.beats
    end_s = plan.seconds if note.beat + note.beats > last - LAST_BEATS else (note.beat + note.beats) * plan.beat_s
    start_s = note.beat * plan.beat_s
    return Note(start_s, min(end_s, plan.seconds - END_S) - start_s, note.pitch, note.velocity, note.part)
