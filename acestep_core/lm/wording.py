"""How requests are put to the 5 Hz language model, and its thoughts written and read: the words it was trained on.

Source: llm_inference.py and constants.py of ACE-Step 1.5 (April 2026).
"""

from collections.abc import Mapping
from typing import Any

from acestep_core.codes import write_codes
from acestep_core.lm.requests import NO_INPUT, Codes, Create, Metas, Plan, Request, Understand
from acestep_core.tasks import FROM_TOKENS

THINK, THOUGHT, END = "<think>", "</think>", "<|im_end|>"
UNDERSTAND = "Understand the given musical conditions and describe the audio semantics accordingly:"
CREATE = "Expand the user's input into a more detailed and specific musical description:"
REWRITE = "Format the user's input into a more detailed and specific musical description:"

Message = Mapping[str, str]


def messages(request: Request) -> list[Message]:
    """The chat that asks for it. That for `Codes` ends with the thoughts, which the model goes on from."""
    if isinstance(request, Plan | Codes):
        chat = _asked(FROM_TOKENS, f"# Caption\n{request.caption}\n\n# Lyric\n{request.lyrics}\n")
        return chat + ([_thoughts(request.metas)] if isinstance(request, Codes) else [])
    if isinstance(request, Understand):
        return _asked(UNDERSTAND, NO_INPUT if request.codes is None else write_codes(request.codes))
    if isinstance(request, Create):
        return _asked(CREATE, f"{request.query or NO_INPUT}\n\ninstrumental: {str(request.instrumental).lower()}")
    return _asked(REWRITE, f"# Caption\n{request.caption or NO_INPUT}\n\n# Lyric\n{request.lyrics or '[Instrumental]'}")


def unconditional(request: Codes) -> list[Message]:
    """The chat that guidance leads away from: no thoughts, and the negative prompt where there is one."""
    caption = request.caption if request.negative in ("", NO_INPUT) else request.negative
    asked = _asked(FROM_TOKENS, f"# Caption\n{caption}\n\n# Lyric\n{request.lyrics}\n")
    return [*asked, {"role": "assistant", "content": f"{THINK}\n{THOUGHT}"}]


def thoughts(metas: Metas) -> str:
    """The known fields as YAML, sorted by name, as the model writes them."""
    import yaml

    known = {k: v for k, v in values(metas).items() if v not in (None, "")}
    return yaml.safe_dump(known, allow_unicode=True, sort_keys=True) if known else ""


def values(metas: Metas) -> dict[str, Any]:
    """Fields by the names the model uses; what is all digits is a number there."""
    found: dict[str, Any] = {
        "bpm": metas.bpm, "caption": metas.caption, "duration": metas.duration_s, "genres": metas.genres,
        "keyscale": metas.keyscale, "language": metas.language, "timesignature": metas.timesignature,
    }  # fmt: skip
    return {k: int(v) if isinstance(v, str) and v.isascii() and v.isdigit() else v for k, v in found.items()}


def _asked(instruction: str, text: str) -> list[Message]:
    return [{"role": "system", "content": f"# Instruction\n{instruction}\n\n"}, {"role": "user", "content": text}]


def _thoughts(metas: Metas) -> Message:
    return {"role": "assistant", "content": f"{THINK}\n{thoughts(metas).strip()}\n{THOUGHT}"}
