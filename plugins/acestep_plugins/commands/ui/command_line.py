"""The command that does the same as a request of a training."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

_POSITIONAL = "encoded"
_SAMPLES = "samples"


def train_command(request: Mapping[str, Any], model: str) -> str:
    """`acestep-core train ...`, as it is typed in a shell."""
    return shlex.join(["acestep-core", "train", str(request.get(_POSITIONAL) or "ENCODED"), *_words(request, model)])


def _words(request: Mapping[str, Any], model: str) -> Iterator[str]:
    yield from ("--model", str(request.get("model") or model or "models"))
    for name, value in request.items():
        if name == _SAMPLES:
            for inner, said in value.items():
                yield from _flag(f"sample_{inner}", said)
        elif name == "options":
            for table, said in value.items():
                for inner, one in said.items():
                    yield from ("-o", f"{table}.{inner}={_text(one)}")
        elif name not in (_POSITIONAL, "model"):
            yield from _flag(name, value)


def _flag(name: str, value: Any) -> tuple[str, ...]:
    flag = name.removesuffix("_s").replace("_", "-")
    if isinstance(value, bool):
        return (f"--{flag}" if value else f"--no-{flag}",)
    return (f"--{flag}", _text(value))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
