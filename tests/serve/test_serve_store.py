"""Who has lost a job can no longer say anything of it."""

import threading

import pytest

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.store import Store

GONE = UserError("The worker is gone", "")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def submitted(store, **how):
    return store.submit("quick", "model", {}, {}, **how)["id"]


def test_a_worker_whose_lease_is_over_writes_nothing(store, tmp_path):
    id = submitted(store)
    first = store.claim("model")
    store.taken_from("model", GONE)
    second = store.claim("model")
    assert (first.id, second.id, second.attempt) == (id, id, 2)
    before = store.events(id)
    store.tell(first, "note", {"text": "still here"})
    store.publish(first, "a", tmp_path / "jobs.sqlite")
    assert store.beat(first) == "lost" and store.beat(second) == "go on"
    assert not store.end(first, "done", result=1)
    assert store.events(id) == before and store.job(id)["files"] == []
    assert store.end(second, "done", result=2) and not store.end(second, "failed", error=GONE)
    assert (store.job(id)["state"], store.job(id)["result"]) == ("done", 2)


def test_a_job_is_claimed_by_one_of_many(store):
    ids = {submitted(store) for _ in range(40)}
    claimed: list[str] = []

    def claim():
        while (found := store.claim("model")) is not None:
            claimed.append(found.id)

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == 40 and set(claimed) == ids


def test_a_cancelled_job_whose_worker_dies_is_cancelled_and_not_tried_again(store):
    id = submitted(store)
    store.claim("model")
    assert store.cancel(id)["cancelling"]
    store.taken_from("model", GONE)
    assert store.job(id)["state"] == "cancelled" and store.claim("model") is None


def test_the_oldest_of_a_lane_comes_first_also_when_it_is_tried_again(store):
    first, second = submitted(store), submitted(store)
    assert store.claim("folders") is None and store.claim("model").id == first
    store.taken_from("model", GONE)
    assert [store.claim("model").id for _ in range(2)] == [first, second]


def test_what_is_not_ended_is_not_forgotten(store):
    waiting, done = submitted(store), submitted(store)
    store.cancel(done)
    assert store.forget(before=2e10) == [done]
    assert store.job(waiting)["state"] == "queued"
    with pytest.raises(LookupError):
        store.job(done)
