"""The contract of solvers: right on a flow whose solution is known, and indifferent to the array library."""

import math
from typing import Any, ClassVar

import pytest

from acestep_core.schedule import shifted
from acestep_core.testing.contracts.base import PluginContract

MEAN, SPREAD = 2.0, 0.5


def gaussian_velocity(x: Any, t: float, corrector: bool = False) -> Any:
    """The exact velocity between N(0, 1) noise at t = 1 and N(MEAN, SPREAD²) data at t = 0."""
    variance = t**2 + (1 - t) ** 2 * SPREAD**2
    return (x - (1 - t) * MEAN) * ((t - (1 - t) * SPREAD**2) / variance) - MEAN


class SolverContract(PluginContract):
    """Subclass with `plugin = YourSolver` and its `order`; None for a solver that adds noise."""

    kind = "solvers"
    order: ClassVar[float | None] = 1

    def test_error_falls_with_its_order(self, made: Any) -> None:
        if self.order is None:
            pytest.skip("adds noise")
        found = math.log2(self._error(made, 40) / self._error(made, 80))
        assert found > self.order - 0.35, f"halving the step divides the error by 2^{found:.2f}, not 2^{self.order}"

    def test_it_arrives_at_the_data(self, made: Any) -> None:
        """The mean of many samples is the data's, with and without noise."""
        import numpy as np

        generator = np.random.default_rng(0)
        x = generator.standard_normal(20_000)
        data = made.solve(gaussian_velocity, x, shifted(60, 1.0), lambda: generator.standard_normal(20_000), _nothing)
        assert data.mean() == pytest.approx(MEAN, abs=0.05)
        assert np.isfinite(data).all()

    def test_numpy_stays_numpy_and_x_is_left_alone(self, made: Any) -> None:
        import numpy as np

        x = np.ones((3, 4), np.float32)
        result = made.solve(gaussian_velocity, x, shifted(5, 3.0), lambda: np.zeros((3, 4), np.float32), _nothing)
        assert isinstance(result, np.ndarray) and result.shape == (3, 4) and result.dtype == np.float32
        assert np.array_equal(x, np.ones((3, 4), np.float32))

    def test_torch_gives_the_same_numbers(self, made: Any) -> None:
        import numpy as np
        import torch

        x = np.linspace(-1, 1, 12).reshape(3, 4)
        times = shifted(6, 2.0)
        ours = made.solve(gaussian_velocity, torch.from_numpy(x), times, lambda: torch.zeros(3, 4), _nothing)
        theirs = made.solve(gaussian_velocity, x, times, lambda: np.zeros((3, 4)), _nothing)
        assert np.allclose(ours.numpy(), theirs, atol=1e-9)

    def test_every_step_is_told_once_and_in_order(self, made: Any) -> None:
        import numpy as np

        seen: list[int] = []
        told = lambda i, x: [x, seen.append(i)][0]
        made.solve(gaussian_velocity, np.ones(3), shifted(7, 1.0), lambda: np.zeros(3), told)
        assert seen == list(range(7))

    def test_it_goes_on_from_what_it_is_given_after_a_step(self, made: Any) -> None:
        import numpy as np

        given = np.array([5.0, -5.0, 0.0])
        start = lambda x, last: made.solve(
            gaussian_velocity, x, shifted(3, 1.0), lambda: np.zeros(3), lambda i, x: given if i == last else x
        )
        assert np.array_equal(start(np.ones(3), 1), start(np.zeros(3), 1)), "on_step's answer after step 1 is not used"
        assert np.array_equal(start(np.ones(3), 2), given), "on_step's answer after the last step is not the result"

    def test_one_step_is_enough(self, made: Any) -> None:
        import numpy as np

        assert np.isfinite(made.solve(gaussian_velocity, np.ones(3), [1.0, 0.0], lambda: np.zeros(3), _nothing)).all()

    def test_nothing_is_drawn_but_by_noise(self, made: Any) -> None:
        import numpy as np
        import torch

        before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
        made.solve(gaussian_velocity, np.ones(3), shifted(4, 1.0), lambda: np.zeros(3), _nothing)
        assert torch.equal(before, torch.get_rng_state())
        assert np.array_equal(numpy_before, np.random.get_state()[1])

    def _error(self, made: Any, steps: int) -> float:
        import numpy as np

        x = np.linspace(-2, 2, 9)
        solved = made.solve(gaussian_velocity, x, shifted(steps, 1.0), lambda: np.zeros(9), _nothing)
        return float(np.abs(solved - (MEAN + SPREAD * x)).max())


def _nothing(i: int, x: Any) -> Any:
    """A callback that changes nothing."""
    return x
