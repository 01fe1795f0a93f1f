"""What becomes of the controls when music is asked for: uploads, one request or several, and the jobs of them."""

import json
import random
import secrets
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from acestep_core.errors import UserError
from acestep_plugins.commands.ui import modes
from acestep_plugins.commands.ui.audio import SOUNDS
from acestep_plugins.commands.ui.work import Job, Work

KIND = "generate"
WRITING, LISTENING = ("create", "format"), ("understand", "codes")
"""Kinds of jobs that fill in a request: out of words, and out of a sound."""
TAGS = ("Intro", "Verse", "Pre-Chorus", "Chorus", "Bridge", "Instrumental", "Outro")


def sent(work: Work, request: Mapping[str, Any]) -> dict[str, Any]:
    """The request with its sounds on the server."""
    found = {n: _uploaded(work, v) if n in SOUNDS else v for n, v in request.items()}
    if "task" in found:
        found["task"] = {n: _uploaded(work, v) if n in SOUNDS else v for n, v in found["task"].items()}
    return found


def _uploaded(work: Work, value: Any) -> Any:
    return work.upload(Path(value)) if Path(str(value)).is_file() else value


def begin(work: Work, request: Mapping[str, Any], beside: bool = False) -> list[str]:
    """Jobs of the request: with `beside` a second one at the same seed, by the model alone."""
    asked = sent(work, request)
    if not beside:
        return [work.start(KIND, asked)]
    if not any(a["on"] and a["scale"] for a in work.adapters()):
        raise UserError("There is no adapter to compare with", "load one in the tab of models")
    asked.setdefault("seed", secrets.randbits(32))
    return [work.start(KIND, asked), work.start(KIND, {**asked, "own_adapters": True})]


def next_batch(request: Mapping[str, Any]) -> dict[str, Any]:
    """The same once more, at another seed, and with codes of its own where they were thought of."""
    again = {n: v for n, v in request.items() if n != "seed"}
    if (again.get("thinking") or {}).get("think") and "task" in again:
        again["task"] = {n: v for n, v in again["task"].items() if n != "codes"}
    return again


def random_example() -> dict[str, Any]:
    """A request for a song of some kind."""
    text = (files(__package__) / "examples.json").read_text(encoding="utf-8")
    return dict(random.choice(json.loads(text)))


def found_by(job: Job) -> dict[str, Any]:
    """The fields of a request that a job of `WRITING` or `LISTENING` fills in; a reworded song keeps the rest."""
    if job["kind"] == "codes":
        return {"task": {"codes": job["result"]["codes"]}}
    given = job["request"] if job["kind"] == "format" else {}
    return {**given, **_song_of(job["result"]["songs"][0])}


def _song_of(said: Mapping[str, Any]) -> dict[str, Any]:
    return {n: said[n] for n in (*modes.WORDS, *modes.METAS) if said.get(n) not in (None, "")}
