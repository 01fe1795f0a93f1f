"""How far an adapter moves what acestep-nano plays: six pieces of a style it never heard, trained on for two minutes.

The style is pentatonic bells in 6/8, which the composer makes only when asked. Its pieces are trained on under a
trigger word; new clips are asked for with that word, with keys and tempos of other such pieces, and the same seeds
without the adapter, at half strength and at full. Measured are how much like bells they sound (the judge of styles),
how loud the two notes of the scale are that the style lacks, and how much of the pulse is in threes. `moved` is the
share of the way from base to data.

Needs contrib/acestep-nano installed. Targets: more than half of the way at scale 1, in two minutes of processor time;
half strength lies between.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from acestep_nano.composing import compose
from acestep_nano.features import FRAME_HZ, magnitudes
from acestep_nano.folder import write_pieces
from acestep_nano.harmony import third_of, tonic_of
from acestep_nano.hearing import style_shares
from acestep_nano.pieces import HELD_OUT, Piece
from acestep_nano.rendering import render
from nano import made

from acestep_core import Dataset, EncodeSettings, TrainSettings, encode, train
from acestep_core.adapters import UsedAdapter
from acestep_core.model import Model, load_backend
from acestep_core.request import GenerateRequest
from acestep_plugins.backends.note_bank.codec import NoteBank

LEARNT, ASKED = range(700_000_000, 700_000_006), range(700_001_000, 700_001_016)
TRIGGER = "zaubel"
LACKING = {"major": (5, 11), "minor": (2, 8)}  # semitones above the tonic that a pentatonic piece has not
STATISTICS = ("bells", "lacking", "threes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("nano"))
    parser.add_argument("--variant", default=None)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--rate", type=float, default=None, help="learning rate; the adapter's own times ten")
    parser.add_argument("--adapters", nargs="*", default=["lokr", "lora"])
    given = parser.parse_args()
    model = load_backend("pt", model=given.model, variant=given.variant)
    pieces = [compose(seed, **HELD_OUT) for seed in ASKED]
    data = mean_of(pieces, [render(p) for p in pieces], model.codec)
    base = mean_of(pieces, in_style(model, pieces), model.codec)
    print(f"{'':<14}" + "".join(f"{name:>9}" for name in STATISTICS) + f"{'moved':>9}{'seconds':>9}")
    show("base", base, base, data)
    show("data", data, base, data)
    with tempfile.TemporaryDirectory() as place:
        encoded = encoded_pieces(model, LEARNT, Path(place))
        for name in given.adapters:
            start = time.process_time()
            adapter = trained(model, encoded, Path(place) / name, name, given)
            seconds = time.process_time() - start
            for scale in (0.5, 1.0):
                found = mean_of(pieces, in_style(model, pieces, (UsedAdapter(adapter, scale),)), model.codec)
                show(f"{name} at {scale:g}", found, base, data, seconds if scale == 1 else None)


def encoded_pieces(model: Model, seeds: Sequence[int], place: Path, held_out: float = 0.0) -> Path:
    """Of the style, with the trigger word for a caption; some share of them is held out."""
    write_pieces((compose(seed, **HELD_OUT) for seed in seeds), place / "songs")
    dataset = Dataset.scan(place / "songs")
    dataset.metadata |= {"custom_tag": TRIGGER, "tag_position": "replace"}
    if held_out:
        dataset.hold_out(held_out, seed=0)
    encode(dataset, model, place / "encoded", settings=EncodeSettings())
    return place / "encoded"


def trained(model: Model, encoded: Path, out: Path, name: str, given: argparse.Namespace) -> Path:
    rate = given.rate or {"lokr": 3e-3, "lora": 1e-3}.get(name, 1e-3)
    settings = TrainSettings(steps=given.steps, batch_size=6, learning_rate=rate, seed=1)
    return train(encoded, model, adapter=name, out=out, settings=settings).adapter


def in_style(model: Model, pieces: Sequence[Piece], adapters: Sequence[UsedAdapter] = ()) -> list[np.ndarray]:
    requests = [
        GenerateRequest(caption=TRIGGER, bpm=p.bpm, keyscale=p.keyscale, duration_s=12.0, seed=seed)
        for seed, p in enumerate(pieces)
    ]
    return made(model, requests, adapters)


def mean_of(pieces: Sequence[Piece], waves: Sequence[np.ndarray], codec: NoteBank) -> np.ndarray:
    return np.mean([statistics(p, w, codec) for p, w in zip(pieces, waves, strict=True)], axis=0)


def statistics(piece: Piece, wave: np.ndarray, codec: NoteBank) -> list[float]:
    loud = codec.bank.amplitudes(codec.encode(wave, 0))[:, : codec.bank.tones].sum(axis=0)
    tonic = tonic_of(piece.keyscale)
    classes = np.bincount((codec.bank.lowest_pitch + np.arange(len(loud))) % 12, loud, 12)
    lacking = sum(classes[(tonic + up) % 12] for up in LACKING[third_of(piece.keyscale)]) / (classes.sum() + 1e-9)
    return [style_shares(wave)["bells"], float(lacking), threes(wave, piece.bpm)]


def threes(wave: np.ndarray, bpm: float) -> float:
    """How strong the pulse of thirds of a beat is beside that of halves."""
    loud = np.log1p(50 * magnitudes(wave)[:, :400]).sum(axis=1)
    rise = np.maximum(np.diff(loud), 0)
    rise -= rise.mean()
    at = np.arange(len(rise)) / FRAME_HZ
    third, half = (abs(np.sum(rise * np.exp(-2j * np.pi * at * bpm / 60 * n))) for n in (3, 2))
    return float(third / (third + half + 1e-9))


def show(name: str, found: np.ndarray, base: np.ndarray, data: np.ndarray, seconds: float | None = None) -> None:
    moved = np.mean((found - base) / (data - base))
    spent = "" if seconds is None else f"{seconds:9.0f}"
    print(f"{name:<14}" + "".join(f"{v:9.3f}" for v in found) + f"{moved:9.2f}{spent}", flush=True)


if __name__ == "__main__":
    main()
