"""What the PyTorch backend says it needs: weights to the byte, work near what a process really grows by, plans."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import tensor_memory

from acestep_core import UserError, load_backend
from acestep_core.checkpoint import open_checkpoint
from acestep_core.fitting import fits
from acestep_core.planning import plan
from acestep_core.registry import registry

TIERS = (4, 6, 8, 12, 16, 24)
# (weights, parts at once, tile) at 240 s, or None where it cannot fit. 2B has 4.4 GB of weights, XL 9.6 GB.
WANTED = {
    "2b": {4: ("int8", "one"), 6: ("none", "one"), 8: ("none", "all"), 12: ("none", "all")},
    "xl": {4: None, 6: None, 8: ("int8", "all"), 12: ("none", "one"), 16: ("none", "all")},
}
# The plan may say up to so much more, or less, than a process took. It plans for the worst a part can be asked.
MOST_ABOVE, MOST_BELOW = 2.0, 0.9


@pytest.fixture(scope="module", params=["2b", "2b-base", "xl"])
def released(request, tmp_path_factory):
    from sparse_models import write_sparse

    return request.param, open_checkpoint(write_sparse(tmp_path_factory.mktemp(request.param), request.param))


def planned(checkpoint, gigabytes, options=None, **given):
    return plan(checkpoint, "pt", options or {}, registry(), budget=round(gigabytes * 1e9), **given)


def test_weights_are_counted_as_they_are_published(released):
    """Published sizes: 2B 4.7 GB with its audio tokenizer, codec 0.33 GB, text encoder 1.2 GB (bfloat16)."""
    size, checkpoint = released
    backend = registry().make("backends", "pt", {"dtype": "bfloat16"})
    weights = {p: backend.demand(p, checkpoint.part(p), 240, 1).weights / 1e9 for p in ("text", "codec", "dit")}
    assert weights["text"] == pytest.approx(1.2, rel=0.03) and weights["codec"] == pytest.approx(0.33, rel=0.05)
    assert 4.2 < weights["dit"] < 4.7 if size != "xl" else 9 < weights["dit"] < 10
    small = registry().make("backends", "pt", {"dtype": "bfloat16", "quantization": "int8"})
    assert small.demand("dit", checkpoint.part("dit"), 240, 1).weights < 0.53e9 * weights["dit"]


def test_every_usual_card_has_a_plan_or_a_reason(released):
    size, checkpoint = released
    for gigabytes in TIERS:
        wanted = WANTED[size.removesuffix("-base")].get(gigabytes, ("none", "all"))
        if wanted is None:
            with pytest.raises(UserError, match=f"there are {gigabytes}.00 GB: dit alone has"):
                planned(checkpoint, gigabytes)
            continue
        found = planned(checkpoint, gigabytes)
        assert (found.options["quantization"], found.options["held"]) == wanted
        assert found.peak <= found.budget and found.longest_s >= 240 and found.most >= 1
        assert found.options["dtype"] == "bfloat16" and ("quantize" in found.note) == (wanted[0] == "int8")


def test_fits_says_what_the_plan_does(released):
    size, checkpoint = released
    fitting = {g: fits(checkpoint, "pt", registry(), round(g * 1e9)) for g in (2, *TIERS)}
    assert fitting[2] == "no" and fitting[24] == "yes"
    for gigabytes, answer in fitting.items():
        try:
            found = planned(checkpoint, gigabytes, seconds=60.0)
        except UserError:
            assert answer == "no"
        else:
            assert ("in turn" in answer, "8 bits" in answer) == (
                found.one_at_a_time, found.options["quantization"] != "none")  # fmt: skip


def test_more_memory_never_makes_a_plan_worse(released):
    _, checkpoint = released
    plans = [planned(checkpoint, g) for g in (8, 10, 12, 16, 24, 48)]
    assert [p.longest_s for p in plans[-3:]] == [600] * 3 and plans[-1].most == 8
    assert [p.options["quantization"] for p in plans] == sorted(p.options["quantization"] for p in plans)
    assert planned(checkpoint, 24, {"tile_frames": 64}).options["tile_frames"] == 64


def test_weights_of_a_loaded_model_take_what_was_said(tiny):
    pytest.importorskip("torchao", reason="the extra 'quantize' is not installed")
    for options in ({"dtype": "float32"}, {"dtype": "bfloat16"}, {"dtype": "bfloat16", "quantization": "int8"}):
        model = load_backend("pt", model=tiny, device="cpu", **options)
        dit = model.dit
        taken = sum(size_of(p) for m in (dit.decoder.module, dit.encoder) for p in m.parameters())
        said = model.backend.demand("dit", model.checkpoint.part("dit"), 10, 1).weights
        assert said == pytest.approx(taken + size_of(dit.null_embedding), rel=0.01)


def size_of(tensor):
    return sum(getattr(tensor, n).nbytes for n in ("qdata", "scale")) if hasattr(tensor, "qdata") else tensor.nbytes


def test_the_command_prints_a_line_that_works(tiny, cli, tmp_path):
    done = cli("models", "plan", tiny, "--vram", "2", "--seconds", "6")
    assert done.code == 0 and "all parts loaded; 1 x 6 s takes" in done.out, done.err
    line = shlex.split(done.out.splitlines()[-1])
    assert line[:4] == ["acestep-core", "generate", "--model", str(tiny)] and line[-2:] == ["--duration", "6"]
    made = cli(*line[1:], "-o", tmp_path / "a.wav", "--json")
    assert made.code == 0, made.err
    assert json.loads(made.out)["backend"]["dtype"] == "bfloat16"


def test_the_command_has_json_and_plans_for_this_machine(tiny, cli):
    found = json.loads(cli("models", "plan", tiny, "--json", "-o", "device=cpu").out)
    assert found["budget"] > found["peak"] > sum(d["weights"] for d in found["parts"].values())
    assert "backend.device=cpu" in found["command"] and found["longest_s"] == 600
    assert set(found["parts"]) == {"text", "codec", "dit"}


def test_the_command_refuses_what_cannot_fit(tiny, cli):
    done = cli("models", "plan", tiny, "--vram", "0.1")
    assert done.code == 1 and "needs at least" in done.err and "Traceback" not in done.err


def test_a_damaged_header_is_told(tiny, tmp_path):
    from acestep_plugins.backends.pt.demand import shapes

    for content in (b"", b"\xff" * 100, b"\x08" + bytes(7) + b"not json"):
        (tmp_path / "model.safetensors").write_bytes(content)
        with pytest.raises(UserError, match="no readable safetensors"):
            list(shapes(tmp_path))


MEASURED = """
import json, re, sys, torch
from pathlib import Path
from tensor_memory import peak_growth
from acestep_core import load_backend
from acestep_plugins.backends.pt import tiny, device

device.keep_freed_memory = lambda: None
folder = Path(sys.argv[1])
tiny._DIT |= {"hidden_size": 768, "intermediate_size": 2304, "num_attention_heads": 6, "num_key_value_heads": 3,
              "head_dim": 128, "num_hidden_layers": 8, "layer_types": ["sliding_attention", "full_attention"] * 4}
tiny._VAE.pop("encoder_width")  # as wide as that of a released codec, whose work is measured
model = load_backend("pt", model=folder, device="cpu", dtype="float32", tile_frames=32) if folder.exists() else None
if model is None:
    tiny.write_checkpoint(folder, "turbo")
    sys.exit()

grown = torch.inference_mode()(peak_growth)

def status(name):
    return 1024 * int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

if sys.argv[2] == "dit":
    model.backend.load("text", model.checkpoint.part("text"))  # what libraries take once
    start = status("RssAnon")
    dit, frames = model.dit, 60 * 25
    weights = status("RssAnon") - start
    x, context = dit.noise(1, frames), dit.text2music_context(frames)
    step = grown(lambda: dit.velocity(x, 0.5, dit.prepared(torch.zeros(2305, 768)), context))
    caption, lyrics = model.text.caption("x" * 300)[:256], model.text.lyrics("la " * 2048)[:2048]
    work = max(step, grown(lambda: dit.condition(caption, lyrics, dit.silence_frames(750))))
else:
    codec, weights = model.codec, 0
    codec.encode(torch.zeros(2, 1920 * 4).numpy(), 0)
    work = grown(lambda: codec.encode(torch.zeros(2, 1920 * 100).numpy(), 0))
said = model.backend.demand(sys.argv[2], model.checkpoint.part(sys.argv[2]), 60, 1)
print(json.dumps({"weights": [weights, said.weights], "work": [work, said.work]}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux' /proc")
def test_the_plan_is_near_what_a_process_takes(tmp_path, monkeypatch):
    """A decoder of width 768 and the codec, each in a process of its own."""
    monkeypatch.setenv("PYTHONPATH", str(Path(tensor_memory.__file__).parent))
    (tmp_path / "measured.py").write_text(MEASURED)
    ran = [
        subprocess.run([sys.executable, tmp_path / "measured.py", tmp_path / "m", part], capture_output=True, text=True)
        for part in ("write", "dit", "codec")
    ]
    assert not any(r.returncode for r in ran), [r.stderr for r in ran]
    dit, codec = (json.loads(r.stdout) for r in ran[1:])
    assert dit["weights"][1] == pytest.approx(dit["weights"][0], rel=0.1)
    for measured, said in (dit["work"], codec["work"], [sum(x) for x in zip(dit["weights"], dit["work"], strict=True)]):
        assert MOST_BELOW * measured < said < MOST_ABOVE * measured, (dit, codec)
