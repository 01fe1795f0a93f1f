"""The contracts of transcribers and annotators."""

from pathlib import Path
from typing import Any, ClassVar

import pytest

from acestep_core.answers import Transcript, Value
from acestep_core.audio import probe
from acestep_core.data import CHECKS, FIELDS, Song
from acestep_core.errors import UserError
from acestep_core.files import content_id
from acestep_core.section_tags import with_tags, words_of
from acestep_core.testing.contracts.base import PluginContract, refuses
from acestep_core.testing.fakes import write_wav


class TranscriberContract(PluginContract):
    """Subclass with `plugin = YourTranscriber`. One that asks a service overrides `made` to point at a fake one."""

    kind = "transcribers"

    @pytest.fixture
    def audio(self, tmp_path: Path) -> Path:
        """Six seconds with sound in them; override where words are needed."""
        return write_wav(tmp_path / "tone.wav")

    def test_it_returns_text_and_segments_in_order(self, made: Any, audio: Path) -> None:
        found = made.transcribe(audio, language="en")
        assert isinstance(found, Transcript) and isinstance(found.text, str)
        starts = [s.start_s for s in found.segments]
        assert starts == sorted(starts)
        assert all(0 <= s.start_s <= s.end_s <= probe(audio).duration_s + 1 for s in found.segments)

    def test_the_language_is_optional(self, made: Any, audio: Path) -> None:
        found = made.transcribe(audio)
        assert found.language is None or isinstance(found.language, str)

    def test_silence_does_not_break_it(self, made: Any, tmp_path: Path) -> None:
        assert isinstance(made.transcribe(write_wav(tmp_path / "silence.wav", hz=0.0)), Transcript)

    def test_an_unreadable_file_is_told_in_a_sentence(self, made: Any, tmp_path: Path) -> None:
        (tmp_path / "broken.wav").write_bytes(b"no audio at all")
        refuses(lambda: made.transcribe(tmp_path / "broken.wav"))

    def test_a_missing_file_is_told_in_a_sentence(self, made: Any, tmp_path: Path) -> None:
        refuses(lambda: made.transcribe(tmp_path / "gone.wav"))

    def test_adding_tags_changes_no_word_or_is_refused_in_a_sentence(self, made: Any, audio: Path) -> None:
        try:
            tagged = with_tags("la la\nlo", made.add_tags(audio, "la la\nlo"), made.name)
        except UserError as e:
            assert e.problem.strip()
        else:
            assert words_of(tagged) == ["la", "la", "lo"]

    def test_the_song_is_left_alone(self, made: Any, audio: Path) -> None:
        before = _state(audio)
        made.transcribe(audio)
        assert _state(audio) == before


class AnnotatorContract(PluginContract):
    """Subclass with `plugin = YourAnnotator` and the `fields` it can find."""

    kind = "annotators"
    fields: ClassVar[tuple[str, ...]] = ()

    @pytest.fixture
    def song(self, tmp_path: Path) -> Song:
        return _song(write_wav(tmp_path / "tone.wav"))

    def test_it_says_which_fields_it_can_find(self) -> None:
        assert self.fields and set(self.fields) <= set(FIELDS)

    def test_values_can_be_used_and_their_confidence_is_a_share(self, made: Any, song: Song) -> None:
        for name, value in made.annotate(song, self.fields).items():
            assert isinstance(value, Value)
            CHECKS[name](value.value)
            assert value.confidence is None or 0 <= value.confidence <= 1

    def test_only_wanted_fields_are_given(self, made: Any, song: Song) -> None:
        for name in self.fields:
            assert set(made.annotate(song, [name])) <= {name}
        assert not made.annotate(song, [])

    def test_silence_does_not_break_it(self, made: Any, tmp_path: Path) -> None:
        assert set(made.annotate(_song(write_wav(tmp_path / "silence.wav", hz=0.0)), self.fields)) <= set(self.fields)

    def test_a_missing_file_is_told_in_a_sentence_or_needs_no_file(self, made: Any, song: Song) -> None:
        song.path.unlink()
        try:
            assert set(made.annotate(song, self.fields)) <= set(self.fields)
        except UserError as e:
            assert e.problem.strip()

    def test_the_song_is_left_alone(self, made: Any, song: Song) -> None:
        before, labels = _state(song.path), vars(song).copy()
        made.annotate(song, self.fields)
        assert _state(song.path) == before and vars(song) == labels


def _song(path: Path) -> Song:
    info = probe(path)
    return Song(path, content_id(path), info.duration_s, info.rate_hz, info.channels)


def _state(audio: Path) -> list[tuple[str, bytes]]:
    return [(p.name, p.read_bytes()) for p in sorted(audio.parent.iterdir()) if p.is_file()]
