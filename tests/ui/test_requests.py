"""What the controls stand for: requests, without what does nothing; commands; batches."""

from pathlib import Path
from typing import Any

import pytest
from pretended import Pretended, kinds

pytest.importorskip("gradio", reason="the extra 'ui' is not installed")

import click
import gradio as gr

from acestep_core import UserError
from acestep_core.commands.train import command as train
from acestep_plugins.commands.ui import work as asking
from acestep_plugins.commands.ui.command_line import train_command
from acestep_plugins.commands.ui.curves import losses_of
from acestep_plugins.commands.ui.fields import fields_of
from acestep_plugins.commands.ui.form import Form
from acestep_plugins.commands.ui.idle import idle_in_request, model_of, without
from acestep_plugins.commands.ui.making import begin, next_batch, random_example
from acestep_plugins.commands.ui.panel import outcome, progress
from acestep_plugins.commands.ui.plugin_forms import plugin_options
from acestep_plugins.commands.ui.shell import Shell
from acestep_plugins.commands.ui.tabs.train_choices import idle_in_training
from acestep_plugins.commands.ui.words import words
from acestep_plugins.commands.ui.work import Work, result_of

ENGLISH = words("en")


@pytest.fixture(scope="module")
def form() -> Form:
    """Of a training's adapter and sampler."""
    made = Form(ENGLISH)
    with gr.Blocks():
        made.add(fields_of(kinds()["train"], "train"), ("adapter", "sampler", "steps", "learning_rate"))
        plugin_options(Shell(Work(Pretended()), ENGLISH), made, {"adapter": "adapters", "sampler": "samplers"})
    return made


def values(form: Form, **given: Any) -> list[Any]:
    """What the controls hold: as they come, but for those named like adapter or lora__rank."""

    def path(name: str) -> tuple[str, ...]:
        plugin, _, option = name.partition("__")
        return ("options", f"adapter@{plugin}", option) if option else (name,)

    named = {path(n): v for n, v in given.items()}
    assert set(named) <= set(form.fields)
    return [named.get(path, field.shown(None)) for path, field in form.fields.items()]


def test_a_request_holds_what_was_set_and_the_options_of_chosen_plugins_alone(form: Form):
    assert form.request(values(form)) == {}
    given = values(form, adapter="lora", steps="20", learning_rate="auto", lora__rank=8, lokr__factor=4)
    assert form.request(given) == {"adapter": "lora", "steps": 20, "learning_rate": "auto",
                                   "options": {"adapter": {"rank": 8}}}  # fmt: skip


def test_what_is_shown_of_a_request_is_asked_for_again(form: Form):
    request = {"adapter": "lora", "steps": 7, "options": {"adapter": {"rank": 8, "dora": True}, "sampler": {"mu": 0.5}}}
    shown = [update["value"] for update in form.shown(request)]
    assert form.request(shown) == request


def test_controls_without_effect_are_switched_off_and_on_again(form: Form):
    off = form.idle({("steps",): "turbo has it built in"}, {})
    changed = dict(zip(form.fields, off, strict=True))
    assert changed["steps",] == gr.update(interactive=False, info="No effect: turbo has it built in")
    assert sum("interactive" in u for u in off) == 1
    on = dict(zip(form.fields, form.idle({}, {("steps",): "x"}), strict=True))
    assert on["steps",]["interactive"] is True and "No effect" not in on["steps",]["info"]


def test_what_is_switched_off_is_not_asked_for():
    model = model_of({"turbo": True, "variant": "turbo"})
    asked = {"caption": "bells", "guidance": 5.0, "duration_s": 9.0,
             "task": {"name": "repaint", "source": "a.wav", "repaint_strength": 0.2}}  # fmt: skip
    idle = idle_in_request(asked, model)
    assert {("guidance",), ("duration_s",), ("task", "repaint_strength")} <= set(idle)
    assert without(asked, idle) == {"caption": "bells", "task": {"name": "repaint", "source": "a.wav"}}


def test_the_model_that_requests_mean_is_the_one_that_is_loaded_or_else_what_its_name_stands_for():
    facts = {"acestep-nano-base": {"variant": "base"}, "acestep-nano-turbo": {"variant": "turbo"}}
    parts = [{"name": n, "kind": "model", "about": about} for n, about in facts.items()]

    def meant(model: str, variant: str | None = None, loaded: str | None = None) -> str:
        told = {"parts": parts, "chosen": {"model": model, "variant": variant}, "loaded": {"model": {"name": loaded}}}
        return asking.model_of(told)["variant"]

    assert [meant("nano"), meant("nano-turbo"), meant("nano-base")] == ["turbo", "turbo", "base"]
    assert meant("/models", "turbo") == "turbo" and meant("nano", "base") == "base"
    assert meant("nano-base", loaded="acestep-nano-turbo") == "turbo"


def test_settings_of_a_training_are_looked_at_too():
    assert ("cycles",) in idle_in_training({"optimizer": "adamw"})
    assert ("cycles",) not in idle_in_training({"schedule": "restarts", "steps": 20})


def test_the_command_says_the_same_as_the_request():
    request = {"encoded": "my songs", "adapter": "lora", "learning_rate": 0.0003, "steps": 20, "ema": 0.99,
               "samples": {"count": 0},
               "options": {"adapter": {"rank": 8, "dora": True, "layers": ["a", "b"]}}}  # fmt: skip
    line = train_command(request, "/models")
    words_of = click.parser.split_arg_string(line)
    assert words_of[:2] == ["acestep-core", "train"]
    said = train.make_context("train", words_of[2:], resilient_parsing=True).params
    assert said["encoded"] == Path("my songs") and said["model"] == Path("/models")
    assert float(said["learning_rate"]) == 0.0003 and int(said["steps"]) == 20 and int(said["sample_count"]) == 0
    assert set(said["pairs"]) == {"adapter.rank=8", "adapter.dora=true", "adapter.layers=a,b"}


def test_every_field_of_a_training_is_a_flag_of_the_command():
    known = {flag for p in train.params for flag in (*p.opts, *p.secondary_opts)}
    schema = kinds()["train"]["properties"]
    samples = schema["samples"]["properties"]
    own = {n: s for n, s in schema.items() if n not in ("options", "samples", "encoded")}
    request, inner = ({n: s.get("type") == "boolean" or "1" for n, s in each.items()} for each in (own, samples))
    request["samples"] = inner
    flags = {word for word in train_command(request, "m").split() if word.startswith("--")}
    assert flags - known - {"--lm", "--lm-backend"} == set()


def test_sounds_are_sent_and_named_as_the_server_names_them(tmp_path: Path):
    sound = tmp_path / "song.wav"
    sound.write_bytes(b"RIFF")
    server = Pretended()
    begin(Work(server), {"task": {"name": "cover", "source": str(sound)}, "timbre": "job:1/a.flac"})
    sent = {"task": {"name": "cover", "source": "file:song.wav"}, "timbre": "job:1/a.flac"}
    assert server.asked == [("generate", sent)]


def test_beside_needs_an_adapter_and_makes_two_jobs_of_one_seed():
    server = Pretended()
    with pytest.raises(UserError, match="no adapter to compare with"):
        begin(Work(server), {"caption": "bells"}, beside=True)
    server.adapters = lambda: [{"path": "a", "scale": 1.0, "on": True}]
    assert begin(Work(server), {"caption": "bells"}, beside=True) == ["1", "2"]
    one, other = (request for _, request in server.asked)
    assert one["seed"] == other["seed"] and "own_adapters" not in one and other["own_adapters"] is True


def test_the_next_batch_has_another_seed_and_thinks_of_codes_of_its_own():
    asked = {"seed": 4, "thinking": {"think": True}, "task": {"name": "text2music", "codes": "1,2"}}
    assert next_batch(asked) == {"thinking": {"think": True}, "task": {"name": "text2music"}}
    assert next_batch({"seed": 4, "task": {"codes": "1"}}) == {"task": {"codes": "1"}}


def test_examples_are_requests():
    from acestep_core.request import GenerateRequest, resolve

    for _ in range(40):
        resolve(GenerateRequest(**random_example()), model_of({"turbo": True}))


def test_progress_tells_what_waits_what_runs_and_how_it_ended():
    told = {"stage": "train", "done": 5, "total": 20, "left_s": 90}
    running = {"state": "running", "kind": "train", "progress": told}
    assert "5/20" in progress([running], ENGLISH) and "1:30" in progress([running], ENGLISH)
    assert "25.0%" in progress([running], ENGLISH)
    assert "3 before it" in progress([{"state": "queued", "kind": "train", "ahead": 3}], ENGLISH)
    failed = {"state": "failed", "error": {"problem": "<no> song", "hint": "scan"}}
    assert "&lt;no&gt; song\nscan" in outcome([failed], ENGLISH)
    assert outcome([{"state": "done"}], ENGLISH) == ""
    assert "Stopped" in outcome([{"state": "cancelled"}], ENGLISH)
    with pytest.raises(UserError, match="<no> song"):
        result_of(failed)


def test_losses_are_those_of_the_last_time_a_step_was_done():
    told = ((1, 3.0), (2, 2.0), (2, 1.5), (3, 1.0))
    events = [{"type": "progress", "done": s, "values": {"loss": v}} for s, v in told]
    assert losses_of([{"type": "state"}, *events]) == [(1, 3.0), (2, 1.5), (3, 1.0)]
