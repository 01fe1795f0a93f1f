"""Which controls of a request would do nothing for the model that is loaded, and why: the core is asked."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from acestep_core.checkpoint import ModelInfo
from acestep_core.idle import idle_options
from acestep_core.options import options_of, parse_options
from acestep_core.request import GenerateRequest, contradictions
from acestep_core.tasks import TASKS, Text2Music


def model_of(facts: Mapping[str, Any]) -> ModelInfo:
    """What the checks need to know of a model, out of what a server tells of it."""
    told = {"is_turbo": facts.get("turbo", facts.get("variant") == "turbo"),
            "model_version": facts.get("version") or facts.get("variant", "")}  # fmt: skip
    return ModelInfo(Path(str(facts.get("name") or facts.get("folder") or "model")), told)


def idle_in_request(asked: Mapping[str, Any], model: ModelInfo) -> dict[tuple[str, ...], str]:
    """Place in the request -> why it does nothing. What is no request yet is left to the server to refuse."""
    request = _read(asked)
    own = idle_options(request, lambda r: contradictions(r, model))
    of_task = idle_options(request.task, lambda t: contradictions(replace(request, task=t), model))
    return {(n,): why for n, why in own.items()} | {("task", n): why for n, why in of_task.items()}


def without(asked: Mapping[str, Any], idle: Collection[tuple[str, ...]]) -> dict[str, Any]:
    """The request without what would do nothing."""
    kept = {n: v for n, v in asked.items() if (n,) not in idle}
    if "task" in kept:
        kept["task"] = {n: v for n, v in kept["task"].items() if ("task", n) not in idle}
    return kept


def _read(asked: Mapping[str, Any]) -> GenerateRequest:
    about = asked.get("task") or {}
    kind = TASKS.get(str(about.get("name", Text2Music.name)), Text2Music)
    fields = {n: v for n, v in asked.items() if n in options_of(GenerateRequest)}
    known, _ = parse_options(GenerateRequest, fields, "")
    of_task, _ = parse_options(kind, {n: v for n, v in about.items() if n in options_of(kind)}, "")
    return GenerateRequest(**known, task=kind(**of_task))
