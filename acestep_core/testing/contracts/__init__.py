"""One suite per kind of plugin. A plugin's whole conformance test is a subclass of three lines:

class TestCosine(SamplerContract):
    plugin = Cosine
    options = {"power": 2.0}
"""

from acestep_core.testing.contracts.adapters import AdapterContract
from acestep_core.testing.contracts.backends import BackendContract
from acestep_core.testing.contracts.base import PluginContract
from acestep_core.testing.contracts.commands import CommandContract
from acestep_core.testing.contracts.executors import ExecutorContract
from acestep_core.testing.contracts.extensions import ExtensionContract
from acestep_core.testing.contracts.labelling import AnnotatorContract, TranscriberContract
from acestep_core.testing.contracts.samplers import SamplerContract
from acestep_core.testing.contracts.solvers import SolverContract

__all__ = [
    "AdapterContract",
    "AnnotatorContract",
    "BackendContract",
    "CommandContract",
    "ExecutorContract",
    "ExtensionContract",
    "PluginContract",
    "SamplerContract",
    "SolverContract",
    "TranscriberContract",
]
