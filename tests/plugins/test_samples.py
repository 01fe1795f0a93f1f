"""Samples of a training: heard as what is exported, and without a trace in what is learnt."""

import gc
import json
import weakref
from pathlib import Path

import pytest

from acestep_core import Registry, TrainSettings, UsedAdapter, generate, hookimpl, train
from acestep_core.encoded import EncodedSet
from acestep_core.errors import OutOfMemory
from acestep_core.model import Model
from acestep_core.registry import registry
from acestep_core.run import Run
from acestep_core.samples.settings import SampleSettings
from acestep_core.samples.stored import stored_samples

SHORT = {"seconds": 5.2, "steps": 2, "prompts": [{"caption": "slow bells", "seed": 3}]}
TWO = [*SHORT["prompts"], "glass"]
KINDS = {"lokr": {}, "lora": {"rank": 4, "dropout": 0.1}}


@pytest.fixture
def learn(encoded, tmp_path):
    def run(out="run", samples=None, adapter="lokr", stop_at=None, heard=lambda r: None, **fields):
        done: list[int] = [0]
        known = [k for kind in ("adapters", "samplers", "solvers") for k in registry().known(kind)]
        return train(
            encoded.folder, encoded.model, adapter=adapter, out=tmp_path / out, plugins=Registry(known),
            settings=TrainSettings(**{"steps": 4, "learning_rate": 3e-3, **fields}),
            samples=None if samples is None else SampleSettings(**{**SHORT, **samples}),
            options={"adapter": KINDS[adapter]}, on_step=lambda s: done.append(s.step), on_samples=heard,
            stop=lambda: stop_at is not None and done[-1] >= stop_at,
        )  # fmt: skip

    return run


def record(path: Path) -> dict:
    return json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))


def steps_of(run: Path) -> list[dict]:
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [
        {k: v for k, v in r.items() if k != "time"}
        for r in lines
        if r["event"] not in ("samples", "memory", "forecast")
    ]


@pytest.mark.parametrize("adapter", KINDS)
def test_what_is_learnt_is_the_same_to_the_byte_with_and_without_samples(learn, adapter):
    given = {"adapter": adapter, "ema": 0.9, "batch_size": 2, "save_every": 2}
    silent, heard = learn("silent", **given), learn("heard", samples={"every": 1}, **given)
    assert steps_of(silent.run.folder) == steps_of(heard.run.folder)
    names = sorted(p.relative_to(silent.run.folder) for p in silent.run.folder.rglob("*.safetensors"))
    assert len(names) == 5  # two checkpoints with their states, and the adapter
    for name in names:
        assert (silent.run.folder / name).read_bytes() == (heard.run.folder / name).read_bytes()
    assert not (silent.run.folder / "samples").exists()


@pytest.mark.slow
def test_samples_are_what_the_files_make_with_the_same_prompt_and_seed(learn, encoded):
    """Without an adapter, of a checkpoint with averaged weights while the training stands still, and at the end."""
    run = learn(samples={"every": 2, "prompts": TWO}, ema=0.9, save_every=2).run.folder
    found = [(s.number, s.step) for s in stored_samples(run)]
    assert found == [(1, 0), (1, 2), (1, 4), (2, 0), (2, 2), (2, 4)]
    asked = {"caption": "slow bells", "seed": 3, "duration_s": 5.2, "steps": 2}
    made_of = {"base": (), "step-000002": (run / "checkpoints" / "step-000002",), "step-000004": (run / "adapter",)}
    heard = set()
    for folder, adapters in made_of.items():
        told = record(run / "samples" / folder / "01.flac")
        clip = generate(encoded.model, adapters=[UsedAdapter(a) for a in adapters], **asked)
        assert told["audio"] == clip.record["audio"]
        assert [Path(a["path"]) for a in told["adapters"]] == [a.resolve() for a in adapters]
        assert [a["hash"] for a in told["adapters"]] == [a["hash"] for a in clip.record["adapters"]]
        heard.add(told["audio"]["sha256"])
    assert len(heard) == 3
    assert record(run / "samples" / "base" / "02.flac")["request"]["seed"] == 43


def test_they_come_as_often_as_checkpoints_unless_said_and_never_with_count_0(learn):
    often, rarely = learn("often", samples={}, save_every=3), learn("rarely", samples={"every": 0}, save_every=3)
    none = learn("none", samples={"count": 0})
    folders = [sorted(p.name for p in (r.run.folder / "samples").glob("*")) for r in (often, rarely, none)]
    assert folders == [["base", "step-000003", "step-000004"], ["base", "step-000004"], []]


def test_the_best_weights_are_heard_where_they_become_the_adapter(encoded, tmp_path, monkeypatch):
    manifest = json.loads((encoded.folder / "manifest.json").read_text())
    manifest["songs"][-1]["split"] = "validation"
    monkeypatch.setattr(Run, "best", lambda self: (2, 0.5))
    settings = TrainSettings(steps=4, learning_rate=3e-3, validate_every=4, save_every=2, export="best")
    run = train(EncodedSet(encoded.folder, manifest), encoded.model, out=tmp_path / "run", settings=settings,
                samples=SampleSettings(**SHORT, every=0)).run.folder  # fmt: skip
    assert sorted(p.name for p in (run / "samples").iterdir()) == ["base", "step-000002"]
    heard = record(run / "samples" / "step-000002" / "01.flac")["audio"]
    asked = {"caption": "slow bells", "seed": 3, "duration_s": 5.2, "steps": 2}
    for adapter in (run / "adapter", run / "checkpoints" / "step-000002"):
        assert generate(encoded.model, adapters=[UsedAdapter(adapter)], **asked).record["audio"] == heard


def test_memory_that_is_short_for_samples_is_told_and_the_training_goes_on(learn, encoded, monkeypatch):
    plain = learn("plain")
    load = encoded.model.backend.load

    def short(backend, part, folder):
        if part == "codec":
            raise OutOfMemory("The device has no memory for the codec", "less")
        return load(part, folder)

    monkeypatch.setattr(type(encoded.model.backend), "load", short)
    encoded.model.release("codec")
    rounds = []
    run = learn(samples={"every": 2}, heard=rounds.append)
    told = "The device has no memory for the codec"
    assert [(r.step, list(r.problems)) for r in rounds] == [(s, [f"sample 1: {told}"]) for s in (0, 2, 4)]
    assert next(run.adapter.glob("*")).read_bytes() == next(plain.adapter.glob("*")).read_bytes()


def test_a_sample_that_breaks_is_told_and_leaves_the_model_free(learn, encoded, monkeypatch):
    before = {k: v.clone() for k, v in encoded.model.dit.decoder.module.state_dict().items()}
    monkeypatch.setattr("acestep_core.generation.conditions", lambda *given: 1 / 0)
    rounds = []
    run = learn(samples={"every": 2}, heard=rounds.append)
    assert {p for r in rounds for p in r.problems} == {"ZeroDivisionError: division by zero"}
    assert run.adapter.is_dir() and before.keys() == encoded.model.dit.decoder.module.state_dict().keys()


def test_the_text_encoder_is_read_once_and_both_parts_are_let_go_of(learn, encoded, monkeypatch):
    load, loaded = type(encoded.model.backend).load, []

    def counted(backend, part, folder):
        made = load(backend, part, folder)
        loaded.append((part, weakref.ref(made)))
        return made

    monkeypatch.setattr(type(encoded.model.backend), "load", counted)
    encoded.model.release("text", "codec")
    learn(samples={"every": 1})
    gc.collect()
    assert [part for part, _ in loaded].count("text") == 1
    assert [part for part, made in loaded if made() is not None] == []


def test_parts_that_are_in_memory_are_used_and_kept(learn, encoded, monkeypatch):
    parts = encoded.model.text, encoded.model.codec
    monkeypatch.setattr(type(encoded.model.backend), "load", lambda *given: pytest.fail("read again"))
    rounds = []
    learn(samples={"every": 0}, heard=rounds.append)
    assert [list(r.problems) for r in rounds] == [[], []] and (encoded.model.text, encoded.model.codec) == parts


@pytest.mark.slow
def test_a_run_that_goes_on_makes_only_what_is_not_there(learn):
    both = {"every": 1, "prompts": TWO}
    whole = learn("whole", samples=both, save_every=2)
    first = learn("parts", samples=both, save_every=2, stop_at=2)
    folder = first.run.folder / "samples"
    assert sorted(p.name for p in folder.iterdir()) == ["base", "step-000001"]  # a stop is not made to wait
    times = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    (folder / "base" / "02.flac").unlink()
    rounds = []
    learn("parts", samples=both, save_every=2, heard=rounds.append)
    assert [(r.step, len(r.made), r.there) for r in rounds] == [(0, 1, 1), (2, 2, 0), (3, 2, 0), (4, 2, 0)]
    kept = [p for p in times if p.name.startswith("01")]
    assert kept and all(times[p] == p.stat().st_mtime_ns for p in kept)
    for path in (whole.run.folder / "samples").rglob("*.flac"):
        there = folder / path.relative_to(whole.run.folder / "samples")
        assert there.read_bytes() == path.read_bytes()


def test_another_prompt_is_made_anew(learn):
    learn(samples={"every": 0, "prompts": TWO}, stop_at=2)
    rounds = []
    learn(samples={"every": 0, "prompts": ["a drum", "glass"]}, heard=rounds.append)
    assert [(r.step, len(r.made), r.there) for r in rounds] == [(0, 1, 1), (4, 2, 0)]


def test_an_interrupt_while_samples_are_made_loses_no_step(learn, encoded, tmp_path):
    def interrupted(done):
        if done.step == 2:
            raise KeyboardInterrupt

    whole = learn("whole", ema=0.9)
    with pytest.raises(KeyboardInterrupt):
        learn(samples={"every": 2}, ema=0.9, heard=interrupted)
    resumed = learn(samples={"every": 2}, ema=0.9)
    assert resumed.resumed_from == 2
    assert next(resumed.adapter.glob("*")).read_bytes() == next(whole.adapter.glob("*")).read_bytes()


def test_observers_hear_of_every_sample(learn, encoded, tmp_path, monkeypatch):
    class Hears:
        paths: list = []

        @hookimpl
        def acestep_audio(self, request, clip, path):
            self.paths.append((request.caption, clip.wave.shape[0], path.parent.name, path.name))

    plugins = Registry([k for kind in ("adapters", "samplers", "solvers") for k in registry().known(kind)])
    plugins.manager.register(Hears())
    train(encoded.folder, encoded.model, out=tmp_path / "run", settings=TrainSettings(steps=1), plugins=plugins,
          samples=SampleSettings(**SHORT, count=1))  # fmt: skip
    assert Hears.paths == [("slow bells", 2, "base", "01.flac"), ("slow bells", 2, "step-000001", "01.flac")]


def test_prompts_come_from_the_songs_unless_given_and_pictures_are_drawn(encoded, tmp_path):
    train(encoded.folder, encoded.model, out=tmp_path / "run", settings=TrainSettings(steps=1),
          samples=SampleSettings(seconds=5.2, steps=1, spectrograms=True, format="wav"))  # fmt: skip
    base = tmp_path / "run" / "samples" / "base"
    assert sorted(p.name for p in base.iterdir()) == [
        f"0{n}.wav{more}" for n in (1, 2) for more in ("", ".json", ".png")
    ]
    requests = [record(base / f"0{n}.wav")["request"] for n in (1, 2)]
    captions = {p.read_text() for p in encoded.songs[0].parent.glob("*.caption.txt")}
    assert {r["caption"] for r in requests} < captions and [r["seed"] for r in requests] == [42, 43]


def test_wrong_prompts_end_the_training_before_it_begins(encoded, tmp_path):
    from acestep_core import UserError

    with pytest.raises(UserError, match="sample 1: --guidance 5 does nothing"):
        train(encoded.folder, encoded.model, out=tmp_path / "run", settings=TrainSettings(steps=1),
              samples=SampleSettings(prompts=[{"caption": "x", "guidance": 5}]))  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_a_model_with_one_part_at_a_time_keeps_the_dit_that_trains(encoded, tmp_path):
    model = Model(encoded.model.checkpoint, encoded.model.backend, one_at_a_time=True)
    rounds = []
    train(encoded.folder, model, out=tmp_path / "run", settings=TrainSettings(steps=2),
          samples=SampleSettings(**SHORT, every=1), on_samples=rounds.append)  # fmt: skip
    assert [(r.step, len(r.made), list(r.problems)) for r in rounds] == [(s, 1, []) for s in (0, 1, 2)]
    assert model.loaded("dit") is not None and model.loaded("codec") is None
