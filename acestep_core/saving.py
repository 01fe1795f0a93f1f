"""A clip as files: the audio, with tags that say what it is, and the record that makes it again beside it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core.audio import write_audio
from acestep_core.audio_format import AudioSettings, format_of
from acestep_core.audio_tags import tags_of
from acestep_core.files import write_json

if TYPE_CHECKING:
    from acestep_core.clip import Clip


def record_path(audio: Path) -> Path:
    return audio.with_name(f"{audio.name}.json")


def save(clip: "Clip", path: Path, settings: AudioSettings) -> Path:
    """Write both. What the settings ask for is recorded; tags given win over those that the record gives."""
    tags = {**tags_of(clip.record, format_of(path)[0]), **settings.tags}
    write_audio(path, clip.wave, settings=replace(settings, tags=tags))
    written = {"format": path.suffix.lower(), **settings.record()}
    write_json(record_path(path), {**clip.record, "file": written})
    return path


def recorded_settings(record: Mapping[str, Any], path: Path, given: AudioSettings) -> AudioSettings:
    """How a clip is written that is made again: as it was, where the format is the same; what is given wins."""
    was = record.get("file", {})
    tags = {**was.get("tags", {}), **given.tags}
    if given.record().keys() - {"tags"} or was.get("format") != path.suffix.lower():
        return replace(given, tags=tags)
    return replace(given, tags=tags, **{k: v for k, v in was.items() if k not in ("format", "tags")})
