"""The contract of timestep samplers."""

from typing import Any

import pytest

from acestep_core.schedule import check_schedule
from acestep_core.testing.contracts.base import PluginContract


class SamplerContract(PluginContract):
    """Subclass with `plugin = YourSampler`."""

    kind = "samplers"

    def test_t_lies_between_0_and_1_with_one_per_u(self, made: Any) -> None:
        import torch

        for u in (_even(257), torch.tensor([1e-7, 1 - 1e-7], dtype=torch.float64), _even(1)):
            t = made.sample(u)
            assert t.shape == u.shape and torch.isfinite(t).all()
            assert t.min() >= 0 and t.max() <= 1

    def test_t_rises_with_u(self, made: Any) -> None:
        """A quantile function does, and only then are stratified u stratified t."""
        assert (made.sample(_even(1001)).diff() >= 0).all()

    def test_the_same_u_give_the_same_t_and_no_generator_is_used(self, made: Any) -> None:
        import torch

        before = torch.get_rng_state()
        first, again = made.sample(_even(64)), made.sample(_even(64))
        assert torch.equal(first, again)
        assert torch.equal(before, torch.get_rng_state()), "sample() drew random numbers; u is all it may use"

    def test_u_is_left_as_it_was(self, made: Any) -> None:
        import torch

        u = _even(16)
        made.sample(u)
        assert torch.equal(u, _even(16))

    @pytest.mark.parametrize("steps", [1, 2, 3, 8, 50])
    def test_schedule_falls_from_at_most_1_to_exactly_0(self, made: Any, steps: int) -> None:
        times = made.schedule(steps)
        assert len(times) == steps + 1 and all(isinstance(t, float) for t in times)
        check_schedule(times)

    def test_it_survives_what_it_observes(self, made: Any) -> None:
        """After any losses, even equal or huge ones, it is still a sampler."""
        for losses in ([1.0] * 8, [0.0] * 8, [1e6, 0.1] * 4):
            t = made.sample(_even(8)).tolist()
            made.observe(t, losses)
        self.test_t_lies_between_0_and_1_with_one_per_u(made)
        self.test_t_rises_with_u(made)


def _even(count: int) -> Any:
    import torch

    return (torch.arange(count, dtype=torch.float64) + 0.5) / count
