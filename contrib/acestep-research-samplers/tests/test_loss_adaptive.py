"""What loss_adaptive learns: nothing before it has seen a loss, then the proportions of the losses."""

import pytest
import torch
from acestep_research_samplers.loss_adaptive import LossAdaptive

from acestep_core.schedule import check_schedule

U = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000


def taught(losses, rounds=1, **options):
    """A sampler with a bin per loss that has seen each of them."""
    sampler = LossAdaptive(bins=len(losses), **options)
    centres = [(i + 0.5) / len(losses) for i in range(len(losses))]
    for _ in range(rounds):
        sampler.observe(centres, losses)
    return sampler


def shares(sampler):
    return torch.histc(sampler.sample(U), sampler.bins, 0, 1) / len(U)


def test_it_is_uniform_before_it_has_seen_a_loss():
    assert torch.allclose(LossAdaptive().sample(U), U, atol=1e-12)


def test_it_is_uniform_when_all_losses_are_equal():
    assert torch.allclose(taught([0.7] * 8, rounds=3).sample(U), U, atol=1e-12)


def test_bins_are_drawn_in_proportion_to_their_loss_beside_the_floor():
    found = shares(taught([1.0, 2.0, 3.0, 4.0], floor=0.2))
    expected = torch.tensor([0.05 + 0.8 * share for share in (0.1, 0.2, 0.3, 0.4)], dtype=torch.float64)
    assert torch.allclose(found, expected, atol=1e-4)


def test_no_bin_is_drawn_less_than_the_floor():
    assert shares(taught([0.0, 0.0, 1e9, 0.0], floor=0.4)).min() >= 0.1 - 1e-4


def test_a_bin_without_losses_counts_with_the_mean_of_the_others():
    sampler = LossAdaptive(bins=4)
    sampler.observe([0.1, 0.4], [1.0, 3.0])
    assert sampler.weights()[2:] == pytest.approx([0.25, 0.25])


def test_memory_is_the_share_of_the_mean_that_stays():
    sampler = taught([1.0, 1.0], memory=0.75, floor=0.5)
    sampler.observe([0.9], [5.0])
    assert sampler.weights() == pytest.approx([0.25 + 0.5 * 1 / 3, 0.25 + 0.5 * 2 / 3])


def test_t_is_even_within_a_bin():
    t = taught([1.0, 9.0]).sample(U)
    upper = t[t >= 0.5]
    assert upper.mean().item() == pytest.approx(0.75, abs=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_t_rises_with_u_at_all_times(dtype):
    generator = torch.Generator().manual_seed(0)
    sampler, u = LossAdaptive(bins=50, floor=0.01, memory=0.5), U.to(dtype)
    for _ in range(20):
        t = torch.rand(16, generator=generator)
        sampler.observe(t, 10 ** (6 * torch.rand(16, generator=generator)))
        assert (sampler.sample(u).diff() >= 0).all()


def test_rounding_does_not_push_t_out_of_its_range_at_the_very_ends():
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        losses = torch.rand(1000, generator=generator)
        losses[-1] = 0
        t = taught(losses.tolist(), floor=0.01).sample(torch.tensor([0.0, 1.0]))
        assert t.min() >= 0 and t.max() <= 1


def test_pure_noise_belongs_to_the_last_bin():
    sampler = LossAdaptive(bins=4)
    sampler.observe([0.1, 1.0], [1.0, 3.0])
    assert sampler.weights()[3] > sampler.weights()[2]


def test_losses_that_are_no_numbers_teach_nothing():
    sampler = LossAdaptive()
    sampler.observe([0.1, 0.2], [float("nan"), float("inf")])
    assert torch.allclose(sampler.sample(U), U, atol=1e-12)


def test_schedules_spend_more_steps_where_the_loss_was_larger():
    times = taught([1.0] * 9 + [50.0]).schedule(20)
    check_schedule(times)
    assert sum(t > 0.9 for t in times) > 10
