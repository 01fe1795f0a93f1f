"""Who sends requests is told of their fields, where the command line is told of its flags."""

import json

import numpy as np
import pytest
import soundfile
from servers import http

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.kinds import KINDS
from acestep_plugins.commands.serve.kinds.field_names import fields_by_flag, for_requests


@pytest.mark.parametrize(
    ("kind", "said", "told"),
    [
        ("train", "give another --out, or more --steps with --extend",
         "give another 'out', or more 'steps' with 'extend'"),
        ("train", "no song says it: give --sample-prompts FILE", "no song says it: give 'samples.prompts' FILE"),
        ("train", "try -o backend.dtype=float32, or a lower --learning-rate",
         "try 'options.backend.dtype' float32, or a lower 'learning_rate'"),
        ("train", "encode --crop-seconds 60, and then train --batch-size 1",
         "encode --crop-seconds 60, and then train 'batch_size' 1"),
        ("train", "run: acestep-core encode a --model MODELS --out encoded", None),
        ("train", "do so first: acestep-core train --out x; auto takes one beside --out",
         "do so first: acestep-core train --out x; auto takes one beside 'out'"),
        ("generate", "give --lm-cfg 1, or another --lm-backend", "give 'lm_settings.cfg' 1, or another 'lm_backend'"),
        ("generate", "correct --start, --fade-in or the --adapter with its --scale",
         "correct 'task.start', 'fade_in_s' or the 'adapters' with its 'adapters.scale'"),
        ("generate", "leave the --cot options out--or see --cot-metas", "leave the --cot options out--or see "
         "'thinking.cot_metas'"),
        ("export", "add --force to replace it; There are more --scale", "add 'force' to replace it; There are more "
         "'scales'"),
        ("scan", "say --txt caption, or -o backend.x=1 and -o x=1", "say 'txt' caption, or -o backend.x=1 and -o x=1"),
        ("unload", "give another --out", None),
    ],
)  # fmt: skip
def test_flags_are_told_as_fields_and_commands_are_left_as_they_are(kind, said, told):
    assert for_requests(said, fields_by_flag(KINDS[kind].shape)) == (told or said)


def test_a_request_is_refused_in_its_own_words(bare, monkeypatch):
    with pytest.raises(UserError, match="'guidance' 5 does nothing"):
        bare.submit("generate", {"model": "nano", "caption": "x", "guidance": 5})
    with pytest.raises(UserError, match="'timesteps' says all: 'steps' and 'schedule' do nothing"):
        bare.submit("generate", {"model": "nano", "caption": "x", "timesteps": [1, 0.5, 0], "steps": 4})

    def refuse(*words):
        raise UserError("Nothing fits", "one clip fits: give --seconds 60, or more --vram")

    monkeypatch.setattr("acestep_plugins.commands.serve.models.ask_program", refuse)
    told = http.post(f"{bare.url}/v1/plan", json={"model": "nano"}).json()
    assert told["hint"] == "one clip fits: give 'seconds' 60, or more 'vram'"


def test_a_job_fails_in_the_words_of_its_request(bare):
    (bare.folder / "other").mkdir()
    (bare.folder / "other" / "own.txt").write_text("not of a run")
    made = bare.submit("export", {"sources": ["other"], "to": "reference", "out": "other", "checkpoint": "3"})
    failed = bare.wait(made.id)
    assert failed.state == "failed", failed.about
    assert "'checkpoint' does nothing" in failed.error.problem and "--" not in str(failed.error)


def test_a_result_tells_problems_in_the_words_of_its_request(bare):
    songs = bare.folder / "labels"
    songs.mkdir()
    (songs / "a.txt").write_text("caption: a slow waltz\nbpm: 90\n")
    soundfile.write(songs / "a.wav", np.zeros(16000, "float32"), 8000)
    done = bare.wait(bare.submit("scan", {"source": "labels"}).id)
    assert done.state == "done", done.error
    [problem] = done.result["songs"][0]["problems"]
    assert problem["remedy"] == "say 'txt' fields, or 'txt' ignore to leave such files out"
    assert "--" not in json.dumps(done.result)
