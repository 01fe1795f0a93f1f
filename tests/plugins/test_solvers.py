"""Solvers against flows whose solution is known."""

import itertools
import math

import numpy as np
import pytest

from acestep_core.guidance import Guided
from acestep_core.schedule import shifted
from acestep_plugins.solvers.euler import Euler
from acestep_plugins.solvers.heun import Heun
from acestep_plugins.solvers.sde import Sde

MEAN, SPREAD = 2.0, 0.5


def velocity(x, t, corrector=False):
    """The exact velocity of the flow between N(0, 1) noise and N(MEAN, SPREAD²) data."""
    variance = t**2 + (1 - t) ** 2 * SPREAD**2
    centred = x - (1 - t) * MEAN
    return centred * (t - (1 - t) * SPREAD**2) / variance - MEAN


def solved(solver, x, steps, noise=None):
    return solver.solve(velocity, x, shifted(steps, 1.0), noise, lambda i, x: x)


def global_error(solver, steps):
    """The flow maps x at t = 1 to MEAN + SPREAD · x exactly."""
    x = np.linspace(-2, 2, 9)
    return np.abs(solved(solver, x, steps) - (MEAN + SPREAD * x)).max()


@pytest.mark.parametrize(("solver", "order"), [(Euler(), 1), (Heun(), 2), (Heun(correct_last=True), 2)])
def test_order_of_convergence(solver, order):
    found = math.log2(global_error(solver, 40) / global_error(solver, 80))
    assert found == pytest.approx(order, abs=0.35)


def test_sde_has_the_spread_its_recursion_predicts():
    """x' = t'·ε + (1 − t')·E[data | x]: the variance of x follows in closed form; the mean is the data's."""
    times = shifted(30, 1.0)
    variance = 1.0
    for now, after in itertools.pairwise(times):
        gain = (1 - now) * SPREAD**2 / (now**2 + (1 - now) ** 2 * SPREAD**2)
        variance = after**2 + (1 - after) ** 2 * gain**2 * variance
    generator = np.random.default_rng(0)
    data = solved(Sde(), generator.standard_normal(50_000), 30, lambda: generator.standard_normal(50_000))
    assert data.mean() == pytest.approx(MEAN, abs=0.01)
    assert data.std() == pytest.approx(variance**0.5, rel=0.02)


@pytest.mark.parametrize("solver", [Euler(), Heun(), Sde()], ids=lambda s: s.name)
def test_every_step_is_told_once_and_numpy_stays_numpy(solver):
    seen = []
    x = np.ones((3, 4))
    result = solver.solve(velocity, x, shifted(5, 2.0), lambda: np.zeros((3, 4)), lambda i, x: (seen.append(i), x)[1])
    assert seen == [0, 1, 2, 3, 4]
    assert isinstance(result, np.ndarray) and result.shape == (3, 4)


def test_heun_marks_its_second_look():
    roles = []

    def marked(x, t, corrector=False):
        roles.append(corrector)
        return velocity(x, t)

    Heun().solve(marked, np.zeros(3), [1.0, 0.5, 0.0], None, lambda i, x: x)
    assert roles == [False, True, False]


def test_cfg_is_the_weighted_difference():
    c, u = np.array([[1.0], [2.0]]), np.array([[0.5], [0.0]])
    guided = Guided(lambda x, t, corrector: c, lambda x, t, corrector: u, 3.0, "cfg")
    assert np.allclose(guided(None, 0.5), u + 3.0 * (c - u))


def test_apg_moves_only_across_the_conditional_velocity():
    generator = np.random.default_rng(1)
    c, u = generator.standard_normal((2, 50, 4))
    moved = Guided(lambda x, t, corrector: c, lambda x, t, corrector: u, 7.0)(None, 0.5) - c
    assert np.allclose((moved * c).sum(axis=0), 0, atol=1e-9)
    assert np.linalg.norm(moved, axis=0).max() <= 6 * 2.5 + 1e-9


def test_apg_keeps_momentum_but_a_corrector_does_not_touch_it():
    c, u = np.random.default_rng(2).standard_normal((2, 50, 4))
    plain, interrupted = (Guided(lambda x, t, corrector: c, lambda x, t, corrector: u, 7.0) for _ in range(2))
    plain(None, 0.9), interrupted(None, 0.9)
    interrupted(None, 0.8, corrector=True)
    assert np.array_equal(plain(None, 0.8), interrupted(None, 0.8))


def test_outside_its_interval_guidance_does_not_even_ask():
    guided = Guided(lambda x, t, corrector: np.ones((2, 1)), None, 7.0, interval=(0.3, 0.8))
    assert np.array_equal(guided(None, 0.9), np.ones((2, 1)))
