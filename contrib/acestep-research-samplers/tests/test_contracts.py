"""Conformance: one suite per sampler."""

from acestep_research_samplers.beta import Beta
from acestep_research_samplers.cosine import Cosine
from acestep_research_samplers.logit_normal_free import LogitNormalFree
from acestep_research_samplers.loss_adaptive import LossAdaptive
from acestep_research_samplers.mode import STEEPEST, Mode

from acestep_core.testing.contracts import SamplerContract


class TestLogitNormalFree(SamplerContract):
    plugin = LogitNormalFree


class TestBeta(SamplerContract):
    plugin = Beta


class TestBetaAtItsBounds(SamplerContract):
    plugin = Beta
    options = {"a": 0.25, "b": 0.25}


class TestCosine(SamplerContract):
    plugin = Cosine


class TestMode(SamplerContract):
    plugin = Mode


class TestModeAtItsSteepest(SamplerContract):
    plugin = Mode
    options = {"scale": STEEPEST}


class TestModeAtItsFlattest(SamplerContract):
    plugin = Mode
    options = {"scale": -1}


class TestLossAdaptive(SamplerContract):
    plugin = LossAdaptive
