"""The language model on PyTorch: against transformers' own generation, in batches, with guidance."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from lm_cases import GREEDY, MANY

from acestep_core import UserError
from acestep_core.lm.decoding import Speech, decode
from acestep_core.lm.reading import Allowed, State
from acestep_core.lm.requests import Codes, LmSettings, Metas, Understand
from acestep_core.lm.speaking import Asked, ask
from acestep_core.registry import registry


class Anything:
    """Reads along without a rule, for so many tokens."""

    def __init__(self, vocabulary, size, most):
        self.vocabulary, self.most = vocabulary, most
        self.all = Allowed(np.arange(size), False)

    def start(self):
        return State(frozenset())

    def allowed(self, state):
        return self.all

    def after(self, state, token):
        return replace(state, count=state.count + 1)

    def done(self, state):
        return state.count == self.most


def test_without_rules_it_says_what_transformers_says(pt_lm, lm_folder):
    from transformers import Qwen3Config, Qwen3ForCausalLM

    model = Qwen3ForCausalLM(Qwen3Config.from_pretrained(lm_folder)).eval()
    model.model.load_state_dict(pt_lm.model.state_dict())
    model.tie_weights()
    prompt = pt_lm.tokenizer.encode("<|im_start|>user\na slow song<|im_end|>\n")
    theirs = model.generate(
        torch.tensor([prompt]), max_new_tokens=30, do_sample=False, eos_token_id=None, pad_token_id=0
    )[0, len(prompt) :].tolist()
    free = Anything(pt_lm.tokenizer.vocabulary, len(pt_lm.head), 30)
    assert pt_lm.say([Speech(prompt, free, GREEDY, 0)]) == [theirs]


def test_four_at_once_say_what_each_says_alone(pt_lm):
    together = ask(pt_lm, MANY, LmSettings())
    assert together == [ask(pt_lm, [one], LmSettings())[0] for one in MANY]
    assert [len(a.codes) for a in together] == [0, 0, 50, 60]
    assert together[2].metas == Metas(duration_s=10) and together[2].origins == {"duration_s": "user"}


def test_the_same_request_under_several_seeds(pt_lm):
    one = Codes("a", "b", Metas(duration_s=10))
    found = ask(pt_lm, [Asked(one, 1), Asked(one, 2), Asked(one, 1)], LmSettings())
    assert found[0] == found[2] != found[1]


def test_guidance_is_that_of_two_passes(pt_lm):
    """The tokens under guidance are those chosen from two forward passes without a cache."""
    request, settings = Codes("a", "b", Metas(duration_s=10)), LmSettings(temperature=0, cfg=2.5)
    said = ask(pt_lm, [Asked(request, 1)], settings)[0].codes
    from acestep_core.lm.wording import messages, unconditional

    vocabulary = pt_lm.tokenizer.vocabulary
    prompts = [pt_lm.tokenizer.chat(messages(request)), pt_lm.tokenizer.chat(unconditional(request))]
    ids, tokens = vocabulary.codes, []
    for _ in range(6):
        with torch.inference_mode():
            c, u = (
                pt_lm.model(input_ids=torch.tensor([p + tokens])).last_hidden_state[0, -1] @ pt_lm.head.T
                for p in prompts
            )
        scores = (u + 2.5 * (c - u))[ids]
        tokens.append(int(ids[int(scores.argmax())]))
    assert [vocabulary.code_of[t] for t in tokens] == list(said[:6])
    assert said != ask(pt_lm, [Asked(request, 1)], replace(settings, cfg=1))[0].codes


def test_a_prompt_that_is_too_long_is_told(pt_lm):
    with pytest.raises(UserError, match="reads 32768 tokens"):
        ask(pt_lm, [Asked(Understand([1] * 33000), 1)], GREEDY)


def test_a_stop_ends_it(pt_lm):
    heard = []
    said = [Asked(MANY[2].request, 3)]
    ask(pt_lm, said, GREEDY, on_token=lambda i, n: heard.append((i, n)), stop=lambda: len(heard) > 4)
    assert heard == [(0, n) for n in range(1, 6)]


def test_rows_go_on_after_others_have_ended():
    """The loop keeps what goes on, in order, whoever ends first."""
    kept = []

    class Counting:
        rows = [0, 1, 2]

        def advance(self, tokens, wanted):
            assert len(tokens) == len(wanted) == len(self.rows)
            return [np.zeros(len(w)) for w in wanted]

        def keep(self, rows):
            self.rows = [self.rows[i] for i in rows]
            kept.append(list(self.rows))

    jobs = [Speech([1], Anything(None, 3, n), GREEDY, 0) for n in (3, 1, 2)]
    assert [len(t) for t in decode(Counting(), jobs, longest=99)] == [3, 1, 2]
    assert kept == [[0, 2], [0]]


def test_half_precision_keeps_its_rotations(lm_folder):
    half = registry().make("backends", "pt", {"device": "cpu", "dtype": "bfloat16"}).load("lm", lm_folder)
    assert half.model.rotary_emb.inv_freq.dtype == torch.float32 and half.about["dtype"] == "bfloat16"
    assert len(ask(half, [MANY[2]], GREEDY)[0].codes) == 50
