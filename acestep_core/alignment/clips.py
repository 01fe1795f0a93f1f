"""Generated clips in files, with the records beside them: timed and scored by the model that made them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acestep_core.alignment.agreement import Agreement, agreement
from acestep_core.alignment.listening import Heard, Listening, listen
from acestep_core.alignment.maps import energy_of, timed_lines
from acestep_core.alignment.timed import TimedLine
from acestep_core.audio import RATE_HZ, read_stereo
from acestep_core.errors import UserError
from acestep_core.lm.requests import Metas
from acestep_core.lm.scoring import LmScore, Scoring, lm_score
from acestep_core.model import Model
from acestep_core.record import Record, load_record
from acestep_core.request import GenerateRequest
from acestep_core.saving import record_path

if TYPE_CHECKING:
    import numpy as np

_ENDING = ".json"


@dataclass(frozen=True)
class MadeClip:
    """A clip in a file: its wave float32 [2, S] at 48 kHz, and what made it."""

    path: Path
    wave: "np.ndarray"
    record: Record

    @property
    def duration_s(self) -> float:
        return self.wave.shape[1] / RATE_HZ


@dataclass(frozen=True)
class Scores:
    """What could be scored of a clip, and why not what could not."""

    lm: LmScore | None
    dit: Agreement | None
    problems: Sequence[UserError]

    def describe(self) -> dict[str, Any]:
        """As plain JSON types."""
        lm, dit = (None if s is None else asdict(s) for s in (self.lm, self.dit))
        return {"lm": lm, "dit": dit, "problems": [str(e) for e in self.problems]}


def open_clip(path: Path) -> MadeClip:
    """By its audio file or its record. Raises `UserError` where one of them is missing."""
    audio = path.with_name(path.name.removesuffix(_ENDING))
    if not audio.is_file():
        raise UserError(f"{audio} is not there", "give a generated clip, or the .json beside it")
    if not record_path(audio).is_file():
        raise UserError(f"{audio} has no record beside it ({record_path(audio).name})",
                        "give a generated clip; lyrics of any other audio are timed by: align --ctc DIR")  # fmt: skip
    return MadeClip(audio, read_stereo(audio), load_record(record_path(audio)))


def hear(model: Model, clip: MadeClip, listening: Listening) -> Heard:
    return listen(model, clip.record.request, clip.wave, listening, clip.record.adapters)


def time_clip(model: Model, clip: MadeClip, listening: Listening, reference: bool = False) -> list[TimedLine]:
    """When each line of its lyrics is sung; `reference` as in `maps.energy_of`."""
    heard = hear(model, clip, listening)
    energy = energy_of(heard.weights, reference)
    return timed_lines(energy, heard.tokens.lines, heard.frame_s, clip.duration_s)


def score_clip(model: Model, clip: MadeClip, listening: Listening, scoring: Scoring) -> Scores:
    """Both scores. What one of them has no use for, such as an instrumental, does not cost the other."""
    problems: list[UserError] = []

    def of_lm() -> LmScore:
        model.checkpoint.part("lm")  # a folder without one says so before anything is computed
        latents = model.working("codec", lambda codec: codec.encode(clip.wave, 0))
        codes = model.working("dit", lambda dit: dit.codes(latents))
        request = clip.record.request
        lyrics = request.lyrics or "[Instrumental]"
        return model.working("lm", lambda lm: lm_score(lm, codes, _metas(request, clip.duration_s), lyrics, scoring))

    def of_dit() -> Agreement:
        heard = hear(model, clip, listening)
        return agreement(heard.weights, heard.tokens.sung)

    return Scores(_tried(of_lm, problems), _tried(of_dit, problems), problems)


def _metas(request: GenerateRequest, duration_s: float) -> Metas:
    known = {n: getattr(request, n) for n in ("bpm", "caption", "keyscale", "timesignature", "language")}
    return Metas(**known, duration_s=round(duration_s))


def _tried(work: Callable[[], LmScore | Agreement], problems: list[UserError]) -> LmScore | Agreement | None:
    try:
        return work()
    except UserError as e:
        problems.append(e)
        return None
