"""What every backend of the language model is asked in the tests."""

from acestep_core.lm.requests import Codes, Create, LmSettings, Metas, Plan
from acestep_core.lm.speaking import Asked

GREEDY = LmSettings(temperature=0, cfg=1)
MANY = (
    Asked(Plan("soft piano", "la la", skip=frozenset({"genres", "caption"})), 1),
    Asked(Create("a song", True, Metas(caption="rain", genres="folk")), 2),
    Asked(Codes("a", "b", Metas(duration_s=10)), 3),
    Asked(Codes("a longer caption than the other", "words", Metas(duration_s=12, bpm=90, keyscale="C major")), 4),
)
