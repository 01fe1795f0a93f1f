"""Kinds of jobs for tests: quick, slow, deaf and deadly ones. They write down that they were worked on."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.errors import UserError
from acestep_core.options import option
from acestep_plugins.commands.serve.kinds.asked import Asked, Shape
from acestep_plugins.commands.serve.kinds.kind import FOLDERS, Desk, Kind, ModelChoice


@dataclass(frozen=True, kw_only=True)
class What:
    """What a job of a test does."""

    number: int = option(0, "told in the result", ge=0)
    seconds: float = option(0.0, "how long it takes", ge=0)
    log: Path | None = option(None, "file to which a line is added at the end")


def quick(asked: Asked, desk: Desk) -> dict[str, Any]:
    what = asked[What]
    end = time.monotonic() + what.seconds
    while time.monotonic() < end:
        desk.progress("wait", 1, 2)
        time.sleep(0.01)
    (desk.folder / "number.txt").write_text(str(what.number))
    if what.log is not None:
        with what.log.open("a") as file:
            file.write(f"{what.number}\n")
    return {"number": what.number}


def deaf(asked: Asked, desk: Desk) -> dict[str, Any]:
    """Hears no interruption."""
    end = time.monotonic() + asked[What].seconds
    while time.monotonic() < end:
        try:
            time.sleep(0.05)
        except KeyboardInterrupt:
            continue
    return {}


def parent(asked: Asked, desk: Desk) -> dict[str, Any]:
    """Starts another process, tells its number and hears no interruption."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    desk.progress("child", child.pid, None)
    return deaf(asked, desk)


def deadly(asked: Asked, desk: Desk) -> dict[str, Any]:
    """Ends the worker, as the system does that has no memory left; in a third attempt it lives."""
    if asked[What].number == 0 or int(desk.folder.name) < asked[What].number:
        os._exit(9)
    return {"attempt": int(desk.folder.name)}


def failing(asked: Asked, desk: Desk) -> dict[str, Any]:
    if asked[What].number:
        raise ZeroDivisionError("a bug")
    raise UserError("The song is too loud", "turn it down")


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a fake language model is asked."""

    query: str = option("", "a sentence")
    caption: str = option("a song of nothing", "a caption")
    lyrics: str = option("la", "words")
    bpm: int = option(90, "tempo")
    seed: int = option(0, "drives nothing")
    temperature: float = option(1.0, "drives nothing")


def say(asked: Asked, desk: Desk) -> dict[str, Any]:
    words = asked[Words]
    return {"songs": [{"caption": words.caption, "lyrics": words.lyrics, "bpm": words.bpm, "language": "en"}]}


KINDS = {
    name: Kind(name=name, about=f"A {name} job.", shape=Shape(flat=(What,)), work=work, grace_s=0.5, lane=lane)
    for name, work, lane in (("quick", quick, "model"), ("deaf", deaf, "model"), ("parent", parent, "model"),
                             ("deadly", deadly, "model"), ("failing", failing, "model"), ("aside", quick, FOLDERS))
}  # fmt: skip
for name in ("create", "format"):
    KINDS[name] = Kind(name=name, about="Says what it was told.", shape=Shape(flat=(Words,)), work=say)
KINDS["load"] = Kind(name="load", about="Loads nothing.", shape=Shape(flat=(ModelChoice,)), work=lambda *given: {})
