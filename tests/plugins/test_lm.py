"""The language model on PyTorch: against transformers' own generation, in batches, with guidance."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from acestep_core import UserError
from acestep_core.lm.decoding import Speech, decode
from acestep_core.lm.reading import Allowed, State
from acestep_core.lm.requests import Codes, Create, LmSettings, Metas, Plan, Understand
from acestep_core.lm.speaking import Asked, ask
from acestep_core.registry import registry

GREEDY = LmSettings(temperature=0, cfg=1)


@pytest.fixture(scope="module")
def folder(tiny):
    return next(p for p in tiny.iterdir() if p.name.startswith("acestep-5Hz-lm"))


@pytest.fixture(scope="module")
def lm(folder):
    return registry().make("backends", "pt", {"device": "cpu", "dtype": "float32"}).load("lm", folder)


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


def test_without_rules_it_says_what_transformers_says(lm, folder):
    from transformers import Qwen3Config, Qwen3ForCausalLM

    model = Qwen3ForCausalLM(Qwen3Config.from_pretrained(folder)).eval()
    model.model.load_state_dict(lm.model.state_dict())
    model.tie_weights()
    prompt = lm.tokenizer.encode("<|im_start|>user\na slow song<|im_end|>\n")
    theirs = model.generate(
        torch.tensor([prompt]), max_new_tokens=30, do_sample=False, eos_token_id=None, pad_token_id=0
    )[0, len(prompt) :].tolist()
    free = Anything(lm.tokenizer.vocabulary, len(lm.head), 30)
    assert lm.say([Speech(prompt, free, GREEDY, 0)]) == [theirs]


MANY = (
    Asked(Plan("soft piano", "la la", skip=frozenset({"genres", "caption"})), 1),
    Asked(Create("a song", True, Metas(caption="rain", genres="folk")), 2),
    Asked(Codes("a", "b", Metas(duration_s=10)), 3),
    Asked(Codes("a longer caption than the other", "words", Metas(duration_s=12, bpm=90, keyscale="C major")), 4),
)


def test_four_at_once_say_what_each_says_alone(lm):
    together = ask(lm, MANY, LmSettings())
    assert together == [ask(lm, [one], LmSettings())[0] for one in MANY]
    assert [len(a.codes) for a in together] == [0, 0, 50, 60]
    assert together[2].metas == Metas(duration_s=10) and together[2].origins == {"duration_s": "user"}


def test_the_same_request_under_several_seeds(lm):
    one = Codes("a", "b", Metas(duration_s=10))
    found = ask(lm, [Asked(one, 1), Asked(one, 2), Asked(one, 1)], LmSettings())
    assert found[0] == found[2] != found[1]


def test_guidance_is_that_of_two_passes(lm):
    """The tokens under guidance are those chosen from two forward passes without a cache."""
    request, settings = Codes("a", "b", Metas(duration_s=10)), LmSettings(temperature=0, cfg=2.5)
    said = ask(lm, [Asked(request, 1)], settings)[0].codes
    from acestep_core.lm.wording import messages, unconditional

    vocabulary = lm.tokenizer.vocabulary
    prompts = [lm.tokenizer.chat(messages(request)), lm.tokenizer.chat(unconditional(request))]
    ids, tokens = vocabulary.codes, []
    for _ in range(6):
        with torch.inference_mode():
            c, u = (
                lm.model(input_ids=torch.tensor([p + tokens])).last_hidden_state[0, -1] @ lm.head.T for p in prompts
            )
        scores = (u + 2.5 * (c - u))[ids]
        tokens.append(int(ids[int(scores.argmax())]))
    assert [vocabulary.code_of[t] for t in tokens] == list(said[:6])
    assert said != ask(lm, [Asked(request, 1)], replace(settings, cfg=1))[0].codes


def test_a_prompt_that_is_too_long_is_told(lm):
    with pytest.raises(UserError, match="reads 32768 tokens"):
        ask(lm, [Asked(Understand([1] * 33000), 1)], GREEDY)


def test_a_stop_ends_it(lm):
    heard = []
    ask(
        lm, [Asked(MANY[2].request, 3)], GREEDY, on_token=lambda i, n: heard.append((i, n)), stop=lambda: len(heard) > 4
    )
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


def test_damaged_folders_are_told(tmp_path, folder):
    import shutil

    from safetensors.torch import load_file, save_file

    pt = registry().make("backends", "pt", {"device": "cpu"})
    broken = shutil.copytree(folder, tmp_path / "lm")
    tensors = load_file(broken / "model.safetensors")
    save_file({k: v for k, v in tensors.items() if "layers.1" not in k}, broken / "model.safetensors")
    with pytest.raises(UserError, match="tensors do not fit"):
        pt.load("lm", broken)
    (broken / "model.safetensors").write_bytes(b"short")
    with pytest.raises(UserError, match="damaged"):
        pt.load("lm", broken)
    (broken / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"has no tokenizer\.json"):
        pt.load("lm", broken)


def test_half_precision_keeps_its_rotations(folder):
    half = registry().make("backends", "pt", {"device": "cpu", "dtype": "bfloat16"}).load("lm", folder)
    assert half.model.rotary_emb.inv_freq.dtype == torch.float32 and half.about["dtype"] == "bfloat16"
    assert len(ask(half, [MANY[2]], GREEDY)[0].codes) == 50
