"""Clips that jobs have made, as the tab of results shows them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.lyrics import parse_timed
from acestep_plugins.commands.ui.making import KIND
from acestep_plugins.commands.ui.telling import facts_table
from acestep_plugins.commands.ui.words import Words
from acestep_plugins.commands.ui.work import Job, Work

MOST = 8
ALIGN, SCORE = "align", "score"
ASKED = {ALIGN: "songs", SCORE: "clips"}
"""Kinds of jobs that listen to clips, and where their results tell of each."""
_SHORT = 80


@dataclass(frozen=True)
class Made:
    """One clip of a job."""

    job: str
    clip: Mapping[str, Any]
    alone: bool
    """Whether it was made without the adapters that were loaded."""
    asked: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What a request calls it."""
        return f"job:{self.job}/{self.clip['file']}"

    @property
    def request(self) -> Mapping[str, Any]:
        """The request that makes it again: what was decided for it, and how it was asked for."""
        decided = {n: v for n, v in self.clip["request"].items() if v is not None}
        kept = {n: self.asked[n] for n in ("options", "audio", "format") if n in self.asked}
        return {**decided, **kept}


def clips_of(work: Work, ids: Sequence[str]) -> list[Made]:
    """Those of some jobs, as many as can be shown."""
    jobs = [work.job(i) for i in ids]
    made = [Made(str(j["id"]), c, bool(j["request"].get("own_adapters")) and len(jobs) > 1, j["request"])
            for j in jobs if j["state"] == "done" for c in j["result"]["clips"]]  # fmt: skip
    return made[:MOST]


def batches(work: Work, search: str = "", most: int = 50) -> list[Job]:
    """Jobs that have made clips, newest first."""
    return work.jobs(kind=KIND, state="done", search=search.strip(), limit=most)


def row_of(job: Job) -> list[str]:
    """A job in the history."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(job["created_at"]))
    clips = job["result"]["clips"]
    caption = str(job["request"].get("caption", ""))
    task = job["request"].get("task") or {}
    name = task.get("name", "text2music") if isinstance(task, Mapping) else str(task)
    short = caption if len(caption) <= _SHORT else f"{caption[: _SHORT - 1]}…"
    return [when, name, short, ", ".join(str(c["seed"]) for c in clips), str(job["id"])]


def sound(work: Work, made: Made) -> Path:
    """The clip on this machine, under the name that it is saved by."""
    return _file(work, made, made.job, str(made.clip["file"]))


def timed(work: Work, made: Made) -> Path | None:
    """The .lrc of the clip on this machine: that of whoever timed it last, else its own; None where nobody has."""
    last = _last_answer(work, made, ALIGN)
    job, lrc = (last[0]["id"], last[1]["lrc"]) if last else (made.job, made.clip.get("lrc"))
    return _file(work, made, str(job), str(lrc)) if lrc else None


def scored(work: Work, made: Made) -> Mapping[str, Any] | None:
    """Those of whoever scored the clip last, else its own; None where nobody has."""
    last = _last_answer(work, made, SCORE)
    return last[1] if last else made.clip.get("scores")


def answer_of(job: Job, made: Made) -> Mapping[str, Any] | None:
    """What a job of `ASKED` that is done has told of the clip; None where it was asked about others."""

    def about(path: Path) -> bool:
        return path.name == made.clip["file"] and made.job in path.parts

    return next((told for told in job["result"][ASKED[job["kind"]]] if about(Path(told["file"]))), None)


def _last_answer(work: Work, made: Made, kind: str) -> tuple[Job, Mapping[str, Any]] | None:
    """The newest job of a kind that has told of the clip, and what it told."""
    jobs = work.jobs(kind=kind, state="done", search=made.job)
    return next(((job, told) for job in jobs if (told := answer_of(job, made))), None)


def _file(work: Work, made: Made, job: str, name: str) -> Path:
    """Players find the lyrics of a sound by its name, so that all files of a clip have the same one."""
    return work.file(job, name, f"{made.job[:6]}-{made.clip['seed']}{Path(name).suffix}")


def subtitles(made: Made, lrc: Path) -> list[dict[str, Any]]:
    """Lines with their times out of the .lrc of a clip, for its player."""
    lines = parse_timed(lrc.read_text(encoding="utf-8"))
    ends = [*(line.start_s for line in lines[1:]), float(made.clip["duration_s"])]
    return [{"timestamp": [line.start_s, end], "text": line.text} for line, end in zip(lines, ends, strict=True)]


def title_of(made: Made, place: int, words: Words) -> str:
    """What stands above a player."""
    how = words("by_model_alone") if made.alone else ""
    told = [f"{place}", f"{words('seed')} {made.clip['seed']}", f"{made.clip['duration_s']:.1f} s", how]
    return " · ".join(t for t in told if t)


def facts_of(made: Made, words: Words) -> str:
    """All that decided what is heard, as a table; what was left as it comes is left out."""
    request = made.clip["request"]
    rows = [(words.label(n), _text(v)) for n, v in request.items() if v not in (None, "", 0, False) and n != "task"]
    task = request.get("task") or {}
    rows += [(words.label(n), _text(v)) for n, v in task.items() if v not in (None, "", 0, []) and n != "codes"]
    rows += [(words("note"), words.said(n)) for n in made.clip.get("notes", ())]
    return facts_table(rows)


def scores_text(scores: Mapping[str, Any], words: Words) -> str:
    """Two numbers, or why one is not known, as Markdown."""
    told = []
    for name in ("lm", "dit"):
        found = scores.get(name)
        total = found.get("total", found.get("score")) if isinstance(found, Mapping) else found
        if total is not None:
            told.append(f"{words(f'score_{name}')}: {total:.2f}")
    why = [line for problem in scores.get("problems", []) for line in words.said(problem).splitlines()]
    return "  \n".join([" · ".join(told), *why] if told else why)


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
