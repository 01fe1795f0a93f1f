"""Conformance: one suite per plugin."""

from acestep_example.lrc import Lrc
from acestep_example.triangular import Triangular

from acestep_core.testing.contracts import SamplerContract, TranscriberContract


class TestTriangular(SamplerContract):
    plugin = Triangular
    options = {"peak": 0.8}


class TestLrc(TranscriberContract):
    plugin = Lrc
