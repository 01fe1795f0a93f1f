"""What the page calls the tasks, and which controls each shows."""

from collections.abc import Mapping

from acestep_core.tasks import MODES as NAMED
from acestep_core.tasks import TASKS

MODES: Mapping[str, str] = {**NAMED, **{task: task for task in TASKS if task not in NAMED.values()}}
"""Mode -> task."""

WORDS = ("caption", "lyrics")
METAS = ("language", "bpm", "keyscale", "timesignature", "duration_s")
STEPS = ("steps", "shift", "solver", "schedule", "timesteps", "seed", "guidance", "guidance_kind", "guidance_start",
         "guidance_end", "velocity_clamp", "velocity_ema", "reference_mode")  # fmt: skip
LEVEL = ("format", "fade_in_s", "fade_out_s", "peak_db", "loudness_lufs", "keep_level")
MAKING = ("count", "batch_size", "preview_every", "lrc", "score")
CHOICE = ("model", "variant", "backend", "lm", "lm_backend")
"""Chosen in the tab of models for everything at once."""
_WORDLESS = ("simple", "extract")
"""Modes whose words nobody hears, or somebody else writes."""


def with_words(mode: str) -> bool:
    return mode not in _WORDLESS


def task_fields(mode: str, tasks: Mapping[str, Mapping[str, object]]) -> set[str]:
    """The fields of the mode's task."""
    return set(tasks.get(MODES[mode], {}))


def mode_of(task: str) -> str:
    """The mode in which a request is shown; for two that have one task, the one with all controls."""
    return "custom" if task == "text2music" else next(mode for mode, of in MODES.items() if of == task)
