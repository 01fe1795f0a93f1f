"""Where memory is short: what is done about it, that the result is the same, and that all of it is told."""

import weakref

import numpy as np
import pytest
import torch

from acestep_core import UserError, generate, load_backend
from acestep_core.errors import OutOfMemory
from acestep_core.model import Model
from acestep_plugins.backends.pt.memory import is_shortage, shortage

SHORT = {"caption": "x", "duration_s": 12.0, "seed": 1}
CPU_WORDS = (
    "[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"
)


@pytest.fixture
def model(tiny):
    return load_backend("pt", model=tiny, device="cpu")


def narrow(codec, most, monkeypatch):
    """A codec on a device that holds windows of `most` frames at once."""
    seen = []

    def limited(work, axis, factor):
        def call(x):
            seen.append(x.shape[axis] // factor)
            if seen[-1] > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has less")
            return work(x)

        return call

    monkeypatch.setattr(codec.vae, "decode", limited(codec.vae.decode, -1, 1))
    monkeypatch.setattr(codec.vae, "encode", limited(codec.vae.encode, -1, 1920))
    return seen


@pytest.mark.parametrize(("error", "expected"), [
    (torch.OutOfMemoryError("CUDA out of memory."), True),
    (RuntimeError(CPU_WORDS), True),
    (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), True),
    (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."), True),
    (RuntimeError("UR error: UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY, out of memory"), True),
    (MemoryError(), True),
    (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    (ValueError("out of memory"), False),
])  # fmt: skip
def test_shortage_is_told_from_other_errors(error, expected):
    assert is_shortage(error) == expected
    with pytest.raises(OutOfMemory if expected else type(error)), shortage("the work", "do less"):
        raise error


def test_a_real_shortage_of_this_machine_is_one_too():
    with (
        pytest.raises(OutOfMemory, match="not enough memory for a huge thing .*allocate"),
        shortage("a huge thing", ""),
    ):
        torch.empty(2**55, dtype=torch.uint8)


def test_the_codec_goes_on_in_smaller_tiles_with_the_same_result_and_says_so(tiny, monkeypatch):
    codec, whole = (load_backend("pt", model=tiny, device="cpu", tile_frames=64).codec for _ in range(2))
    latents = torch.randn(70, 64, generator=torch.Generator().manual_seed(0))
    seen = narrow(codec, 16 + 2 * 12, monkeypatch)
    pieces = list(codec.pieces(latents))
    wave = np.concatenate(pieces, axis=1)
    assert seen[:3] == [70, 44, 28] and max(seen[2:]) == 40 and codec.tile == 16
    assert codec.notes == [f"memory was short to decode: tiles of {n} frames instead of {2 * n}" for n in (32, 16)]
    assert np.abs(wave - whole.decode(latents)).max() < 1e-5
    assert [p.shape[1] // 1920 for p in pieces] == [16, 16, 16, 16, 6]


def test_tiles_halve_in_the_middle_too(tiny, monkeypatch):
    codec, whole = (load_backend("pt", model=tiny, device="cpu", tile_frames=40).codec for _ in range(2))
    latents = torch.randn(90, 64, generator=torch.Generator().manual_seed(0))
    narrow(codec, 60, monkeypatch)  # the first window has one overlap and fits, the second has two
    assert np.abs(codec.decode(latents) - whole.decode(latents)).max() < 1e-5
    assert codec.notes == ["memory was short to decode: tiles of 20 frames instead of 40"]


def test_encoding_goes_on_in_smaller_tiles_too(tiny, monkeypatch):
    codec, whole = (load_backend("pt", model=tiny, device="cpu", tile_frames=32).codec for _ in range(2))
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 40 * 1920)).astype(np.float32)
    narrow(codec, 32, monkeypatch)
    assert np.abs(codec.encode(wave, seed=2) - whole.encode(wave, seed=2)).max() < 1e-3
    assert codec.notes == ["memory was short to encode: tiles of 16 frames instead of 32"]


def test_below_the_smallest_tile_it_is_an_error_with_a_remedy(model, monkeypatch):
    narrow(model.codec, 20, monkeypatch)
    with pytest.raises(OutOfMemory, match="not enough memory for the codec to decode 28 frames"):
        model.codec.decode(torch.zeros(200, 64))


def test_other_errors_of_the_codec_are_not_hidden(model, monkeypatch):
    monkeypatch.setattr(model.codec.vae, "decode", lambda z: (_ for _ in ()).throw(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        model.codec.decode(torch.zeros(200, 64))


def test_the_model_lets_go_of_other_parts_and_tries_again(model, turbo, monkeypatch):
    """Nothing but the codec may be there when it decodes."""
    expected = generate(turbo, **SHORT).wave
    tried = []

    def pieces(latents):
        tried.append(sorted(model._loaded))
        if len(model._loaded) > 1:
            raise OutOfMemory("There is not enough memory for the codec", "")
        yield turbo.codec.decode(latents)

    monkeypatch.setattr(model.codec, "pieces", pieces)
    clip = generate(model, **SHORT)
    assert tried == [["codec", "dit", "text"], ["codec"]] and np.array_equal(clip.wave, expected)
    assert clip.record["notes"] == ["There is not enough memory for the codec: tried again without text and dit"]
    assert generate(turbo, **SHORT).record["notes"] == []


def test_a_part_that_cannot_be_loaded_beside_the_others_is_loaded_alone(model, monkeypatch):
    load = type(model.backend).load

    def limited(backend, part, folder):
        if model._loaded:
            raise OutOfMemory(f"There is not enough memory for {part}", "")
        return load(backend, part, folder)

    monkeypatch.setattr(type(model.backend), "load", limited)
    generate(model, **SHORT | {"duration_s": 5.2})
    assert list(model._loaded) == ["codec"]


def test_with_nothing_left_to_let_go_of_it_is_told(model, monkeypatch):
    def fail(codec):
        raise OutOfMemory("There is not enough memory for it", "do less")

    with pytest.raises(OutOfMemory, match="not enough memory for it\n  do less"):
        model.working("codec", fail)


def test_a_denoising_step_without_room_names_its_length_and_a_remedy(model, monkeypatch):
    def fail(*given, **more):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB")

    monkeypatch.setattr(model.dit.decoder.module, "forward", fail)
    with pytest.raises(OutOfMemory, match=r"a denoising step of 300 frames \(CUDA out of memory\)\n.*models plan"):
        generate(model, **SHORT)


def test_where_parts_take_turns_the_decoder_is_gone_when_the_codec_works(tiny):
    model = load_backend("pt", model=tiny, device="cpu", held="one")
    decoders, alive = [], []

    def part(name):
        one = Model.part(model, name)
        if name == "dit" and not decoders:
            decoders.append(weakref.ref(one.decoder.module))
        return one

    model.part = part
    generate(
        model, **SHORT, on_progress=lambda p: alive.append(decoders[0]() is not None) if p.stage == "decode" else 0
    )
    assert alive and not any(alive)


def test_which_parts_are_held_can_be_said(tiny):
    held = {how: load_backend("pt", model=tiny, device="cpu", held=how).one_at_a_time for how in ("auto", "all", "one")}
    assert held == {"auto": False, "all": False, "one": True}
    with pytest.raises(UserError, match="held"):
        load_backend("pt", model=tiny, device="cpu", held="two")
