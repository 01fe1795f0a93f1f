"""What a clip is conditioned on: words and timbre, made once for all items and runs that say the same."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from acestep_core import prompts
from acestep_core.files import array_id
from acestep_core.model import Model
from acestep_core.remembered import Remembered
from acestep_core.request import GenerateRequest
from acestep_core.tasks import Cover, Text2Music

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Words:
    """Texts as the text encoder reads them: a caption per stage, and the lyrics. `notes` are warnings."""

    captions: tuple[str, ...]
    lyrics: str
    notes: list[str] = field(default_factory=list)


def share_heard(request: GenerateRequest) -> float:
    """Share of the steps that hear the song or the codes; the others hear the words alone."""
    task = request.task
    if isinstance(task, Cover):
        return task.cover_strength
    return task.codes_strength if isinstance(task, Text2Music) and task.codes else 1.0


def words_of(request: GenerateRequest, text: Any) -> Words:
    """With the text part counting tokens: what does not fit is told."""
    metas = prompts.metas_text(request.bpm, request.timesignature, request.keyscale, request.duration_s)
    instructions = [request.task.instruction, *([prompts.TEXT2MUSIC] if share_heard(request) < 1 else [])]
    captions = tuple(prompts.caption_text(request.caption, metas, i) for i in instructions)
    lyrics = prompts.lyric_text(request.lyrics or "[Instrumental]", request.language)
    return Words(captions, lyrics, prompts.token_warnings(captions[0], lyrics, text.count, "the prompt"))


def read_words(model: Model, words: Words) -> None:
    """Have the text part read them, so that it may go."""
    for caption in words.captions:
        _caption(model, caption)
    _lyrics(model, words.lyrics)


def conditions(model: Model, words: Words, timbre: "np.ndarray | None") -> list[Any]:
    """The condition [L, width] of each stage."""
    heard = "" if timbre is None else array_id(timbre)
    dit = model.dit
    return [
        model.remembered.get(
            ("condition", caption, words.lyrics, heard),
            lambda caption=caption: dit.condition(_caption(model, caption), _lyrics(model, words.lyrics), timbre),
        )
        for caption in words.captions
    ]


class PreparedOnce:
    """Conditions as the model takes them, while neither weights nor adapters change."""

    def __init__(self, dit: Any):
        self._dit, self._made = dit, Remembered()

    def condition(self, condition: Any) -> Any:
        """Equal conditions are the same object, `conditions` sees to that."""
        return self._made.get(id(condition), lambda: (condition, self._dit.prepared(condition)))[1]

    def null(self, length: int) -> Any:
        return self._made.get(("null", length), lambda: self._dit.prepared(self._dit.null_condition(length)))


def _caption(model: Model, text: str) -> Any:
    return model.remembered.get(("caption", text), lambda: model.text.caption(text))


def _lyrics(model: Model, text: str) -> Any:
    return model.remembered.get(("lyrics", text), lambda: model.text.lyrics(text))
