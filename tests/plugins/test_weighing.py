"""Probabilities of given texts on PyTorch, against transformers' own pass without a cache."""

import pytest
import torch

from acestep_core import UserError
from acestep_core.lm.requests import Metas
from acestep_core.lm.scoring import lm_score
from acestep_core.lm.weighing import Told, weigh
from acestep_plugins.backends.pt import weighing


def expected(pt_lm, told):
    from transformers import Qwen3Config, Qwen3ForCausalLM

    model = Qwen3ForCausalLM(Qwen3Config.from_pretrained(pt_lm.tokenizer.folder)).eval()
    model.model.load_state_dict(pt_lm.model.state_dict())
    model.tie_weights()
    with torch.inference_mode():
        logits = model(torch.tensor([[*told.prompt, *told.said]])).logits[0, len(told.prompt) - 1 : -1]
    return logits.log_softmax(1)


def best_and_worst_rank(log_probs, token):
    """Two passes round differently, so that tokens as likely as this one may stand before it or behind."""
    there = log_probs[token]
    return int((log_probs > there + 1e-5).sum()) + 1, int((log_probs >= there - 1e-5).sum())


@pytest.mark.parametrize("rows", [3, 64])
def test_it_is_what_transformers_says(pt_lm, rows, monkeypatch):
    monkeypatch.setattr(weighing, "_ROWS", rows)
    one, two = (tuple(pt_lm.tokenizer.encode(t)) for t in ("<think>\nbpm: 120\n</think>\n", "# Lyric\nla la la"))
    other = tuple(pt_lm.tokenizer.encode("something else"))
    texts = [Told(other, one), Told(one, two), Told(other, two), Told(other, one[:1])]
    for told, found in zip(texts, weigh(pt_lm, texts), strict=True):
        log_probs = expected(pt_lm, told)
        wanted = log_probs[range(len(told.said)), list(told.said)]
        assert torch.allclose(torch.tensor(found.log_probs), wanted, atol=1e-4)
        for row, token, rank in zip(log_probs, told.said, found.ranks, strict=True):
            best, worst = best_and_worst_rank(row, token)
            assert best <= rank <= worst < best + 20


def test_a_text_that_is_too_long_is_told(pt_lm):
    with pytest.raises(UserError, match="reads 32768 tokens, and this takes 40002"):
        weigh(pt_lm, [Told((1,) * 40000, (1, 2))])


def test_a_song_is_scored(pt_lm):
    metas = Metas(bpm=90, caption="soft piano: 'rain'", keyscale="C major", timesignature="4", language="en")
    found = lm_score(pt_lm, [5, 6, 7] * 20, metas, "la la\nrain")
    assert set(found.parts) == {"bpm", "caption", "keyscale", "timesignature", "language", "lyrics"}
    assert all(0 <= v <= 1 for v in [*found.parts.values(), found.score])
    again, other = (lm_score(pt_lm, codes, metas, "la la\nrain") for codes in ([5, 6, 7] * 20, [9] * 60))
    assert found == again != other
