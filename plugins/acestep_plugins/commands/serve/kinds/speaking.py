"""Jobs for the 5 Hz language model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.errors import UserError
from acestep_core.lm.requests import Create, Drawing, Known, LmSettings, Rewrite, Understand
from acestep_core.lm.speaking import Asked as Question
from acestep_core.lm.speaking import ask
from acestep_core.lm.telling import DESCRIBED, facts_told
from acestep_core.options import option
from acestep_core.transcoding import extract_codes
from acestep_plugins.commands.serve.kinds.asked import Asked, Shape
from acestep_plugins.commands.serve.kinds.kind import BACKENDS, Desk, Kind, ModelChoice


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """What is to be understood."""

    audio: list[Path] = option(help="audio files")
    temperature: float = option(DESCRIBED, "how freely it describes; 0 = always the likeliest", ge=0, le=2)


@dataclass(frozen=True, kw_only=True)
class Creating:
    """What songs are to be made of."""

    query: str = option("", "a sentence that says what the song is to be; empty = any song")
    instrumental: bool = option(False, "without words")
    count: int = option(1, "how many songs", ge=1, le=8)


@dataclass(frozen=True, kw_only=True)
class Formatting:
    """What is to be worded."""

    caption: str = option("", "what the music is like, as it comes to mind")
    lyrics: str = option("", "the words; none = instrumental")


@dataclass(frozen=True, kw_only=True)
class Seed:
    seed: int = option(0, "drives it", ge=0, lt=2**63)


def understand(asked: Asked, desk: Desk) -> dict[str, Any]:
    """What is heard in each file. A file that cannot be used costs the others nothing."""
    hearing, seed = asked[Hearing], asked[Seed].seed
    model = desk.model(asked)
    heard = list(extract_codes(hearing.audio, model, seed))
    problems = {str(h.path): str(h.problem) for h in heard if h.problem}
    for problem in problems.values():
        desk.note(problem)
    usable = [h for h in heard if not h.problem]
    if not usable:
        raise UserError(f"None of the files can be used: {'; '.join(problems.values())}", "send other files")
    drawing = {n: getattr(asked[Drawing], n) for n in _RESTRICTED} | {"temperature": hearing.temperature}
    answers = _answers(asked, desk, [Question(Understand(h.codes), seed) for h in usable], drawing)
    songs = [{"file": str(h.path), **facts_told(a)} for h, a in zip(usable, answers, strict=True)]
    return {"songs": songs, "problems": problems}


def create(asked: Asked, desk: Desk) -> dict[str, Any]:
    """Whole songs, words and all."""
    about, seed = asked[Creating], asked[Seed].seed
    request = Create(about.query.strip(), about.instrumental, asked[Known].metas())
    questions = [Question(request, seed + i) for i in range(about.count)]
    return {"songs": [facts_told(a) for a in _answers(asked, desk, questions, _drawing(asked))]}


def rewrite(asked: Asked, desk: Desk) -> dict[str, Any]:
    """The same song as the model knows it best."""
    about = asked[Formatting]
    request = Rewrite(about.caption.strip(), about.lyrics.strip(), asked[Known].metas())
    answers = _answers(asked, desk, [Question(request, asked[Seed].seed)], _drawing(asked))
    return {"songs": [facts_told(a) for a in answers]}


def _drawing(asked: Asked) -> dict[str, Any]:
    return {n: getattr(asked[Drawing], n) for n in (*_RESTRICTED, "temperature")}


def _answers(asked: Asked, desk: Desk, questions: list[Question], drawing: Mapping[str, Any]) -> list[Any]:
    lm, at_once = desk.lm(asked)
    said = dict[int, int]()

    def tell(index: int, tokens: int) -> None:
        said[index] = tokens
        desk.progress("lm", sum(said.values()), None, "tokens")

    return ask(lm, questions, LmSettings(**drawing), at_once=at_once, on_token=tell)


def _check_format(asked: Asked) -> None:
    about = asked[Formatting]
    if not (about.caption.strip() or about.lyrics.strip()):
        raise UserError("There is nothing to format", "give a caption or lyrics; for a song of nothing: create")
    asked[Known].metas()


_RESTRICTED = ("top_k", "top_p", "repetition_penalty")
UNDERSTAND = Kind(
    name="understand",
    about="Say what is heard in audio: caption, genre, language, lyrics; tempo, key and metre as guesses.",
    shape=Shape(flat=(Hearing, Drawing, Seed, ModelChoice), plugins=BACKENDS, only={Drawing: _RESTRICTED}),
    work=understand,
)
CREATE = Kind(
    name="create",
    about="Make whole songs, words and all, of a sentence.",
    shape=Shape(flat=(Creating, Known, Drawing, Seed, ModelChoice), plugins=BACKENDS),
    work=create,
    check=lambda asked: asked[Known].metas() and None,
)
FORMAT = Kind(
    name="format",
    about="Word a caption and lyrics as the model knows them best.",
    shape=Shape(flat=(Formatting, Known, Drawing, Seed, ModelChoice), plugins=BACKENDS),
    work=rewrite,
    check=_check_format,
)
