"""The reference's .pt files: read without padding, refused when they are something else, and written field by field."""

import json
import pickle

import numpy as np
import pytest
import torch

from acestep_core import Dataset, EncodeSettings, TrainSettings, UserError, encode, train
from acestep_core.encoded import EncodedSet
from acestep_core.jobs import Showing
from acestep_core.reference.store import padded

FRAMES, TOKENS, WIDTH = 150, 769, 64


@pytest.fixture
def preprocessed(encoded, tmp_path):
    """preprocessed(name, **changes) writes a file as the reference's preprocessing does, with these fields changed."""
    dit = encoded.model.dit
    width = dit.null_condition(1).shape[-1]

    def write(name="a1b2c3d4.pt", valid=40, dtype=torch.float32, seed=0, **changes):
        generator = torch.Generator().manual_seed(seed)
        content = {
            "target_latents": torch.randn(FRAMES, 64, generator=generator).to(dtype),
            "attention_mask": torch.ones(FRAMES, dtype=dtype),
            "encoder_hidden_states": torch.randn(TOKENS, width, generator=generator).to(dtype),
            "encoder_attention_mask": torch.arange(TOKENS) < valid,
            "context_latents": torch.cat([dit.silence_frames(FRAMES).float(), torch.ones(FRAMES, 64)], dim=1).to(dtype),
            "metadata": {"filename": "song.wav", "caption": "bells", "duration": 6},
        }
        content = {k: v for k, v in (content | changes).items() if v is not None}
        (tmp_path / "tensors").mkdir(exist_ok=True)
        torch.save(content, tmp_path / "tensors" / name)
        return content

    write.folder = tmp_path / "tensors"
    return write


def opened(preprocessed):
    return EncodedSet.open(preprocessed.folder)


def test_a_folder_of_them_opens_and_its_padding_is_gone(preprocessed):
    content = preprocessed(dtype=torch.bfloat16)
    songs = opened(preprocessed)
    assert (songs.names, songs.ids, songs.order) == (["song.wav"], ["a1b2c3d4"], [0])
    song = songs.shown(Showing(0, 1, 0), 0)
    assert song.latents.dtype == song.condition.dtype == np.float32
    assert np.array_equal(song.latents, content["target_latents"].float().numpy())
    assert np.array_equal(song.condition, content["encoder_hidden_states"][:40].float().numpy())


def test_frames_that_are_masked_are_no_part_of_the_song(preprocessed):
    preprocessed(attention_mask=(torch.arange(FRAMES) < 130).float())
    assert len(opened(preprocessed).load(0).latents) == 130
    preprocessed(attention_mask=(torch.arange(FRAMES) != 7).float())
    with pytest.raises(UserError, match="its mask has gaps"):
        opened(preprocessed)


def test_they_are_trained_on_as_they_are(preprocessed, encoded, tiny, tmp_path, cli):
    preprocessed("one.pt", seed=1)
    preprocessed("two.pt", valid=300, seed=2)
    (preprocessed.folder / "three.tmp.pt").write_bytes(b"left by a broken preprocessing")
    ended = cli("train", preprocessed.folder, "--model", tiny, "--out", tmp_path / "run", "--steps", 3,
                "--batch-size", 2, "-o", "device=cpu", "-o", "dtype=float32")  # fmt: skip
    assert ended.code == 0 and "Training: 2 songs, 3 steps" in ended.err, ended.err
    assert "2 samples of the model alone" in ended.err  # of the captions that the files hold


def test_the_manifest_of_the_reference_says_which(preprocessed, tmp_path, monkeypatch):
    preprocessed("one.pt")
    preprocessed("two.pt")
    (preprocessed.folder / "manifest.json").write_text(json.dumps({"metadata": {}, "samples": ["two.pt"]}))
    assert opened(preprocessed).ids == ["two"]
    monkeypatch.chdir(tmp_path)
    (preprocessed.folder / "manifest.json").write_text(json.dumps({"samples": ["./tensors/one.pt"]}))
    assert opened(preprocessed).ids == ["one"]
    (preprocessed.folder / "manifest.json").write_text(json.dumps({"samples": ["one.pt", "gone.pt"]}))
    with pytest.raises(UserError, match=r"lacks gone\.pt"):
        opened(preprocessed)


class Hostile:
    def __reduce__(self):
        return (print, ("this must never run",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (Hostile(), "holds more than tensors"),
        ({"target_latents": torch.zeros(3, 64), "x": Hostile()}, "holds more than tensors"),
        (b"PK no zip at all", "holds more than tensors"),
        (b"", "holds more than tensors"),
        (torch.zeros(3), "holds no song but Tensor"),
        ({"target_latents": torch.zeros(3, 64)}, "lacks attention_mask, encoder_hidden_states"),
    ],
)
def test_what_is_something_else_is_one_sentence_and_never_run(preprocessed, capfd, content, said):
    preprocessed("good.pt")
    path = preprocessed.folder / "bad.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(UserError, match=said) as caught:
        opened(preprocessed)
    assert "bad.pt" in caught.value.problem and caught.value.hint and "\n" not in caught.value.problem
    assert "never run" not in capfd.readouterr().out


def test_plain_pickles_and_files_cut_short_are_refused(preprocessed):
    preprocessed()
    path = preprocessed.folder / "a1b2c3d4.pt"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UserError, match="holds more than tensors, or is damaged"):
        opened(preprocessed)
    path.write_bytes(pickle.dumps({"a": Hostile()}))
    with pytest.raises(UserError, match="holds more than tensors, or is damaged"):
        opened(preprocessed)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"target_latents": torch.zeros(FRAMES, 32)}, "32 channels instead of 64"),
        ({"target_latents": torch.zeros(1, 1).expand(10**9, 64)}, "1000000000 frames"),
        ({"encoder_hidden_states": torch.zeros(1, 1).expand(10**9, 64)}, "1000000000 tokens"),
        ({"target_latents": torch.zeros(FRAMES)}, "1 dimensions instead of 2"),
        ({"target_latents": torch.zeros(FRAMES, 64).to_sparse()}, "no plain tensor"),
        ({"target_latents": "a text"}, "no plain tensor"),
        ({"context_latents": torch.ones(FRAMES, 65)}, r"its context has the shape \(150, 65\)"),
        ({"encoder_attention_mask": torch.ones(12)}, "not as long as what it masks"),
        ({"encoder_attention_mask": torch.zeros(TOKENS)}, "its condition is empty"),
    ],
)
def test_fields_that_do_not_fit_are_told(preprocessed, changes, said):
    preprocessed(**changes)
    with pytest.raises(UserError, match=said):
        opened(preprocessed)


def test_all_bad_files_are_told_at_once(preprocessed):
    preprocessed("one.pt", context_latents=None)
    preprocessed("two.pt", valid=0)
    with pytest.raises(UserError, match=r"(?s)2 problems.*one\.pt lacks context.*two\.pt: its condition is empty"):
        opened(preprocessed)


def test_nan_is_told_when_it_is_met(preprocessed):
    preprocessed(target_latents=torch.full((FRAMES, 64), float("nan")))
    with pytest.raises(UserError, match="holds NaN"):
        opened(preprocessed).load(0)


def test_files_of_another_model_or_task_are_refused_and_those_of_the_mode_lokr_noted(preprocessed, encoded, tmp_path):
    def learn():
        notes = []
        train(preprocessed.folder, encoded.model, out=tmp_path / "run", settings=TrainSettings(steps=1),
              on_start=lambda job: notes.extend(job.notes))  # fmt: skip
        return notes

    latents = torch.randn(FRAMES, 64)
    preprocessed(encoder_hidden_states=torch.zeros(TOKENS, 48))
    with pytest.raises(UserError, match="its condition is 48 wide"):
        learn()
    preprocessed(context_latents=torch.cat([torch.randn(FRAMES, 64), torch.ones(FRAMES, 64)], 1))
    with pytest.raises(UserError, match="neither this model's silence nor the song itself"):
        learn()
    preprocessed(context_latents=torch.zeros(FRAMES, 128))
    with pytest.raises(UserError, match="filling gaps"):
        learn()
    preprocessed(target_latents=latents, context_latents=torch.cat([latents, torch.ones(FRAMES, 64)], 1))
    assert learn() == ["song.wav: preprocessed in the mode lokr, with the song itself as context; silence takes its "
                       "place"]  # fmt: skip


@pytest.fixture
def written(encoded, make_song, tmp_path):
    """A song encoded for us and for the reference."""
    make_song(tmp_path / "songs" / "x.wav", 6.0, 200.0, "bells, slow", "[Verse]\nla la")
    (tmp_path / "songs" / "x.json").write_text('{"bpm": 90, "language": "en", "keyscale": "C major"}')
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    encode(tmp_path / "songs", encoded.model, ours, EncodeSettings(seed=5))
    result = encode(tmp_path / "songs", encoded.model, theirs, EncodeSettings(seed=5, format="reference"))
    assert result.encoded == ["x.wav"]
    return ours, theirs


def test_a_file_has_the_fields_types_and_shapes_of_the_reference(written, encoded):
    (path,) = written[1].glob("*.pt")
    content = torch.load(path, weights_only=True)
    frames, width = 150, encoded.model.dit.null_condition(1).shape[-1]
    assert {k: (tuple(v.shape), v.dtype) for k, v in content.items() if k != "metadata"} == {
        "target_latents": ((frames, 64), torch.float32),
        "attention_mask": ((frames,), torch.float32),
        "encoder_hidden_states": ((769, width), torch.float32),
        "encoder_attention_mask": ((769,), torch.bool),
        "context_latents": ((frames, 128), torch.float32),
    }
    assert content["attention_mask"].eq(1).all() and content["context_latents"][:, 64:].eq(1).all()
    assert torch.equal(content["context_latents"][:, :64], encoded.model.dit.silence_frames(frames).float())
    mask = content["encoder_attention_mask"]
    assert mask[: int(mask.sum())].all()  # the valid ones in front
    facts = {k: v for k, v in content["metadata"].items() if k not in ("audio_path", "acestep_core")}
    assert facts == {
        "filename": "x.wav", "caption": "bells, slow", "lyrics": "[Verse]\nla la", "duration": 6, "bpm": 90,
        "keyscale": "C major", "timesignature": "", "language": "en", "is_instrumental": False,
        "preprocess_mode": "lora",
    }  # fmt: skip
    manifest = json.loads((written[1] / "manifest.json").read_text())
    assert manifest["samples"] == [path.name] and manifest["num_samples"] == 1
    assert manifest["metadata"].keys() == {"name", "custom_tag", "tag_position", "created_at", "num_samples",
                                           "all_instrumental", "genre_ratio"}  # fmt: skip


def test_what_is_written_and_read_back_is_what_we_encode(written):
    ours, theirs = (EncodedSet.open(folder).load(0) for folder in written)
    assert ours.id == theirs.id and ours.name == theirs.name
    assert np.array_equal(ours.latents, theirs.latents) and np.array_equal(ours.condition, theirs.condition)


def test_a_trained_adapter_is_the_same_from_either_format(written, encoded, tmp_path):
    losses = []
    for folder in written:
        run = train(folder, encoded.model, out=tmp_path / f"run-{folder.name}", settings=TrainSettings(steps=3)).run
        losses.append([r["loss"] for r in run.metrics() if r["event"] == "step"])
    assert losses[0] == losses[1]


def test_writing_again_keeps_what_is_there_and_redoes_the_text_alone(written, encoded, tmp_path):
    settings = EncodeSettings(seed=5, format="reference")
    assert encode(tmp_path / "songs", encoded.model, written[1], settings).kept == ["x.wav"]
    before = EncodedSet.open(written[1]).load(0)
    (tmp_path / "songs" / "x.caption.txt").write_text("drums")
    assert encode(tmp_path / "songs", encoded.model, written[1], settings).encoded == ["x.wav"]
    after = EncodedSet.open(written[1]).load(0)
    assert np.array_equal(before.latents, after.latents) and not np.array_equal(before.condition, after.condition)


def test_the_folder_of_one_format_is_not_taken_for_the_other(written, encoded, tmp_path):
    ours, theirs = written
    with pytest.raises(UserError, match=r"in another format \(\*\.pt\)"):
        encode(tmp_path / "songs", encoded.model, theirs)
    with pytest.raises(UserError, match=r"in another format \(\*\.safetensors\)"):
        encode(tmp_path / "songs", encoded.model, ours, EncodeSettings(format="reference"))
    assert EncodedSet.open(ours).names == EncodedSet.open(theirs).names == ["x.wav"]


def test_what_the_files_cannot_hold_is_told(make_song, encoded, tmp_path):
    make_song(tmp_path / "a" / "x.wav", 5.2, 200.0, "bells, slow")
    make_song(tmp_path / "a" / "y.wav", 5.2, 210.0, "drums")
    (tmp_path / "d.toml").write_text(
        '[[datasets]]\nshuffle_caption = true\nnum_repeats = 2\n[[datasets.subsets]]\naudio_dir = "a"\n'
    )
    settings, out = EncodeSettings(format="reference"), tmp_path / "out"
    with pytest.raises(UserError, match="one prompt a song, and the dataset asks for shuffle_caption") as caught:
        encode(tmp_path / "d.toml", encoded.model, out, settings)
    assert caught.value.hint.endswith("--ignore shuffle_caption")
    dataset = Dataset.open(tmp_path / "d.toml")
    dataset.songs[0].split = "validation"
    result = encode(dataset, encoded.model, out, settings, ignore=["shuffle_caption"])
    assert result.encoded == ["y.wav"] and any("1 songs that are held out" in w for w in result.warnings)
    assert any("1 songs that repeat are written once" in w for w in result.warnings)


def test_padding_hardly_changes_what_a_transformer_without_masks_sees(encoded):
    """The reference's looks at padding; with zeros in its place the velocity would be another one."""
    dit = encoded.model.dit
    generator = torch.Generator().manual_seed(0)
    condition = 3 * torch.randn(130, dit.null_condition(1).shape[-1], generator=generator)
    x, context = torch.randn(128, 64, generator=generator), dit.text2music_context(128)
    alone = dit.velocity(x, 0.5, condition, context)
    states, mask = padded(condition)
    ours = (dit.velocity(x, 0.5, states, context) - alone).norm()
    zeros = (dit.velocity(x, 0.5, torch.where(mask[:, None], states, 0), context) - alone).norm()
    assert ours < 0.2 * zeros


def test_a_condition_longer_than_the_reference_s_stays_whole():
    condition = torch.randn(800, 4)
    states, mask = padded(condition)
    assert torch.equal(states, condition) and mask.all()
