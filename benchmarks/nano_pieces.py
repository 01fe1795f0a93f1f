"""How well acestep-nano's pieces say what they are: tempo and key to `tempo_key`, style and drums to its own judges.

Pieces of the seeds --seed and on, by style and with or without drums. Acc1 is a tempo within 4 %, Acc2 also its
double, half, triple or third. The judges of styles and drums learn from other seeds. `render s` is processor time for
the sound of a piece of 15 s. Needs acestep-nano (pip install contrib/acestep-nano).

Targets: Acc2 0.95, key 0.95, style 0.95, drums 0.95, 0.15 s. The metre 2 is not among those `tempo_key` knows.
"""

import argparse
import time
from collections import defaultdict

import numpy as np
import soxr
from acestep_nano.composing import compose
from acestep_nano.harmony import third_of, tonic_of
from acestep_nano.hearing import has_drums, style_of
from acestep_nano.pieces import HELD_OUT, Piece
from acestep_nano.rendering import RATE_HZ, render

from acestep_plugins.annotators import tempo_key

OCTAVES = (1, 2, 3, 1 / 2, 1 / 3)
COLUMNS = ("acc1", "acc2", "key", "metre", "style", "drums", "render s")
ORDER = ("all", "drums", "no drums")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=900_000)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--held-out", action="store_true", help="pieces of the style kept from training")
    parser.add_argument("--misses", action="store_true", help="show each piece that was not heard right")
    given = parser.parse_args()
    rows: dict[str, list[list[float]]] = defaultdict(list)
    for seed in range(given.seed, given.seed + given.count):
        piece = compose(seed, **(HELD_OUT if given.held_out else {}))
        scores, heard = measured(piece)
        drums = "drums" if piece.drums else "no drums"
        for group in ("all", drums, piece.style, piece.mode, f"metre {piece.timesignature}"):
            rows[group].append(scores)
        if given.misses and not (scores[1] and scores[2]):
            show(piece, heard)
    print(f"{'':<12}{'pieces':>8}" + "".join(f"{name:>10}" for name in COLUMNS))
    for group in sorted(rows, key=lambda g: (ORDER.index(g) if g in ORDER else len(ORDER), g)):
        means = np.mean(rows[group], axis=0)
        print(f"{group:<12}{len(rows[group]):>8}" + "".join(f"{v:>10.3f}" for v in means))


def measured(piece: Piece) -> tuple[list[float], tempo_key.Analysis]:
    start = time.process_time()
    wave = render(piece)
    seconds = (time.process_time() - start) * 15 / piece.seconds
    heard = tempo_key.analyse_wave(soxr.resample(wave.T, RATE_HZ, tempo_key.RATE_HZ).T)
    near = [bool(heard.bpm) and abs(heard.bpm / (piece.bpm * o) - 1) <= 0.04 for o in OCTAVES]
    same_key = heard.keyscale is not None and same(heard.keyscale, piece.keyscale)
    judged = [style_of(wave) == piece.style, has_drums(wave) == piece.drums]
    return [near[0], any(near), same_key, heard.timesignature == piece.timesignature, *judged, seconds], heard


def same(one: str, other: str) -> bool:
    return (tonic_of(one), third_of(one)) == (tonic_of(other), third_of(other))


def show(piece: Piece, heard: tempo_key.Analysis) -> None:
    drums = "drums" if piece.drums else ""
    print(f"  {piece.seed} {piece.style:<10}{piece.mode:<11}{piece.keyscale:<9} {piece.bpm:>4} {piece.timesignature} "
          f"{drums:<6}-> {heard.bpm or 0:>6.1f} {heard.keyscale} {heard.timesignature}")  # fmt: skip


if __name__ == "__main__":
    main()
