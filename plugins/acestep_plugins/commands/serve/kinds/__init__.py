"""The kinds of jobs."""

from collections.abc import Mapping

from acestep_plugins.commands.serve.kinds import (
    editing,
    finishing,
    gathering,
    learning,
    making,
    preparing,
    speaking,
    trained,
)
from acestep_plugins.commands.serve.kinds.kind import Kind

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        making.GENERATE,
        speaking.UNDERSTAND,
        speaking.CREATE,
        speaking.FORMAT,
        gathering.GATHER,
        preparing.SCAN,
        preparing.TRANSCRIBE,
        preparing.ANNOTATE,
        preparing.ENCODE,
        learning.ESTIMATE,
        learning.LR_FIND,
        learning.TRAIN_PLAN,
        learning.TRAIN,
        trained.CODES,
        trained.RUN,
        trained.PRESETS,
        editing.SONG,
        editing.CORRECT,
        editing.REVIEW,
        editing.SAVE,
        editing.TAGS,
        finishing.EXPORT,
        finishing.ALIGN,
        finishing.SCORE,
        finishing.LOAD,
        finishing.UNLOAD,
    )
}
