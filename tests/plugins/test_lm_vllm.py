"""The language model behind a vLLM server: what is asked, what the server's module does, and what is not believed."""

import json
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lm_cases import GREEDY, MANY
from vllm_server import FirstInterface, Move, SecondInterface, Server, listening, stand_in, update

from acestep_core import UserError
from acestep_core.lm.grammars import grammar
from acestep_core.lm.requests import Codes, LmSettings, Metas, Plan, Rewrite, Understand
from acestep_core.lm.speaking import Asked, ask
from acestep_core.registry import registry
from acestep_plugins.backends.vllm import wire
from acestep_plugins.backends.vllm.lm import most_tokens
from acestep_plugins.backends.vllm.speaker import Speaker

PLAIN = LmSettings(cfg=1, temperature=0.9, top_k=60, repetition_penalty=1.1)
INTERFACES = {"v1": FirstInterface, "v2": SecondInterface}


@pytest.fixture
def processors(monkeypatch):
    stand_in(monkeypatch)
    return {v: import_module(f"acestep_plugins.backends.vllm.{v}").GrammarProcessor for v in INTERFACES}


@pytest.fixture
def server(pt_lm, processors):
    return Server(pt_lm, FirstInterface(processors["v1"], pt_lm.tokenizer.folder))


@pytest.fixture
def lm(server, lm_folder):
    with listening(server) as url:
        made = registry().make("backends", "vllm", {"base_url": url, "retries": 0, "at_once": 2})
        made.check()
        yield made.load("lm", lm_folder)
        made.close()


@pytest.mark.parametrize("version", INTERFACES)
@pytest.mark.parametrize("settings", [GREEDY, PLAIN], ids=["likeliest", "drawn"])
def test_it_says_what_pytorch_says(pt_lm, server, lm, processors, version, settings):
    server.drive = INTERFACES[version](processors[version], pt_lm.tokenizer.folder)
    assert ask(lm, MANY[:3], settings) == ask(pt_lm, MANY[:3], settings)


def test_a_request_says_everything_that_the_server_needs(lm, server):
    heard = []
    ask(lm, [MANY[2]], PLAIN, on_token=lambda index, said: heard.append((index, said)))
    body = server.bodies[0]
    order = wire.read(body.pop("vllm_xargs"))
    assert order.grammar == grammar(MANY[2].request) and order.settings == PLAIN
    prompt, vocabulary = body.pop("prompt"), lm.tokenizer.vocabulary
    assert lm.tokenizer._tokenizer.decode(prompt, skip_special_tokens=False).startswith("<|im_start|>system\n")
    assert body == {
        "model": "tiny", "max_tokens": 55, "temperature": 0, "repetition_penalty": 1, "skip_special_tokens": False,
        "return_token_ids": True, "stop_token_ids": [vocabulary.marks["<|im_end|>"]],
    }  # fmt: skip
    assert heard == [(0, 51)]


def test_a_server_that_does_not_heed_the_grammar_is_told(lm, server):
    server.drive.made._rows = type("Forgets", (dict,), {"__setitem__": lambda *a: None})()
    with pytest.raises(UserError, match=r"did not keep to the grammar: token \d+ is ") as told:
        ask(lm, [MANY[2]], GREEDY)
    assert "--logits-processors acestep_plugins.backends.vllm.v2:GrammarProcessor" in told.value.hint


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t: t[:20] + [t[-1]] + t[20:], "token 21 is <\\|im_end\\|>, which cannot come there"),
        (lambda t: [*t, t[0]], "token 52 is audio code"),
        (lambda t: [10**7, *t], "token 1 is number 10000000"),
        (lambda t: t[:20], "stopped after 20 tokens"),
        (lambda t: None, "gave no token ids"),
    ],
)
def test_answers_are_not_believed(lm, server, change, problem):
    server.change = change
    with pytest.raises(UserError, match=problem):
        ask(lm, [MANY[2]], GREEDY)


def test_the_end_mark_may_be_left_out(lm, server):
    whole = ask(lm, [MANY[2]], GREEDY)
    server.change = lambda tokens: tokens[:-1]
    assert ask(lm, [MANY[2]], GREEDY) == whole


def test_guidance_is_refused_and_not_left_out(lm, server, tiny, cli, tmp_path):
    with pytest.raises(UserError, match="cannot guide audio codes") as told:
        ask(lm, [MANY[2]], LmSettings(cfg=2))
    assert "--lm-cfg 1" in told.value.hint
    assert ask(lm, [MANY[0]], LmSettings(cfg=2, temperature=0)) == ask(lm, [MANY[0]], GREEDY)
    server.bodies.clear()
    say = ("generate", "--model", tiny, "--caption", "bells", "--think", "--no-cot-caption", "--duration", "10",
           "--steps", "1", "--seed", "3", "--lm-backend", "vllm")  # fmt: skip
    with listening(server) as url:
        say += ("-o", f"lm_backend.base_url={url}", "-o", tmp_path / "a.wav")
        done = cli(*say)
        assert done.code == 1 and "cannot guide audio codes" in done.err and not server.bodies
        done = cli(*say, "--lm-cfg", "1")
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "a.wav.json").read_text())
    assert record["plan"]["backend"] == "vllm" and record["audio"]["samples"] == 480_000


def test_what_takes_too_long_is_told(lm, server, lm_folder):
    with pytest.raises(UserError, match="reads 4096 tokens"):
        ask(lm, [Asked(Understand([1] * 5000), 1)], GREEDY)
    prompt = len(lm.tokenizer.chat([{"role": "user", "content": "x"}]))
    server.longest = prompt + 130
    with listening(server) as url:
        short = registry().make("backends", "vllm", {"base_url": url}).load("lm", lm_folder)
        with pytest.raises(UserError, match="and this takes more"):
            ask(short, [Asked(Codes("a", "b", Metas(duration_s=60)), 1)], GREEDY)


def test_servers_and_models_that_are_not_there_are_told(server, lm_folder):
    with listening(server) as url:
        with pytest.raises(UserError, match="does not have the model '4B'") as told:
            registry().make("backends", "vllm", {"base_url": url, "model": "4B"}).check()
        assert "tiny" in told.value.hint
    gone = registry().make("backends", "vllm", {"base_url": url, "retries": 0})
    with pytest.raises(UserError, match="connection to The vLLM server broke"):
        gone.check()
    with pytest.raises(UserError, match="--lm-backend vllm"):
        gone.load("dit", lm_folder)


REQUESTS = (
    *(a.request for a in MANY),
    Plan("x", "y", Metas(caption='it\'s `so` \\ "good"', language="zh")),
    Understand(None),
    Rewrite("a", "歌", Metas(bpm=90)),
)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: type(r).__name__)
def test_a_grammar_comes_back_from_its_text(request_):
    order = wire.Order(grammar(request_), PLAIN, 2**63)
    assert wire.read({wire.KEY: wire.write(order)}) == order
    assert wire.read({"other": 1}) is None and wire.read(None) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 9}', 5, '{"version":1,"parts":[{"part":"x"}]}'])
def test_a_text_that_is_no_grammar_is_refused(processors, text):
    for processor in processors.values():
        with pytest.raises(ValueError, match="no grammar"):
            processor.validate_params(SimpleNamespace(extra_args={wire.KEY: text}))


def test_no_answer_is_longer_than_what_is_asked_for(pt_lm):
    """The most tokens hold for the longest that a grammar allows: greedy walks that never end by choice."""
    vocabulary = pt_lm.tokenizer.vocabulary
    rules = grammar(Plan("x", "y", skip=frozenset({"genres"})))
    speaker, said = Speaker(wire.Order(rules, GREEDY, 1), vocabulary), []
    letter = next(i for i, text in enumerate(vocabulary.texts) if text == b"x")
    while (allowed := speaker.allowed(said)) is not None:
        said.append(speaker.choose((allowed.ids == letter).astype(np.float32), allowed))
    assert said.count(letter) >= 510 and len(said) <= most_tokens(rules)


def test_rows_of_the_first_interface_move_and_are_used_again(processors, lm_folder, pt_lm):
    """Two requests and one of somebody else: each row's token depends on its own request, wherever it lies."""
    drive = FirstInterface(processors["v1"], lm_folder)
    codes, words = (SimpleNamespace(extra_args={wire.KEY: wire.write(wire.Order(grammar(r), GREEDY, 1))})
                    for r in (MANY[2].request, MANY[0].request))  # fmt: skip
    vocabulary = pt_lm.tokenizer.vocabulary

    def kinds():
        logits = torch.zeros(3, len(pt_lm.head))
        drive.made.apply(logits)
        left = [torch.isfinite(row).nonzero().flatten().tolist() for row in logits]
        return ["any" if len(x) > 1 else "code" if x[0] in vocabulary.code_of else "word" for x in left]

    drive.made.update_state(update(added=[(0, codes, [1], []), (1, SimpleNamespace(extra_args=None), [1], []),
                                          (2, words, [1], [])]))  # fmt: skip
    assert kinds() == ["code", "any", "word"]
    drive.made.update_state(update(moved=[(0, 2, Move.SWAP)]))
    assert kinds() == ["word", "any", "code"]
    drive.made.update_state(update(removed=[1], moved=[(2, 1, Move.UNIDIRECTIONAL)]))
    assert kinds() == ["word", "code", "any"]
    drive.made.update_state(None)
    drive.made.update_state(update(added=[(1, SimpleNamespace(extra_args={}), [1], [])], removed=[0]))
    assert kinds() == ["any", "any", "any"]


def test_the_second_interface_waits_for_the_prompt_and_forgets_slots(processors, lm_folder, pt_lm):
    drive = SecondInterface(processors["v2"], lm_folder)
    drive.begin(SimpleNamespace(extra_args={wire.KEY: wire.write(wire.Order(grammar(MANY[2].request), GREEDY, 1))}),
                [5, 6, 7])  # fmt: skip
    drive.prompt = [5, 6]
    assert drive.apply(torch.zeros(len(pt_lm.head))).isfinite().all()
    drive.prompt = [5, 6, 7]
    assert drive.apply(torch.zeros(len(pt_lm.head))).isfinite().sum() == 1
    drive.begin(SimpleNamespace(extra_args=None), [5])
    assert drive.apply(torch.zeros(len(pt_lm.head))).isfinite().all()
    guessing = SimpleNamespace(model_config=SimpleNamespace(tokenizer=str(lm_folder)), speculative_config=object())
    with pytest.raises(ValueError, match="no speculative decoding"):
        processors["v2"](guessing, drive.states)


def test_a_sequence_that_is_begun_again_goes_on_from_its_tokens(pt_lm):
    """After a server took back tokens, what may come follows from those that are there."""
    speaker = Speaker(wire.Order(grammar(Codes("a", "b", Metas(duration_s=10), count=3)), GREEDY, 1),
                      pt_lm.tokenizer.vocabulary)  # fmt: skip
    codes, end = pt_lm.tokenizer.vocabulary.codes, pt_lm.tokenizer.vocabulary.marks["<|im_end|>"]
    three = codes[[4, 2, 9]].tolist()
    assert speaker.allowed(three).ids.tolist() == [end]
    assert (speaker.allowed(three[:2]).ids == codes).all()
    assert speaker.allowed([*three, end]) is None and speaker.allowed([end]) is None
    assert speaker.allowed([-1]) is None
    assert speaker.allowed(codes[[1, 1, 1]].tolist()).ids.tolist() == [end]
