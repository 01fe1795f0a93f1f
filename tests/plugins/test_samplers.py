"""Timestep samplers against the definition of their distribution."""

import pytest
import torch

from acestep_core.schedule import check_schedule, shifted
from acestep_plugins.samplers.adaptive import Adaptive
from acestep_plugins.samplers.logit_normal import LogitNormal
from acestep_plugins.samplers.turbo_steps import TurboSteps
from acestep_plugins.samplers.uniform import Uniform

QUANTILES = torch.tensor([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99], dtype=torch.float64)


def test_logit_normal_is_the_larger_of_two_draws():
    """10⁶ draws of the definition, max of two sigmoid(N(−0.4, 1)); their quantiles are known to about 0.001."""
    generator = torch.Generator().manual_seed(0)
    pairs = torch.sigmoid(torch.randn(1_000_000, 2, generator=generator, dtype=torch.float64) - 0.4)
    drawn = torch.quantile(pairs.max(dim=1).values, QUANTILES)
    assert torch.allclose(LogitNormal().sample(QUANTILES), drawn, atol=2e-3)


def test_logit_normal_with_one_draw_is_a_plain_logit_normal():
    sampler = LogitNormal(mu=0.3, sigma=0.7, draws=1)
    assert sampler.sample(torch.tensor([0.5])).item() == pytest.approx(torch.sigmoid(torch.tensor(0.3)).item())


def test_turbo_steps_are_the_references_eight_equally_likely():
    expected = torch.tensor([0.3, 0.5, 0.6428571, 0.75, 0.8333333, 0.9, 0.9545455, 1.0], dtype=torch.float64)
    u = (torch.arange(8000, dtype=torch.float64) + 0.5) / 8000
    values, counts = torch.unique(TurboSteps().sample(u), return_counts=True)
    assert torch.allclose(values, expected, atol=1e-6)
    assert counts.tolist() == [1000] * 8


def test_adaptive_is_logit_normal_until_losses_differ():
    u = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)
    adaptive = Adaptive()
    assert torch.allclose(adaptive.sample(u), LogitNormal().sample(u), atol=1e-9)
    adaptive.observe([(i + 0.5) / 10 for i in range(10)], [0.7] * 10)
    assert torch.allclose(adaptive.sample(u), LogitNormal().sample(u), atol=1e-9)


def test_adaptive_draws_a_bin_by_its_loss_and_never_below_the_floor():
    """Shares counted over an even grid of u, against those of the base distribution, counted likewise."""
    u = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    adaptive, losses = Adaptive(floor=0.25), [1.0, 1, 1, 1, 4, 1, 1, 1, 0, 1]
    adaptive.observe([(i + 0.5) / 10 for i in range(10)], losses)
    base, found = (torch.histc(s.sample(u), 10, 0, 1) / len(u) for s in (LogitNormal(), adaptive))
    raised = base * torch.tensor(losses, dtype=torch.float64)
    assert torch.allclose(found, 0.25 * base + 0.75 * raised / raised.sum(), atol=1e-4)
    assert found[8] == pytest.approx(0.25 * base[8].item(), abs=1e-4) and found[4] > 2 * base[4]


def test_uniform_keeps_u_within_its_range():
    u = torch.rand(100, dtype=torch.float64)
    assert torch.equal(Uniform().sample(u), u)
    assert Uniform(low=0.2, high=0.4).sample(u).min() >= 0.2


@pytest.mark.parametrize("sampler", [Adaptive(), LogitNormal(), TurboSteps(), Uniform()], ids=lambda s: s.name)
def test_samples_rise_with_u_and_leave_the_global_generator_alone(sampler):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    t = sampler.sample(torch.linspace(0.001, 0.999, 999, dtype=torch.float64))
    assert (t.diff() >= 0).all() and t.min() >= 0 and t.max() <= 1
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("steps", [1, 2, 8, 50])
@pytest.mark.parametrize("sampler", [Adaptive(), LogitNormal(), TurboSteps(), Uniform()], ids=lambda s: s.name)
def test_schedules_fall_from_one_to_exactly_zero(sampler, steps):
    times = sampler.schedule(steps)
    assert len(times) == steps + 1
    check_schedule(times)


@pytest.mark.parametrize(
    ("shift", "table"),
    [
        (1.0, [1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0]),
        (2.0, [1, 0.9333333, 0.8571429, 0.7692308, 0.6666667, 0.5454545, 0.4, 0.2222222, 0]),
        (3.0, [1, 0.9545455, 0.9, 0.8333333, 0.75, 0.6428571, 0.5, 0.3, 0]),
    ],
)
def test_eight_shifted_steps_are_the_references_turbo_tables(shift, table):
    assert shifted(8, shift) == pytest.approx(table, abs=1e-7)
