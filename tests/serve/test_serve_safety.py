"""Who may come in, and what nobody learns."""

import json

import pytest
from servers import http

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.settings import ServeSettings


def test_without_the_key_nothing_is_answered_but_that_the_server_is_there(started):
    client = started(key="a-long-word")
    for path in ("/v1/jobs", "/v1/kinds", "/v1/models", "/openapi.json", "/v1/files", "/v1/lora/status", "/nothing"):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "a-long-word"}):
            assert http.get(client.url + path, headers=headers).status_code == 401
    assert http.get(f"{client.url}/health").json()["status"] == "ok"
    assert client.wait(client.submit("quick").id).state == "done"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example:8001"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_pages_of_other_sites_cannot_use_a_server_of_this_machine(fake, headers, status):
    answer = http.get(f"{fake.url}/v1/jobs", headers=headers)
    assert answer.status_code == status and "access-control-allow-origin" not in answer.headers


def test_no_page_of_another_origin_is_told_that_it_may_ask(fake):
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = http.options(f"{fake.url}/v1/jobs", headers=headers)
    assert answer.status_code >= 400 and "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::"])
def test_other_addresses_need_a_key_or_the_word_that_none_is_wanted(host):
    with pytest.raises(UserError, match="Anybody who reaches"):
        ServeSettings(host=host).checked()
    assert ServeSettings(host=host, key="word").checked() and ServeSettings(host=host, no_key=True).checked()
    assert "word" not in repr(ServeSettings(key="word"))


def test_the_command_refuses_an_open_address_before_it_does_anything(cli, tmp_path, monkeypatch):
    monkeypatch.delenv("ACESTEP_SERVER_KEY", raising=False)
    done = cli("serve", "--host", "0.0.0.0", "--state", tmp_path / "state")
    assert done.code == 1 and "ACESTEP_SERVER_KEY" in done.err and not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"base_url": "http://evil.example/v1"}, "cannot be given in a request"),
        ({"model": "/etc"}, "lies outside"),
        ({"model": "../.."}, "lies outside"),
    ],
)
def test_a_request_cannot_send_keys_elsewhere_or_name_files_by_options_of_plugins(bare, options, said):
    request = {"folder": ".", "transcriber": "openai", "options": {"transcriber": options}}
    with pytest.raises(UserError, match=said):
        bare.submit("transcribe", request)


@pytest.mark.parametrize("prompt", [{"timbre": "/etc/hosts"}, {"task": {"name": "cover", "source": "../x.wav"}}])
def test_prompts_of_samples_name_no_files_elsewhere(bare, prompt):
    (bare.folder / "own").mkdir(exist_ok=True)
    request = {"encoded": "own", "model": "nano", "samples": {"prompts": ["a waltz", {"caption": "x", **prompt}]}}
    with pytest.raises(UserError, match="lies outside"):
        bare.submit("train", request)
    request["samples"]["prompts"] = ["a waltz", {"caption": "x", "timbre": "low.wav", "seed": 3}]
    told = bare.service.understood("train", request).plain()["samples"]["prompts"]
    assert told == ["a waltz", {"caption": "x", "timbre": str(bare.folder / "low.wav"), "seed": 3}]


def test_nothing_that_a_request_says_is_imported_or_unpickled(bare, tmp_path):
    bad = bare.folder / "adapter.pt"
    bad.write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR.")
    with pytest.raises(UserError, match="pickle"):
        bare.ask("POST", "/v1/adapters", json={"path": "adapter.pt"})
    (bare.folder / "odd.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(UserError):
        bare.ask("POST", "/v1/adapters", json={"path": "odd.safetensors"})
    assert not (tmp_path / "ran").exists()


def test_answers_hold_no_traceback(fake):
    for path in ("/v1/jobs/nothing", "/v1/jobs/x/files/../../jobs.sqlite", "/v1/nothing", "/v1/jobs?limit=x"):
        answer = http.get(fake.url + path)
        assert 400 <= answer.status_code < 500 and set(answer.json()) == {"problem", "hint"}
        assert "Traceback" not in json.dumps(answer.json())
