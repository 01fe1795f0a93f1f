"""Whatever is sent that the OpenAPI allows, or does not: never an error of the server, always its own words."""

import math
import re
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from servers import http

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.asking_cli import ask_program

schemathesis = pytest.importorskip("schemathesis", reason="the extra 'dev' is not installed")

# They wait for the language model or for a model to be loaded, which fake ones do at once.
WAITING = r"^/(v1/(init|create_sample)|create_random_sample|format_input)$"
OFTEN = settings(deadline=None, derandomize=True, phases=[Phase.generate], database=None,
                 suppress_health_check=list(HealthCheck))  # fmt: skip
# In place of a program that takes seconds to start: it answers, or refuses, by how many words it is told.
PROGRAM = """
import sys
if len(sys.argv) % 3:
    print("{}")
else:
    sys.exit("Error: Nothing fits\\n  give --seconds 10")
"""
ODD = b'"\\ud800"'  # as JSON may have it, and no Unicode


@pytest.fixture
def program(monkeypatch):
    monkeypatch.setattr("acestep_plugins.commands.serve.asking_cli.PROGRAM", [sys.executable, "-IS", "-c", PROGRAM])


def operations(client):
    schema = schemathesis.openapi.from_url(f"{client.url}/openapi.json")
    return {(found.ok().method, found.ok().path): found.ok() for found in schema.get_all_operations()}


def test_no_request_is_an_error_of_the_server(bare, fake, program):
    found, waiting = operations(bare), operations(fake)
    assert set(found) == set(waiting) and len(found) > 35
    for place, operation in found.items():
        waits = re.match(WAITING, operation.path)

        @settings(OFTEN, max_examples=60 if operation.path == "/v1/jobs" else 6)
        @given(case=(waiting[place] if waits else operation).as_strategy())
        def asked(case: Any) -> None:
            answer = case.call(timeout=120)
            assert answer.status_code < 500, answer.text
            if answer.status_code >= 400:
                assert answer.json().get("problem") or answer.json().get("error"), answer.text

        asked()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/jobs", b'{"kind": "scan", "request": {"source": %s}}'),
        ("/v1/jobs", b'{"kind": "create", "request": {%s: 1}}'),
        ("/v1/jobs", b'{"kind": %s}'),
        ("/v1/adapters", b'{"path": %s}'),
        ("/v1/plan", b'{"variant": %s}'),
        ("/release_task", b'{"prompt": %s, "lora_path": %s, %s: %s}'),
        ("/query_result", b'{"task_id_list": [%s]}'),
        ("/v1/lora/load", b'{"lora_path": %s}'),
        ("/v1/chat/completions", b'{"messages": [{"role": "user", "content": %s}]}'),
    ],
)
def test_text_that_is_no_unicode_is_no_error_of_the_server(bare, program, path, body):
    headers = {"Content-Type": "application/json"}
    answer = http.post(bare.url + path, content=body.replace(b"%s", ODD), headers=headers)
    assert answer.status_code < 500 and answer.json(), answer.text


@pytest.mark.parametrize("body", [b'{"prompt": %s}', b'{"lyrics": [%s], "seed": 1e300}', b'{"bpm": 1e300}',
                                  b'{"seed": 1e999}', b'{"audio_duration": 1e300, "temperature": -1e300}',
                                  b'{"sample_query": {"a": 1}}', b'{"metas": "3", "key_scale": {}}'])  # fmt: skip
@pytest.mark.parametrize("path", ["/format_input", "/create_random_sample", "/v1/init"])
def test_odd_wishes_for_words_are_answered(fake, path, body):
    answer = http.post(fake.url + path, content=body.replace(b"%s", ODD))
    assert answer.status_code in (200, 422) and answer.json()["code"] == answer.status_code, answer.text


def test_a_job_is_told_whatever_it_holds(fake):
    store = fake.service.store
    store.submit("quick", "nobody's", {}, {"text": "\ud800"})
    claimed = store.claim("nobody's")
    store.tell(claimed, "progress", {"stage": "x", "values": {"loss": math.inf}})
    store.end(claimed, "done", result={"loss": math.nan, "words": ("\ud800", 1.5)})
    assert fake.job(claimed.id).result == {"loss": None, "words": ["\ud800", 1.5]}
    assert {"loss": None} in [e.get("values") for e in fake.events(claimed.id)]
    assert [j.id for j in fake.jobs(limit=1)] == [claimed.id]


@pytest.mark.parametrize("words", [("a\0b",), ("\ud800",), ("x" * 3_000_000,)])
def test_what_no_program_can_be_told_is_refused(program, words):
    with pytest.raises(UserError, match="cannot be asked that"):
        ask_program("models", "plan", *words)


@pytest.mark.parametrize("body", [b"", b"[", b"[" * 100_000, b'{"kind": 1}', b"\xff\xfe", b'{"kind": "scan", "x": 1}',
                                  b'{"kind": "generate", "request": {"seed": 1e999}}',
                                  b'{"kind": "generate", "request": {"caption": "\\ud800"}}',
                                  b'{"kind": "generate", "request": {"bpm": NaN}}',
                                  b'{"kind": "scan", "request": {"source": "a\\u0000b"}}'])  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/jobs", "/release_task", "/query_result", "/v1/lora/load", "/v1/adapters"])
def test_odd_bodies_are_refused(bare, path, body):
    answer = http.post(bare.url + path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, answer.text


def test_the_openapi_names_every_path(bare):
    paths = set(http.get(f"{bare.url}/openapi.json").json()["paths"])
    assert {"/v1/jobs", "/v1/jobs/{job}/events", "/v1/kinds", "/v1/files", "/v1/models", "/v1/plan", "/health",
            "/release_task", "/query_result", "/v1/audio", "/v1/lora/load"} <= paths  # fmt: skip
