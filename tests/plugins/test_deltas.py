"""How much an adapter changes each layer, against a model with the adapter merged into it."""

import json

import pytest
from safetensors.torch import load_file

from acestep_core import Registry, TrainSettings, train
from acestep_core.deltas import FILE, read_deltas, write_deltas
from acestep_core.registry import registry
from acestep_core.run import Run


@pytest.fixture(scope="module")
def run(encoded, tmp_path_factory):
    out = tmp_path_factory.mktemp("deltas") / "run"
    return train(encoded.folder, encoded.model, adapter="lora", out=out,
                 options={"adapter": {"rank": 4, "dora": True}},
                 settings=TrainSettings(steps=3, learning_rate=1e-2)).run  # fmt: skip


def test_the_change_is_that_of_a_merged_model(run, tiny, encoded, cli, tmp_path):
    assert cli("export", run.adapter, "--to", "merged", "--model", tiny, "--out", tmp_path / "m").code == 0
    folders = (encoded.model.info.folder, tmp_path / "m" / encoded.model.info.folder.name)
    weights = [load_file(next(f.glob("*.safetensors"))) for f in folders]
    told = read_deltas(run)
    squares = [0.0, 0.0]
    for name, delta in told.layers.items():
        before, after = (w[f"decoder.{name}.weight"].double() for w in weights)
        assert delta.weight == pytest.approx(float(before.norm()), rel=1e-4)
        assert delta.change == pytest.approx(float((after - before).norm()), rel=1e-2)
        squares = [s + float(v.norm() ** 2) for s, v in zip(squares, (before, after - before), strict=True)]
    assert len(told.layers) == 32 and told.ratio == pytest.approx((squares[1] / squares[0]) ** 0.5, rel=1e-2)
    changed = {k for k in weights[0] if not weights[0][k].equal(weights[1][k])}
    assert changed == {f"decoder.{name}.weight" for name in told.layers}


def test_it_is_told_why_they_are_not_known(run, encoded, monkeypatch):
    write_deltas(run, encoded.model.info, Registry([]))
    told = read_deltas(run)
    assert told.layers == {} and told.ratio is None and "no adapter that an installed plugin knows" in told.problem
    write_deltas(run, encoded.model.info, registry())


def test_those_of_another_adapter_or_a_damaged_file_count_for_nothing(run, encoded):
    text = (run.folder / FILE).read_text()
    for broken in ("", "{}", json.dumps({**json.loads(text), "adapter": "other"}), '{"adapter": 1, "layers": 3}'):
        (run.folder / FILE).write_text(broken)
        assert read_deltas(run) is None
    (run.folder / FILE).unlink()
    assert read_deltas(Run(run.folder)) is None
    write_deltas(run, encoded.model.info, registry())
