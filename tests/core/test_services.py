"""The client of web services, against a service on loopback that misbehaves in every way they do."""

import time
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest

from acestep_core import FatalError, UserError
from acestep_core.services import LONGEST_ASKED_S, Call, Service
from acestep_core.testing.fakes import Provider, fake_provider

KEY = "Sk-Very-Secret-1"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with fake_provider() as found:
        yield found


@pytest.fixture
def service(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Two more tries; the waits are written down instead of slept."""
    monkeypatch.setenv("TEST_KEY", KEY)
    made = Service("Loopback", provider.url, "TEST_KEY", timeout_s=5.0, retries=2)
    made.waits = []
    made.sleep = made.waits.append
    yield made
    made.close()


def call(**changes) -> Call:
    return replace(Call("POST", "sing", "song.mp3", json={"a": 1}), **changes)


def refusal(service: Service, **changes) -> UserError:
    with pytest.raises(UserError) as caught:
        service.json(call(**changes))
    assert KEY not in str(caught.value) and "\n" not in caught.value.problem
    assert "Loopback" in caught.value.problem and "song.mp3" in caught.value.problem and caught.value.hint
    return caught.value


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_it_tries_again_with_doubling_waits(status: int, provider: Provider, service: Service):
    provider.answer(status, {})
    provider.answer(status, {})
    provider.answer(200, {"text": "la"})
    assert service.json(call()) == {"text": "la"}
    assert service.waits == [0.5, 1.0] and len(provider.received) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_what_cannot_get_better_is_asked_once(status: int, provider: Provider, service: Service):
    provider.answer(status, {"error": {"message": "no good"}})
    assert f"{status}: no good" in refusal(service).problem
    assert len(provider.received) == 1 and not service.waits


def test_an_error_all_songs_would_meet_is_told_apart_from_one_of_this_song(provider: Provider, service: Service):
    provider.answer(404, {"error": {"message": "gone"}})
    assert isinstance(refusal(service), FatalError)
    assert not isinstance(refusal(service, of_song=True), FatalError)


def test_it_waits_as_long_as_the_service_asks(provider: Provider, service: Service):
    provider.answer(429, {}, Retry_After="7")
    provider.answer(429, {"error": {"details": [{"@type": "RetryInfo", "retryDelay": "3.5s"}]}})
    provider.answer(200, {})
    service.json(call())
    assert service.waits == [7.0, 3.5]


def test_a_date_to_wait_for_is_understood(provider: Provider, service: Service):
    provider.answer(503, {}, Retry_After=formatdate(time.time() + 30, usegmt=True))
    provider.answer(503, {}, Retry_After=formatdate(time.time() - 30, usegmt=True))
    provider.answer(200, {})
    service.json(call())
    assert 25 <= service.waits[0] <= 31 and service.waits[1] == 0.0


def test_a_longer_pause_than_anybody_waits_is_told(provider: Provider, service: Service):
    provider.answer(429, {}, Retry_After=str(round(LONGEST_ASKED_S) + 1))
    assert "wait 121 s" in refusal(service).hint
    assert not service.waits


def test_a_service_that_says_so_is_not_asked_again(provider: Provider, service: Service):
    provider.answer(429, {}, x_should_retry="false")
    assert "quota" in refusal(service).hint
    assert len(provider.received) == 1


def test_after_the_last_try_it_says_what_the_service_said(provider: Provider, service: Service):
    provider.answer(500, {"detail": {"status": "down", "message": "all singers are ill"}})
    assert "all singers are ill" in refusal(service).problem
    assert len(provider.received) == 3


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_names_its_variable_and_never_the_key(status: int, provider: Provider, service: Service):
    provider.answer(status, {"error": {"message": f"wrong key {KEY}"}})
    refused = refusal(service)
    assert "TEST_KEY" in refused.hint and "********" in refused.problem


def test_a_missing_key_is_told_before_anything_is_sent(provider: Provider, service: Service, monkeypatch):
    monkeypatch.delenv("TEST_KEY")
    with pytest.raises(UserError, match="TEST_KEY is not set"):
        service.json(call())
    assert not provider.received


def test_a_key_that_cannot_be_one_is_not_shown(service: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TEST_KEY", f"{KEY}\nX: y")
    with pytest.raises(UserError, match="TEST_KEY holds") as caught:
        service.json(call())
    assert KEY not in str(caught.value)


def test_the_key_goes_to_the_base_address_only(provider: Provider, service: Service):
    provider.answer(200, {})
    service.json(call())
    with fake_provider() as other:
        other.answer(200, {})
        service.json(call(url=f"{other.url}/elsewhere"))
        assert "Authorization" not in other.received[0].headers
    assert provider.received[0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("body", [b"{half", b"<html>busy</html>", b"[1]", b"\xff\xfe"])
def test_an_answer_that_is_no_json_object_is_told(body: bytes, provider: Provider, service: Service):
    provider.answer(200, body)
    assert "no JSON" in refusal(service).problem


def test_an_answer_that_drips_without_end_is_given_up(provider: Provider, service: Service):
    def drip() -> Iterator[bytes]:
        while True:
            yield b" "
            time.sleep(0.02)

    provider.answer(200, drip)
    service.timeout_s = 0.2
    assert "within 0.2 s" in refusal(service).problem
    assert len(provider.received) == 1


def test_an_answer_that_never_begins_is_given_up(provider: Provider, service: Service):
    def nothing() -> Iterator[bytes]:
        time.sleep(0.5)
        yield b""

    provider.answer(200, nothing)
    service.timeout_s = 0.1
    assert "timeout_s" in refusal(service).hint


def test_a_connection_cut_in_the_middle_is_tried_again(provider: Provider, service: Service):
    provider.answer(200, {"text": "half"}, Content_Length="1000")
    provider.answer(200, {"text": "whole"})
    assert service.json(call()) == {"text": "whole"}


def test_a_service_that_is_not_there_is_told(provider: Provider, service: Service):
    service.base_url = "http://127.0.0.1:9"
    assert "broke 3 times" in refusal(service).problem
    assert service.waits == [0.5, 1.0]


def test_a_form_is_sent_again_whole(provider: Provider, service: Service, tmp_path: Path):
    (tmp_path / "a").write_bytes(bytes(range(256)) * 2000)
    provider.answer(500, {})
    provider.answer(200, {})
    song, fields = tmp_path / "a", {"model": "m", "terms[]": ["a", "b"]}
    service.json(call(json=None, fields=fields, file=song, file_name="audio.mp3"))
    first, second = (r.form() for r in provider.received)
    assert first == second
    assert first == [("model", "", b"m"), ("terms[]", "", b"a"), ("terms[]", "", b"b"),
                     ("file", "audio.mp3", song.read_bytes())]  # fmt: skip


def test_a_bare_file_is_sent_again_whole(provider: Provider, service: Service, tmp_path: Path):
    (tmp_path / "a").write_bytes(b"\r\n--x" * 9999)
    provider.answer(500, {})
    provider.answer(200, {})
    service.json(call(json=None, file=tmp_path / "a", mime="audio/flac"))
    assert [r.body for r in provider.received] == [(tmp_path / "a").read_bytes()] * 2
    assert provider.received[1].headers["Content-Type"] == "audio/flac"


def test_no_more_requests_run_at_once_than_allowed(provider: Provider, monkeypatch: pytest.MonkeyPatch):
    import threading
    from concurrent.futures import ThreadPoolExecutor

    running, most, lock = 0, 0, threading.Lock()

    def answer() -> Iterator[bytes]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        yield b"{}"

    provider.answer(200, answer)
    service = Service("Loopback", provider.url, at_once=2)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: service.json(call()), range(6)))
    service.close()
    assert most == 2


def test_a_client_shows_no_key(service: Service, provider: Provider):
    provider.answer(200, {})
    service.json(call())
    assert KEY not in repr(vars(service)) + repr(service)
