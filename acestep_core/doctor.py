"""Looks at every installed plugin in a process of its own, so that nothing a plugin does can harm the others.

`python -m acestep_core.doctor KIND NAME@DIST` is the half that runs in that process.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from acestep_core.api import KINDS
from acestep_core.errors import UserError
from acestep_core.options import options_of
from acestep_core.registry import Known, Registry, registry

HEAVY = ("torch", "torchaudio", "numpy", "scipy", "transformers", "diffusers", "peft", "lycoris", "mlx", "gradio")
_MARK = "acestep-doctor:"


@dataclass(frozen=True)
class Finding:
    """What was found about one plugin. `problem` is one sentence, empty if it works; `advice` may be mended.

    `uses` is what a backend's 'auto' options come to on this machine.
    """

    known: Known
    seconds: float = 0.0
    problem: str = ""
    advice: list[str] = field(default_factory=list)
    uses: dict[str, Any] = field(default_factory=dict)


def examine_all(plugins: Iterable[Known], timeout_s: float) -> Iterator[Finding]:
    """A finding per plugin, in order; as many at once as there are processors."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        yield from pool.map(lambda known: examine(known, timeout_s), plugins)


def examine(known: Known, timeout_s: float) -> Finding:
    """Load one plugin in another process and hear what it says."""
    command = [sys.executable, "-m", "acestep_core.doctor", known.kind, known.qualified]
    start = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return Finding(known, time.monotonic() - start, f"importing it did not end within {timeout_s:g} s")
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            return Finding(known, **json.loads(line.removeprefix(_MARK)))
    return Finding(
        known, time.monotonic() - start, f"importing it ended the whole process ({_ending(done.returncode)})"
    )


def report(kind: str, name: str, plugins: Registry) -> dict[str, Any]:
    """Runs in the plugin's own process: load it, measure, and compare hooks with entry points."""
    plugins.find(kind, name)  # reading the metadata is not the plugin's time
    before, start = set(sys.modules), time.perf_counter()
    try:
        plugins.load(kind, name)
    except UserError as e:
        return {"seconds": time.perf_counter() - start, "problem": f"{e.problem}; {e.hint}" if e.hint else e.problem}
    seconds = time.perf_counter() - start
    heavy = [m for m in HEAVY if m in sys.modules and m not in before]
    advice = [f"imports {', '.join(heavy)} at the top; import inside methods"] if heavy else []
    return {
        "seconds": seconds,
        "advice": [*advice, *_unexplained(kind, name, plugins), *_unannounced(kind, name, plugins)],
        "uses": _uses(name, plugins) if kind == "backends" else {},
    }


def _uses(name: str, plugins: Registry) -> dict[str, Any]:
    """Nothing for a backend that this machine lacks something for: `check` says so where it is asked for."""
    try:
        backend = plugins.make("backends", name)
        backend.check()
        return {k: v for k, v in backend.settings().items() if v != backend.options()[k]}
    except UserError:
        return {}


def _unexplained(kind: str, name: str, plugins: Registry) -> Iterator[str]:
    cls = plugins.load(kind, name)
    for option in options_of(cls).values() if KINDS[kind] else ():
        if not option.help.strip():
            yield f"its option '{option.name}' has no help"


def _unannounced(kind: str, name: str, plugins: Registry) -> Iterator[str]:
    """Classes a module returns that no entry point of its package names: nobody can select them."""
    known = plugins.find(kind, name)
    for each in KINDS:
        announced = {k.name for k in plugins.known(each) if k.dist == known.dist}
        for cls in plugins.offered(known, each):
            if cls.name not in announced:
                yield f"its hook acestep_{each} returns '{cls.name}', which no entry point announces"


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


if __name__ == "__main__":
    print(_MARK + json.dumps(report(sys.argv[1], sys.argv[2], registry())), flush=True)
