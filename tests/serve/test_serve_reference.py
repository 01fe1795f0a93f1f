"""Requests as the reference's documentation has them: how they are read, and the envelope of what is answered."""

import json

import pytest
from servers import http

from acestep_core.checkpoint import ModelInfo
from acestep_core.errors import UserError
from acestep_plugins.commands.serve.reference.names import Given
from acestep_plugins.commands.serve.reference.translating import translated

TURBO, BASE = (ModelInfo(None, {"is_turbo": turbo, "model_version": "base"}) for turbo in (True, False))


def request_of(body, info=TURBO):
    return translated(body, info, ["acestep-v15-turbo"])[0]


@pytest.fixture
def post(bare):
    def ask(path, client=bare, **how):
        answer = http.post(client.url + path, timeout=60, **how)
        told = answer.json()
        assert set(told) == {"data", "code", "error", "timestamp", "extra"}, told
        assert told["code"] == answer.status_code and (told["error"] is None) == (answer.status_code == 200)
        return told

    return ask


@pytest.mark.parametrize(
    "asked",
    [
        {"caption": "slow", "keyScale": "C Major", "timeSignature": "4", "bpm": "90", "vocalLanguage": "en"},
        {"prompt": "slow", "metas": {"bpm": 90, "keyscale": "C major", "timesignature": "4/4", "language": "en"}},
        {"prompt": "slow", "param_obj": '{"bpm": 90, "key_scale": "C major", "time_signature": 4, "language": "en"}'},
    ],
)
def test_parameters_are_known_by_all_their_names(asked):
    request = request_of(asked)
    assert (request["caption"], request["bpm"], request["language"]) == ("slow", 90, "en")
    assert request["keyscale"].lower() == "c major" and request["timesignature"][0] == "4"


def test_what_the_reference_takes_by_default_is_taken_here():
    request = request_of({"prompt": "slow"})
    assert (request["count"], request["format"], request["solver"]) == (2, "mp3", "euler")
    assert "seed" not in request and "duration_s" not in request and "thinking" not in request


def test_a_seed_counts_where_it_is_said_that_it_does():
    assert "seed" not in request_of({"seed": 5})
    assert request_of({"seed": 5, "use_random_seed": False})["seed"] == 5
    assert "seed" not in request_of({"seed": -1, "use_random_seed": "false"})


def test_guidance_is_for_models_that_have_it_and_what_is_left_out_is_told():
    body = {"prompt": "x", "guidance_scale": 5, "use_adg": True, "shift": 3, "odd": 1, "model": "other"}
    request, left = translated(body, TURBO, [])
    assert "guidance" not in request and request["shift"] == 3
    assert left == ["guidance_scale", "use_adg", "model", "odd"]
    request, left = translated(body, BASE, ["other"])
    assert (request["guidance"], request["guidance_kind"], request["variant"]) == (5, "adg", "other")
    assert left == ["odd"]


def test_tasks_have_their_fields_and_those_of_others_are_left_out():
    body = {"task_type": "repaint", "src_audio_path": "a.wav", "repainting_start": 1, "repainting_end": 3,
            "audio_cover_strength": 0.5, "audio_duration": 30}  # fmt: skip
    request, left = translated(body, TURBO, [])
    assert request["task"] == {"name": "repaint", "source": "a.wav", "start": 1.0, "end": 3.0}
    assert left == ["cover_strength"] and "duration_s" not in request
    body = {"task_type": "lego", "src_audio_path": "a.wav", "track_name": "drums"}
    assert request_of(body, BASE)["task"]["track"] == "drums"


def test_thinking_samples_and_formatting_are_our_own():
    thinking = request_of({"prompt": "x", "thinking": True, "lm_temperature": 0.5, "use_cot_caption": False})
    assert thinking["thinking"] == {"think": True, "cot_metas": True, "cot_caption": False, "cot_language": True}
    assert thinking["lm_settings"] == {"temperature": 0.5}
    assert request_of({"sample_query": "a waltz"})["query"] == "a waltz"
    assert request_of({"prompt": "x", "use_format": True})["rewrite"] is True
    assert request_of({"lyrics": "[Instrumental]"})["lyrics"] == ""


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"task_type": "sing"}, "There is no task 'sing'"),
        ({"audio_duration": "long"}, "audio_duration is 'long'"),
        ({"metas": "{"}, "metas is no JSON"),
        ({"audio_format": "aac"}, "aac is not written"),
        ({"thinking": "maybe"}, "thinking is 'maybe'"),
        ({"extract_codes_only": True}, "makes no clip"),
    ],
)
def test_what_makes_no_sense_is_told(asked, said):
    with pytest.raises(UserError, match=said):
        request_of({"prompt": "x", **asked})


def test_names_are_looked_for_in_order_and_what_nobody_reads_is_told():
    given = Given({"audioDuration": 10, "duration": 20, "metas": {"bpm": 1, "odd": 2}, "bpm": ""})
    assert given.get("audio_duration") == 10 and given.number("bpm") == 1
    assert list(given.unread()) == ["duration", "odd"]


def test_refusals_are_in_the_envelope(post):
    told = post("/release_task", json={"prompt": "x"})
    assert told["code"] == 422 and "no ACE-Step 1.5 model" in told["error"]
    assert post("/v1/lora/load", json={"lora_path": "nowhere"})["code"] == 422
    assert post("/query_result", content=b"[")["code"] == 422


def test_tasks_that_wait_that_are_not_there_and_that_failed(bare, post):
    id = bare.service.store.submit("generate", "nobody's", {}, {"model": "m"})["id"]
    waiting, missing = post("/query_result", json={"task_id_list": [id, "x"]})["data"]
    assert (waiting["status"], waiting["result"], missing["status"]) == (0, "[]", 0)
    bare.cancel(id)
    (failed,) = post("/query_result", data={"task_id_list": json.dumps([id])})["data"]
    assert failed["status"] == 2 and json.loads(failed["result"])[0]["status"] == 2


def test_a_sample_and_better_words_are_songs_of_the_language_model(started, post):
    client = started()
    song = post("/create_random_sample", client, json={"sample_type": "simple_mode"})["data"]
    assert (song["caption"], song["bpm"], song["vocal_language"]) == ("a song of nothing", 90, "en")
    asked = {"prompt": "pop", "lyrics": "la la", "param_obj": '{"bpm": 80}', "temperature": 0.85}
    words = post("/format_input", client, json=asked)["data"]
    assert (words["caption"], words["lyrics"], words["bpm"]) == ("pop", "la la", 80)


def test_adapters_models_and_the_state_of_the_server(bare, post):
    assert http.get(f"{bare.url}/v1/lora/status").json()["data"]["lora_loaded"] is False
    assert post("/v1/lora/scale", json={"scale": 0.5})["data"]["adapters"] == []
    told = http.get(f"{bare.url}/v1/models").json()
    assert told["object"] == "list" and told["code"] == 200 and told["data"] == []
    assert http.get(f"{bare.url}/health").json()["data"]["status"] == "ok"
    assert http.get(f"{bare.url}/v1/stats").json()["data"]["queue_maxsize"] == 200


def test_the_key_may_stand_in_the_body(started):
    client = started(key="word")
    for token, status in (("word", 200), ("wrong", 401), (None, 401)):
        body = {"task_id_list": [], **({"ai_token": token} if token else {})}
        assert http.post(f"{client.url}/query_result", json=body).status_code == status
