"""Songs held out for validation are encoded, recorded, and never trained on."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from acestep_core import Dataset, Registry, UserError, encode, hookimpl, train
from acestep_core.encoded import EncodedSet
from acestep_core.registry import registry
from acestep_core.train_settings import TrainSettings


@pytest.fixture
def split(encoded, tmp_path):
    """split(share) encodes the songs again, quickly, with that share held out; the whole is in `encoded.folder`."""

    def make(share: float) -> tuple[Dataset, EncodedSet]:
        dataset = Dataset.scan(encoded.songs[0].parent)
        dataset.hold_out(share, seed=0)
        for path in encoded.folder.glob("*.safetensors"):
            (tmp_path / "encoded").mkdir(exist_ok=True)
            (tmp_path / "encoded" / path.name).write_bytes(path.read_bytes())
        result = encode(dataset, encoded.model, tmp_path / "encoded")
        assert len(result.kept) == 3
        return dataset, EncodedSet.open(tmp_path / "encoded")

    return make


def test_only_the_others_are_trained_on_and_the_run_says_so(split, encoded, tmp_path):
    dataset, songs = split(0.34)
    (held_out,) = [s.path.name for s in dataset.songs if s.split == "validation"]
    learnt = []

    class Watched:
        @hookimpl
        def acestep_loss(self, prediction, target, t, batch):
            learnt.append(batch.name)

    plugins = Registry([k for kind in ("adapters", "samplers") for k in registry().known(kind)])
    plugins.manager.register(Watched())
    settings = TrainSettings(epochs=3)
    result = train(songs, encoded.model, out=tmp_path / "run", settings=settings, plugins=plugins)
    assert result.steps == 6 and {*learnt} == {"low.wav", "middle.wav", "high.wav"} - {held_out}
    data = result.run.settings()["data"]
    assert data["held_out"] == songs.part("validation").ids and len(data["songs"]) == 2


def test_another_split_does_not_go_on_with_the_run(split, encoded, tmp_path):
    settings = TrainSettings(steps=4)
    _, songs = split(0.34)
    train(songs, encoded.model, out=tmp_path / "run", settings=settings, stop=lambda: True)
    with pytest.raises(UserError, match="data.held_out"):
        train(encoded.folder, encoded.model, out=tmp_path / "run", settings=settings)


def test_where_all_are_held_out_nothing_can_be_trained(encoded, tmp_path):
    manifest = json.loads((encoded.folder / "manifest.json").read_text())
    for entry in manifest["songs"]:
        entry["split"] = "validation"
    with pytest.raises(UserError, match="All songs of .* are held out"):
        train(EncodedSet(encoded.folder, manifest), encoded.model, out=tmp_path / "run")


def test_a_voice_without_words_is_a_warning_of_encode(encoded, tmp_path):
    dataset = Dataset.scan(Path(encoded.songs[0]).parent)
    dataset.metadata = {**dataset.metadata, "all_instrumental": False}
    dataset.songs = [replace(s) for s in dataset.songs if not s.lyrics]
    result = encode(dataset, encoded.model, tmp_path / "out")
    assert result.warnings == ["high.wav: no lyrics though it has a voice, encoded as instrumental"]
