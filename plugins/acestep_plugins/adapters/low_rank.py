"""The LoRA that is nearest to a change, by singular values."""

import torch

from acestep_plugins.adapters.branches import Branch, Kronecker

_SMALL = 1024  # below this a whole decomposition takes less than a second
_MORE, _ROUNDS = 16, 6  # further directions and power iterations of the random one, whose error is then negligible


def nearest(delta: torch.Tensor, branch: Branch, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(up [out, r], down [r, in]) with up · down as near to delta [out, in] as rank r <= `rank` allows."""
    rank = min(rank, *delta.shape)
    whole = {"lokr_w1", "lokr_w2"} <= branch.leaves().keys()
    if isinstance(branch, Kronecker) and whole and not branch.needs_base and branch.lokr_w2.ndim == 2:
        u, s, v = _of_product(branch.lokr_w1.detach(), branch.lokr_w2.detach(), rank)
    elif min(delta.shape) <= _SMALL:
        u, s, v = torch.linalg.svd(delta, full_matrices=False)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            u, s, v = torch.svd_lowrank(delta, min(rank + _MORE, *delta.shape), niter=_ROUNDS)
        v = v.T
    root = s[:rank].sqrt()
    return u[:, :rank] * root, root[:, None] * v[:rank]


def _of_product(w1: torch.Tensor, w2: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A Kronecker product's singular values are the products of those of its factors: nothing large is decomposed."""
    (u1, s1, v1), (u2, s2, v2) = (torch.linalg.svd(w, full_matrices=False) for w in (w1, w2))
    products = torch.outer(s1, s2).flatten()
    s, chosen = products.topk(min(rank, len(products)))
    i, j = chosen // len(s2), chosen % len(s2)
    u = torch.einsum("ar,br->abr", u1[:, i], u2[:, j]).flatten(0, 1)
    v = torch.einsum("ra,rb->rab", v1[i], v2[j]).flatten(1)
    return u, s, v
