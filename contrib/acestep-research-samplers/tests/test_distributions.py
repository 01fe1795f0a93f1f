"""Each sampler against something independent: SciPy, the integral of its density, the formula as printed."""

import math

import pytest
import torch
from acestep_research_samplers.beta import Beta
from acestep_research_samplers.cosine import Cosine
from acestep_research_samplers.logit_normal_free import LogitNormalFree
from acestep_research_samplers.mode import Mode
from scipy import integrate, stats

U = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)


def share_below(density, t):
    return integrate.quad(density, 0, t)[0]


@pytest.mark.parametrize(("a", "b"), [(1.5, 1.0), (1, 1), (0.5, 0.5), (2, 5), (30, 60)])
def test_beta_has_scipys_quantiles(a, b):
    assert Beta(a=a, b=b).sample(U).numpy() == pytest.approx(stats.beta(a, b).ppf(U.numpy()), rel=1e-9)


def test_beta_keeps_the_type_of_u():
    assert Beta().sample(U.float()).dtype is torch.float32


@pytest.mark.parametrize(("mu", "sigma"), [(0, 1), (-0.4, 1), (1.5, 0.3)])
def test_the_logit_of_logit_normal_free_is_normal(mu, sigma):
    t = LogitNormalFree(mu=mu, sigma=sigma).sample(U)
    assert stats.norm(mu, sigma).cdf(torch.logit(t).numpy()) == pytest.approx(U.numpy(), abs=1e-9)


def test_logit_normal_free_has_the_density_it_states():
    mu, sigma = 0.5, 0.8
    peak = 1 / (sigma * math.sqrt(2 * math.pi))
    density = lambda t: peak * math.exp(-((math.log(t / (1 - t)) - mu) ** 2) / (2 * sigma**2)) / (t * (1 - t))
    for u, t in zip(U.tolist(), LogitNormalFree(mu=mu, sigma=sigma).sample(U).tolist(), strict=True):
        assert share_below(density, t) == pytest.approx(u, abs=1e-7)


def test_cosine_has_the_density_it_states():
    density = lambda t: 2 / (math.pi - 2 * math.pi * t + 2 * math.pi * t**2)
    for u, t in zip(U.tolist(), Cosine().sample(U).tolist(), strict=True):
        assert share_below(density, t) == pytest.approx(u, abs=1e-9)


def test_cosine_gives_a_rectified_flow_the_cosine_schedules_signal_to_noise_ratio():
    t = Cosine().sample(U)
    assert torch.allclose((1 - t) / t, torch.cos(math.pi / 2 * U) / torch.sin(math.pi / 2 * U), rtol=1e-9)


def mode_as_printed(u, s):
    return 1 - u - s * (torch.cos(math.pi / 2 * u) ** 2 - 1 + u)


@pytest.mark.parametrize("scale", [-1, -0.5, 0, 0.81, 1.29, 1.75])
def test_mode_is_distributed_as_in_the_paper(scale):
    """U is symmetric about the middle, so the same values come out of the falling function, from the other end."""
    assert torch.allclose(Mode(scale=scale).sample(U), mode_as_printed(U, scale).sort().values, atol=1e-12)


@pytest.mark.parametrize("scale", [-0.9, 1.29])
def test_mode_has_the_density_it_states(scale):
    u = torch.linspace(0.005, 0.995, 9901, dtype=torch.float64)
    t = Mode(scale=scale).sample(u)
    found = (u[2:] - u[:-2]) / (t[2:] - t[:-2])
    stated = 1 / (1 + scale - scale * math.pi / 2 * torch.sin(math.pi * u[1:-1]))
    assert torch.allclose(found, stated, rtol=1e-4)


def test_mode_favours_the_middle_above_0_and_the_ends_below():
    middle = lambda t: ((t > 0.25) & (t < 0.75)).double().mean().item()
    shares = [middle(Mode(scale=s).sample(U)) for s in (-0.9, 0, 1.29)]
    assert shares[0] < shares[1] - 0.05 and shares[2] > shares[1] + 0.05
