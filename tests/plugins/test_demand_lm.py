"""What the PyTorch backend says a language model needs: weights to the byte, work near what a pass really takes."""

import pytest
from sparse_models import LMS, write_sparse, write_sparse_lm
from tensor_memory import peak_growth

from acestep_core.checkpoint import TEXT, VAE
from acestep_core.hub.outlines import write_outlines
from acestep_core.registry import registry

# The plan may say up to so much more, or less, than was taken, as in test_demand.py.
MOST_ABOVE, MOST_BELOW = 2.0, 0.9
PROMPT = 2816  # tokens that the plan takes for granted


@pytest.fixture
def half():
    return registry().make("backends", "pt", {"dtype": "bfloat16"})


@pytest.mark.parametrize("size", LMS)
def test_outlines_are_what_the_real_classes_are(size, half, tmp_path):
    write_outlines(tmp_path / "outlines")
    real, outline = write_sparse_lm(tmp_path, size), tmp_path / "outlines" / f"acestep-5Hz-lm-{size}"
    for seconds, batch in ((10, 1), (600, 4)):
        told, wanted = (half.demand("lm", f, seconds, batch) for f in (outline, real))
        assert told.work == wanted.work and told.weights == pytest.approx(wanted.weights, rel=1e-3)


def test_the_outlined_model_is_what_the_real_classes_are(half, tmp_path):
    write_outlines(tmp_path / "outlines")
    real = write_sparse(tmp_path, "2b")
    names = {"dit": ("acestep-v15-turbo", "acestep-v15-2b"), "codec": (VAE, VAE), "text": (TEXT, TEXT)}
    for eight_bits in ("none", "int8"):
        backend = registry().make("backends", "pt", {"dtype": "bfloat16", "quantization": eight_bits})
        for part, (outline, name) in names.items():
            told = backend.demand(part, tmp_path / "outlines" / outline, 240, 2)
            wanted = backend.demand(part, real / name, 240, 2)
            assert told.work == pytest.approx(wanted.work, rel=1e-3)
            assert told.weights == pytest.approx(wanted.weights, rel=2e-3), (part, eight_bits)


@pytest.mark.parametrize(("size", "published", "token"), [("0.6B", 1.2, 114_688), ("1.7B", 3.4, 114_688),
                                                          ("4B", 8.0, 147_456)])  # fmt: skip
def test_weights_and_cache_are_near_what_is_published(size, published, token, half, tmp_path):
    """In GB of bfloat16; a token's keys and values are 2 bytes x 2 x 8 heads x 128 x layers, and guidance has two."""
    folder = write_sparse_lm(tmp_path, size)
    assert half.demand("lm", folder, 240, 1).weights / 1e9 == pytest.approx(published, rel=0.12)
    grown = [half.demand("lm", folder, s, 8).work for s in (500, 600)]
    cache = 100 * 5 * 8 * 2 * token
    assert cache < grown[1] - grown[0] < 1.35 * cache


def test_work_grows_with_length_and_number_and_weights_do_not(half, tmp_path):
    folder = write_sparse_lm(tmp_path, "0.6B")
    short, long, many = (half.demand("lm", folder, s, n) for s, n in ((60, 1), (600, 1), (60, 4)))
    assert short.weights == long.weights == many.weights
    assert short.work < long.work < many.work


def test_weights_of_a_loaded_one_take_what_was_said(tiny):
    folder = tiny / "acestep-5Hz-lm-0.6B"
    for dtype in ("float32", "bfloat16"):
        backend = registry().make("backends", "pt", {"dtype": dtype, "device": "cpu"})
        lm = backend.load("lm", folder)
        taken = sum(p.nbytes for p in lm.model.parameters())
        assert backend.demand("lm", folder, 10, 1).weights == taken


def test_memory_that_is_short_is_told(tiny, monkeypatch):
    import torch

    from acestep_core.errors import OutOfMemory
    from acestep_plugins.backends.pt import lm

    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB")

    loaded = registry().make("backends", "pt", {"device": "cpu"}).load("lm", tiny / "acestep-5Hz-lm-0.6B")
    monkeypatch.setattr(lm, "decode", full)
    with pytest.raises(OutOfMemory, match=r"not enough memory for 3 songs .*\n.*smaller --lm"):
        loaded.say([None] * 3)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 500])
def test_work_is_near_what_a_pass_takes(tmp_path, steps):
    """Two songs with guidance: the prompts, then the last of so many codes, which come all at once to save time."""
    import numpy as np

    from acestep_plugins.backends.pt import tiny as made

    sizes = {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 8, "num_attention_heads": 4,
             "num_key_value_heads": 2, "head_dim": 64}  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made, "_qwen", lambda n, width: {**qwen(n, width), **sizes})
        made._write_lm(tmp_path / "lm")
    backend = registry().make("backends", "pt", {"device": "cpu", "dtype": "float32"})
    lm = backend.load("lm", tmp_path / "lm")
    codes = np.arange(100, 64_100).astype(np.int64) % len(lm.head)
    codes = np.unique(codes)
    everything = np.setdiff1d(np.arange(len(lm.head)), [5])
    rng = np.random.default_rng(0)

    def work():
        from acestep_plugins.backends.pt.lm import Rows

        rows = Rows(lm)
        rows.advance([rng.integers(9, 99, PROMPT).tolist() for _ in range(4)], [everything] * 4)
        if steps > 1:
            rows.advance([rng.integers(9, 99, steps - 1).tolist() for _ in range(4)], [codes] * 4)
        rows.advance([[1]] * 4, [codes] * 4)

    measured, said = peak_growth(work), backend.demand("lm", tmp_path / "lm", steps / 5, 2).work
    assert MOST_BELOW * measured < said < MOST_ABOVE * measured


def qwen(vocabulary, width):
    return {"vocab_size": vocabulary, "hidden_size": width, "max_position_embeddings": 40_960,
            "tie_word_embeddings": True}  # fmt: skip
