"""What may be said of a piece, in several phrasings; style and drums always, tempo, key and metre sometimes.

What a caption leaves out stands in the metadata only, so that both are learnt.
"""

import random

from acestep_nano import vocabulary as words
from acestep_nano.pieces import Piece
from acestep_nano.planning import draws

NUMBER = {"en": 5, "zh": 2, "ja": 2}  # captions of a piece in each language
SAID = {"mood": 0.7, "pace": 0.35, "bpm": 0.25, "key": 0.35, "metre": 0.2, "sung": 0.8}  # how often
BPM = {"en": ("{} BPM", "at {} beats per minute", "at {} BPM"), "zh": ("每分钟{}拍", "速度{}"),
       "ja": ("テンポ{}", "{} BPM")}  # fmt: skip

VOWELS = tuple("aeiou")


def captions(piece: Piece) -> list[str]:
    """Nine phrasings, each of them true: English, then Chinese, then Japanese."""
    return [
        MAKERS[language](_facts(piece, language, rng), rng)
        for language, number in NUMBER.items()
        for rng in (draws(piece.seed, f"{language} caption {i}") for i in range(number))
    ]


def _facts(piece: Piece, language: str, rng: random.Random) -> dict[str, str]:
    """Words for what is said this time; "" for what is left out."""
    known = {
        "style": words.STYLES[language][piece.style],
        "drums": words.DRUMS[language][piece.drums],
        "mood": words.MOODS[language][piece.mode],
        "pace": (words.pace(piece.bpm, language),),
        "bpm": tuple(said.format(piece.bpm) for said in BPM[language]),
        "key": words.key_names(piece.keyscale, language),
        "metre": words.METRES[language][piece.timesignature],
        "sung": words.SUNG[language] if piece.lyrics else ("",),
    }
    drawn = {name: (rng.choice(choice), rng.random() < SAID.get(name, 1.0)) for name, choice in known.items()}
    return {name: text if said else "" for name, (text, said) in drawn.items()}


def _english(said: dict[str, str], rng: random.Random) -> str:
    nature = rng.choice((" and ", ", ")).join(filter(None, (said["pace"], said["mood"])))
    key = said["key"] and rng.choice(("in {}", "in the key of {}")).format(said["key"])
    more = [said[name] for name in ("sung", "drums", "bpm", "metre") if said[name]] + [key] * bool(key)
    if rng.random() < 0.5:
        rng.shuffle(more)
    about = rng.choice(
        ("{style}", "{nature} music: {style}", "{style}, {nature}", "{article} {nature} piece with {style}")
    )
    if not nature:
        about = rng.choice(("{style}", "music with {style}", "a piece with {style}"))
    text = ", ".join(
        [about.format(style=said["style"], nature=nature, article="an" if nature[:1] in VOWELS else "a"), *more]
    )
    return text[0].upper() + text[1:] if rng.random() < 0.6 else text


def _chinese(said: dict[str, str], rng: random.Random) -> str:
    nature = [f"{said[name]}的" for name in ("pace", "mood") if said[name]]
    more = [said[name] for name in ("sung", "drums", "bpm", "key", "metre") if said[name]]
    rng.shuffle(more)
    return "，".join(["".join([*nature[:1], said["style"]]), *(n[:-1] for n in nature[1:]), *more])


def _japanese(said: dict[str, str], rng: random.Random) -> str:
    nature = "、".join(filter(None, (said["pace"], said["mood"])))
    more = [said[name] for name in ("sung", "drums", "bpm", "key", "metre") if said[name]]
    rng.shuffle(more)
    return "、".join([nature + said["style"], *more])


MAKERS = {"en": _english, "zh": _chinese, "ja": _japanese}
