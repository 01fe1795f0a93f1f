"""Ranks shared out under a budget of parameters, and the file that says them."""

import json
import random
import re

import pytest

from acestep_core.api import Adapter
from acestep_core.errors import UserError
from acestep_core.options import option
from acestep_core.ranks import Weighed, allocated, check_takes_ranks, load_ranks, read_budget, save_ranks


class Ranked(Adapter):
    layers: list[str] = option([], "layers")
    ranks: list[str] = option([], "ranks")
    rank: int = option(4, "rank")


class Plain(Adapter):
    rank: int = option(4, "rank")


def some_layers(seed: int) -> list[Weighed]:
    chance = random.Random(seed)
    sizes = (8, 64, 96, 160)
    return [
        Weighed(
            f"layers.{i}.a", chance.choice(sizes), chance.choice(sizes), chance.choice([0.0, 1e-9, 3, chance.random()])
        )
        for i in range(chance.randint(1, 30))
    ]


def cost(layers, ranks):
    return sum(ranks[layer.name] * (layer.inputs + layer.outputs) for layer in layers)


@pytest.mark.parametrize("seed", range(40))
def test_ranks_keep_the_budget_their_bounds_and_the_order_of_the_weights(seed):
    layers, chance = some_layers(seed), random.Random(1000 + seed)
    least, most = chance.choice([(0, 128), (1, 16), (4, 4), (4, 300)])
    caps = {layer.name: min(most, layer.inputs, layer.outputs) for layer in layers}
    floors = {name: min(least, cap) for name, cap in caps.items()}
    low, high = cost(layers, floors), cost(layers, caps)
    budget = chance.randint(low, high + 10)
    ranks = allocated(layers, budget, least, most)
    assert cost(layers, ranks) <= budget
    assert all(floors[name] <= rank <= caps[name] for name, rank in ranks.items()) and len(ranks) == len(layers)
    for a in layers:
        for b in layers:
            if a.weight > b.weight:
                assert ranks[a.name] >= ranks[b.name] or ranks[a.name] == caps[a.name]
    left = budget - cost(layers, ranks)
    for layer in layers:
        before = [o for o in layers if (-o.weight, o.name) < (-layer.weight, layer.name)]
        allowed = all(ranks[o.name] > ranks[layer.name] or ranks[o.name] == caps[o.name] for o in before)
        assert ranks[layer.name] == caps[layer.name] or not allowed or layer.inputs + layer.outputs > left
    assert allocated(list(reversed(layers)), budget, least, most) == ranks


def test_equal_weights_get_the_average_rank():
    layers = [Weighed(f"layers.{i}.a", 100, 60, 0.5) for i in range(10)]
    assert set(allocated(layers, 16 * 1600, 4, 128).values()) == {16}


def test_ranks_are_in_proportion_to_the_weights():
    layers = [Weighed(f"layers.{i}.a", 1000, 1000, w) for i, w in enumerate((1.0, 2.0, 5.0))]
    assert list(allocated(layers, 80 * 2000, 1, 128).values()) == [50, 20, 10]


def test_a_budget_that_is_too_small_is_told_with_one_that_is_not():
    layers = [Weighed("layers.0.a", 100, 60, 1.0), Weighed("layers.1.a", 100, 60, 0.0)]
    with pytest.raises(UserError, match="2 layers at the smallest ranks take 1,280 parameters") as told:
        allocated(layers, 1279)
    assert "--budget 1280" in told.value.hint
    assert allocated(layers, 1280) == {"layers.0.a": 4, "layers.1.a": 4}
    assert allocated(layers, 1279, least=0) == {"layers.0.a": 7, "layers.1.a": 0}
    with pytest.raises(UserError, match="smallest rank 9 is above the largest 8"):
        allocated(layers, 10**6, 9, 8)


@pytest.mark.parametrize(("text", "count"), [("20M", 20_000_000), ("1.15M", 1_150_000), ("800k", 800_000), ("7", 7)])
def test_budgets_are_read(text, count):
    assert read_budget(text) == count


@pytest.mark.parametrize("text", ["", "20G", "-1", "M", "0", "1e6", "nan"])
def test_what_is_no_budget_is_told(text):
    with pytest.raises(UserError, match="is no number of parameters"):
        read_budget(text)


def test_a_ranks_file_names_its_layers_and_no_others(tmp_path):
    path = tmp_path / "ranks.json"
    ranks = {"layers.1.mlp.up_proj": 16, "layers.0.mlp.up_proj": 0}
    save_ranks(path, ranks, {"variant": "turbo", "hash": "abc"}, {"budget": 9})
    options = load_ranks(path, "abc")
    (pattern,) = options["layers"]
    assert re.fullmatch(pattern, "layers.1.mlp.up_proj") and not re.fullmatch(pattern, "layers.1xmlp.up_proj")
    assert options["ranks"] == [f"{pattern}=16"]
    with pytest.raises(UserError, match=r"made for another model \(dit abc, this is abd\)"):
        load_ranks(path, "abd")


@pytest.mark.parametrize(
    "change",
    [{"ranks": {"a": 1.5}}, {"ranks": {"a": True}}, {"ranks": {"a": -1}}, {"ranks": []}, {"kind": "estimate"},
     {"format": "2"}, {"model": None}, {"ranks": {"a": 0}}],
)  # fmt: skip
def test_a_damaged_ranks_file_is_told(tmp_path, change):
    path = tmp_path / "ranks.json"
    good = {"format": "1", "kind": "ranks", "model": {"hash": "abc"}, "ranks": {"a": 1}}
    path.write_text(json.dumps(good))
    assert load_ranks(path, "abc")["ranks"] == ["a=1"]
    path.write_text(json.dumps(good | change))
    with pytest.raises(UserError, match=r"is no ranks file|leaves every layer out"):
        load_ranks(path, "abc")


def test_a_ranks_file_that_is_not_there_or_no_json_is_told(tmp_path):
    with pytest.raises(UserError, match="There is no file"):
        load_ranks(tmp_path / "ranks.json", "abc")
    (tmp_path / "ranks.json").write_text("[]")
    with pytest.raises(UserError, match="is no ranks file"):
        load_ranks(tmp_path / "ranks.json", "abc")


def test_ranks_are_refused_where_an_adapter_has_none_or_options_say_otherwise():
    check_takes_ranks("ranked", Ranked, {})
    with pytest.raises(UserError, match="'plain' has no ranks by layer"):
        check_takes_ranks("plain", Plain, {})
    with pytest.raises(UserError, match="and so does rank, mlp"):
        check_takes_ranks("ranked", Ranked, {"mlp": "true", "rank": "4", "dora": "true"})
