"""Whatever is sent that the OpenAPI allows, or does not: never an error of the server, always its own words."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from servers import http

schemathesis = pytest.importorskip("schemathesis", reason="the extra 'dev' is not installed")

# They wait for a model or start other programs, and are tried by tests of their own.
SLOW = r"^/(v1/(doctor|plugins/doctor|plan|init|create_sample)|create_random_sample|format_input)$"
OFTEN = settings(deadline=None, derandomize=True, phases=[Phase.generate], database=None,
                 suppress_health_check=list(HealthCheck))  # fmt: skip


def test_no_request_is_an_error_of_the_server(bare):
    schema = schemathesis.openapi.from_url(f"{bare.url}/openapi.json").exclude(path_regex=SLOW)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 25
    for operation in operations:

        @settings(OFTEN, max_examples=60 if operation.path == "/v1/jobs" else 6)
        @given(case=operation.as_strategy())
        def asked(case: Any) -> None:
            answer = case.call(timeout=30)
            assert answer.status_code < 500, answer.text
            if answer.status_code >= 400:
                assert answer.json().get("problem") or answer.json().get("error"), answer.text

        asked()


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
