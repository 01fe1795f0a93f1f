"""What the header of a trained adapter says of where it is from."""

import json

from acestep_core import Dataset, EncodeSettings, TrainSettings, encode, train
from acestep_core.adapter_facts import said
from acestep_core.encoded import EncodedSet
from acestep_plugins.adapters.stored import read_stored


def header(adapter):
    return read_stored(adapter).header


def trained(songs, model, out, stop=lambda: False, sampler="logit_normal", **settings):
    settings = TrainSettings(**{"steps": 2, "save_every": 1} | settings)
    return train(songs, model, adapter="lora", sampler=sampler, out=out, settings=settings, stop=stop)


def test_the_triggers_of_a_dataset_reach_the_header(encoded, make_song, tmp_path):
    for name, hz in (("a", 200.0), ("b", 300.0)):
        make_song(tmp_path / "songs" / f"{name}.wav", 2.0, hz, "bells")
    dataset = Dataset.scan(tmp_path / "songs")
    dataset.metadata["custom_tag"] = "zxc"
    dataset.songs[1].custom_tag = "qwe"
    encode(dataset, encoded.model, tmp_path / "encoded", EncodeSettings(seed=0, min_seconds=1.0))
    found = header(trained(tmp_path / "encoded", encoded.model, tmp_path / "run").adapter)
    assert found["trigger"] == found["modelspec.trigger_phrase"] == "qwe, zxc"
    given = header(trained(tmp_path / "encoded", encoded.model, tmp_path / "other", trigger="asd").adapter)
    assert given["trigger"] == "asd" and "author" not in given and "modelspec.author" not in given


def test_a_run_may_be_gone_on_with_under_another_author(encoded, tmp_path):
    stopped = trained(encoded.folder, encoded.model, tmp_path / "run", stop=lambda: True, author="A. Singer")
    assert stopped.step == 1
    first = header(stopped.run.checkpoints()[0][1])
    last = header(trained(encoded.folder, encoded.model, tmp_path / "run", author="B. Singer").adapter)
    assert (first["author"], last["author"]) == ("A. Singer", "B. Singer")
    assert (first["trained_steps"], last["trained_steps"]) == ("1", "2")


def test_the_shift_is_that_of_the_sampler_or_of_the_model(encoded, tmp_path):
    found = header(trained(encoded.folder, encoded.model, tmp_path / "run", sampler="turbo_steps").adapter)
    options = json.loads(found["timestep_sampler_options"])
    assert found["timestep_sampler"] == "turbo_steps" and float(found["shift"]) == options["shift"] == 3.0


def test_the_hash_of_a_dataset_depends_on_its_songs_and_texts_alone(encoded):
    songs = EncodedSet.open(encoded.folder)
    entries = songs.manifest["songs"]
    turned = EncodedSet(songs.folder, {"songs": [{**e, "name": "new", "file": "x"} for e in reversed(entries)]})
    other = EncodedSet(songs.folder, {"songs": [{**entries[0], "inputs": "0"}, *entries[1:]]})
    assert turned.hash == songs.hash != other.hash and turned.inputs != songs.inputs


def test_everything_said_is_text_and_nothing_is_said_of_what_is_not_known():
    facts = said({"trigger": "zxc", "author": None, "license": ""})
    assert all(isinstance(v, str) for v in facts.values())
    assert {"trigger", "modelspec.trigger_phrase", "license", "modelspec.license"} <= facts.keys()
    assert not {"author", "modelspec.author"} & facts.keys()
