"""What becomes of jobs: accepted, watched, cancelled, stopped, tried again, ended once."""

import threading
import time

import psutil
import pytest
from servers import http

from acestep_core.errors import UserError


def state_of(client, job):
    return client.job(job.id).state


def until(client, job, state):
    end = time.monotonic() + 60
    while state_of(client, job) != state:
        assert time.monotonic() < end, client.job(job.id).about
        time.sleep(0.02)


def test_a_job_is_done_and_its_file_can_be_fetched(fake, tmp_path):
    job = fake.wait(fake.submit("quick", {"number": 7}).id)
    assert (job.state, job.result, job.files) == ("done", {"number": 7}, ["number.txt"])
    assert fake.fetch(job.id, "number.txt", tmp_path / "n.txt").read_text() == "7"


def test_events_tell_every_state_once_in_order_and_go_on_where_they_were(fake):
    job = fake.submit("quick", {"seconds": 0.1})
    events = list(fake.events(job.id))
    assert [e["state"] for e in events if e["type"] == "state"] == ["queued", "running", "done"]
    numbers = [e["number"] for e in events]
    assert numbers == sorted(set(numbers))
    assert any(e["type"] == "progress" and e["total"] == 2 for e in events)
    headers = {"Last-Event-ID": str(numbers[-2])}
    said = http.get(f"{fake.url}/v1/jobs/{job.id}/events", headers=headers).text
    assert said.startswith(f"id: {numbers[-1]}\nevent: state\n") and said.count("data: ") == 1
    again = [e for e in fake.events(job.id) if e["type"] == "progress"]
    assert len(again) == 1, "of a stage the last is kept"


def test_the_same_token_is_the_same_job_and_another_request_with_it_is_refused(fake):
    one, two = (fake.submit("quick", {"number": 1}, token="a-token") for _ in range(2))
    assert one.id == two.id
    with pytest.raises(UserError, match="used for another request"):
        fake.submit("quick", {"number": 2}, token="a-token")


def test_a_job_fails_with_the_sentence_and_a_bug_with_its_name(fake):
    loud, bug = (fake.wait(fake.submit("failing", {"number": n}).id) for n in (0, 1))
    assert loud.state == bug.state == "failed"
    assert (loud.error.problem, loud.error.hint) == ("The song is too loud", "turn it down")
    assert bug.error.problem == "ZeroDivisionError: a bug"


def test_a_full_queue_says_when_to_come_again(started):
    client = started(queue=2)
    first = client.submit("quick", {"seconds": 60})
    until(client, first, "running")
    for _ in range(2):
        client.submit("quick")
    answer = http.post(f"{client.url}/v1/jobs", json={"kind": "quick"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
    client.cancel(client.jobs(state="queued")[0].id)
    assert client.submit("quick").state == "queued"
    client.cancel(first.id)


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_stops(fake):
    running, waiting = (fake.submit("quick", {"seconds": 60}) for _ in range(2))
    until(fake, running, "running")
    assert fake.cancel(waiting.id).state == "cancelled"
    fake.cancel(running.id)
    assert fake.wait(running.id).state == "cancelled"
    assert fake.cancel(running.id).state == "cancelled"


def test_a_job_that_does_not_listen_is_ended_and_the_next_one_is_done(fake):
    deaf = fake.submit("deaf", {"seconds": 60})
    until(fake, deaf, "running")
    after = fake.submit("quick", {"number": 3})
    fake.cancel(deaf.id)
    assert fake.wait(deaf.id).state == "cancelled"
    assert fake.wait(after.id).result == {"number": 3}


def test_what_a_job_has_started_ends_with_it(fake):
    job = fake.submit("parent", {"seconds": 60})
    child = psutil.Process(next(e["done"] for e in fake.events(job.id) if e["type"] == "progress"))
    fake.cancel(job.id)
    assert fake.wait(job.id).state == "cancelled"
    assert not psutil.wait_procs([child], timeout=10)[1]


def test_the_time_limit_really_stops_the_work(fake):
    job = fake.wait(fake.submit("deaf", {"seconds": 60}, limit_s=0.3).id)
    assert job.state == "failed" and "worked longer than 0.3 s" in job.error.problem


def test_a_job_whose_worker_died_is_tried_again_three_times_at_most(fake):
    survivor = fake.wait(fake.submit("deadly", {"number": 2}).id)
    assert (survivor.state, survivor.result, survivor.about["attempts"]) == ("done", {"attempt": 2}, 2)
    victim = fake.wait(fake.submit("deadly").id)
    assert (victim.state, victim.about["attempts"]) == ("failed", 3)
    assert "ended with code 9" in victim.error.problem


def test_work_on_folders_does_not_wait_for_the_model(fake):
    long = fake.submit("quick", {"seconds": 60})
    until(fake, long, "running")
    assert fake.wait(fake.submit("aside", {"number": 5}).id).result == {"number": 5}
    assert state_of(fake, long) == "running"
    fake.cancel(long.id)
    fake.wait(long.id)


def test_jobs_are_listed_newest_first_by_kind_state_and_words(fake):
    made = [fake.wait(fake.submit("aside", {"number": n}).id).id for n in (123451, 123452, 123453)]
    assert [j.id for j in fake.jobs(kind="aside", limit=3)] == made[::-1]
    assert [j.id for j in fake.jobs(kind="aside", before=made[2], limit=2)] == made[1::-1]
    assert [j.id for j in fake.jobs(search="123452")] == [made[1]]
    assert not fake.jobs(kind="aside", state="failed")


@pytest.mark.parametrize(
    ("kind", "request_", "said"),
    [
        ("quik", {}, "There is no kind of job 'quik'"),
        ("quick", {"numbr": 1}, "quick has no field 'numbr'"),
        ("quick", {"number": "many"}, "must be int"),
        ("quick", {"number": -1}, "must be at least 0"),
        ("quick", {"log": "/etc/passwd"}, "lies outside of the folders"),
        ("quick", {"log": "../../x"}, "lies outside of the folders"),
        ("quick", {"log": "state/jobs.sqlite"}, "lies outside of the folders"),
        ("quick", {"log": "file:0123456789abcdef"}, "There is no upload"),
    ],
)
def test_what_makes_no_sense_is_refused_with_one_sentence_and_a_remedy(fake, kind, request_, said):
    answer = http.post(f"{fake.url}/v1/jobs", json={"kind": kind, "request": request_})
    assert answer.status_code == 422 and said in answer.json()["problem"]


def test_a_link_that_leads_elsewhere_is_refused(fake, tmp_path):
    root = fake.service.places.roots[0]
    (root / "link").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(UserError, match="lies outside"):
        fake.submit("quick", {"log": "link/log.txt"})


def test_five_hundred_submissions_of_twenty_clients_are_each_worked_on_once(started, tmp_path):
    client, log = started(queue=1000), tmp_path / "log"
    log.touch()
    ids: list[str] = []

    def submit(first):
        from acestep_core.client import Client

        own = Client(client.url)
        for number in range(first, first + 25):
            for _ in range(2 if number % 5 == 0 else 1):  # an answer that was lost is asked for again
                job = own.submit("quick", {"number": number, "log": str(log)}, token=f"n{number}")
            ids.append(job.id)

    threads = [threading.Thread(target=submit, args=(first,)) for first in range(0, 500, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 500
    client.wait(client.jobs(limit=1)[0].id)
    assert client.service.store.counts() == {"queued": 0, "running": 0, "done": 500, "failed": 0, "cancelled": 0}
    assert sorted(map(int, log.read_text().split())) == list(range(500))
    ends = [e for id in ids for e in client.service.store.events(id) if e.get("state") == "done"]
    assert len(ends) == 500
