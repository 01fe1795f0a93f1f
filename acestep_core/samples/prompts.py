"""What samples are asked for: prompts of a file, of the run file, or of the songs themselves."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from acestep_core.checkpoint import ModelInfo
from acestep_core.encoded import EncodedSet
from acestep_core.errors import UserError, raise_all
from acestep_core.files import text_at
from acestep_core.items import item_of, read_items
from acestep_core.prompts import read_texts
from acestep_core.request import GenerateRequest, resolve
from acestep_core.samples.settings import COUNT, SampleSettings, check_samples
from acestep_core.section_tags import is_tag
from acestep_core.song_files import read_header

_WRITE = 'write a caption per line into a .txt, or {"caption": "a slow waltz", "seed": 1} per line into a .jsonl'
_KINDS = (".txt", ".jsonl", ".json", ".toml")
_LINE_S = 3.0  # that a line is sung in, at least: of a song's lyrics no more are asked for than fit
# Kohya's switches in lines of prompts: what means something here, and what is about pictures.
_SWITCHES = {"d": "seed", "s": "steps", "l": "guidance", "g": "guidance"}
_ALIASES = {"duration": "duration_s", "seconds": "duration_s"}


def sample_requests(settings: SampleSettings, songs: EncodedSet, info: ModelInfo) -> list[GenerateRequest]:
    """Requests with seeds, in order; none where none are asked for, or nothing is given and no song has a text.

    Raises `UserError` for a file that cannot be read, and for prompts that make no sense with the model.
    """
    raise_all(check_samples(settings), "The samples")
    if settings.count == 0:
        return []
    base = GenerateRequest(duration_s=settings.seconds, steps=settings.steps)
    given = settings.prompts is not None
    found = _given(settings.prompts, base) if given else _of_songs(songs, base)
    count = settings.count if settings.count is not None else len(found) if given else COUNT
    asked = [_numbered(found[n % len(found)], n, n >= len(found), settings) for n in range(count)] if found else []
    errors = []
    for number, request in enumerate(asked, 1):
        try:
            resolve(request, info)
        except UserError as e:
            errors.append(UserError(f"sample {number}: {e.problem}", e.hint))
    raise_all(errors, "The prompts")
    return asked


def _numbered(request: GenerateRequest, number: int, again: bool, settings: SampleSettings) -> GenerateRequest:
    """With a seed: its own, unless the prompt comes again."""
    if request.task.decides_length and request.duration_s == settings.seconds:
        request = replace(request, duration_s=None)
    return request if request.seed is not None and not again else replace(request, seed=settings.seed + number)


def _given(prompts: Path | Sequence[str | Mapping[str, Any]], base: GenerateRequest) -> list[GenerateRequest]:
    if not isinstance(prompts, Path):
        return _listed(prompts, base, Path(), "[sample] prompts")
    if prompts.suffix.lower() not in _KINDS:
        raise UserError(f"{prompts} is no file of prompts", f"name one that ends in {' '.join(_KINDS)}")
    text = text_at(prompts, _WRITE)
    if prompts.suffix.lower() == ".jsonl":
        return read_items(prompts, base)
    if prompts.suffix.lower() == ".txt":
        lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1)]
        listed: Any = {f"line {n}": _switched(line) for n, line in lines if line and not line.startswith("#")}
        return _listed(list(listed.values()), base, prompts.parent, prompts.name, list(listed))
    try:
        content = json.loads(text) if prompts.suffix.lower() == ".json" else tomllib.loads(text).get("prompts")
    except ValueError as e:
        raise UserError(f"{prompts} cannot be read ({e})", "correct it") from None
    if not isinstance(content, list):
        raise UserError(f"{prompts} holds no list of prompts", 'write prompts = ["a slow waltz"] or [[prompts]] tables')
    return _listed(content, base, prompts.parent, prompts.name)


def _listed(
    prompts: Sequence[Any], base: GenerateRequest, folder: Path, where: str, places: Sequence[str] | None = None
) -> list[GenerateRequest]:
    found, errors = [], []
    for number, prompt in enumerate(prompts):
        place = f"{where} {places[number] if places else number + 1}"
        try:
            about = {"caption": prompt} if isinstance(prompt, str) else prompt
            if not isinstance(about, Mapping):
                raise UserError(f"{place} is no prompt", _WRITE)
            found.append(item_of({_ALIASES.get(k, k): v for k, v in about.items()}, base, folder, place))
        except UserError as e:
            errors.append(e)
    raise_all(errors, where)
    if not found:
        raise UserError(f"{where} holds no prompt", _WRITE)
    return found


def _switched(line: str) -> dict[str, Any]:
    """A caption with switches behind it, as Kohya's tools have them: "a waltz --d 7 --s 8"."""
    caption, *switches = re.split(r"\s+--(?=[a-z]+(?:\s|$))", line)
    said: dict[str, Any] = {"caption": caption}
    for switch in switches:
        name, _, value = switch.partition(" ")
        said[_SWITCHES.get(name, f"--{name}")] = value.strip()
    return said


def _of_songs(songs: EncodedSet, base: GenerateRequest) -> list[GenerateRequest]:
    """A request per song with another text than those before it; songs held out come first."""
    found: dict[tuple[str, str], GenerateRequest] = {}
    for entry in [*songs.part("validation").manifest["songs"], *songs.part("train").manifest["songs"]]:
        about = _said(songs.folder, entry)
        key = (about.get("caption", ""), about.get("lyrics", ""))
        if any(key) and key not in found:
            found[key] = replace(base, **about | {"lyrics": _that_fit(key[1], base.duration_s)})
        if len(found) == COUNT:
            break
    return list(found.values())


def _said(folder: Path, entry: Mapping[str, Any]) -> dict[str, Any]:
    """What a song's first prompt says. Older files and those of the reference hold no texts."""
    try:
        texts = json.loads(read_header(folder / entry["file"]).get("texts", "{}"))
        caption, lyrics = next(iter(texts.values()))
    except (ValueError, StopIteration, AttributeError):
        return {"caption": entry.get("caption") or ""}
    return {**read_texts(caption, lyrics), "caption": entry.get("caption") or ""}


def _that_fit(lyrics: str, seconds: float) -> str:
    """The first lines, as many as can be sung in that time; tags of sections do not count."""
    left, kept = max(2, int(seconds / _LINE_S)), []
    for line in lyrics.splitlines():
        sung = bool(line.strip()) and not is_tag(line)
        if sung and not left:
            break
        left -= sung
        kept.append(line)
    while kept and (not kept[-1].strip() or is_tag(kept[-1])):
        kept.pop()
    return "\n".join(kept)
