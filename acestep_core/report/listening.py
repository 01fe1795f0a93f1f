"""The part of the page that is heard: for each prompt the model alone, then the adapter as it was learnt."""

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from acestep_core.report.facts import Facts
from acestep_core.samples.stored import Sample

_KINDS = {".flac": "audio/flac", ".wav": "audio/wav", ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".opus": "audio/ogg",
          ".png": "image/png"}  # fmt: skip
EMBED_MB = 40.0


@dataclass
class Sounds:
    """Which files stand in the page itself, and which beside it: all of the page are `limit` bytes at most."""

    page: Path
    limit: float
    inside: set[Path] = field(default_factory=set)
    beside: list[Path] = field(default_factory=list)

    def choose(self, samples: Sequence[Sample]) -> None:
        """Prompt by prompt the model alone and the last, then the later before the earlier, then pictures."""
        last = {s.number: s for s in samples if s.step}
        earlier = [s for s in samples if s.step and s is not last[s.number]]
        ordered = [*(s for s in samples if s not in earlier), *sorted(earlier, key=lambda s: (-s.step, s.number))]
        files = [s.path for s in ordered]
        left = self.limit
        for path in [*files, *(p for p in map(picture_of, files) if p.is_file())]:
            size = path.stat().st_size
            if size <= left:
                self.inside.add(path)
                left -= size
            else:
                self.beside.append(path)

    def address(self, path: Path) -> str:
        if path in self.inside:
            return f"data:{_KINDS[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"
        return quote(Path(os.path.relpath(path.resolve(), self.page.resolve().parent)).as_posix())


def picture_of(audio: Path) -> Path:
    return audio.with_name(f"{audio.name}.png")


def listening(facts: Facts, sounds: Sounds) -> str:
    """HTML of all samples; empty if there are none."""
    sounds.choose(facts.samples)
    cards = [_card(number, list(group), sounds) for number, group in groupby(facts.samples, key=lambda s: s.number)]
    if not cards:
        return ""
    told = "The same prompt and seed, without the adapter and with it."
    if sounds.beside:
        count = len(sounds.beside)
        told += (f" {count} file{'s are' if count > 1 else ' is'} not in this page, which would be too large: "
                 "keep it beside the run's samples.")  # fmt: skip
    return f"<p>{escape(told)}</p>{''.join(cards)}"


def _card(number: int, samples: Sequence[Sample], sounds: Sounds) -> str:
    request = samples[0].request
    title = str(request.get("caption") or f"sample {number}")
    about = [f"seed {request.get('seed')}", *(f"{k} {request[k]}" for k in ("bpm", "keyscale") if request.get(k))]
    lyrics = str(request.get("lyrics") or "")
    shown = f"<details><summary>lyrics</summary><pre>{escape(lyrics)}</pre></details>" if lyrics else ""
    button = '<button type="button" hidden>Next, at the same place</button>' if len(samples) > 1 else ""
    clips = "".join(_clip(s, sounds) for s in samples)
    return (f'<section class="sample"><h3>{escape(title)}</h3><p class="soft">{escape(", ".join(about))}</p>'
            f"{shown}{clips}{button}{_pictures(samples, sounds)}</section>")  # fmt: skip


def _pictures(samples: Sequence[Sample], sounds: Sounds) -> str:
    drawn = [(_called(s), picture_of(s.path)) for s in samples if picture_of(s.path).is_file()]
    images = "".join(
        f'<p>{name}</p><img alt="spectrogram {name}" src="{escape(sounds.address(p))}">' for name, p in drawn
    )
    return f"<details><summary>spectrograms</summary>{images}</details>" if drawn else ""


def _called(sample: Sample) -> str:
    return f"after step {sample.step}" if sample.step else "without adapter"


def _clip(sample: Sample, sounds: Sounds) -> str:
    apart = sample.difference_db
    told = "" if apart is None else f"<small>{apart:.1f} dB from without</small>"
    address = escape(sounds.address(sample.path))
    return (f'<div class="clip"><span class="label">{_called(sample)}<br>{told}</span>'
            f'<audio controls preload="none" src="{address}"></audio></div>')  # fmt: skip
