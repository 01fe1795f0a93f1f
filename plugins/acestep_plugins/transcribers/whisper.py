"""Whisper on this machine, through faster-whisper.

Whisper invents words where there are none, above all in intros, solos and fade-outs. Parts that bear the signs of that
are kept, since a repeated chorus may bear one too, and make the whole a guess that a person is asked to check.
"""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from acestep_core import FatalError, Transcriber, Transcript, UserError, hookimpl, option
from acestep_core.languages import language_code
from acestep_core.once import Once
from acestep_plugins.transcribers.lines import Token, joined, lines_of

if TYPE_CHECKING:
    import numpy as np
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment as Part

RATE_HZ = 16_000
LEAST_LOGPROB, MOST_COMPRESSION, MOST_SILENCE = -1.0, 2.4, 0.6  # Whisper's own limits, its transcribe.py
DOUBTFUL = 0.3  # confidence with a part beyond them: under the 0.5 below which a value is shown as a guess
MILLIONS = {"tiny": 39, "base": 74, "small": 244, "medium": 769, "turbo": 809, "large": 1550}  # of parameters
TIMES_REAL = {"int8": 24.0, "other": 11.0}  # measured: one CPU thread, base, beam 5; other sizes by their parameters
_FILES = ("model.bin", "config.json", "tokenizer.json")  # a missing tokenizer would be fetched from the network


@dataclass(frozen=True)
class Estimate:
    """About how long it takes on the CPU, None where nobody has measured it; it costs nothing."""

    wall_s: float | None
    cost_usd: float | None = None


class Whisper(Transcriber):
    """Whisper on this machine. A model's name is downloaded once, a folder is used as it is."""

    name = "whisper"

    model: str = option(
        "large-v2", "name such as small or large-v3, downloaded once, or a folder in CTranslate2 format"
    )
    offline: bool = option(False, "never download: the model must be a folder or in the cache already")
    device: Literal["auto", "cpu", "cuda"] = option("auto", "where it runs")
    compute_type: str = option("default", "int8, float16 or float32; default: as the model was saved")
    threads: int = option(0, "CPU threads; 0: faster-whisper's choice", ge=0)
    beam_size: int = option(5, "how many guesses are followed at once", ge=1)
    vad: bool = option(True, "pass over stretches without a voice; switch off where it misses singing")
    vad_threshold: float = option(0.3, "how sure a voice must be; speech is easily 0.5, singing is less", ge=0, le=1)
    lonely_s: float = option(2.0, "drop oddly timed words that stand between pauses this long; 0: keep them", ge=0)
    prompt: str = option("", "words or names that may be sung, to help with spelling")
    line_gap_s: float = option(1.5, "a pause this long between two words begins a new line", gt=0)

    at_once: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._once = Once(self._load)

    def transcribe(self, audio: Path, *, language: str | None = None) -> Transcript:
        wave = _mono(audio)
        model = self._once.get()
        parts, found = model.transcribe(
            wave,
            language=self._known(model, language),
            beam_size=self.beam_size,
            vad_filter=self.vad,
            vad_parameters={"threshold": self.vad_threshold},
            initial_prompt=self.prompt or None,
            condition_on_previous_text=False,  # else an invention is taken up by all that follows
            word_timestamps=True,
            hallucination_silence_threshold=self.lonely_s or None,
            log_prob_threshold=LEAST_LOGPROB,
            compression_ratio_threshold=MOST_COMPRESSION,
            no_speech_threshold=MOST_SILENCE,
        )
        heard = [p for p in parts if p.text.strip()]
        text, segments = joined(lines_of(_tokens(heard, len(wave) / RATE_HZ), self.line_gap_s))
        if not text:  # the language of no words is noise
            return Transcript("")
        return Transcript(text, language_code(found.language), segments, confidence(heard), found.language_probability)

    def estimate(self, audio: Path) -> Estimate:
        """About how long the song takes; for models of known size, on the CPU."""
        from acestep_core.audio import probe

        duration_s, speed = probe(audio).duration_s, self._times_real()
        return Estimate(None if speed is None else duration_s / speed)

    def close(self) -> None:
        self._once.drop()

    def _load(self) -> "WhisperModel":
        try:
            import ctranslate2
            from faster_whisper import WhisperModel
        except ImportError as e:
            hint = 'pip install "acestep-core[whisper]"'
            raise FatalError(f"'whisper' needs the package faster-whisper, which cannot be imported ({e})", hint) from e
        ctranslate2.set_random_seed(0)  # where it is not sure, Whisper tries again with dice
        try:
            return WhisperModel(
                self._folder() or self.model,
                self.device,
                compute_type=self.compute_type,
                cpu_threads=self.threads,
                local_files_only=self.offline,
            )
        except (ValueError, RuntimeError, OSError) as e:
            reason = " ".join(str(e).split())[:300]
            hint = "check the options model, device and compute_type"
            hint += ", or let it be downloaded without -o offline=true" if self.offline else ""
            raise FatalError(f"'whisper' cannot load the model '{self.model}' ({reason})", hint) from e

    def _folder(self) -> str | None:
        """The model's folder, None for a name. Raises `FatalError` for what looks like a folder and has no model."""
        folder = Path(self.model).expanduser()
        if folder.is_dir():
            missing = [name for name in _FILES if not (folder / name).is_file()]
            if missing:
                raise FatalError(f"The folder {folder} has no {', '.join(missing)}",
                                 "convert it with ct2-transformers-converter --copy_files tokenizer.json "
                                 "preprocessor_config.json")  # fmt: skip
            return str(folder)
        if self.model.startswith((".", "~", os.sep)):
            raise FatalError(
                f"There is no folder {folder}", "give a folder with a CTranslate2 Whisper model, or a name"
            )
        return None

    def _known(self, model: "WhisperModel", language: str | None) -> str | None:
        """The code of the hint. Raises `UserError` where the model does not know it, for it would guess instead."""
        code = language_code(language)
        known = code is None or (model.hf_tokenizer.token_to_id(f"<|{code}|>") is not None
                                 and code in model.supported_languages)  # fmt: skip
        if not known:
            raise UserError(f"The model '{self.model}' does not know the language '{code}'",
                            "use another model, such as large-v3, or another --language")  # fmt: skip
        return code

    def _times_real(self) -> float | None:
        """Seconds of a song in a second."""
        name = Path(self.model).name
        millions = next((m for size, m in MILLIONS.items() if size in name), None)
        if millions is None or self.device == "cuda" or (self.device == "auto" and _has_cuda()):
            return None
        speed = TIMES_REAL["int8" if self.compute_type.startswith("int8") else "other"]
        return speed * MILLIONS["base"] / millions * min(self.threads or 4, os.cpu_count() or 1)


def confidence(parts: "Sequence[Part]") -> float:
    """How sure the model was of its words on average, and no more than a guess if a part may be invented."""
    total = sum(len(p.tokens) for p in parts)
    sure = sum(min(1.0, math.exp(p.avg_logprob)) * len(p.tokens) for p in parts) / max(1, total)
    return min(sure, DOUBTFUL) if any(map(doubtful, parts)) else sure


def doubtful(part: "Part") -> bool:
    """Whether words bear a sign of being invented: improbable, going round in circles, or where nothing is said."""
    return (
        part.avg_logprob < LEAST_LOGPROB
        or part.compression_ratio > MOST_COMPRESSION
        or part.no_speech_prob > MOST_SILENCE
    )


def _tokens(parts: "Sequence[Part]", length_s: float) -> Iterator[Token]:
    """Words with their times inside the song; each part begins a line."""
    for part in parts:
        for text, start_s, end_s in [(w.word, w.start, w.end) for w in part.words or ()] or [
            (part.text, part.start, part.end)
        ]:
            yield Token(" " if text[:1].isspace() else "")
            start_s = min(max(0.0, float(start_s)), length_s)
            yield Token(text.strip(), start_s, min(max(start_s, float(end_s)), length_s))
        yield Token("\n")


def _mono(audio: Path) -> "np.ndarray":
    """float32 [S] at 16 kHz, read as every other part reads audio, so that the same files work."""
    import numpy as np

    from acestep_core.audio import read_blocks

    return np.concatenate([block.mean(axis=1) for block in read_blocks(audio, RATE_HZ)])


def _has_cuda() -> bool:
    try:
        import ctranslate2
    except ImportError:  # nothing runs then; the first song says what is missing
        return False
    return ctranslate2.get_cuda_device_count() > 0


@hookimpl
def acestep_transcribers():
    return [Whisper]
