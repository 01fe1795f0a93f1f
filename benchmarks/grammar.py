"""What the grammar costs for each token, beside a decoding step of the tiny language model, in turns in one process.

Walks of so many tokens, each drawn at random among those that may come, go over two vocabularies: that of the tiny
tokenizer, and one of 217,000 tokens, as many as the released models have. The step is the model's alone, without
drawing; real models take many times as long, so the share is an upper bound. "first" is a walk by a reader that
remembers nothing yet: it holds the search for what may come at each new place, which every place costs once.

Target: a walk, the first included, costs less than 5 % of as many decoding steps.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from acestep_core.checkpoint import language_model
from acestep_core.lm.grammars import grammar
from acestep_core.lm.reading import Reader
from acestep_core.lm.requests import Codes, Metas, Understand
from acestep_core.lm.vocabulary import Vocabulary, vocabulary_of
from acestep_core.registry import registry

REQUESTS = {"thoughts and words": Understand([1]), "audio codes": Codes("", "", Metas(duration_s=600))}
TARGET = 0.05
TEXTS, CODES = 153_000, 64_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=10_000, help="of a walk")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200, help="decoding steps in a round")
    given = parser.parse_args()
    torch.set_num_threads(1)  # as many as the grammar has
    with tempfile.TemporaryDirectory() as folder:
        backend = registry().make("backends", "pt", {"device": "cpu", "dtype": "float32"})
        backend.write_tiny(Path(folder), "turbo")
        lm = backend.load("lm", language_model(Path(folder)))
        vocabularies = {"tiny": vocabulary_of(lm.tokenizer.folder / "tokenizer.json"), "217,000": synthetic()}
        for name, each in vocabularies.items():
            print(f"{name}: token table of {len(each.texts)} tokens built in {table_s(each) * 1e3:.0f} ms")
        report(measured(lm, vocabularies, given))


def measured(lm: Any, vocabularies: dict[str, Vocabulary], given: argparse.Namespace) -> dict[str, list[float]]:
    """Microseconds a token, or a step, in each round."""
    times: dict[str, list[float]] = {"decoding step": []}
    readers: dict[str, Reader] = {}
    for turn in range(given.rounds):
        times["decoding step"].append(decoding_us(lm, given.steps))
        for size, vocabulary in vocabularies.items():
            for kind, request in REQUESTS.items():
                name, rules = f"{kind}, {size}", grammar(request)
                fresh = Reader(rules, vocabulary)
                times.setdefault(f"{name}, first", []).append(walk_us(fresh, given.tokens, turn))
                readers.setdefault(name, fresh)
                times.setdefault(name, []).append(walk_us(readers[name], given.tokens, turn))
    return times


def decoding_us(lm: Any, steps: int) -> float:
    """A step of one sequence that says audio codes, which is what is said most."""
    from acestep_plugins.backends.pt.lm import Rows

    rows, codes = Rows(lm), lm.tokenizer.vocabulary.codes
    rows.advance([list(range(300, 500))], [codes])
    return timed(lambda: [rows.advance([[400]], [codes]) for _ in range(steps)]) / steps * 1e6


def walk_us(reader: Reader, tokens: int, seed: int) -> float:
    draw = random.Random(seed)
    return timed(lambda: walk(reader, tokens, draw)) / tokens * 1e6


def walk(reader: Reader, tokens: int, draw: random.Random) -> None:
    """What the decoding loop asks of the reader; another sentence where one ends."""
    state = reader.start()
    for _ in range(tokens):
        ids = reader.allowed(state).ids
        state = reader.after(state, int(ids[int(draw.random() * len(ids))]))
        if reader.done(state):
            state = reader.start()


def table_s(vocabulary: Vocabulary) -> float:
    return timed(lambda: (vocabulary.table, vocabulary.by_first_byte, vocabulary.codes, vocabulary.code_of))


def synthetic() -> Vocabulary:
    """Every byte, and words of two to twelve letters of several scripts, about half of them after a space."""
    draw = random.Random(0)
    letters = ["abcdefghijklmnopqrstuvwxyz", "ABCDEFGH0123456789.,'-", "абвгдежзийклмн", "夜晚的歌钢琴吉他節奏光静か"]
    weights = [6, 2, 1, 2]
    texts: dict[bytes, None] = {bytes([b]): None for b in range(256)}
    while len(texts) < TEXTS:
        word = "".join(draw.choices(draw.choices(letters, weights)[0], k=draw.randint(2, 12)))
        texts[(" " * draw.randint(0, 1) + word).encode()] = None
    marks = ("<|im_start|>", "<|im_end|>", "<think>", "</think>")
    found = [*texts, *[None] * (CODES + len(marks))]
    return Vocabulary(found, {m: TEXTS + i for i, m in enumerate(marks)},
                      [TEXTS + len(marks) + i for i in range(CODES)])  # fmt: skip


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def report(times: dict[str, list[float]]) -> None:
    step = times["decoding step"]
    print(f"{'':38}{'median us':>10}{'lowest':>9}{'highest':>9}{'of a step':>11}")
    for name, each in times.items():
        share = statistics.median(e / s for e, s in zip(each, step, strict=True))
        told = "" if each is step else f"{share:10.2%}" + (" !" if share >= TARGET else "")
        print(f"{name:38}{statistics.median(each):10.2f}{min(each):9.2f}{max(each):9.2f}{told}")
    print(f"target: below {TARGET:.0%}")


if __name__ == "__main__":
    main()
