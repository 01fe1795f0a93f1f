"""How well acestep-nano does what it is told: 100 prompts it never saw, measured by ear of the product itself.

A prompt is what the composer says of a piece that was not learnt from (caption, tempo, key, metre, words); what is
made with a fixed seed is held against the piece. Tempo (within 4 %, its double, half, triple or third) and key (exact)
are measured with the annotator `tempo_key`, drums and style with judges that learnt from composed pieces. The same is
measured of the pieces themselves, and of pieces through the codec, which bound what can be reached; with guidance off;
and with prompts shuffled, as a control, which must fall to chance.

Needs contrib/acestep-nano installed. Targets: tempo 0.60, key 0.70, drums 0.90, style 0.80.
"""

import argparse
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from acestep_nano.composing import compose
from acestep_nano.harmony import third_of, tonic_of
from acestep_nano.hearing import has_drums, style_of
from acestep_nano.pieces import STYLES, Piece
from acestep_nano.rendering import render

from acestep_core.adapters import UsedAdapter
from acestep_core.audio import RATE_HZ
from acestep_core.events import Failed, Made
from acestep_core.generation import generating
from acestep_core.model import Model, load_backend
from acestep_core.request import GenerateRequest
from acestep_plugins.annotators.tempo_key import RATE_HZ as HEARD_HZ
from acestep_plugins.annotators.tempo_key import analyse_wave

FIRST_SEED = 900_000_000  # the training takes its pieces from far smaller ones
SECONDS = 12.0
OCTAVES = (1, 2, 3, 1 / 2, 1 / 3)
COLUMNS = ("tempo", "key", "drums", "style")
TARGETS = (0.6, 0.7, 0.9, 0.8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("nano"))
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--guidance", type=float, default=2.5, help="of the base model")
    parser.add_argument("--steps", type=int, default=30, help="of the base model")
    parser.add_argument("--ways", nargs="*", default=["pieces", "codec", "turbo", "base", "base-plain", "shuffled"])
    parser.add_argument("--json", type=Path, help="write the figures there too")
    given = parser.parse_args()
    pieces = [compose(FIRST_SEED + i) for i in range(given.count)]
    print(f"{given.count} prompts; chance is 0.04 for the key and {1 / len(STYLES):.2f} for the style")
    print(f"{'':<12}" + "".join(f"{name:>8}" for name in COLUMNS), flush=True)
    rows = {}
    for way in given.ways:
        heard = [scores(piece, wave) for piece, wave in zip(pieces, WAYS[way](pieces, given), strict=True)]
        rows[way] = [float(v) for v in np.mean(heard, axis=0)]
        print(f"{way:<12}" + "".join(f"{v:>8.2f}" for v in rows[way]), flush=True)
    print(f"{'target':<12}" + "".join(f"{v:>8.2f}" for v in TARGETS))
    if given.json:
        given.json.write_text(json.dumps({way: dict(zip(COLUMNS, row, strict=True)) for way, row in rows.items()}))


def scores(piece: Piece, wave: np.ndarray) -> list[bool]:
    """Whether tempo, key, drums and style of a wave [2, S] are those of the piece."""
    found = analyse_wave(soxr.resample(wave.T, RATE_HZ, HEARD_HZ).T)
    tempo = bool(found.bpm) and any(abs(found.bpm / (piece.bpm * o) - 1) <= 0.04 for o in OCTAVES)
    return [tempo, _key(found.keyscale) == _key(piece.keyscale), has_drums(wave) == piece.drums,
            style_of(wave) == piece.style]  # fmt: skip


def _key(keyscale: str | None) -> tuple[int, str] | None:
    """However it is spelt."""
    return (tonic_of(keyscale), third_of(keyscale)) if keyscale else None


def request(piece: Piece, seed: int, **fields: Any) -> GenerateRequest:
    return GenerateRequest(
        caption=piece.caption, lyrics=piece.lyrics, language=piece.language, bpm=piece.bpm, keyscale=piece.keyscale,
        timesignature=piece.timesignature, duration_s=SECONDS, seed=seed, **fields,
    )  # fmt: skip


def made(
    model: Model, requests: Sequence[GenerateRequest], adapters: Sequence[UsedAdapter] = ()
) -> list[np.ndarray]:  # fmt: skip
    waves: dict[int, np.ndarray] = {}
    for event in generating(model, requests, adapters=adapters):
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, Made):
            waves[event.item] = event.clip.wave
    return [waves[i] for i in range(len(requests))]


def by_turbo(pieces: Sequence[Piece], given: argparse.Namespace) -> list[np.ndarray]:
    model = load_backend("pt", model=given.model, variant="turbo")
    return made(model, [request(p, seed) for seed, p in enumerate(pieces)])


def shuffled(pieces: Sequence[Piece], given: argparse.Namespace) -> list[np.ndarray]:
    """Each piece is held against what somebody else's prompt made."""
    others = list(pieces)
    random.Random(0).shuffle(others)
    return by_turbo(others, given)


def by_base(pieces: Sequence[Piece], given: argparse.Namespace, guidance: float | None = None) -> list[np.ndarray]:
    model = load_backend("pt", model=given.model, variant="base")
    how = {"steps": given.steps, "guidance": given.guidance if guidance is None else guidance}
    return made(model, [request(p, seed, **how) for seed, p in enumerate(pieces)])


def through_codec(pieces: Sequence[Piece], given: argparse.Namespace) -> list[np.ndarray]:
    codec = load_backend("pt", model=given.model, variant="turbo").codec
    return [codec.decode(_tensor(codec.encode(_cut(render(p)), 0))) for p in pieces]


def _tensor(latents: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(latents)


def _cut(wave: np.ndarray) -> np.ndarray:
    return wave[:, : round(SECONDS * RATE_HZ)]


WAYS: dict[str, Callable[[Sequence[Piece], argparse.Namespace], list[np.ndarray]]] = {
    "pieces": lambda pieces, given: [_cut(render(p)) for p in pieces],
    "codec": through_codec,
    "turbo": by_turbo,
    "base": by_base,
    "base-plain": lambda pieces, given: by_base(pieces, given, guidance=1.0),
    "shuffled": shuffled,
}

if __name__ == "__main__":
    main()
