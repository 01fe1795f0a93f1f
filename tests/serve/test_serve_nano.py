"""A server that nobody gave a model has the one that comes with the package."""

from pathlib import Path

import pytest
from servers import http, serving

from acestep_core.bundled import FOLDER
from acestep_core.errors import UserError
from acestep_plugins.commands.serve.settings import ServeSettings

SHORT = {"caption": "slow bells", "duration_s": 5.5, "seed": 7}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder in which the server is started."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def small(here):
    with serving(ServeSettings(state=here.parent / "state")) as client:
        yield client


def asked(client, **request):
    """(folder, variant) of the model that a request means."""
    understood = client.service.understood("generate", SHORT | request).plain()
    return understood["model"], understood["variant"]


def test_the_server_has_nano_where_there_is_no_folder_of_models(small):
    told = small.models()
    assert {p["name"] for p in told["parts"]} >= {"acestep-nano-turbo", "acestep-nano-base", "vae"}
    assert not [p for part in told["parts"] for p in part["problems"]]
    assert (told["chosen"]["model"], told["chosen"]["variant"]) == ("nano", "turbo")
    assert asked(small) == (str(FOLDER), "turbo")


def test_a_folder_called_models_goes_before(here):
    (here / "models").mkdir()
    with serving(ServeSettings(state=here.parent / "state")) as client:
        assert client.models()["chosen"]["model"] == str(here / "models")
        assert asked(client, model="nano") == (str(FOLDER), "turbo")
        with pytest.raises(UserError, match="models holds no ACE-Step 1.5 model"):
            client.submit("generate", SHORT)


@pytest.mark.parametrize(("name", "variant"), [("nano", "turbo"), ("nano-turbo", "turbo"), ("nano-base", "base")])
def test_requests_may_name_it(small, name, variant):
    assert asked(small, model=name) == (str(FOLDER), variant)
    assert asked(small, model="nano", variant="base") == (str(FOLDER), "base")
    assert asked(small, model=name, variant=f"acestep-nano-{variant}") == (str(FOLDER), f"acestep-nano-{variant}")
    assert (
        small.service.understood("export", {"sources": ["x"], "to": "merged", "out": "y", "model": name}).plain()[
            "variant"
        ]
        == variant
    )


@pytest.mark.parametrize(("name", "other"), [("nano-turbo", "base"), ("nano-base", "acestep-nano-turbo")])
def test_a_name_that_says_another_variant_than_the_one_beside_it_is_refused(small, name, other):
    wrong = {"model": name, "variant": other}
    for ask in (lambda: small.submit("generate", SHORT | wrong), lambda: small.load(**wrong),
                lambda: small.ask("POST", "/v1/plan", json=wrong)):  # fmt: skip
        with pytest.raises(UserError, match=f"{name} and variant {other} contradict each other"):
            ask()
    with pytest.raises(UserError, match="contradict"):
        ServeSettings(models=Path(name), variant=other).checked()


def test_requests_may_not_name_files_in_it(small):
    for path in (FOLDER / "vae", FOLDER / ".." / "errors.py"):
        with pytest.raises(UserError, match="lies outside"):
            small.submit("generate", {**SHORT, "model": str(path)})
    with pytest.raises(UserError, match="lies outside"):
        small.submit("scan", {"source": str(FOLDER)})


def test_a_folder_of_that_name_is_meant_where_a_request_says_so_and_the_servers_own_stays(small, here):
    (here / "nano").mkdir()
    with pytest.raises(UserError, match=f"{here / 'nano'} holds no ACE-Step 1.5 model"):
        small.submit("generate", {**SHORT, "model": "nano"})
    assert asked(small, model="nano-base") == (str(FOLDER), "base")
    assert asked(small) == (str(FOLDER), "turbo") and small.models()["parts"]


def test_a_server_that_is_told_a_name_of_two_things_does_not_start(here):
    (here / "nano").mkdir()
    with pytest.raises(UserError, match="and of a folder here"):
        ServeSettings(models=Path("nano")).checked()
    assert ServeSettings(models=here / "nano").checked() and ServeSettings().checked()


def test_the_reference_names_its_models_and_each_has_what_it_takes(small):
    task = {"prompt": "bells", "audio_duration": 5.5, "batch_size": 1, "guidance_scale": 5.0}
    told = http.post(f"{small.url}/release_task", json=task).json()
    assert told["code"] == 200 and told["extra"] == {"ignored": ["guidance_scale"]}, told
    told = http.post(f"{small.url}/release_task", json={**task, "model": "acestep/acestep-nano-base"}).json()
    assert told["code"] == 200 and told["extra"] is None, told
    released = [j.about["request"] for j in small.jobs()]
    assert [(r["variant"], r.get("guidance")) for r in released] == [("acestep-nano-base", 5.0), ("turbo", None)]
    assert {r["model"] for r in released} == {str(FOLDER)}


@pytest.mark.slow
def test_clips_are_made_with_it_and_another_variant_is_loaded_for_all_to_come(small):
    first = small.wait(small.submit("generate", {**SHORT, "steps": 2}).id)
    assert first.state == "done", first.error
    assert first.result["clips"][0]["duration_s"] == pytest.approx(5.5, abs=0.1)
    assert small.models()["loaded"]["model"]["variant"] == "turbo"
    loaded = small.wait(small.load(model="nano-base").id)
    assert loaded.state == "done", loaded.error
    chosen = small.models()["chosen"]
    assert (chosen["model"], chosen["variant"]) == ("nano-base", "base") and asked(small) == (str(FOLDER), "base")
    second = small.wait(small.submit("generate", {**SHORT, "steps": 2, "guidance": 3}).id)
    assert second.state == "done", second.error
    assert small.models()["loaded"]["model"]["variant"] == "base"
