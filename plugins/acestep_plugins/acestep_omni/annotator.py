"""ACE-Step's captioner: what a song sounds like, in a few sentences."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from acestep_core import Annotator, Song, Value, hookimpl, option
from acestep_plugins.acestep_omni.answer import plain_caption
from acestep_plugins.acestep_omni.hear import CUT_OFF, Omni

if TYPE_CHECKING:
    from acestep_core.uploads import Estimate, Limits

PROMPT = "*Task* Describe this audio in detail"  # what the model was trained with


class AceStepCaptioner(Omni, Annotator):
    name = "acestep_captioner"

    model: str = option("ACE-Step/acestep-captioner", "folder or name; a name is downloaded once (22 GB)")
    longest_min: float = option(5.0, "of a longer song the first part is heard, up to a quiet place", gt=0, le=20)

    def annotate(self, song: Song, wanted: Sequence[str]) -> dict[str, Value]:
        from acestep_core.uploads import prepared

        if "caption" not in wanted:
            return {}
        with prepared(song.path, self.limits()) as pieces:
            heard = self.hear(PROMPT, pieces[0], song.path.name)
        caption = plain_caption(heard.text)
        return {"caption": Value(caption, None if heard.whole else CUT_OFF)} if caption else {}

    def limits(self) -> "Limits":
        return self.limits_of(self.longest_min)

    def estimate(self, audio: Path) -> "Estimate | None":
        """What sending the file would take, without sending it."""
        return self.estimate_of(audio, self.longest_min)


@hookimpl
def acestep_annotators():
    return [AceStepCaptioner]
