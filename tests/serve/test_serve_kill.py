"""Servers that are killed: whatever was accepted ends, and ends once."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest
from filelock import FileLock
from servers import free_port, http

from acestep_core.client import Client
from acestep_core.errors import UserError
from acestep_plugins.commands.serve.running import serve
from acestep_plugins.commands.serve.settings import ServeSettings

STARTED = """
import sys
from pathlib import Path
from acestep_plugins.commands.serve.running import serve
from acestep_plugins.commands.serve.settings import ServeSettings
folder, port = Path(sys.argv[1]), int(sys.argv[2])
settings = ServeSettings(state=folder / "state", roots=(folder,), models=folder, port=port, queue=5000)
serve(settings, {}, "fake_kinds:KINDS")
"""


def start(folder: Path, port: int) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    server = subprocess.Popen([sys.executable, "-c", STARTED, str(folder), str(port)], env=environment)
    while True:
        assert server.poll() is None, "the server did not start"
        try:
            http.get(f"http://127.0.0.1:{port}/health")
            return server
        except httpx.TransportError:
            time.sleep(0.02)


def workers_of(server: subprocess.Popen) -> list[psutil.Process]:
    return psutil.Process(server.pid).children(recursive=True)


def test_a_killed_server_leaves_no_worker_behind_and_the_next_one_goes_on(tmp_path):
    port = free_port()
    server = start(tmp_path, port)
    client = Client(f"http://127.0.0.1:{port}")
    job = client.submit("quick", {"seconds": 2.0})
    while client.job(job.id).state != "running":
        time.sleep(0.02)
    workers = workers_of(server)
    assert workers
    server.kill()
    server.wait()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
    server = start(tmp_path, port)
    try:
        done = client.wait(job.id)
        assert (done.state, done.about["attempts"]) == ("done", 2)
        states = [e["state"] for e in client.events(job.id) if e["type"] == "state"]
        assert states == ["queued", "running", "queued", "running", "done"]
    finally:
        server.kill()
        server.wait()


def test_two_servers_do_not_share_a_state_folder(tmp_path):
    with FileLock(tmp_path / "server.lock"), pytest.raises(UserError, match="Another server works in"):
        serve(ServeSettings(state=tmp_path), {}, "fake_kinds:KINDS")


@pytest.mark.slow
def test_a_server_killed_at_ten_moments_ends_each_accepted_job_once(tmp_path):
    port, log, chance = free_port(), tmp_path / "log", random.Random(5)
    log.touch()
    client, accepted, number = Client(f"http://127.0.0.1:{port}"), {}, 0
    for _ in range(10):
        server = start(tmp_path, port)
        killed_at = time.monotonic() + chance.uniform(0.1, 1.2)
        while time.monotonic() < killed_at:
            try:
                request = {"number": number, "seconds": 0.01, "log": str(log)}
                accepted[number] = client.submit("quick", request, token=f"n{number}").id
                number += 1
                time.sleep(0.01)  # about as many as are done meanwhile, so that most kills come in the middle of one
            except UserError:
                break
        server.kill()
        server.wait()
    server = start(tmp_path, port)
    try:
        ended = [client.wait(id) for id in accepted.values()]
        assert {j.state for j in ended} == {"done"}, [j.about for j in ended if j.state != "done"]
        assert len(client.jobs(limit=500)) >= min(500, len(accepted))
        for id in accepted.values():
            states = [e.get("state") for e in client.events(id)]
            assert [s for s in states if s in ("done", "failed", "cancelled")] == ["done"]
        worked = list(map(int, log.read_text().split()))
        assert set(worked) >= set(accepted)
        assert len(worked) <= len(set(worked)) + 10, "only what was being worked on when the server died is done again"
        assert len(accepted) > 50
    finally:
        server.kill()
        server.wait()
