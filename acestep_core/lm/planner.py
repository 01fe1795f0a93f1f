"""Has the language model of a model think requests through, and says which one did."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from acestep_core.lm.fitting import SECONDS, settle
from acestep_core.lm.requests import LmSettings
from acestep_core.lm.thinking import Thinking, Thought, Told, think
from acestep_core.model import Model
from acestep_core.request import GenerateRequest


def think_with(
    model: Model,
    requests: Sequence[GenerateRequest],
    thinking: Thinking,
    settings: LmSettings,
    *,
    on_choice: Callable[[str], None] = lambda why: None,
    on_token: Told = lambda stage, index, said, total: None,
) -> list[Thought]:
    """`think` by the largest language model that fits, or the one the model names; it is let go of afterwards.

    `on_choice` hears why it was chosen, where there were several.
    """
    chosen = settle(model, max((r.duration_s or SECONDS for r in requests), default=SECONDS))
    if chosen.why:
        on_choice(chosen.why)
    thoughts = think(model.lm, requests, thinking, settings, at_once=chosen.at_once, on_token=on_token)
    lm = {"folder": chosen.folder.name, "hash": model.checkpoint.hash("lm"), **model.lm.about}
    lm |= {"chosen": chosen.why} if chosen.why else {}
    model.release("lm")
    by = {"model": lm, "backend": model.lm_backend.name}
    return [replace(t, record={**t.record, **by}) for t in thoughts]
