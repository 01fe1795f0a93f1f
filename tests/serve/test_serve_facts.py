"""What a server tells of itself, keeps and forgets, and how the client speaks with it."""

import time
from types import ModuleType

import pytest
from servers import FAKE, http

from acestep_core import Transcriber, Transcript, hookimpl, option
from acestep_core.client import Client
from acestep_core.errors import UserError
from acestep_core.registry import Known, Registry
from acestep_plugins.commands.serve.asking_cli import ask_program
from acestep_plugins.commands.serve.kinds import KINDS
from acestep_plugins.commands.serve.kinds.asked import read
from acestep_plugins.commands.serve.kinds.kind import MODEL
from acestep_plugins.commands.serve.store import LOADED
from acestep_plugins.commands.serve.worker import Worker


class Service(Transcriber):
    """A service with a key."""

    name = "service"
    key: str = option("", "its key", secret=True)

    def transcribe(self, audio, *, language=None):
        return Transcript("la", language)


def test_plugins_are_told_with_the_schema_of_their_options(bare):
    told = {(p["kind"], p["name"]): p for p in bare.plugins()}
    assert told["adapters", "lora"]["options"]["properties"]["rank"]["type"] == "integer"
    assert not told["adapters", "lora"]["problem"] and ("commands", "serve") in told
    assert {p["kind"] for p in bare.plugins("solvers")} == {"solvers"}
    with pytest.raises(UserError, match="There is no kind of plugin 'solver'"):
        bare.plugins("solver")


def test_what_the_program_refuses_is_refused_in_its_words(tmp_path):
    with pytest.raises(UserError, match="There is no folder") as refused:
        ask_program("models", "list", str(tmp_path / "nothing"))
    assert refused.value.hint.startswith("acestep-core models download")


def test_results_are_kept_only_so_long(started):
    client = started(keep_days=1e-5)  # about a second
    job = client.wait(client.submit("quick").id)
    folder = client.service.places.job_folder(job.id)
    assert folder.is_dir()
    time.sleep(1.0)
    client.service.sweep()
    assert not folder.exists() and client.jobs() == []
    with pytest.raises(UserError, match=f"There is no '{job.id}' here"):
        client.job(job.id)


def test_a_client_says_where_nobody_answers():
    with pytest.raises(UserError, match="does not answer") as refused:
        Client("http://127.0.0.1:9").jobs()
    assert refused.value.hint == "start it: acestep-core serve"


def test_secrets_are_not_taken_in_requests_which_are_kept(bare):
    module = ModuleType("stranger")
    module.acestep_transcribers = hookimpl(lambda: [Service])
    plugins = Registry([Known("transcribers", "service", "stranger", "1", (), "stranger", lambda: module)])
    given = {"folder": ".", "transcriber": "service", "options": {"transcriber": {"key": "a-secret-word"}}}
    with pytest.raises(UserError, match="'key' is secret") as refused:
        read(KINDS["transcribe"].shape, given, "transcribe", bare.service.places, plugins)
    assert "a-secret-word" not in str(refused.value)


@pytest.mark.parametrize("body", [{}, {"messages": "x"}, {"messages": [{"role": "user", "content": 5}]},
                                  {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
                                  {"messages": [{"role": "user", "content": "a"}], "audio_config": 3}])  # fmt: skip
def test_chats_without_sense_are_refused_as_clients_of_openai_expect(bare, body):
    answer = http.post(f"{bare.url}/v1/chat/completions", json=body)
    assert answer.status_code == 422 and answer.json()["error"]["message"]


def test_what_is_loaded_is_known_when_a_job_is_over(tmp_path, monkeypatch):
    folder = str(tmp_path)
    worker = Worker({"lane": MODEL, "config": {}, "state": folder, "roots": [folder], "kinds": FAKE})
    end, known = worker.store.end, []

    def seen(*job, **how):
        known.append(worker.store.known(LOADED))
        return end(*job, **how)

    monkeypatch.setattr(worker.store, "end", seen)
    job = worker.store.submit("quick", MODEL, {}, {"number": 1})
    worker._work(worker.store.claim(MODEL))
    assert worker.store.job(job["id"])["state"] == "done" and known[0]["memory_bytes"] > 0
