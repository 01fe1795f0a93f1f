"""How well a song's texts go with its audio, as the 5 Hz language model hears it.

Caption and lyrics: how much likelier the model finds them after the audio codes than after none, as a share from 0 to 1
in which 0.5 is 'the codes made no difference'. Metadata: how high the right values stand among the model's guesses.

What it says: whether the codes suggest these words to this model. What it does not say: how good the music sounds, or
whether a person would agree. The model judges a caption by how it words captions itself, so that scores compare clips
of one prompt, and not prompts with each other. Source: lm_score.py of ACE-Step 1.5.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from acestep_core.errors import UserError
from acestep_core.lm.requests import Metas, Understand
from acestep_core.lm.speaking import LmPart
from acestep_core.lm.tokenizer import LmTokenizer
from acestep_core.lm.weighing import Told, Weighed, weigh
from acestep_core.lm.wording import THINK, THOUGHT, messages, values
from acestep_core.options import option

WEIGHTS: Mapping[str, float] = {"caption": 0.5, "lyrics": 0.3, "metadata": 0.2}
_TOP = 10  # ranks that count


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """How the language model's score is made."""

    scale: float = option(0.1, "difference of mean log-probability that counts as clear", gt=0)
    frame: bool = option(False, "count tags and names of fields too, as the reference does: it lifts every score")


@dataclass(frozen=True)
class LmScore:
    """`parts` by field, each 0 to 1; `score` is their weighted mean: caption .5, lyrics .3, metadata .2."""

    parts: Mapping[str, float]
    score: float


@dataclass(frozen=True)
class _Text:
    """A text in the model's words: what counts is from `start` to `end`."""

    field: str
    text: str
    start: int
    end: int


def lm_score(
    lm: LmPart, codes: Sequence[int], metas: Metas, lyrics: str = "", scoring: Scoring | None = None
) -> LmScore:
    """Of a song with these audio codes. What is not known of it is left out, and the weights of the rest grow.

    Raises `UserError` where nothing is known, and for a backend that cannot weigh texts.
    """
    scoring = scoring or Scoring()
    texts = list(_texts(metas, lyrics))
    if not texts:
        raise UserError("Nothing is known of the song that could be scored", "give a caption, lyrics or metadata")
    heard, unheard = (tuple(lm.tokenizer.chat(messages(Understand(c)))) for c in (codes, None))
    asked = [(t, heard) for t in texts] + [(t, unheard) for t in texts if t.field in WEIGHTS]
    told = [Told(prompt, tuple(lm.tokenizer.encode(t.text))) for t, prompt in asked]
    weights = {(t.field, prompt): w for (t, prompt), w in zip(asked, weigh(lm, told), strict=True)}
    parts = {}
    for t in texts:
        counted = _counted(lm.tokenizer, t, scoring.frame)
        here = weights[t.field, heard]
        if t.field in WEIGHTS:
            parts[t.field] = evidence(here, weights[t.field, unheard], counted, scoring.scale)
        else:
            parts[t.field] = recall(here, counted)
    return LmScore({k: round(v, 4) for k, v in parts.items()}, round(weighted(parts), 4))


def evidence(heard: Weighed, unheard: Weighed, counted: Sequence[int], scale: float) -> float:
    """Mean log-probability after the codes less that after none, as a logistic share; 0.5 = no difference."""
    gain = sum(heard.log_probs[i] - unheard.log_probs[i] for i in counted) / len(counted)
    return 1 / (1 + math.exp(-gain / scale)) if gain > -700 * scale else 0.0


def recall(heard: Weighed, counted: Sequence[int]) -> float:
    """1 where every token is the model's first guess, a tenth less per rank, 0 from the eleventh on."""
    return sum(max(0.0, 1 - (heard.ranks[i] - 1) / _TOP) for i in counted) / len(counted)


def weighted(parts: Mapping[str, float]) -> float:
    """The mean of all parts; fields of the metadata count as one, and what is missing does not count."""
    metadata = [v for k, v in parts.items() if k not in WEIGHTS]
    groups = {k: v for k, v in parts.items() if k in WEIGHTS}
    groups |= {"metadata": sum(metadata) / len(metadata)} if metadata else {}
    return sum(WEIGHTS[k] * v for k, v in groups.items()) / sum(WEIGHTS[k] for k in groups)


def _texts(metas: Metas, lyrics: str) -> Iterator[_Text]:
    import yaml

    for field, value in values(metas).items():
        if value not in (None, "", "unknown"):
            line = yaml.safe_dump({field: value}, allow_unicode=True).strip()
            start = len(THINK) + 1 + len(field) + 1
            yield _Text(field, f"{THINK}\n{line}\n{THOUGHT}\n", start, len(THINK) + 1 + len(line))
    if lyrics.strip():
        head = f"{THINK}\n{THOUGHT}\n# Lyric\n"
        yield _Text("lyrics", f"{head}{lyrics.strip()}\n", len(head), len(head) + len(lyrics.strip()))


def _counted(tokenizer: LmTokenizer, text: _Text, frame: bool) -> list[int]:
    """Places of the tokens that count: those of the value, or with `frame` all."""
    spans = tokenizer.spans(text.text)
    return [i for i, (start, end) in enumerate(spans) if frame or (end > text.start and start < text.end)]
