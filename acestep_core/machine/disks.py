"""Checks that there is room where models and caches go."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from acestep_core.hub.catalogue import NEEDED, PARTS
from acestep_core.machine.probe import Probe
from acestep_core.machine.trouble import Trouble

LEAST = 2_000_000_000  # bytes: a compiled decoder, a song decoded, a tokenizer


def check_disks(probe: Probe, models: Path) -> Iterator[Trouble]:
    """Room for the smallest model where there is none yet, and for caches."""
    kept = any(models.glob("*/config.json")) if models.is_dir() else False
    first = (PARTS["acestep-v15-turbo"], *NEEDED)
    size = 0 if kept else round(1e9 * sum(p.about_gb or 0 for p in first))
    places = {
        "models": (models, size, f"acestep-core models download {first[0].name} --to DIR  # on another disk"),
        "the hub's cache": (_cache(probe), LEAST, _set(probe, "HF_HOME")),
        "temporary files": (Path(tempfile.gettempdir()), LEAST, _set(probe, "TMP" if _windows(probe) else "TMPDIR")),
    }
    for what, (folder, least, mend) in places.items():
        free = probe.room(folder)
        if free < least:
            problem = f"{folder} has room for {free / 1e9:.2f} GB, and {what} may take {least / 1e9:.2f} GB"
            yield Trouble("disk", problem, mend)


def _cache(probe: Probe) -> Path:
    environment = probe.environment
    if environment.get("HF_HOME"):
        return Path(environment["HF_HOME"]).expanduser()
    return Path(environment.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface"


def _set(probe: Probe, variable: str) -> str:
    return f"setx {variable} DIR" if _windows(probe) else f"export {variable}=DIR  # on another disk"


def _windows(probe: Probe) -> bool:
    return probe.system == "win32"
