"""The LoRA that is nearest to a change, by singular values."""

import torch

from acestep_plugins.adapters.branches import Branch, Kronecker, LowRank

_SMALL = 1024  # below this a whole decomposition takes less than a second
_FIRST = 16  # rank that is tried first where an error is given
_NOTHING = 1e-6  # of the largest singular value: rounding
_MORE, _ROUNDS = 16, 6  # further directions and power iterations of the random one, whose error is then negligible


def nearest(
    delta: torch.Tensor, branch: Branch, rank: int | None, max_error: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """(up [out, r], down [r, in]) with up · down as near to delta [out, in] as r <= `rank` allows.

    With `max_error` the smallest r whose error, relative to delta, is no larger; a `rank` that is too small wins.
    """
    most = min(rank or delta.numel(), *delta.shape)
    tried = most if max_error is None else min(most, _FIRST)
    while True:
        u, s, v = _singular(delta, branch, tried)
        left = _error(delta, *_factors(u, s, v, len(s)))
        if max_error is None or left <= max_error or tried >= most:
            kept = _kept(s, float(delta.norm()), left, max_error)
            return _factors(u, s, v, kept)
        tried = min(most, 2 * tried)


def _kept(s: torch.Tensor, norm: float, left: float, max_error: float | None) -> int:
    """How many of the singular values are worth keeping, at least one; `left` is the error if all are kept."""
    real = max(1, int((s > _NOTHING * s[0]).sum()))
    if max_error is None or left > max_error:
        return real
    squares = s.double().square()
    lost = squares.sum() - squares.cumsum(0) + (left * norm) ** 2
    return min(real, 1 + int((lost > (max_error * norm) ** 2).sum()))


def _factors(u: torch.Tensor, s: torch.Tensor, v: torch.Tensor, kept: int) -> tuple[torch.Tensor, torch.Tensor]:
    root = s[:kept].sqrt()
    return u[:, :kept] * root, root[:, None] * v[:kept]


def _error(delta: torch.Tensor, up: torch.Tensor, down: torch.Tensor) -> float:
    norm = float(delta.norm())
    return float((up @ down - delta).norm()) / norm if norm else 0.0


def _singular(delta: torch.Tensor, branch: Branch, rank: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(u [out, r], s [r], v [r, in]), the largest first."""
    whole = {"lokr_w1", "lokr_w2"} <= branch.leaves().keys()
    if isinstance(branch, LowRank) and not branch.needs_base:
        u, s, v = _of_factors(branch.up.detach().flatten(1), branch.down.detach().flatten(1))
    elif isinstance(branch, Kronecker) and whole and not branch.needs_base and branch.lokr_w2.ndim == 2:
        u, s, v = _of_product(branch.lokr_w1.detach(), branch.lokr_w2.detach(), rank)
    elif min(delta.shape) <= _SMALL:
        u, s, v = torch.linalg.svd(delta, full_matrices=False)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            u, s, v = torch.svd_lowrank(delta, min(rank + _MORE, *delta.shape), niter=_ROUNDS)
        v = v.T
    return u[:, :rank], s[:rank], v[:rank]


def _of_product(w1: torch.Tensor, w2: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A Kronecker product's singular values are the products of those of its factors: nothing large is decomposed."""
    (u1, s1, v1), (u2, s2, v2) = (torch.linalg.svd(w, full_matrices=False) for w in (w1, w2))
    products = torch.outer(s1, s2).flatten()
    s, chosen = products.topk(min(rank, len(products)))
    i, j = chosen // len(s2), chosen % len(s2)
    u = torch.einsum("ar,br->abr", u1[:, i], u2[:, j]).flatten(0, 1)
    v = torch.einsum("ra,rb->rab", v1[i], v2[j]).flatten(1)
    return u, s, v


def _of_factors(up: torch.Tensor, down: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of a product [out, r] · [r, in] from matrices of r x r."""
    (q1, r1), (q2, r2) = torch.linalg.qr(up), torch.linalg.qr(down.T)
    u, s, v = torch.linalg.svd(r1 @ r2.T)
    return q1 @ u, s, v @ q2.T
