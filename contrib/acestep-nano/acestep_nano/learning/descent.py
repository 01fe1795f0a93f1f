"""One step down a loss, as the short trainings before the long one all take it."""

import torch

_LONGEST = 1.0  # norm of a gradient


def descend(loss: torch.Tensor, optimizer: torch.optim.Optimizer, rates: torch.optim.lr_scheduler.LRScheduler) -> None:
    """`optimizer` moves its weights against the gradient of `loss`, which is clipped; `rates` goes on by a step."""
    optimizer.zero_grad()
    loss.backward()
    learnt = [p for group in optimizer.param_groups for p in group["params"]]
    torch.nn.utils.clip_grad_norm_(learnt, _LONGEST)
    optimizer.step()
    rates.step()
