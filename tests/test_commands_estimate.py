"""acestep-core estimate, and train with the ranks it wrote."""

import json
import shutil

import pytest
import torch
from matplotlib.image import imread
from safetensors.torch import load_file

from acestep_core.estimating import EstimateSettings, estimate
from acestep_plugins.backends.pt import batches

SETTINGS = EstimateSettings(repeats=2, draws=2)


@pytest.fixture(scope="module")
def asked(cli, tiny, encoded, tmp_path_factory):
    """asked(*more) runs `estimate` on the three songs; all calls share one folder."""
    out = tmp_path_factory.mktemp("estimated") / "out"

    def run(*more, of=encoded.folder, model=tiny, out=out):
        return cli("estimate", of, "--model", model, "--out", out, "--repeats", 2, "--draws", 2, *more,
                   "-o", "backend.device=cpu", "-o", "backend.dtype=float32")  # fmt: skip

    run.out = out
    return run


def test_estimate_ranks_layers_draws_them_and_shares_out_a_budget(asked):
    ended = asked("--top", 3, "--png", "--budget", "60k")
    assert ended.code == 0, ended.err
    result, ranks = (json.loads((asked.out / f"{name}.json").read_text()) for name in ("estimate", "ranks"))
    fisher = [layer["fisher"] for layer in result["layers"]]
    assert len(fisher) == 44 and fisher == sorted(fisher, reverse=True) and min(fisher) > 0
    assert all(layer["fisher_spread"] > 0 for layer in result["layers"]) and -1 <= result["agreement"] <= 1
    assert [line.split()[0] for line in ended.out.splitlines()[2:5]] == [i["name"] for i in result["layers"][:3]]
    assert "41 more layers" in ended.out and "estimate 6/6" in ended.err
    cost = {i["name"]: i["inputs"] + i["outputs"] for i in result["layers"]}
    assert sum(rank * cost[name] for name, rank in ranks["ranks"].items()) == ranks["parameters"] <= 60_000
    assert imread(asked.out / "estimate.png").std() > 0.05


def test_estimate_as_json_measures_nothing_twice(asked):
    assert asked().code == 0
    ended = asked("--json", "--by", "sensitivity", "--layers", r".*\.mlp\..*", "--average-rank", "6")
    told = json.loads(ended.out)
    assert (told["measured"], told["kept"], told["problems"]) == (0, 6, {})
    assert len(told["layers"]) == 12 and told["layers"][0]["rank"] >= told["layers"][-1]["rank"] >= 4
    assert told["parameters"] <= 6 * sum(i["inputs"] + i["outputs"] for i in told["layers"])
    order = [i["sensitivity"] for i in told["layers"]]
    assert order == sorted(order, reverse=True)


def test_fisher_is_the_mean_of_squared_gradients_of_single_songs(encoded, tmp_path):
    found = estimate(encoded.folder, encoded.model, tmp_path, SETTINGS)
    from acestep_core.encoded import EncodedSet

    songs, dit = EncodedSet.open(encoded.folder), encoded.model.dit
    name = "layers.2.mlp.down_proj"
    weight, repeats = dit.decoder.linears()[name].weight, ([], [])
    weight.requires_grad_(True)
    for m in found.record["measurements"]:
        song = songs.load(songs.ids.index(m["song"]))
        for t, seed in m["looks"]:
            item = batches.fixed(dit, song, t, seed)
            velocity = dit.predict(item.x, t, item.condition, dit.text2music_context(len(item.data)))
            (gradient,) = torch.autograd.grad((velocity - item.target).square().mean(), weight)
            repeats[m["repeat"]].append(gradient)
    weight.requires_grad_(False)
    diagonals = [torch.stack(r).square().mean(0) for r in repeats]
    (layer,) = [i for i in found.layers if i.name == name]
    assert layer.fisher == pytest.approx(sum(d.mean().item() for d in diagonals) / 2, rel=1e-4)
    spread = torch.stack([d.mean() for d in diagonals]).std().item()
    assert layer.fisher_spread == pytest.approx(spread, rel=1e-2)


def test_a_stopped_estimate_is_gone_on_with_and_ends_with_the_same_bytes(encoded, tmp_path):
    seen = []
    heard = {"on_song": lambda done, total, name: seen.append(done)}
    stopped = estimate(encoded.folder, encoded.model, tmp_path / "a", SETTINGS, stop=lambda: len(seen) == 3, **heard)
    assert stopped.stopped and seen == [0, 1, 2] and not (tmp_path / "a" / "estimate.json").exists()
    (one, two) = sorted((tmp_path / "a" / "songs").iterdir())
    one.write_text(one.read_text()[:100])
    whole = estimate(encoded.folder, encoded.model, tmp_path / "a", SETTINGS, **heard)
    assert (whole.measured, whole.kept) == (5, 1) and seen == [0, 1, 2, 1, 2, 3, 4, 5, 6]
    estimate(encoded.folder, encoded.model, tmp_path / "b", SETTINGS)
    assert (tmp_path / "a" / "estimate.json").read_bytes() == (tmp_path / "b" / "estimate.json").read_bytes()
    other = estimate(encoded.folder, encoded.model, tmp_path / "a", EstimateSettings(repeats=1, focus="structure"))
    assert (other.measured, other.kept) == (3, 0) and other.agreement is None
    assert all(0.6 <= t <= 1 for m in other.record["measurements"] for t, _ in m["looks"])


def test_a_damaged_song_costs_one_sentence_and_the_others_go_on(asked, encoded, tmp_path):
    folder = shutil.copytree(encoded.folder, tmp_path / "encoded")
    name = json.loads((folder / "manifest.json").read_text())["songs"][1]["file"]
    (folder / name).write_bytes(b"no song")
    ended = asked("--json", of=folder, out=tmp_path / "out")
    told = json.loads(ended.out)
    assert ended.code == 1 and told["measured"] == 4 and len(told["layers"]) == 44
    ((song, problem),) = told["problems"].items()
    assert "is damaged" in problem and "encode again" in problem


def test_train_takes_the_ranks(asked, cli, tiny, encoded, tmp_path):
    assert asked("--budget", "30k", "--min-rank", 0).code == 0
    ranks = json.loads((asked.out / "ranks.json").read_text())["ranks"]
    ended = cli("train", encoded.folder, "--model", tiny, "--adapter", "lora", "--ranks", asked.out / "ranks.json",
                "--out", tmp_path / "run", "--steps", 1, "--sample-count", 0, "-o", "backend.device=cpu")  # fmt: skip
    assert ended.code == 0, ended.err
    assert "of them]" in ended.err and len(ended.err.splitlines()[0]) < 400
    (file,) = (tmp_path / "run" / "adapter").glob("*.safetensors")
    made = {k.removeprefix("base_model.model.").removesuffix(".lora_A.weight"): len(v)
            for k, v in load_file(file).items() if "lora_A" in k}  # fmt: skip
    assert made == {name: rank for name, rank in ranks.items() if rank} and len(made) < len(ranks)


def test_train_refuses_ranks_of_another_model_and_adapters_without_them(asked, cli, tiny, encoded, tmp_path):
    assert asked("--budget", "60k").code == 0
    path = tmp_path / "ranks.json"
    path.write_text((asked.out / "ranks.json").read_text().replace('"hash": "', '"hash": "0'))
    for adapter, more, said in (
        ("lora", ["--ranks", path], "was made for another model"),
        ("lokr", ["--ranks", asked.out / "ranks.json"], "'lokr' has no ranks by layer"),
        ("lora", ["--ranks", asked.out / "ranks.json", "-o", "rank=8"], "and so does rank"),
    ):
        ended = cli("train", encoded.folder, "--model", tiny, "--adapter", adapter, *more, "--out", tmp_path / "run")
        assert ended.code == 1 and said in ended.err and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--budget", "5M", "--average-rank", "4"], "say the same thing twice"),
        (["--min-rank", "0"], "do nothing without a budget"),
        (["--budget", "60k", "--min-rank", "9", "--max-rank", "8"], "smallest rank 9 is above the largest 8"),
        (["--budget", "lots"], "is no number of parameters"),
        (["--focus", "texture", "--sampler", "uniform"], "--sampler does nothing with the focus texture"),
        (["--focus", "texture", "-o", "sampler.mu=1"], "there is no 'sampler' here"),
        (["--layers", "layers.99.*"], "No layer is called 'layers.99.*'"),
        (["--layers", "("], "is no regular expression"),
        (["--budget", "1k"], "the budget is 1,000"),
        (["--focus", "loud"], "loud"),
    ],
)
def test_estimate_tells_what_is_wrong(asked, more, said):
    ended = asked(*more)
    assert ended.code == 1 and said in ended.err
