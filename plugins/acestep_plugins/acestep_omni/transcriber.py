"""ACE-Step's transcriber: lyrics with section tags, and the languages they are in."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from acestep_core import Transcriber, Transcript, hookimpl, option
from acestep_core.languages import language_code
from acestep_plugins.acestep_omni.answer import parse_transcript
from acestep_plugins.acestep_omni.hear import CUT_OFF, Omni

if TYPE_CHECKING:
    from acestep_core.uploads import Estimate, Limits

PROMPT = "*Task* Transcribe this audio in detail"  # what the model was trained with


class AceStepTranscriber(Omni, Transcriber):
    name = "acestep_transcriber"

    model: str = option("ACE-Step/acestep-transcriber", "folder or name; a name is downloaded once (22 GB)")
    longest_min: float = option(5.0, "longer songs are heard in pieces, cut where it is quiet", gt=0, le=20)

    def transcribe(self, audio: Path, *, language: str | None = None) -> Transcript:
        from acestep_core.uploads import prepared

        with prepared(audio, self.limits()) as pieces:
            heard = [self.hear(PROMPT, piece, audio.name) for piece in pieces]
        parsed = [parse_transcript(h.text) for h in heard]
        text = "\n\n".join(lyrics for lyrics, _ in parsed if lyrics)
        codes = Counter(code for _, named in parsed for code in named)
        hint = language_code(language)
        main = hint if hint in codes else next(iter(codes.most_common(1)), (None,))[0]
        sure = None if all(h.whole for h in heard) else CUT_OFF
        return Transcript(text, main if text else None, confidence=sure)

    def limits(self) -> "Limits":
        return self.limits_of(self.longest_min)

    def estimate(self, audio: Path) -> "Estimate | None":
        """What sending the file would take, without sending it."""
        return self.estimate_of(audio, self.longest_min)


@hookimpl
def acestep_transcribers():
    return [AceStepTranscriber]
