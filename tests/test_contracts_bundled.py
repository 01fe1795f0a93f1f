"""Every bundled plugin goes through the contract of its kind, like anybody's."""

from acestep_core.registry import registry
from acestep_core.testing import contracts
from acestep_plugins.adapters.lokr import Lokr
from acestep_plugins.adapters.lora import Lora
from acestep_plugins.annotators.tempo_key import TempoKey
from acestep_plugins.backends.pt import PyTorch
from acestep_plugins.extensions.progress import Progress
from acestep_plugins.extensions.tensorboard import TensorBoard
from acestep_plugins.samplers.logit_normal import LogitNormal
from acestep_plugins.samplers.turbo_steps import TurboSteps
from acestep_plugins.samplers.uniform import Uniform
from acestep_plugins.solvers.euler import Euler
from acestep_plugins.solvers.heun import Heun
from acestep_plugins.solvers.sde import Sde


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


class TestPyTorch(contracts.BackendContract):
    plugin = PyTorch
    options = {"device": "cpu"}


class TestProgress(contracts.ExtensionContract):
    plugin = Progress


class TestTensorBoard(contracts.ExtensionContract):
    plugin = TensorBoard


def test_no_bundled_plugin_is_left_out():
    ours = {k.name for kind in ("adapters", "samplers", "solvers", "backends", "extensions", "commands", "transcribers",
                                "annotators") for k in registry().known(kind) if k.dist == "acestep-core"}  # fmt: skip
    suites = [v for v in globals().values() if isinstance(v, type) and issubclass(v, contracts.base.NamedContract)]
    assert ours == {s.plugin.name for s in suites}
