"""The contract of executors: every unit is done once, a stop is heeded, and what is wrong for all is told once."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from acestep_core.bench import Bench, Recipe
from acestep_core.data import Song
from acestep_core.errors import UserError
from acestep_core.files import content_id
from acestep_core.testing.contracts.base import PluginContract

SONGS = 12


class Naming(Bench):
    """Says the name of each song, or that it cannot be made ready."""

    def __init__(self, patient: bool = False, broken: bool = False):
        self.patient, self._broken = patient, broken

    def load(self) -> None:
        if self._broken:
            raise UserError("there is no model", "download it")

    def work(self, units: Sequence[Song]) -> Iterator[str]:
        yield from (song.path.name for song in units)

    def recipe(self) -> Recipe:
        return Recipe(Naming, {"patient": self.patient, "broken": self._broken}, {})


class ExecutorContract(PluginContract):
    """Subclass with `plugin = YourExecutor`. One that needs machines overrides `made` to have some."""

    kind = "executors"

    @pytest.fixture
    def songs(self, tmp_path: Path) -> list[Song]:
        """Files that can be told apart; nobody listens to them."""
        paths = [tmp_path / f"{n}.wav" for n in range(SONGS)]
        for path in paths:
            path.write_text(path.name)
        return [Song(path, content_id(path)) for path in paths]

    @pytest.mark.parametrize("patient", [False, True])
    def test_every_unit_is_done_once(self, made: Any, songs: list[Song], patient: bool) -> None:
        found = list(made.run(Naming(patient), songs, Event()))
        assert sorted(found) == [(n, f"{n}.wav") for n in range(SONGS)]

    @pytest.mark.parametrize("patient", [False, True])
    def test_after_a_stop_no_other_unit_is_begun(self, made: Any, songs: list[Song], patient: bool) -> None:
        stop, found = Event(), []
        many = songs * 20
        for number, _ in made.run(Naming(patient), many, stop):
            found.append(number)
            stop.set()
        assert 1 <= len(found) == len(set(found)) < len(many)

    def test_what_is_wrong_for_all_is_told_once(self, made: Any, songs: list[Song]) -> None:
        with pytest.raises(UserError, match="there is no model"):
            list(made.run(Naming(broken=True), songs, Event()))

    def test_it_can_be_left_at_any_time_and_used_again(self, made: Any, songs: list[Song]) -> None:
        begun = made.run(Naming(), songs, Event())
        next(begun)
        begun.close()
        assert len(list(made.run(Naming(), songs[:2], Event()))) == 2

    def test_notes_are_sentences(self, made: Any, songs: list[Song]) -> None:
        list(made.run(Naming(), songs[:1], Event()))
        assert all(isinstance(note, str) and note.strip() for note in made.notes())
