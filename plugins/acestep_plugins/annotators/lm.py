"""What the 5 Hz language model hears in a song: caption, genre and language.

Tempo, key and metre it only guesses: they are asked for with guesses=true, say so by their confidence, and never take
the place of anything.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from acestep_core import Annotator, UserError, Value, hookimpl, option
from acestep_core.once import Once

if TYPE_CHECKING:
    from acestep_core.data import Song
    from acestep_core.lm.requests import Answer
    from acestep_core.model import Model

_GUESS = 0.1
_HEARD = ("caption", "genre", "language")
_GUESSED = ("bpm", "keyscale", "timesignature")


class LanguageModel(Annotator):
    name = "lm"

    model: str = option("", "folder with the checkpoints: a model with its codec, and a 5 Hz language model")
    variant: str = option("", "which model, where the folder holds several")
    lm: str = option("", "which language model, such as 1.7B; the largest that fits unless given")
    backend: str = option("pt", "what runs the model", plugin="backends")
    lm_backend: str = option("", "what runs the language model; the same unless given", plugin="backends")
    guesses: bool = option(False, "tempo, key and metre too, which it only guesses: tempo_key measures them")
    temperature: float = option(0.7, "how freely it draws its words; 0 = always the likeliest", ge=0, le=2)
    seed: int = option(0, "drives the codec's sample and the drawing", ge=0)

    def __post_init__(self) -> None:
        self._once = Once(self._load)

    def annotate(self, song: "Song", wanted: Sequence[str]) -> Mapping[str, Value]:
        fields = [n for n in wanted if n in _HEARD or (n in _GUESSED and self.guesses and _is_open(song, n))]
        if not fields:
            return {}
        with self._once.alone() as model:
            answer = self._understood(model, song)
        if answer is None:
            return {}
        found = {**_values(answer), "genre": answer.metas.genres}
        return {n: _value(n, found[n], answer) for n in fields if found[n] not in (None, "", "unknown")}

    def close(self) -> None:
        self._once.drop()

    def _understood(self, model: "Model", song: "Song") -> "Answer | None":
        """None of a silent song."""
        from acestep_core.audio import SILENCE, read_stereo
        from acestep_core.lm.requests import LmSettings, Understand
        from acestep_core.lm.speaking import Asked, ask

        wave = read_stereo(song.path)
        if not wave.size or max(wave.max(), -wave.min()) < SILENCE:
            return None
        codes = model.dit.codes(model.codec.encode(wave, self.seed))
        asked = Asked(Understand(codes, words=False), self.seed)
        return ask(model.lm, [asked], LmSettings(temperature=self.temperature))[0]

    def _load(self) -> "Model":
        from acestep_core import FatalError, load_backend, registry
        from acestep_core.lm.fitting import settle

        if not self.model:
            raise FatalError("The annotator 'lm' needs a model", "give its folder: -o model=DIR")
        try:
            of_lm = registry().make("backends", self.lm_backend, {}) if self.lm_backend else None
            names = {"variant": self.variant or None, "lm": self.lm or None}
            model = load_backend(self.backend, model=self.model, lm_backend=of_lm, **names)
            settle(model)
        except UserError as e:
            raise FatalError(e.problem, e.hint) from e  # every song would meet it
        return model


def _is_open(song: "Song", name: str) -> bool:
    return name not in song.sources or song.sources[name] == LanguageModel.name


def _values(answer: "Answer") -> dict[str, Any]:
    return {n: getattr(answer.metas, n) for n in ("caption", "language", *_GUESSED)}


def _value(name: str, value: Any, answer: "Answer") -> Value:
    """A caption that came to its longest is cut off, and a guess as well."""
    cut = answer.origins.get("genres" if name == "genre" else name) == "constraint"
    return Value(value, _GUESS if name in _GUESSED or cut else None)


@hookimpl
def acestep_annotators():
    return [LanguageModel]
