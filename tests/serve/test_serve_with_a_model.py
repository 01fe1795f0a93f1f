"""Every kind of job does with the tiny model what the command of that name does, and so do tasks of the reference."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from readme_section import examples
from servers import http

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.kinds import KINDS

pytestmark = pytest.mark.slow
SHORT = {"caption": "slow bells", "duration_s": 5.5, "seed": 7}


@pytest.fixture(scope="module")
def folder(served, make_song) -> Path:
    """Three songs below a root of the server."""
    for name, hz in (("low", 110.0), ("high", 440.0), ("middle", 220.0)):
        make_song(served.folder / "songs" / f"{name}.wav", 6.0, hz, f"{name} bells", "[Verse]\nRain on the roof")
    return served.folder


@pytest.fixture(scope="module")
def done(served):
    """done(kind, request) is the result of a job that has to succeed."""

    def run(kind, request):
        job = served.wait(served.submit(kind, request).id)
        assert job.state == "done", job.error
        return job

    return run


@pytest.fixture(scope="module")
def clip(done):
    return done("generate", {**SHORT, "lyrics": "[Verse]\nRain on the roof"})


@pytest.fixture(scope="module")
def ready(folder, done):
    """The songs, encoded."""
    told = done("encode", {"source": "songs", "out": "encoded"}).result
    assert sorted(told["encoded"]) == ["high.wav", "low.wav", "middle.wav"]
    return folder / "encoded"


def test_generate_makes_the_same_bytes_for_the_same_request_as_the_command_does(
    served, done, clip, tiny, cli, tmp_path
):
    again = done("generate", {**SHORT, "lyrics": "[Verse]\nRain on the roof"})
    paths = [served.fetch(j.id, "clip-1.flac", tmp_path / f"{j.id}.flac") for j in (clip, again)]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    words = ("--caption", "slow bells", "--lyrics", "[Verse]\nRain on the roof", "--duration", "5.5", "--seed", "7")
    made = cli("generate", "--model", tiny, *words, "--out", tmp_path / "cli.flac")
    assert made.code == 0, made.err
    assert soundfile.read(paths[0])[0].tobytes() == soundfile.read(tmp_path / "cli.flac")[0].tobytes()


def test_generate_without_a_seed_has_one_when_it_is_accepted(served):
    asked = served.service.understood("generate", {"caption": "bells", "duration_s": 5.5})
    assert isinstance(asked.plain()["seed"], int)


def test_generate_tells_each_clip_and_writes_previews_and_other_formats(served, done):
    job = done("generate", {**SHORT, "count": 2, "preview_every": 4, "format": "ogg", "audio": {"quality": 0.3}})
    assert [c["seed"] for c in job.result["clips"]] == [7, 8]
    assert {"clip-1.ogg", "clip-1.step-4.ogg", "clip-2.ogg", "clip-2.ogg.json"} <= set(job.files)
    ready = [e["name"] for e in served.events(job.id) if e["type"] == "file"]
    assert ready.index("clip-1.step-4.ogg") < ready.index("clip-1.ogg")


def test_generate_repaints_a_sound_that_was_sent(served, done, make_song, tmp_path):
    song = served.upload(make_song(tmp_path / "own.wav"))
    task = {"name": "repaint", "source": song, "start": 1.0, "end": 3.0}
    job = done("generate", {"caption": "bells", "seed": 1, "task": task})
    assert job.result["clips"][0]["duration_s"] == pytest.approx(6.0, abs=0.05)


def test_generate_goes_on_from_a_result_of_another_job(done, clip):
    job = done(
        "generate", {"caption": "x", "seed": 1, "task": {"name": "cover", "source": f"job:{clip.id}/clip-1.flac"}}
    )
    assert job.result["clips"][0]["file"] == "clip-1.flac"


def test_generate_thinks_first_where_it_is_asked_to(done):
    job = done("generate", {"caption": "bells", "duration_s": 10, "seed": 3, "thinking": {"think": True}})
    assert "<|audio_code_" in job.result["clips"][0]["request"]["task"]["codes"]


def test_generate_takes_options_of_the_backend_that_the_server_has(served):
    options = {"backend": {"dtype": "float32"}}
    assert served.service.understood("generate", {**SHORT, "options": options}).plain()["options"] == options


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({**SHORT, "guidance": 5}, "'guidance' 5 does nothing"),
        ({**SHORT, "task": "lego"}, "cannot lego"),
        ({**SHORT, "task": {"name": "cover"}}, "needs a song"),
        ({**SHORT, "task": {"name": "cover", "sorce": "x"}}, "no option 'sorce'"),
        ({**SHORT, "solver": "eular"}, "There is no solver 'eular'"),
        ({**SHORT, "options": {"solver": {"x": 1}}}, "has no option 'x'"),
        ({**SHORT, "options": {"sampler": {}}}, "no chosen plugin reads the options 'sampler'"),
        ({**SHORT, "format": "mp3", "audio": {"bitrate": 65}}, "bitrate"),
        ({**SHORT, "adapters": [{"path": "/etc", "scale": 1}]}, "lies outside"),
        ({**SHORT, "model": "nowhere"}, "There is no folder"),
    ],
)
def test_generate_refuses_before_anything_is_made(served, request_, said):
    with pytest.raises(UserError, match=said):
        served.submit("generate", request_)


def test_understand_create_and_format_ask_the_language_model(done, clip):
    heard = done("understand", {"audio": [f"job:{clip.id}/clip-1.flac"], "seed": 1}).result["songs"]
    assert len(heard) == 1 and "origins" in heard[0]
    songs = done("create", {"query": "a waltz", "instrumental": True, "bpm": 90, "duration_s": 10}).result["songs"]
    assert [s["bpm"] for s in songs] == [90]
    assert done("format", {"caption": "a waltz", "duration_s": 10}).result["songs"][0]["duration_s"] == 10


def test_scan_transcribe_and_annotate_work_on_a_folder_of_songs(folder, done):
    shutil.copytree(folder / "songs", folder / "bare")
    for file in (folder / "bare").glob("*.lyrics.txt"):
        file.unlink()
    (folder / "bare" / "low.lrc").write_text("[00:01.00]Sun again")
    told = done("scan", {"source": "bare"}).result
    assert len(told["songs"]) == 3 and not told["problems"]
    asked = {"folder": "bare", "transcriber": "sidecar", "overwrite": ["lyrics"]}
    assert done("transcribe", asked).result["filled"] == {"low.wav": ["lyrics"]}
    (folder / "tempo.csv").write_text("File,BPM\nlow.wav,92\n")
    asked = {"folder": "bare", "annotators": ["csv"], "options": {"annotator": {"file": "tempo.csv"}}}
    done("annotate", asked)
    assert json.loads((folder / "bare" / "low.json").read_text())["bpm"] == 92


def test_score_and_align_listen_to_clips_that_were_made(done, clip, served):
    name = f"job:{clip.id}/clip-1.flac"
    assert done("score", {"clips": [name]}).result["clips"][0]["lm"] is not None
    job = done("align", {"audio": [name], "heads": "all"})
    assert job.result["songs"][0]["lines"][0]["text"] == "Rain on the roof" and job.files == ["1-clip-1.lrc"]


def test_a_training_goes_from_estimate_to_an_adapter_that_clips_hear(ready, served, done, folder):
    asked = {"encoded": "encoded", "adapter": "lora", "options": {"adapter": {"rank": 2}}}
    told = done("estimate", {"encoded": "encoded", "songs": 1, "repeats": 1, "budget": "60k"}).result
    assert told["layers"][0]["rank"] >= 1 and (folder / "estimate" / "ranks.json").exists()
    assert done("train_plan", {**asked, "steps": 4}).result["steps"] == 4
    job = done("train", {**asked, "steps": 4, "out": "run", "samples": {"count": 0}})
    assert (job.result["step"], job.result["stopped"]) == (4, False)
    assert "report.html" in job.files and (folder / "run" / "adapter").is_dir()
    values = [e["values"]["loss"] for e in served.events(job.id) if e["type"] == "progress" and e["stage"] == "train"]
    assert values
    exported = done("export", {"sources": ["run"], "to": "comfyui"})
    assert exported.files == ["run-comfyui.safetensors"]
    served.ask("POST", "/v1/adapters", json={"path": "run/adapter", "scale": 0.5})
    assert served.adapters()[0]["kind"] == "lora"
    with_it = done("generate", SHORT).result["clips"][0]
    assert with_it["request"]["seed"] == 7
    heard = done("generate", {**SHORT, "own_adapters": True})
    assert not heard.about["request"].get("adapters")
    served.ask("POST", "/v1/adapters/remove", json={"path": "run/adapter"})
    assert served.adapters() == []


def test_a_training_that_is_cancelled_goes_on_where_it_was(ready, served, done):
    asked = {"encoded": "encoded", "steps": 400, "out": "long", "samples": {"count": 0}}
    job = served.submit("train", asked)
    for event in served.events(job.id):
        if event["type"] == "progress" and event["stage"] == "train":
            served.cancel(job.id)
    assert served.job(job.id).state == "cancelled"
    again = served.submit("train", asked)
    first = next(e for e in served.events(again.id) if e["type"] == "progress" and e["stage"] == "train")
    assert first["done"] > 1
    served.cancel(again.id)
    served.wait(again.id)


def asked_as_the_reference(served, path, **how):
    told = http.post(served.url + path, timeout=120, **how).json()
    assert set(told) == {"data", "code", "error", "timestamp", "extra"} and told["code"] == 200, told
    return told


def finished(served, told):
    served.wait(told["data"]["task_id"])
    asked = {"task_id_list": [told["data"]["task_id"]]}
    task = asked_as_the_reference(served, "/query_result", json=asked)["data"][0]
    return task, json.loads(task["result"])


def test_a_task_of_the_reference_is_released_queried_and_its_audio_fetched(served):
    asked = {"prompt": "upbeat pop song", "lyrics": "Hello world", "inference_steps": 8, "guidance_scale": 7.0,
             "use_random_seed": False, "seed": 42, "thinking": False, "audio_duration": 5.5, "batch_size": 1,
             "audio_format": "flac"}  # fmt: skip
    told = asked_as_the_reference(served, "/release_task", json=asked)
    assert told["data"]["status"] == "queued" and told["extra"] == {"ignored": ["guidance_scale"]}
    task, (clip,) = finished(served, told)
    assert (task["status"], clip["prompt"], clip["lyrics"]) == (1, "upbeat pop song", "Hello world")
    assert (clip["status"], clip["seed_value"]) == (1, "42") and clip["metas"]["duration"] == pytest.approx(5.5, 0.1)
    audio = http.get(served.url + clip["file"])
    assert audio.status_code == 200 and audio.content[:4] == b"fLaC"


def test_a_task_of_the_reference_may_be_a_form_with_files(served, make_song, tmp_path):
    song = make_song(tmp_path / "own.wav")
    data = {"prompt": "jazz", "task_type": "cover", "audio_cover_strength": "0.5", "batch_size": "1"}
    with song.open("rb") as file:
        told = asked_as_the_reference(served, "/release_task", data=data, files={"ctx_audio": ("own.wav", file)})
    task, (clip,) = finished(served, told)
    assert task["status"] == 1 and clip["file"].endswith(".mp3")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_examples_of_the_readme_do_what_they_say(served, tmp_path):
    start, shell, client = examples(served.url)
    assert "acestep-core serve --models models" in start
    (tmp_path / "remote.py").write_text(client)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", f"set -e\n{shell}\npython remote.py"], cwd=tmp_path, env=environment,
                          capture_output=True, text=True, timeout=240)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 'event: state\ndata: {"number": 1' in done.stdout and '"state": "done"' in done.stdout
    assert "done ['clip-1.flac', 'clip-1.flac.json']" in done.stdout
    assert (tmp_path / "repainted.flac").stat().st_size > 10_000


def test_a_chat_answers_with_music_at_once_and_as_a_stream(served):
    text = "<prompt>slow bells</prompt><lyrics>[Verse] rain</lyrics>"
    body = {"messages": [{"role": "user", "content": text}], "audio_config": {"duration": 5.5, "format": "flac"}}
    told = http.post(f"{served.url}/v1/chat/completions", json=body, timeout=120).json()
    message = told["choices"][0]["message"]
    assert told["object"] == "chat.completion" and "slow bells" in message["content"]
    sound = message["audio"][0]["audio_url"]["url"]
    assert sound.startswith("data:audio/flac;base64,ZkxhQ")  # fLaC
    answer = http.post(f"{served.url}/v1/chat/completions", json={**body, "stream": True}, timeout=120)
    said = answer.text.split("\n\n")
    chunks = [json.loads(line[6:])["choices"][0] for line in said if line.startswith("data: {")]
    assert chunks[0]["delta"]["role"] == "assistant" and chunks[-1]["finish_reason"] == "stop"
    assert any("audio" in c["delta"] for c in chunks) and said[-2] == "data: [DONE]"


def test_a_plan_says_what_fits_in_a_memory(served):
    plan = served.ask("POST", "/v1/plan", json={"vram": 8, "seconds": 60})
    assert plan["most"] >= 1 and plan["command"][:2] == ["acestep-core", "generate"]


def test_generate_makes_the_words_of_a_query_first(done):
    job = done("generate", {"query": "a waltz", "seed": 1, "duration_s": 10})
    assert job.result["clips"][0]["request"]["lyrics"]


def test_lr_find_looks_for_its_folder_first(served):
    with pytest.raises(UserError, match="There is no folder"):
        served.submit("lr_find", {"encoded": "nothing-here"})


def test_load_and_unload_say_what_is_in_memory(done, served):
    loaded = done("load", {}).result
    assert set(loaded["model"]["parts"]) >= {"dit", "codec", "text"} and loaded["memory_bytes"] > 1e7
    assert served.models()["loaded"]["model"]["variant"] == "turbo"
    assert done("unload", {}).result["model"] is None


def test_every_kind_tells_the_schema_of_its_request(served):
    told = served.kinds()
    assert set(told) == set(KINDS)
    own = told["generate"]["properties"]
    assert own["solver"]["x-plugins"] == "solvers" and "heun" in own["solver"]["examples"]
    assert own["bpm"]["anyOf"][0] == {"type": "integer", "minimum": 30, "maximum": 300}
    assert {t.get("title") for t in own["task"]["anyOf"]} >= {"repaint", "cover", "lego"}
    assert all(k["additionalProperties"] is False for k in told.values())
