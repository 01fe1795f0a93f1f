"""Has the language model write the words of a clip before it is made."""

from dataclasses import replace

from acestep_core.lm.requests import LONGEST_S, SHORTEST_S, Create, Known, LmSettings, Metas, Rewrite
from acestep_core.lm.speaking import Asked as Question
from acestep_core.lm.speaking import ask
from acestep_core.request import GenerateRequest
from acestep_plugins.commands.serve.kinds.asked import Asked
from acestep_plugins.commands.serve.kinds.kind import Desk


def worded(request: GenerateRequest, query: str, asked: Asked, desk: Desk) -> GenerateRequest:
    """The request with the song that the model makes of `query`, or without one, told as the model likes it.

    What the request says of tempo, key and the rest stays.
    """
    metas = _known(request)
    question = Create(query, False, metas) if query else Rewrite(request.caption, request.lyrics, metas)
    lm, _ = desk.lm(asked)

    def tell(index: int, tokens: int) -> None:
        desk.progress("words", tokens, None, "tokens")

    answer = ask(lm, [Question(question, request.seed)], LmSettings(), on_token=tell)[0]
    desk.model(asked).release("lm")
    said = answer.metas
    found = {"caption": said.caption or request.caption, "lyrics": answer.lyrics or request.lyrics, "bpm": said.bpm,
             "keyscale": said.keyscale, "timesignature": said.timesignature,
             "language": said.language or request.language}  # fmt: skip
    if not request.task.decides_length:
        found["duration_s"] = request.duration_s or said.duration_s
    return replace(request, **found)


def _known(request: GenerateRequest) -> Metas:
    length = request.duration_s
    whole = round(length) if length is not None and SHORTEST_S <= length <= LONGEST_S else None
    named = {n: getattr(request, n) for n in ("bpm", "keyscale", "timesignature", "language")}
    return Known(duration_s=whole, **named).metas()
