"""What a server costs: seconds until it answers, memory while it is idle, milliseconds of a job beside its work.

python benchmarks/server.py [JOBS]   The job does nothing, so that all of its time is the queue's.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import psutil

from acestep_core.client import Client
from acestep_core.errors import UserError
from acestep_plugins.commands.serve.kinds import KINDS as BUNDLED
from acestep_plugins.commands.serve.settings import ServeSettings

PORT = 8731
KINDS = {"unload": replace(BUNDLED["unload"], work=lambda asked, desk: {})}


def started(folder: Path) -> tuple[subprocess.Popen, Client, float]:
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    server = subprocess.Popen([sys.executable, __file__, "serve", str(folder)], env=environment)
    client = Client(f"http://127.0.0.1:{PORT}")
    while True:
        try:
            client.ask("GET", "/health")
            return server, client, time.perf_counter() - start
        except UserError:
            if server.poll() is not None:
                raise
            time.sleep(0.01)


def memory(process: psutil.Process) -> float:
    return process.memory_info().rss / 1e6


def main(jobs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server, client, seconds = started(Path(folder))
        try:
            idle = memory(psutil.Process(server.pid))
            client.wait(client.submit("unload").id)  # the worker is started by the first
            (worker,) = psutil.Process(server.pid).children()
            alone = [one(client) for _ in range(jobs)]
            queued = [client.submit("unload").id for _ in range(jobs)]
            last = client.wait(queued[-1]).about
            together = (last["ended_at"] - client.job(queued[0]).about["created_at"]) / jobs
            told = {"start_s": seconds, "idle_mb": idle, "worker_mb": memory(worker),
                    "job_alone_ms": 1000 * statistics.median(alone), "job_of_many_ms": 1000 * together}  # fmt: skip
            print(json.dumps({k: round(v, 2) for k, v in told.items()}, indent=2))
        finally:
            server.terminate()
            server.wait()


def one(client: Client) -> float:
    """From the moment it is accepted to its end, as the server writes them down."""
    job = client.wait(client.submit("unload").id).about
    return job["ended_at"] - job["created_at"]


def serve(folder: Path) -> None:
    from acestep_plugins.commands.serve.running import serve

    serve(ServeSettings(state=folder, port=PORT, models=folder, roots=(folder,), queue=10_000), {}, "server:KINDS")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(Path(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 200)
