"""What an adapter does to weights, by its file alone: with it a written file is held against what it was made from."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from acestep_core import UserError
from acestep_core.adapters import adapter_file
from acestep_plugins.adapters.branches import Additive, Branch, InputRotation, OutputRotation, norms
from acestep_plugins.adapters.building import stored_branches
from acestep_plugins.adapters.stored import Stored, read_stored
from acestep_plugins.adapters.whole import Whole

Weights = Callable[[str], torch.Tensor]
# Of the change, relative to what was to be written: several times the rounding of a factor in that precision.
TOLERANCES = {"float32": 1e-5, "float16": 2.5e-3, "bfloat16": 2e-2}
# Of the weight: what is left of a change that float32 found as the difference of two weights.
_CANCELLED = 1e-6
_PROBE_SIDE = 8


def effect(stored: Stored, name: str, branch: Branch, weights: Weights) -> torch.Tensor:
    """The change of a layer's weight at strength 1; of a whole one with that of its bias, in a row."""
    if isinstance(branch, Whole):
        return torch.cat([t.flatten() for t in branch.folded().values()])
    if isinstance(branch, Additive) and not branch.needs_base:
        return branch.delta(_shape(stored, name))
    weight = weights(name)
    return branch.changed(weight) - weight


def probes(stored: Stored, branches: Mapping[str, Branch]) -> Weights:
    """Random weights in place of a model's: what two files do to them tells whether they are the same.

    They are as large as the magnitudes of DoRA, which else would hide the rest of the change.
    """

    def probe(name: str) -> torch.Tensor:
        branch, leaves = branches[name], stored.layers[name]
        if isinstance(branch, InputRotation):
            shape: tuple[int, ...] = (_PROBE_SIDE, branch.rotation.in_features)
        elif isinstance(branch, OutputRotation):
            shape = leaves["oft_blocks"].shape[0] * leaves["oft_blocks"].shape[1], _PROBE_SIDE
        else:
            shape = _shape(stored, name)
        drawn = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        if "magnitude" not in leaves:
            return drawn
        magnitude = leaves["magnitude"].float()
        sized = magnitude / norms(drawn, magnitude.shape[1] == 1)
        return drawn * sized.view(*sized.shape, *[1] * (drawn.ndim - 2))

    return probe


def _shape(stored: Stored, name: str) -> tuple[int, ...]:
    """Of the layer's weight, as far as an additive change tells."""
    size = stored.size_of(name)
    assert size is not None
    if name == "proj_in.1":  # the only convolution: two frames become a token
        return size[0], size[1] // 2, 2
    return size


def check_same(
    expected: Mapping[str, Callable[[], torch.Tensor]],
    out: Path,
    precision: str,
    weights: Weights,
    on_layer: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, float]:
    """By layer, how far the change that is read back from `out` is from the expected one, relative to it.

    Raises `UserError` naming every layer that is farther than the precision explains.
    """
    again = read_stored(out)
    branches, found = stored_branches(again), {}
    wrong = sorted(branches.keys() ^ expected.keys())
    for i, name in enumerate(sorted(branches.keys() & expected.keys())):
        with torch.no_grad():
            planned, read = expected[name](), effect(again, name, branches[name], weights)
            left = float((read.flatten() - planned.flatten()).norm()) if read.numel() == planned.numel() else torch.inf
        norm = float(planned.norm())
        allowed = TOLERANCES[precision] * norm + _cancelled(branches[name], name, weights)
        found[name] = left / norm if norm else left
        if not left <= allowed:  # NaN too
            wrong.append(f"{name}: {found[name]:.2g} of its change")
        on_layer(i + 1, len(branches))
    if wrong:
        raise UserError(f"{adapter_file(out).name} does not read back as it was to be written:\n  "
                        + "\n  ".join(wrong), "nothing is kept of it; is the disk full or damaged?")  # fmt: skip
    return found


def _cancelled(branch: Branch, name: str, weights: Weights) -> float:
    return _CANCELLED * float(weights(name).norm()) if branch.needs_base else 0.0
