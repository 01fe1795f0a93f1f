"""Has the language model think clips through before they are made: metas, caption and language, and audio codes.

What comes of it is an ordinary request with everything filled in, so that a clip is made again without the model.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from acestep_core.codes import write_codes
from acestep_core.errors import UserError, raise_all
from acestep_core.lm.requests import CODE_RATE_HZ, LONGEST_S, SHORTEST_S, Answer, Codes, Known, LmSettings, Metas, Plan
from acestep_core.lm.speaking import Asked, LmPart, ask, check_guidance
from acestep_core.options import option
from acestep_core.request import GenerateRequest
from acestep_core.tasks import Text2Music

_METAS = ("bpm", "duration_s", "keyscale", "timesignature")


@dataclass(frozen=True, kw_only=True)
class Thinking:
    """What the language model is to decide. Nothing that a request says is ever changed, but for its caption."""

    think: bool = option(False, "have the language model plan each clip: what is not given, and its audio codes")
    cot_metas: bool | None = option(None, "it says tempo, key, metre and length where not given; with --think yes")
    cot_caption: bool | None = option(None, "it words the caption anew; with --think yes")
    cot_language: bool | None = option(None, "it says the language where not given; with --think yes")

    def resolved(self) -> "Thinking":
        """With every choice made: all of it with `think`, else what is asked for."""
        chosen = {n: self.think if getattr(self, n) is None else getattr(self, n) for n in self._choices()}
        return replace(self, **chosen)

    @property
    def any(self) -> bool:
        done = self.resolved()
        return done.think or any(getattr(done, n) for n in self._choices())

    @staticmethod
    def _choices() -> tuple[str, ...]:
        return "cot_metas", "cot_caption", "cot_language"


@dataclass(frozen=True)
class Thought:
    """A request thought through, and what is to be told of how."""

    request: GenerateRequest
    record: Mapping[str, Any]


Told = Callable[[str, int, int, int | None], None]
"""Hears of every token: what is said ('plan' or 'codes'), of which request, how many tokens there are, and of how many
if that is known."""


def think(
    lm: LmPart,
    requests: Sequence[GenerateRequest],
    thinking: Thinking,
    settings: LmSettings,
    *,
    at_once: int | None = None,
    on_token: Told = lambda stage, index, said, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Thought]:
    """Each request with what the model says of it. All draw from their own seed, which is chosen here if not given.

    No more than `at_once` are held in memory together; all unless given.
    Raises `UserError` for requests that leave nothing to think about, or whose length is no number of audio codes.
    """
    thinking = thinking.resolved()
    raise_all([p for r in requests for p in _problems(r, thinking)], "The request")
    if thinking.think:
        check_guidance(lm, settings)
    seeded = [r if r.seed is not None else replace(r, seed=secrets.randbits(32)) for r in requests]
    plans = [_plan(r, thinking) for r in seeded]
    asked = [Asked(p, r.seed) for p, r in zip(plans, seeded, strict=True)]
    how = {"at_once": at_once, "stop": stop}
    said = ask(lm, asked, settings, on_token=lambda i, n: on_token("plan", i, n, None), **how)
    codes: list[Answer | None] = [None] * len(seeded)
    if thinking.think:
        wanted = [_codes(r, answer) for r, answer in zip(seeded, said, strict=True)]
        totals = [c.exact and c.exact + 1 for c in wanted]  # and the end mark
        asked = [Asked(c, r.seed) for c, r in zip(wanted, seeded, strict=True)]
        codes = list(ask(lm, asked, settings, on_token=lambda i, n: on_token("codes", i, n, totals[i]), **how))
    return [_thought(*each, thinking, settings) for each in zip(seeded, said, codes, strict=True)]


def before_thinking(record: Mapping[str, Any], made: GenerateRequest) -> GenerateRequest:
    """The request whose thinking gave `made`, by its `Thought.record`; its seed stays."""
    codes = {"task": replace(made.task, codes="")} if isinstance(made.task, Text2Music) else {}
    return replace(made, **record["asked"], **codes)


def _plan(request: GenerateRequest, thinking: Thinking) -> Plan:
    metas = _given(request)
    skip = {"genres"} | {n for n in _METAS if not thinking.cot_metas}
    skip |= {"caption"} if not thinking.cot_caption else set()
    skip |= {"language"} if not thinking.cot_language else set()
    renamed = frozenset("duration" if n == "duration_s" else n for n in skip)
    return Plan(request.caption, request.lyrics or "[Instrumental]", metas, renamed)


def _given(request: GenerateRequest) -> Metas:
    whole = None if request.duration_s is None else int(request.duration_s)
    named = {n: getattr(request, n) for n in ("bpm", "keyscale", "timesignature", "language")}
    return Known(duration_s=whole, **named).metas()


def _codes(request: GenerateRequest, answer: Answer) -> Codes:
    """Of the caption as the user wrote it; the model's stands among the thoughts, as it was trained."""
    count = None if request.duration_s is None else round(request.duration_s * CODE_RATE_HZ)
    return Codes(request.caption, request.lyrics or "[Instrumental]", answer.metas, count=count)


def _thought(
    request: GenerateRequest, answer: Answer, codes: Answer | None, thinking: Thinking, settings: LmSettings
) -> Thought:
    said = answer.metas
    found: dict[str, Any] = {"bpm": said.bpm, "keyscale": said.keyscale, "timesignature": said.timesignature}
    found |= {"language": said.language or request.language, "caption": said.caption or request.caption}
    if codes is None:
        found |= {"duration_s": request.duration_s or said.duration_s}
    else:
        found |= {"duration_s": None, "task": replace(request.task, codes=write_codes(codes.codes))}
    asked = {"caption": request.caption, **{n: getattr(request, n) for n in (*_METAS, "language")}}
    record = {"asked": asked, "said": answer.text, "origins": dict(answer.origins), "thinking": asdict(thinking),
              "settings": settings.options()}  # fmt: skip
    return Thought(replace(request, **found), record)


def _problems(request: GenerateRequest, thinking: Thinking) -> list[UserError]:
    task, length = request.task, request.duration_s
    if not isinstance(task, Text2Music):
        return [UserError(f"--think does nothing for {task.name}: its song decides", "leave it out")]
    found = []
    if task.codes:
        found.append(UserError("--think does nothing with --codes: they are thought already", "leave one of them out"))
    if length is not None and not SHORTEST_S <= length <= LONGEST_S:
        hint = f"give {SHORTEST_S} to {LONGEST_S} seconds, or leave --think out"
        found.append(UserError(f"The language model knows no song of {length:g} s", hint))
    elif length is not None and thinking.think and abs(length * CODE_RATE_HZ - round(length * CODE_RATE_HZ)) > 1e-6:
        near = round(length * CODE_RATE_HZ) / CODE_RATE_HZ
        found.append(
            UserError(f"{length:g} s is no number of audio codes, of which a second has five", f"give {near:g}")
        )
    if not (thinking.think or any(_open(request, thinking))):
        found.append(UserError("There is nothing left for the language model to say", "leave the --cot options out"))
    return found


def _open(request: GenerateRequest, thinking: Thinking) -> list[bool]:
    given = _given(request)
    return [thinking.cot_caption, thinking.cot_language and not given.language,
            thinking.cot_metas and not all(getattr(given, n) for n in _METAS)]  # fmt: skip
