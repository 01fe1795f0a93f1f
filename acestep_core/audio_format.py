"""How audio is written: container, codec, numbers or bitrate, and tags. What a format cannot do is an error."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from acestep_core.audio_tags import tag_problems
from acestep_core.errors import UserError, raise_all
from acestep_core.options import check_values, option

SampleFormat = Literal["pcm16", "pcm24", "float32"]
MP3_KBPS = (64, 96, 128, 160, 192, 224, 256, 320)
_SUBTYPES = {"pcm16": "PCM_16", "pcm24": "PCM_24", "float32": "FLOAT"}
_OPUS_KBPS = (6, 256)  # of one channel, src/ogg_opus.c of libsndfile
_SMALLEST = 0.99  # libsndfile refuses 1, which would be the smallest MP3


@dataclass(frozen=True)
class _Format:
    """What libsndfile calls a format, and which settings it knows."""

    container: str
    codec: str
    sample_formats: tuple[str, ...] = ()
    kbps: tuple[int, ...] | range = ()
    has_quality: bool = False


_FORMATS = {
    ".wav": _Format("WAV", "PCM_16", ("pcm16", "pcm24", "float32")),
    ".flac": _Format("FLAC", "PCM_16", ("pcm16", "pcm24")),
    ".mp3": _Format("MP3", "MPEG_LAYER_III", kbps=MP3_KBPS, has_quality=True),
    ".ogg": _Format("OGG", "VORBIS", has_quality=True),
    ".opus": _Format("OGG", "OPUS", kbps=range(16, 511)),
}


@dataclass(frozen=True, kw_only=True)
class AudioSettings:
    """How a file is written. `tags` are texts by name, see `acestep_core.audio_tags.TAGS`."""

    sample_format: SampleFormat | None = option(None, "numbers in wav (pcm16 unless given) and flac (not float32)")
    bitrate: int | None = option(None, "kbit/s: constant in mp3 (64 to 320), average in opus (16 to 510)", ge=1)
    quality: float | None = option(None, "of a variable bitrate in mp3 and ogg: 0 is smallest, 1 best", ge=0, le=1)
    tags: Mapping[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """What was asked for, as plain JSON types."""
        named = {n: getattr(self, n) for n in ("sample_format", "bitrate", "quality")}
        return {n: v for n, v in named.items() if v is not None} | ({"tags": dict(self.tags)} if self.tags else {})


@dataclass(frozen=True)
class Encoding:
    """What `soundfile.SoundFile` is told."""

    container: str
    codec: str
    more: Mapping[str, Any]

    @property
    def clips(self) -> bool:
        """Whether nothing above full scale can be held."""
        return self.codec != "FLOAT"


def format_of(path: Path) -> tuple[str, str]:
    """(container, codec) for a file name. Raises `UserError` for an extension that cannot be written."""
    if path.suffix.lower() not in _FORMATS:
        named = f"'{path.suffix}' audio" if path.suffix else f"{path}: its name has no ending"
        raise UserError(f"Cannot write {named}", f"use {', '.join(_FORMATS)}")
    known = _FORMATS[path.suffix.lower()]
    return known.container, known.codec


def encoding_of(path: Path, settings: AudioSettings, channels: int = 2) -> Encoding:
    """How to write that file. Raises `UserError` for the extension and for every setting that does nothing there."""
    container, codec = format_of(path)
    known = _FORMATS[path.suffix.lower()]
    errors = check_values(settings, path.name) or [*_problems(path.suffix.lower(), known, settings)]
    raise_all([*errors, *tag_problems(settings.tags, container)], f"Writing {path.name}")
    if settings.sample_format:
        return Encoding(container, _SUBTYPES[settings.sample_format], {})
    return Encoding(container, codec, _rate(container, settings, channels))


def _problems(suffix: str, known: _Format, settings: AudioSettings) -> Iterator[UserError]:
    if settings.sample_format and settings.sample_format not in known.sample_formats:
        yield _useless("sample-format", settings.sample_format, suffix, known.sample_formats)
    if settings.bitrate is not None and settings.bitrate not in known.kbps:
        shown = known.kbps if isinstance(known.kbps, tuple) else (f"{known.kbps[0]} to {known.kbps[-1]}",)
        yield _useless("bitrate", settings.bitrate, suffix, shown)
    if settings.quality is not None and not known.has_quality:
        yield _useless("quality", f"{settings.quality:g}", suffix, ())
    elif settings.quality is not None and settings.bitrate is not None:
        yield UserError("--quality and --bitrate exclude each other", "leave one of them out")


def _useless(flag: str, value: Any, suffix: str, known: tuple[Any, ...]) -> UserError:
    """Said of a setting that the format does not have, or has with other values."""
    if known:
        return UserError(f"{suffix} cannot have --{flag} {value}", f"give one of {', '.join(map(str, known))}")
    has = {"sample-format": lambda f: f.sample_formats, "bitrate": lambda f: f.kbps, "quality": lambda f: f.has_quality}
    others = " ".join(s for s, f in _FORMATS.items() if has[flag](f))
    return UserError(f"--{flag} does nothing in {suffix}", f"leave it out; {others} have it")


def _rate(container: str, settings: AudioSettings, channels: int) -> dict[str, Any]:
    """libsndfile takes a level from 0, the best, to 1, which it turns back into a bitrate or a quality."""
    if settings.quality is not None:
        mode = {"bitrate_mode": "VARIABLE"} if container == "MP3" else {}
        return {"compression_level": min(1 - settings.quality, _SMALLEST)} | mode
    if settings.bitrate is None:
        return {}
    if container == "MP3":
        return {"compression_level": (320 - settings.bitrate) / 288, "bitrate_mode": "CONSTANT"}
    least, most = _OPUS_KBPS
    return {"compression_level": min(1.0, max(0.0, (most - settings.bitrate / channels) / (most - least)))}


def read_tag(text: str) -> tuple[str, str]:
    """(name, value) of NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--tag {text} has no value", f"write --tag {text}=VALUE")
    return name.strip().lower(), value.strip()
