"""Kernels for attention within a window: each against the definition, and which of them a machine can run."""

import sys
import types
from functools import lru_cache

import dense_attention
import pytest
import torch
from dense_attention import dense
from diffusers import AceStepTransformer1DModel

from acestep_core import UserError, load_backend
from acestep_plugins.backends.pt import windows
from acestep_plugins.backends.pt.attention import attend_locally
from acestep_plugins.backends.pt.device import Place
from acestep_plugins.backends.pt.dit_modules import build_decoder

CPU = Place(torch.device("cpu"), torch.float32)
GPU = Place(torch.device("cuda"), torch.bfloat16)
SIZES = {**dense_attention.SIZES, "head_dim": 16, "num_hidden_layers": 2}


@pytest.fixture
def asked(monkeypatch):
    """A package flash_attn that computes what its documentation says, and the windows it was asked for."""
    heard = []

    def flash_attn_func(q, k, v, *, window_size):
        assert q.shape[:2] == k.shape[:2] == v.shape[:2] and q.shape[2] % k.shape[2] == 0, "[B, L, heads, head size]"
        heard.append((window_size, q.shape[1]))
        left, right = window_size
        assert left == right
        return dense(*(x.transpose(1, 2) for x in (q, k, v)), left).transpose(1, 2)

    module = types.ModuleType("flash_attn")
    module.flash_attn_func = flash_attn_func
    monkeypatch.setitem(sys.modules, "flash_attn", module)
    return heard


@pytest.fixture
def flex(monkeypatch):
    """FlexAttention as PyTorch runs it without a compiler."""
    from torch.nn.attention import flex_attention

    monkeypatch.setattr(windows, "_flex", lru_cache(lambda: flex_attention.flex_attention))


@pytest.fixture(params=["local", "flex", "flash"])
def within(request, asked, flex):
    return windows.kernel(request.param)


def heads(length, batch=1):
    generator = torch.Generator().manual_seed(length)
    return [torch.randn(batch, n, length, 16, generator=generator) for n in (4, 2, 2)]


@pytest.mark.filterwarnings("ignore:flex_attention called without")
@pytest.mark.parametrize("length", [1, 9, 64, 150])
def test_every_kernel_equals_the_dense_mask(within, length):
    given = heads(length)
    assert torch.allclose(within(*given, 8), dense(*given, 8), atol=1e-5)


@pytest.mark.filterwarnings("ignore:flex_attention called without")
def test_every_kernel_sees_no_padding(within):
    query, key, value = heads(150, batch=3)
    lengths = (150, 101, 7)
    together = within(query, key, value, 8, torch.arange(150) < torch.tensor(lengths)[:, None])
    for item, length in enumerate(lengths):
        alone = [x[item : item + 1, :, :length] for x in (query, key, value)]
        assert torch.allclose(together[item : item + 1, :, :length], dense(*alone, 8), atol=1e-5)
    assert together.isfinite().all()


@torch.inference_mode()
@pytest.mark.filterwarnings("ignore:flex_attention called without")
@pytest.mark.parametrize("name", ["local", "flex", "flash"])
def test_a_decoder_with_every_kernel_equals_the_one_of_diffusers(name, asked, flex):
    torch.manual_seed(0)
    ours = build_decoder(SIZES).eval()
    ours.use_own_layers(windows.kernel(name))
    theirs = AceStepTransformer1DModel(**SIZES, encoder_hidden_size=32).eval()
    theirs.load_state_dict(ours.state_dict())
    t = torch.full((1,), 0.6)
    given = {"hidden_states": torch.randn(1, 101, 64), "timestep": t, "timestep_r": t,
             "encoder_hidden_states": torch.randn(1, 11, 32), "context_latents": torch.randn(1, 101, 128)}  # fmt: skip
    expected = theirs(**given, return_dict=False)[0]
    assert (ours(**given)[0] - expected).norm() / expected.norm() < 1e-5
    assert asked == ([((8, 8), 51)] if name == "flash" else []), "only the sliding layer has a window"


@pytest.mark.slow
@torch.inference_mode()
def test_flex_compiled_equals_local_blocks():
    given = heads(300)
    assert torch.allclose(windows.attend_by_flex(*given, 32), attend_locally(*given, 32), atol=1e-5)


@pytest.mark.parametrize(("name", "reason"), [("flex", "a CUDA device, not cpu"), ("flash", "a CUDA device, not cpu")])
def test_a_kernel_this_machine_cannot_run_is_refused(tiny, name, reason):
    with pytest.raises(UserError, match=f"attention={name} is not possible here: it needs {reason}") as error:
        load_backend("pt", model=tiny, device="cpu", attention=name)
    assert "attention=local" in error.value.hint


@pytest.mark.parametrize(("present", "dtype", "capability", "reason"), [
    (False, torch.bfloat16, (9, 0), "the package flash_attn is not installed"),
    (True, torch.float32, (9, 0), "bfloat16 or float16, not float32"),
    (True, torch.float16, (7, 5), "an Ampere GPU"),
])  # fmt: skip
def test_what_flash_needs_is_said_and_auto_takes_local_blocks(monkeypatch, present, dtype, capability, reason):
    monkeypatch.setattr(windows.importlib.util, "find_spec", lambda name: object() if present else None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    place = Place(GPU.device, dtype)
    with pytest.raises(UserError, match=reason):
        windows.chosen("flash", place)
    assert windows.chosen("auto", place) == "local"


def test_auto_takes_flash_where_it_can_run(monkeypatch):
    monkeypatch.setattr(windows.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    assert [windows.chosen(a, GPU) for a in ("auto", "flash", "flex", "local")] == ["flash", "flash", "flex", "local"]
    assert windows.chosen("auto", CPU) == "local"


def test_the_settings_of_the_backend_say_what_auto_came_to(turbo):
    said = turbo.backend.settings()
    assert (said["device"], said["dtype"], said["attention"]) == ("cpu", "float32", "local")
