"""Songs that repeat: from the dataset into the manifest, into the order of training, and exactly so after a stop."""

import json
from collections import Counter

import pytest
import torch
from safetensors.torch import load_file

from acestep_core import Dataset, TrainSettings, UserError, encode, hookimpl, train
from acestep_core.encoded import EncodedSet
from acestep_core.registry import Registry, registry

REPEATS = {"low.wav": 3, "middle.wav": 1, "high.wav": 2}


class Heard:
    """The songs in the order they were trained on."""

    def __init__(self):
        self.names = []

    @hookimpl
    def acestep_loss(self, prediction, target, t, batch):
        self.names.append(batch.name)
        return (prediction - target).square().mean()


def repeating(encoded, repeats):
    """The encoded songs with these repeats; with None as older versions wrote them."""
    manifest = json.loads((encoded.folder / "manifest.json").read_text())
    for entry in manifest["songs"]:
        entry.pop("repeats", None)
        entry |= {} if repeats is None else {"repeats": repeats[entry["name"]]}
    return EncodedSet(encoded.folder, manifest)


@pytest.fixture
def learn(encoded, tmp_path):
    def run(repeats, out="run", stop_after=None, **fields):
        heard = Heard()
        plugins = Registry([k for kind in ("adapters", "samplers") for k in registry().known(kind)])
        plugins.manager.register(heard)
        settings = TrainSettings(**{"learning_rate": 3e-3, **fields})
        done = []
        result = train(
            repeating(encoded, repeats), encoded.model, out=tmp_path / out, settings=settings, plugins=plugins,
            on_step=done.append, stop=lambda: len(done) == stop_after,
        )  # fmt: skip
        return result, heard.names

    return run


def test_an_epoch_shows_a_song_as_often_as_it_repeats(learn):
    result, names = learn(REPEATS, epochs=2, accumulation=3)
    assert result.steps == 4 and len(names) == 12
    epochs = [names[:6], names[6:]]
    assert [Counter(e) for e in epochs] == [REPEATS, REPEATS] and epochs[0] != epochs[1]
    assert [r["epoch"] for r in result.run.metrics() if r["event"] == "step"] == [1, 1, 2, 2]


def test_a_stopped_run_goes_on_through_the_same_songs_to_the_same_weights(learn):
    whole, names = learn(REPEATS, out="whole", epochs=2)
    first, before = learn(REPEATS, out="parts", epochs=2, stop_after=5)
    rest, after = learn(REPEATS, out="parts", epochs=2)
    assert (first.stopped, rest.resumed_from) == (True, 5) and before + after == names
    ours, theirs = (load_file(str(next(r.adapter.glob("*.safetensors")))) for r in (rest, whole))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


@pytest.mark.parametrize("later", [{**REPEATS, "low.wav": 4}, dict.fromkeys(REPEATS, 1)])
def test_other_repeats_in_between_are_refused(learn, later):
    learn(REPEATS, steps=6, stop_after=1)
    with pytest.raises(UserError, match="data.repeats"):
        learn(later, steps=6)


def test_without_repeats_a_run_of_an_older_version_is_gone_on_with(learn):
    learn(None, steps=3, stop_after=1)
    result, _ = learn(dict.fromkeys(REPEATS, 1), steps=3)
    assert result.resumed_from == 1 and "repeats" not in result.run.settings()["data"]


@pytest.mark.parametrize("repeats", [0, 1.5, "2", True])
def test_a_manifest_with_other_repeats_is_damaged(encoded, tmp_path, repeats):
    manifest = dict(repeating(encoded, REPEATS).manifest)
    manifest["songs"][0]["repeats"] = repeats
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="manifest.json is damaged"):
        EncodedSet.open(tmp_path)


@pytest.fixture
def data(make_song, tmp_path):
    make_song(tmp_path / "a" / "x.wav", hz=300.0, caption="soft bells, slow")
    text = '[[datasets]]\n[[datasets.subsets]]\naudio_dir = "a"\nnum_repeats = 3\n'
    (tmp_path / "data.toml").write_text(text)
    return tmp_path / "data.toml"


def test_encode_writes_repeats_and_encodes_nothing_twice_when_they_change(data, encoded, tmp_path):
    result = encode(data, encoded.model, tmp_path / "out")
    assert result.encoded == ["x.wav"] and EncodedSet.open(tmp_path / "out").order == [0, 0, 0]
    data.write_text(data.read_text().replace("3", "2"))
    again = encode(Dataset.open(data), encoded.model, tmp_path / "out")
    assert again.kept == ["x.wav"] and EncodedSet.open(tmp_path / "out").order == [0, 0]


def test_the_numbers_of_folders_are_encoded_only_when_asked_for(make_song, encoded, tiny, tmp_path, cli):
    make_song(tmp_path / "k" / "4_bells" / "x.wav", hz=310.0)
    told = cli("encode", tmp_path / "k", "--model", tiny, "--out", tmp_path / "out")
    assert told.code == 0 and "4_bells: each song counts once" in told.err and "give --kohya" in told.err
    assert EncodedSet.open(tmp_path / "out").order == [0]
    told = cli("encode", tmp_path / "k", "--kohya", "--model", tiny, "--out", tmp_path / "out")
    assert told.code == 0 and "4_bells: 1 song x 4 repeats = 4 an epoch" in told.err
    assert EncodedSet.open(tmp_path / "out").order == [0] * 4
    assert EncodedSet.open(tmp_path / "out").manifest["songs"][0]["caption"] == "bells"


def test_encode_refuses_what_cannot_be_done_and_records_what_was_ignored(data, encoded, tmp_path):
    data.write_text(data.read_text() + "token_warmup_step = 0.1\nshuffle_caption = true\n")
    with pytest.raises(UserError, match="token_warmup_step") as caught:
        encode(data, encoded.model, tmp_path / "out")
    assert caught.value.hint.endswith("--ignore token_warmup_step") and not (tmp_path / "out").exists()
    result = encode(data, encoded.model, tmp_path / "out", ignore=["token_warmup_step", "shuffle_caption"])
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert "token_warmup_step" in "".join(result.warnings) and manifest["ignored"] == result.warnings
    assert [p["caption"] for p in manifest["songs"][0]["prompts"]] == ["soft bells, slow"]


def test_the_commands_say_how_often_songs_are_shown(data, tiny, tmp_path, cli):
    data.write_text(data.read_text() + "token_warmup_step = 3\n")
    out = ("--model", tiny, "--out", tmp_path / "out", "--json")
    refused = cli("encode", data, *out)
    assert refused.code == 1 and "--ignore token_warmup_step" in refused.err
    done = cli("encode", data, *out, "--ignore", "token_warmup_step")
    assert "a: 1 song x 3 repeats = 3 an epoch" in done.err
    assert done.code == 0 and "token_warmup_step" in json.loads(done.out)["warnings"][0]
