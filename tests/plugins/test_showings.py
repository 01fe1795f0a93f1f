"""What a showing of a song shows: prompts by their shares, parts with their length in the prompt, songs by weight."""

import json
from collections import Counter

import numpy as np
import pytest
from safetensors.numpy import load_file

from acestep_core import Dataset, EncodeSettings, TrainSettings, UserError, encode, hookimpl, train
from acestep_core.encoded import EncodedSet
from acestep_core.jobs import Showing
from acestep_core.registry import Registry, registry
from acestep_core.showing import drawn, measured

PROMPTS = [{"caption": "a", "weight": 0.0}, {"caption": "b", "weight": 0.7}, {"caption": "", "weight": 0.3}]


def views(entry, length=1000, epochs=400, seed=0):
    return [drawn(entry, length, Showing(0, epoch, place), seed) for epoch in range(1, epochs) for place in range(5)]


def test_prompts_are_drawn_by_their_shares_from_seed_epoch_and_place():
    found = Counter(v.condition for v in views({"prompts": PROMPTS}))
    assert found.keys() == {"condition.1", "condition.2"}
    assert found["condition.2"] / found.total() == pytest.approx(0.3, abs=0.04)
    assert views({"prompts": PROMPTS}) == views({"prompts": PROMPTS}) != views({"prompts": PROMPTS}, seed=1)
    by_place = [[drawn({"prompts": PROMPTS}, 9, Showing(0, e, place), 0) for e in range(1, 30)] for place in (0, 1)]
    assert by_place[0] != by_place[1]


def test_a_prompt_that_is_due_in_an_epoch_is_shown_in_all_of_it():
    entry = {"prompts": [*PROMPTS[:2], {"caption": "", "weight": 0.0, "every_epochs": 3}]}
    for epoch in range(1, 10):
        shown = {drawn(entry, 10, Showing(0, epoch, place), 0).condition for place in range(9)}
        assert shown == ({"condition.2"} if epoch % 3 == 0 else {"condition.1"})


def test_parts_reach_every_place_of_a_song_and_nothing_beyond():
    found = views({"prompts": PROMPTS, "crop": {"frames": 300, "share": 0.5}})
    parts = [v for v in found if v.condition.startswith("crop.")]
    assert len(parts) / len(found) == pytest.approx(0.5, abs=0.04)
    assert {v.frames for v in parts} == {300} and {v.frames for v in found if v not in parts} == {1000}
    starts = [v.start for v in parts]
    assert min(starts) < 10 and 690 < max(starts) <= 700 and np.mean(starts) == pytest.approx(350, abs=20)
    last = {v.start for v in views({"prompts": PROMPTS, "crop": {"frames": 9, "share": 1.0}}, length=10)}
    assert last == {0, 1}


def test_a_song_is_measured_with_its_first_prompt_and_its_middle():
    assert measured({"prompts": PROMPTS}, 50).condition == "condition.0"
    view = measured({"prompts": PROMPTS, "crop": {"frames": 10, "share": 0.5}}, 50)
    assert (view.condition, view.start, view.frames) == ("crop.0", 20, 10)
    assert measured({}, 50).condition == "condition"


@pytest.fixture
def long_songs(make_song, tmp_path):
    make_song(tmp_path / "songs" / "long.wav", 12.0, 200.0, "bells, slow, rain, tape", "[Verse]\nla")
    make_song(tmp_path / "songs" / "short.wav", 5.6, 300.0, "drums")
    return tmp_path / "songs"


def test_parts_are_encoded_with_their_own_length_in_the_prompt(long_songs, encoded, tmp_path):
    settings = EncodeSettings(crop_seconds=6.5, crop_share=0.5, shuffle_tags=True, variants=3)
    result = encode(long_songs, encoded.model, tmp_path / "out", settings)
    assert sorted(result.encoded) == ["long.wav", "short.wav"]
    songs = {s["name"]: s for s in json.loads((tmp_path / "out" / "manifest.json").read_text())["songs"]}
    assert songs["long.wav"]["crop"] == {"frames": 162, "share": 0.5} and "crop" not in songs["short.wav"]
    arrays = load_file(tmp_path / "out" / songs["long.wav"]["file"])
    count = len(songs["long.wav"]["prompts"])
    assert arrays.keys() == {"latents", *(f"{kind}.{n}" for kind in ("condition", "crop") for n in range(count))}
    assert len(arrays["latents"]) == songs["long.wav"]["frames"] == 300
    expected = _condition(encoded.model, long_songs, "long.wav", songs["long.wav"]["prompts"][1]["caption"], 6)
    assert np.array_equal(arrays["crop.1"], expected)
    whole = _condition(encoded.model, long_songs, "long.wav", songs["long.wav"]["prompts"][1]["caption"], 12)
    assert np.array_equal(arrays["condition.1"], whole)


def test_a_showing_has_the_frames_and_the_condition_that_were_drawn(long_songs, encoded, tmp_path):
    encode(long_songs, encoded.model, tmp_path / "out", EncodeSettings(crop_seconds=6.0, tag_dropout=0.5))
    songs = EncodedSet.open(tmp_path / "out")
    index = songs.names.index("long.wav")
    arrays = load_file(tmp_path / "out" / songs.manifest["songs"][index]["file"])
    seen = set()
    for epoch in range(1, 30):
        showing = Showing(index, epoch, 0)
        view = drawn(songs.manifest["songs"][index], 300, showing, 3)
        song = songs.shown(showing, 3)
        assert len(song.latents) == songs.frames(showing, 3) == 150
        assert np.array_equal(song.latents, arrays["latents"][view.start : view.start + 150])
        assert np.array_equal(song.condition, arrays[view.condition])
        seen.add((view.condition, view.start))
    assert len(seen) > 20 and not any(name.startswith("condition") for name in arrays)


def test_training_shows_what_was_drawn_and_goes_on_the_same_way_after_a_stop(long_songs, encoded, tmp_path):
    encode(long_songs, encoded.model, tmp_path / "enc", EncodeSettings(crop_seconds=6.0, tag_dropout=0.5))

    def learn(out, heard, stop_after=None):
        class Heard:
            @hookimpl
            def acestep_loss(self, prediction, target, t, batch):
                heard.append((batch.name, batch.latents.sum().item(), batch.condition.sum().item()))
                return (prediction - target).square().mean()

        plugins = Registry([k for kind in ("adapters", "samplers") for k in registry().known(kind)])
        plugins.manager.register(Heard())
        done = []
        settings = TrainSettings(epochs=4, batch_size=2, learning_rate=1e-3)
        return train(tmp_path / "enc", encoded.model, out=tmp_path / out, settings=settings, plugins=plugins,
                     on_step=done.append, stop=lambda: len(done) == stop_after)  # fmt: skip

    whole, parts = [], []
    learn("whole", whole)
    learn("parts", parts, stop_after=2)
    learn("parts", parts)
    assert whole == parts and len({x for x in whole if x[0] == "long.wav"}) == 4


REGULARISING = """\
    [[datasets]]
      [[datasets.subsets]]
      audio_dir = "a"
      [[datasets.subsets]]
      audio_dir = "b"
      is_reg = true
"""


def test_songs_for_is_reg_weigh_what_was_said_and_their_losses_are_logged_without_it(make_song, encoded, tmp_path):
    make_song(tmp_path / "a" / "x.wav", 5.2, 200.0, "bells")
    make_song(tmp_path / "b" / "y.wav", 5.2, 300.0, "drums")
    (tmp_path / "d.toml").write_text(REGULARISING)
    gradients, logged = {}, {}
    for weight in (1.0, 0.25, 0.0):
        out = tmp_path / f"enc{weight}"
        encode(Dataset.open(tmp_path / "d.toml"), encoded.model, out, EncodeSettings(prior_weight=weight))
        songs = EncodedSet.open(out).manifest["songs"]
        assert [(s.get("prior"), s.get("weight")) for s in songs] == [(None, None), ("b", weight)]
        settings = TrainSettings(steps=1, batch_size=2, learning_rate=1e-3)
        run = train(out, encoded.model, out=tmp_path / f"run{weight}", settings=settings).run
        (step,) = (r for r in run.metrics() if r["event"] == "step")
        gradients[weight], logged[weight] = step["grad_norm"], step["losses"]
    assert logged[1.0] == logged[0.25] == logged[0.0]
    assert len(set(gradients.values())) == 3


def test_a_folder_of_the_format_before_is_read_and_encoding_it_again_keeps_its_latents(encoded, long_songs, tmp_path):
    from safetensors import safe_open
    from safetensors.numpy import save_file

    out = tmp_path / "out"
    encode(long_songs, encoded.model, out)
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["format"] = "1"
    for entry in manifest["songs"]:
        path = out / entry["file"]
        with safe_open(path, "np") as f:
            header = f.metadata() | {"format": "1", "text_key": "another"}
            marked = f.get_tensor("latents") + 1
            save_file({"latents": marked, "condition": f.get_tensor("condition.0")}, path, header)
        del entry["prompts"], entry["frames"]
    (out / "manifest.json").write_text(json.dumps(manifest))
    old = EncodedSet.open(out)
    shown = old.shown(Showing(0, 1, 0), 0)
    assert len(shown.latents) == old.frames(Showing(0, 1, 0), 0) and shown.weight == 1
    assert encode(long_songs, encoded.model, out).encoded == ["long.wav", "short.wav"]
    assert np.array_equal(EncodedSet.open(out).load(0).latents, shown.latents)


@pytest.mark.parametrize(
    "change",
    [{"prompts": []}, {"prompts": [{}]}, {"prompts": [{"weight": "1"}]}, {"prompts": 3}, {"weight": -1},
     {"weight": None}, {"frames": 0}, {"frames": 1.5}, {"crop": {"share": 1.0}}, {"crop": {"frames": 0, "share": 1.0}}],
    ids=str,
)  # fmt: skip
def test_a_manifest_that_says_something_else_is_damaged(encoded, tmp_path, change):
    manifest = json.loads((encoded.folder / "manifest.json").read_text())
    manifest["songs"][0] |= change
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"manifest\.json is damaged"):
        EncodedSet.open(tmp_path)


def _condition(model, folder, name, caption, seconds):
    from acestep_core import prompts

    song = next(s for s in Dataset.scan(folder).songs if s.path.name == name)
    metas = prompts.metas_text(song.bpm, song.timesignature, song.keyscale, seconds)
    texts = model.text.caption(prompts.caption_text(caption, metas)), model.text.lyrics(prompts.lyric_text(song.lyrics))
    return model.dit.numpy(model.dit.condition(*texts))


def test_encode_takes_it_all_from_the_command_line(long_songs, tiny, tmp_path, cli):
    args = ("encode", long_songs, "--model", tiny, "--out", tmp_path / "out", "-o", "device=cpu", "--json")
    ended = cli(*args, "--crop-seconds", 6, "--shuffle-tags", "--variants", 2, "--caption-dropout", 0.2)
    assert ended.code == 0 and "encode 2/2" in ended.err, ended.err
    assert json.loads(ended.out)["warnings"] == [
        "prompts do not vary where a caption has no two tags that may move or go: short.wav"]  # fmt: skip
    songs = {s["name"]: s for s in json.loads((tmp_path / "out" / "manifest.json").read_text())["songs"]}
    assert songs["long.wav"]["crop"]["frames"] == 150
    shares = {p["caption"]: p["weight"] for p in songs["short.wav"]["prompts"]}
    assert shares == {"drums": 0.8, "": 0.2}
    refused = cli(*args, "--prior-weight", 0.5)
    assert refused.code == 1 and "--prior-weight does nothing" in refused.err
