"""What processes do together, without starting any: shares of work, what they must have in common, who is alone."""

from types import SimpleNamespace

import pytest
from pretended_processes import Pretended

from acestep_core import Backend, TrainSettings, UserError
from acestep_core.processes import ALONE, joined, local_rank
from acestep_core.run import differing
from acestep_core.sharing import check, check_same, check_shared
from acestep_core.train_settings import planned_steps


class Single(Backend):
    name = "single"

    def load(self, part, folder):
        raise NotImplementedError


class Several(Single):
    name = "several"
    several_processes = True


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("items", [0, 1, 5, 7])
def test_each_piece_of_work_is_done_once_and_comes_back_in_order(count, items):
    processes, done = Pretended(count), []
    found = processes.spread(items, lambda i: done.append((processes.rank, i)) or 10 * i)
    assert found == [10 * i for i in range(items)] and sorted(i for _, i in done) == list(range(items))
    shares = [sum(rank == r for r, _ in done) for rank in range(count)]
    assert max(shares) - min(shares) <= 1


def test_one_process_alone_does_everything_itself():
    assert (ALONE.rank, ALONE.count, ALONE.main) == (0, 1, True)
    assert ALONE.all(lambda: "a") == ["a"] and ALONE.first(lambda: "b") == "b"
    assert ALONE.spread(3, lambda i: i + 1) == [1, 2, 3]


def test_a_process_is_alone_unless_torchrun_says_otherwise(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for said in ({}, {"WORLD_SIZE": "4"}, {"WORLD_SIZE": "1", "RANK": "0"}):
        with monkeypatch.context() as m:
            for name, value in said.items():
                m.setenv(name, value)
            with joined() as processes:
                assert processes is ALONE and local_rank() is None
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(UserError, match="MASTER_ADDR and MASTER_PORT is not set"), joined():
        pass


def record(accumulation, count, **train):
    return {"train": {"accumulation": accumulation, **train}, "processes": {"count": count}}


def test_runs_are_the_same_if_as_many_batches_make_a_step():
    assert not differing(record(2, 1), record(1, 2), ("train",))
    assert not differing({"train": {"accumulation": 6}}, record(2, 3), ("train",))
    (line,) = differing(record(1, 2), record(1, 1), ("train",))
    assert line == "train.accumulation: there 1 in each of 2 processes, now 1 in one process"
    (line,) = differing(record(1, 2), record(3, 2), ("train",))
    assert line == "train.accumulation: there 1, now 3"
    assert len(differing(record(1, 2, seed=1), record(1, 1, seed=2), ("train",))) == 2


def test_an_epoch_has_fewer_steps_the_more_processes_share_it():
    settings = TrainSettings(epochs=3, batch_size=2, accumulation=2)
    assert [planned_steps(17, settings, count) for count in (1, 2, 3, 8)] == [15, 9, 6, 3]


def planned(shown, **settings):
    return SimpleNamespace(songs=SimpleNamespace(order=range(shown)), settings=TrainSettings(**settings))


def test_a_backend_that_trains_in_one_process_is_refused():
    assert check(ALONE, Single(), planned(shown=1)) == []
    with pytest.raises(UserError, match="trains in one process, and there are 2"):
        check(Pretended(2), Single(), planned(shown=5))


def test_processes_without_any_batch_are_told():
    backend = Several()
    assert check(Pretended(4), backend, planned(shown=8, batch_size=2)) == []
    (note,) = check(Pretended(4), backend, planned(shown=5, batch_size=2))
    assert note == "An epoch has 3 batches, so 1 of 4 processes do nothing"


def test_processes_with_other_songs_or_versions_are_refused_by_name():
    processes, songs = Pretended(3), [["a"], ["a"], ["b"]]
    given = {"train": {"seed": 1}, "data": {"songs": None}}

    class Own(dict):
        def __getitem__(self, name):
            return {"songs": songs[processes.rank]} if name == "data" else given[name]

    check_same(Pretended(3), given, ("train", "data"))
    with pytest.raises(UserError, match=r"process 2: data.songs: in the first process \['a'\], now \['b'\]"):
        check_same(processes, Own(), ("train", "data"))


def test_a_run_folder_that_a_process_does_not_see_is_told(tmp_path):
    processes = Pretended(2)
    (tmp_path / "run.toml").write_text("a = 1")
    check_shared(processes, tmp_path)

    class Elsewhere:
        def __truediv__(self, name):
            return tmp_path / (name if processes.main else "missing")

    with pytest.raises(UserError, match="Process 1 does not see the run"):
        check_shared(processes, Elsewhere())
