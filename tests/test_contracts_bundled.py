"""Every bundled plugin goes through the contract of its kind, like anybody's."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from command_contracts import TestServe, TestUi  # noqa: F401 - they are collected here
from ray_cluster import cluster
from vllm_server import FirstInterface, Server, listening, stand_in

from acestep_core.api import KINDS
from acestep_core.local import Local
from acestep_core.registry import registry
from acestep_core.testing import contracts
from acestep_core.testing.fakes import fake_provider
from acestep_plugins.acestep_omni.annotator import AceStepCaptioner
from acestep_plugins.acestep_omni.transcriber import AceStepTranscriber
from acestep_plugins.adapters.full import Full
from acestep_plugins.adapters.loha import Loha
from acestep_plugins.adapters.lokr import Lokr
from acestep_plugins.adapters.lora import Lora
from acestep_plugins.adapters.oft import Oft
from acestep_plugins.annotators.csv import Csv
from acestep_plugins.annotators.lm import LanguageModel
from acestep_plugins.annotators.tempo_key import TempoKey
from acestep_plugins.backends.mlx import Mlx
from acestep_plugins.backends.pt import PyTorch
from acestep_plugins.backends.vllm import Vllm
from acestep_plugins.executors.ray import Ray
from acestep_plugins.extensions.progress import Progress
from acestep_plugins.extensions.tensorboard import TensorBoard
from acestep_plugins.gemini.annotator import GeminiAnnotator
from acestep_plugins.gemini.transcriber import GeminiTranscriber
from acestep_plugins.samplers.adaptive import Adaptive
from acestep_plugins.samplers.logit_normal import LogitNormal
from acestep_plugins.samplers.turbo_steps import TurboSteps
from acestep_plugins.samplers.uniform import Uniform
from acestep_plugins.solvers.euler import Euler
from acestep_plugins.solvers.heun import Heun
from acestep_plugins.solvers.sde import Sde
from acestep_plugins.transcribers.elevenlabs import ElevenLabs
from acestep_plugins.transcribers.openai import OpenAi
from acestep_plugins.transcribers.sidecar import Sidecar
from acestep_plugins.transcribers.whisper import Whisper


class TestSidecar(contracts.TranscriberContract):
    plugin = Sidecar

    @pytest.fixture(autouse=True)
    def beside(self, tmp_path):
        for stem in ("tone", "silence", "broken", "gone"):
            (tmp_path / f"{stem}.lrc").write_text("[ti:Rain]\n[00:01.00]Rain\n[00:02.50]on the roof\n[00:59]still\n")


class TestCsv(contracts.AnnotatorContract):
    plugin = Csv
    fields = ("bpm", "keyscale", "caption")

    @pytest.fixture(autouse=True)
    def beside(self, tmp_path):
        (tmp_path / "t.csv").write_text("File,BPM,Key,Caption\ntone.wav,90.5,Dm,slow bells\nsilence.wav,80,C,\n")


class TestWhisper(contracts.TranscriberContract):
    plugin = Whisper

    @pytest.fixture
    def made(self, whisper_folder):
        made = Whisper(model=str(whisper_folder), device="cpu", threads=1, vad=False, lonely_s=0)
        yield made
        made.close()


class TestAceStepTranscriber(contracts.TranscriberContract):
    plugin = AceStepTranscriber

    @pytest.fixture
    def made(self, omni_folder):
        made = AceStepTranscriber(model=str(omni_folder), device="cpu")
        yield made
        made.close()


class TestAdaptive(contracts.SamplerContract):
    plugin = Adaptive


class TestLogitNormal(contracts.SamplerContract):
    plugin = LogitNormal


class TestTurboSteps(contracts.SamplerContract):
    plugin = TurboSteps


class TestUniform(contracts.SamplerContract):
    plugin = Uniform
    options = {"low": 0.1, "high": 0.9}


class TestEuler(contracts.SolverContract):
    plugin = Euler


class TestHeun(contracts.SolverContract):
    plugin = Heun
    order = 2


class TestSde(contracts.SolverContract):
    plugin = Sde
    order = None


class TestLanguageModel(contracts.AnnotatorContract):
    plugin = LanguageModel
    fields = ("caption", "genre", "language")

    @pytest.fixture
    def made(self, tiny):
        made = LanguageModel(model=str(tiny))
        yield made
        made.close()


class TestTempoKey(contracts.AnnotatorContract):
    plugin = TempoKey
    fields = ("bpm", "keyscale", "timesignature")


class TestLora(contracts.AdapterContract):
    plugin = Lora
    options = {"rank": 4}


class TestLokr(contracts.AdapterContract):
    plugin = Lokr


class TestLokrLowRank(contracts.AdapterContract):
    plugin = Lokr
    options = {"dim": 1, "decompose_both": True, "mlp": True}


class TestLoraDecomposed(contracts.AdapterContract):
    plugin = Lora
    options = {"rank": 4, "dora": True, "rslora": True, "ranks": [".*self_attn.*=2"], "mlp": True}


class TestLokrDecomposed(contracts.AdapterContract):
    plugin = Lokr
    options = {"dora": True}


class TestLoha(contracts.AdapterContract):
    plugin = Loha
    options = {"rank": 4, "layers": [r"layers\.\d+\.self_attn\..*"]}


class TestLohaDecomposed(contracts.AdapterContract):
    plugin = Loha
    options = {"rank": 4, "dora": True}


class TestOft(contracts.AdapterContract):
    plugin = Oft
    options = {"block_size": 16}


class TestOftExact(contracts.AdapterContract):
    plugin = Oft
    options = {"block_size": 32, "exact": True, "mlp": True}


class TestFull(contracts.AdapterContract):
    plugin = Full


class TestPyTorch(contracts.BackendContract):
    plugin = PyTorch
    options = {"device": "cpu"}


class TestLocal(contracts.ExecutorContract):
    plugin = Local


@pytest.mark.slow
class TestRay(contracts.ExecutorContract):
    plugin = Ray

    @pytest.fixture(scope="class")
    def address(self):
        with cluster() as made:
            yield made.address

    @pytest.fixture
    def made(self, address):
        yield Ray(address=address)


class TestMlx(contracts.BackendContract):
    plugin = Mlx
    options = {"device": "cpu"}

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def installed(cls):
        pytest.importorskip("mlx_lm", reason="the extra 'mlx' is not installed")


class TestVllm(contracts.BackendContract):
    plugin = Vllm

    @pytest.fixture
    def made(self, checkpoint, monkeypatch):
        stand_in(monkeypatch)
        from acestep_plugins.backends.vllm.v1 import GrammarProcessor

        folder = checkpoint.part("lm")
        lm = PyTorch(device="cpu").load("lm", folder)
        with listening(Server(lm, FirstInterface(GrammarProcessor, folder))) as url:
            made = Vllm(base_url=url)
            yield made
            made.close()


class TestProgress(contracts.ExtensionContract):
    plugin = Progress


class TestTensorBoard(contracts.ExtensionContract):
    plugin = TensorBoard


def answered_by(content: Any, plugin: Any, **options: Any) -> Iterator[Any]:
    """The plugin, asking a service that always gives this answer."""
    with fake_provider() as provider:
        provider.answer(200, content)
        made = plugin(base_url=provider.url, key_env="", **options)
        yield made
        made.close()


def gemini_says(**found: str) -> dict:
    return {"candidates": [{"content": {"parts": [{"text": json.dumps(found)}]}, "finishReason": "STOP"}]}


class TestOpenAi(contracts.TranscriberContract):
    plugin = OpenAi

    @pytest.fixture
    def made(self):
        words = [{"word": "la", "start": 0.5, "end": 1.0}, {"word": "lo", "start": 4.0, "end": 5.0}]
        yield from answered_by({"text": "la lo", "language": "english", "words": words}, OpenAi, model="whisper-1")


class TestElevenLabs(contracts.TranscriberContract):
    plugin = ElevenLabs

    @pytest.fixture
    def made(self):
        words = [{"text": "la", "type": "word", "start": 0.5, "end": 1.0}]
        yield from answered_by({"text": "la", "language_code": "eng", "words": words}, ElevenLabs)


class TestGemini(contracts.TranscriberContract):
    plugin = GeminiTranscriber

    @pytest.fixture
    def made(self):
        yield from answered_by(gemini_says(lyrics="[Verse]\nla la", language="en"), GeminiTranscriber)


class TestGeminiAnnotator(contracts.AnnotatorContract):
    plugin = GeminiAnnotator
    fields = ("caption", "genre", "language")

    @pytest.fixture
    def made(self):
        yield from answered_by(gemini_says(caption="Slow bells.", genre="ambient", language="en"), GeminiAnnotator)


class TestAceStepCaptioner(contracts.AnnotatorContract):
    plugin = AceStepCaptioner
    fields = ("caption",)

    @pytest.fixture
    def made(self):
        choice = {"message": {"role": "assistant", "content": "Slow bells over a drone."}, "finish_reason": "stop"}
        yield from answered_by({"choices": [choice]}, AceStepCaptioner)


def test_no_bundled_plugin_is_left_out():
    ours = {k.name for kind in KINDS for k in registry().known(kind) if k.dist == "acestep-core"}
    suites = [v for v in globals().values() if isinstance(v, type) and issubclass(v, contracts.base.NamedContract)]
    assert ours == {s.plugin.name for s in suites}
