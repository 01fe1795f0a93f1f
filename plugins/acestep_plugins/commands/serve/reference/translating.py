"""A request to the reference's server as one of ours.

What the reference takes and what does nothing with the model at hand is left out and told, as its clients send much of
it by default.
"""

from collections.abc import Mapping
from typing import Any

from acestep_core.checkpoint import ModelInfo
from acestep_core.errors import UserError
from acestep_core.options import nearest, options_of
from acestep_core.tasks import TASKS, task_named
from acestep_plugins.commands.serve.reference.names import Given

FORMATS = {"mp3": "mp3", "flac": "flac", "wav": "wav", "opus": "opus", "ogg": "ogg", "wav32": "wav"}
INSTRUMENTAL = ("[instrumental]", "[inst]")
_COUNT = 2  # clips of a request that does not say
_SOLVERS = {("ode", "euler"): "euler", ("ode", "heun"): "heun", ("sde", "euler"): "sde", ("sde", "heun"): "sde"}
_COT = {"use_cot_metas": "cot_metas", "use_cot_caption": "cot_caption", "use_cot_language": "cot_language"}
_LM = {"lm_temperature": "temperature", "lm_cfg_scale": "cfg", "lm_top_k": "top_k", "lm_top_p": "top_p",
       "lm_repetition_penalty": "repetition_penalty"}  # fmt: skip
_UNUSED = ("audio_path", "env", "ai_token", "instruction", "constrained_decoding", "constrained_decoding_debug",
           "use_constrained_decoding", "use_tiled_decode", "allow_lm_batch", "is_format_caption", "lm_backend",
           "stream", "chunk_mask_mode", "lm_model_path", "use_cot_lyrics", "lm_batch_chunk_size")  # fmt: skip


def translated(body: Mapping[str, Any], info: ModelInfo, models: list[str]) -> tuple[dict[str, Any], list[str]]:
    """(request of the kind generate, what was left out of it)."""
    given, left = Given(body), list[str]()
    for mode in ("analysis_only", "full_analysis_only", "extract_codes_only"):
        if given.flag(mode, False):
            raise UserError(f"{mode} makes no clip", "submit the kind understand: POST /v1/jobs")
    request: dict[str, Any] = {**_words(given), **_way(given, info, left), **_files(given)}
    request |= {"count": int(given.number("batch_size") or _COUNT)}
    task = _task(given, left)
    request |= {"task": task} if task else {}
    if task and task["name"] != "text2music":
        request.pop("duration_s", None)
    request |= _thinking(given, task)
    seed = given.number("seed")
    random = given.flag("use_random_seed", True)
    if seed is not None and seed >= 0 and not random:
        request["seed"] = int(seed)
    model = str(given.get("model") or "").rpartition("/")[2]
    if model in models:
        request["variant"] = model
    elif model:
        left.append("model")
    for name in _UNUSED:
        given.get(name)
    return request, [*left, *given.unread()]


def _words(given: Given) -> dict[str, Any]:
    lyrics, query = str(given.get("lyrics", "")), str(given.get("sample_query", ""))
    lyrics = "" if lyrics.strip().lower() in INSTRUMENTAL else lyrics
    caption = str(given.get("prompt", ""))
    found: dict[str, Any] = {"caption": caption, "lyrics": lyrics}
    if query or given.flag("sample_mode", False):
        found = {"query": query or caption or "any song"}
    elif given.flag("use_format", False) and (caption or lyrics):
        found["rewrite"] = True
    language = given.get("vocal_language", "en" if lyrics else None)
    length, bpm = given.number("audio_duration"), given.number("bpm")
    found |= {"duration_s": length} if length is not None and length > 0 else {}
    found |= {"bpm": int(bpm)} if bpm is not None and bpm > 0 else {}
    named = {"language": language, "keyscale": given.get("key_scale"), "timesignature": given.get("time_signature")}
    return found | {n: str(v) for n, v in named.items() if v is not None and str(v).lower() not in ("auto", "n/a")}


def _way(given: Given, info: ModelInfo, left: list[str]) -> dict[str, Any]:
    """Steps, guidance and the like."""
    found: dict[str, Any] = {}
    timesteps = given.get("timesteps")
    if timesteps is not None:
        found["timesteps"] = timesteps
    for name, own in (("inference_steps", "steps"), ("shift", "shift")):
        value = given.number(name)
        if value is not None and timesteps is None:
            found[own] = int(value) if own == "steps" else value
    guided = {"guidance": given.number("guidance_scale"), "guidance_start": given.number("cfg_interval_start"),
              "guidance_end": given.number("cfg_interval_end")}  # fmt: skip
    guided["guidance_kind"] = "adg" if given.flag("use_adg", False) else None
    said = {n: v for n, v in guided.items() if v is not None}
    if info.turbo and said:
        left += ["guidance_scale"] * ("guidance" in said) + ["use_adg"] * ("guidance_kind" in said)
    elif said.get("guidance") == 1:
        found["guidance"] = 1.0
    else:
        found |= said
    way = (str(given.get("infer_method", "ode")).lower(), str(given.get("sampler_mode", "euler")).lower())
    if way not in _SOLVERS:
        raise UserError(f"There is no way {way[0]} with {way[1]}", "infer_method: ode, sde; sampler_mode: euler, heun")
    return found | {"solver": _SOLVERS[way]}


def _files(given: Given) -> dict[str, Any]:
    wanted = str(given.get("audio_format", "mp3")).lower()
    if wanted not in FORMATS:
        raise UserError(f"{wanted} is not written here", nearest(wanted, FORMATS))
    found: dict[str, Any] = {"format": FORMATS[wanted]}
    if wanted == "wav32":
        found["audio"] = {"sample_format": "float32"}
    timbre = given.get("reference_audio_path")
    return found | ({"timbre": str(timbre)} if timbre else {})


def _task(given: Given, left: list[str]) -> dict[str, Any] | None:
    """Its fields; what another task would have is left out and told."""
    kind = task_named(str(given.get("task_type", "text2music")))
    said = {"source": given.get("src_audio_path"), "start": given.number("repainting_start"),
            "end": given.number("repainting_end"), "repaint_mode": given.get("repaint_mode"),
            "repaint_strength": given.number("repaint_strength"), "cover_noise": given.number("cover_noise_strength"),
            "cover_strength": given.number("audio_cover_strength"), "track": given.get("track_name"),
            "tracks": given.get("track_classes"), "codes": given.get("audio_code_string")}  # fmt: skip
    names = options_of(kind)
    idle = {n for task in TASKS.values() for n in options_of(task)} - set(names)
    left += [n for n in said if said[n] is not None and n in idle]
    return {"name": kind.name, **{n: v for n, v in said.items() if v is not None and n in names}}


def _thinking(given: Given, task: Mapping[str, Any] | None) -> dict[str, Any]:
    wanted = given.flag("thinking", False)
    cot = {own: given.flag(name, True) for name, own in _COT.items()}
    lm = {own: given.number(name) for name, own in _LM.items()}
    negative = given.get("lm_negative_prompt")
    free = task is None or (task["name"] == "text2music" and not task.get("codes"))
    if not (wanted and free):
        return {}
    settings = {n: v for n, v in lm.items() if v is not None}
    if negative and str(negative) != "NO USER INPUT":
        settings["negative_prompt"] = str(negative)
    return {"thinking": {"think": True, **cot}, "lm_settings": settings}
