"""models download from hubs that refuse, are not there, or must not be followed."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from fake_hub import COMMIT, CONFIG, SAFE, SFT, files, weights


@pytest.mark.parametrize(
    ("status", "said", "remedy"),
    [(401, "has no public repository", "HF_TOKEN"), (403, "does not let you have", "accept its terms"),
     (404, "has no public repository", "check the name"), (500, "answers 500", "modelscope")],
)  # fmt: skip
def test_a_repository_that_cannot_be_had_is_one_sentence(hub, get, status, said, remedy):
    hub.refuse[SFT] = status
    done = get("acestep-v15-sft")
    assert done.code == 1 and said in done.err and remedy in done.err
    assert "Traceback" not in done.err and not Path("models").exists()


@pytest.mark.parametrize(("status", "said"), [(401, "wants to know who asks"), (404, "does not have")])
def test_modelscope_says_so_too(hub, get, status, said):
    pytest.importorskip("modelscope_hub")
    hub.refuse[SFT] = status
    done = get("acestep-v15-sft", "--source", "modelscope")
    assert done.code == 1 and said in done.err and "Traceback" not in done.err


def test_a_file_that_cannot_be_had_is_one_sentence(hub, get):
    hub.refuse[SAFE] = 403
    done = get("vae")
    assert done.code == 1 and f"does not let you have {SAFE} (403)" in done.err


def test_one_name_that_is_wrong_does_not_keep_the_others(hub, get):
    done = get("vea", "nobody/nothing", "vae")
    assert done.code == 1 and "did you mean 'vae'?" in done.err and "nobody/nothing" in done.err
    assert (Path("models") / SAFE).exists()


def test_an_unknown_revision_is_one_sentence_and_a_known_one_is_used(hub, get):
    assert "has no revision 'v9'" in get("vae", "--revision", "v9").err
    assert get("vae", "--revision", "v2").code == 0
    assert json.loads((Path("models") / "vae" / ".download.json").read_text())["revision"] == COMMIT


def test_no_network_is_one_sentence_that_names_mirrors_and_the_other_source(hub, cli):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    done = cli("models", "download", "vae", "acestep-v15-sft", "--endpoint", nobody)
    assert done.code == 1 and done.err.count("cannot be reached") == 1
    assert "HF_ENDPOINT" in done.err and "--source modelscope" in done.err and "Traceback" not in done.err
    assert not hub.asked


def test_pickles_are_refused(hub, get):
    hub.add("someone/old", {"config.json": CONFIG, "pytorch_model.bin": b"a pickle"})
    done = get("someone/old")
    assert done.code == 1 and "no weights as .safetensors" in done.err


@pytest.mark.parametrize("name", ["../../etc", "a/../b", "a/..", "/etc/passwd", "a/b/../../c", "a\\b/c"])
def test_a_name_cannot_lead_out_of_the_folder(hub, get, name):
    done = get(name)
    assert done.code == 1 and "There is no model called" in done.err and not hub.asked


def test_what_the_hub_calls_its_files_cannot_lead_out_of_the_folder(hub, get):
    names = ("../evil.json", "..\\evil.json", "/evil.json", ".hidden.json", "C:evil.json")
    hub.add("someone/bad", {"config.json": CONFIG, "model.safetensors": weights(500), **dict.fromkeys(names, b"{}")})
    assert get("someone/bad", "--only").code == 0
    assert files(Path()) - {"models/bad/.download.json"} == {"models/bad/config.json", "models/bad/model.safetensors"}


def test_a_token_goes_to_the_hub_and_not_to_the_storage_behind_it(hub, get, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    done = get("vae", "--json")
    assert done.code == 0 and "hf_secret" not in done.out + done.err
    told = {(url.startswith(hub.storage), "Authorization" in headers) for _, url, headers in hub.asked
            if "resolve" in url or "/bytes/" in url and url.startswith(hub.storage)}  # fmt: skip
    assert told == {(False, True), (True, False)}


def test_nothing_but_the_mirror_is_asked_and_xet_is_not_followed(hub, get):
    assert get("acestep-v15-sft").code == 0  # looking up any other host fails the test
    hosts = {url.split("/")[2] for _, url, _ in hub.asked}
    assert hosts == {hub.url.split("/")[2], hub.storage.split("/")[2]}


def test_the_environment_names_the_mirror(hub, source):
    program = [sys.executable, "-m", "acestep_core", "models", "download", "vae", "--source", source, "--json"]
    env = {**os.environ, "HF_ENDPOINT": hub.url, "MODELSCOPE_ENDPOINT": hub.url}
    done = subprocess.run(program, env=env, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["endpoint"] == hub.url and (Path("models") / SAFE).exists()


def test_offline_is_one_sentence(hub, get, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    done = get("vae")
    assert done.code == 1 and "HF_HUB_OFFLINE" in done.err and not hub.asked


def test_no_other_source_is_asked_unless_one_says_so(hub, get, monkeypatch):
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", hub.url)
    hub.refuse[SFT] = 503
    done = get("acestep-v15-sft")
    assert done.code == 1 and "--source modelscope" in done.err
    assert not [url for _, url, _ in hub.asked if "/api/v1/" in url]


def test_modelscope_without_its_package_names_the_extra(hub, get, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert 'pip install "acestep-core[modelscope]"' in get("vae", "--source", "modelscope").err


@pytest.mark.parametrize("page", [b"<html>log in</html>", b"[]", b'{"id": 1}', b'"x"'])
def test_what_is_no_hub_is_one_sentence(hub, get, source, page):
    hub.page = page
    done = get("vae", "--source", source)
    assert done.code == 1 and "Traceback" not in done.err and not Path("models").exists()


@pytest.mark.parametrize("address", ["ftp://a", "nowhere", "http://me:secret@127.0.0.1/"])
def test_an_address_that_is_none_is_one_sentence_and_shows_no_password(hub, cli, address):
    done = cli("models", "download", "vae", "--endpoint", address)
    assert done.code == 1 and "is no http address" in done.err and "secret" not in done.err


def test_a_token_that_cannot_be_sent_is_one_sentence(hub, get, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_\u2019")
    done = get("vae")
    assert done.code == 1 and "token" in done.err and "Traceback" not in done.err
