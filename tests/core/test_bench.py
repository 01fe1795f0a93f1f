"""A bench is made elsewhere of its recipe, where everything has to be as it was here."""

import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from acestep_core import Annotator, UserError, process_folder
from acestep_core.bench import Bench, Recipe
from acestep_core.data import Problem, Song
from acestep_core.files import content_id
from acestep_core.registry import registry
from acestep_core.testing.fakes import write_wav


class Counting(Bench):
    """Says the size of each file."""

    def work(self, units):
        yield from (song.path.stat().st_size for song in units)


def counting() -> Counting:
    return Counting()


@pytest.fixture(autouse=True)
def back_again(monkeypatch, tmp_path):
    """A recipe changes the working folder, being meant for processes of their own."""
    monkeypatch.chdir(tmp_path)


def song(path: Path, text: str = "music") -> Song:
    path.write_text(text)
    return Song(path, content_id(path))


def recipe(**changed) -> Recipe:
    found = Recipe.of(counting, {}, [("samplers", "uniform")], registry())
    return pickle.loads(pickle.dumps(replace(found, **changed)))


def refusal(made: Recipe, first: Song) -> str:
    with pytest.raises(UserError) as caught:
        made.made(first)
    assert caught.value.hint
    return caught.value.problem


def test_a_bench_made_elsewhere_works_in_the_folder_of_the_command(tmp_path, monkeypatch):
    found, first = recipe(), song(Path("a.wav"))
    monkeypatch.chdir("/")
    assert list(found.made(first).work([first])) == [5] and os.getcwd() == str(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    assert f"has no folder {tmp_path}/gone" in refusal(recipe(folder=f"{tmp_path}/gone"), song(tmp_path / "a.wav"))


def test_songs_that_cannot_be_read_there_are_refused_at_the_start(tmp_path):
    assert "cannot read" in refusal(recipe(), Song(tmp_path / "gone.wav", "0" * 12))


def test_a_file_that_is_another_there_costs_that_song_alone(tmp_path):
    songs = [song(tmp_path / f"{n}.wav", n) for n in ("a", "bb", "ccc")]
    bench = recipe().made(songs[0])
    songs[1].path.write_text("somebody else's")
    first, second, third = bench.work(songs)
    assert (first, third) == (1, 3) and isinstance(second, Problem) and "is another file on" in second.text


def test_another_version_of_a_plugin_is_refused(tmp_path):
    (place,) = recipe().plugins
    said = refusal(recipe(plugins={place: "acestep-core 0.0.1"}), song(tmp_path / "a.wav"))
    assert "has the sampler 'uniform@acestep-core' of acestep-core 1" in said and "not of acestep-core 0.0.1" in said


def test_a_plugin_that_is_missing_there_is_refused(tmp_path):
    assert "no sampler 'gone'" in refusal(recipe(plugins={("samplers", "gone"): "gone 1"}), song(tmp_path / "a.wav"))


def test_secrets_of_a_recipe_are_not_shown():
    assert "s3cr3t" not in repr(Recipe(counting, {"key": "s3cr3t"}, {}))


def test_a_plugin_made_in_this_process_cannot_be_sent(tmp_path):
    class Mine(Annotator):
        name = "mine"

        def annotate(self, song, wanted):
            return {}

    class Sending:
        def run(self, bench, units, stop):
            yield 0, bench.recipe()

    write_wav(tmp_path / "a.wav", 0.1)
    with pytest.raises(UserError, match="was made in this process"):
        process_folder(tmp_path, annotators=[Mine()], executor=Sending())
