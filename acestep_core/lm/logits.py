"""Logits of wanted tokens, on the arrays of any library that multiplies and indexes as numpy does."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_MANY = 4  # an output for a quarter of all tokens is cheaper made whole than gathered


def wanted_logits(
    head: Any,
    hidden: Any,
    wanted: "Sequence[np.ndarray | None]",
    *,
    index: Callable[[Any], Any],
    numbers: "Callable[[Iterator[Any]], Iterable[np.ndarray]]",
) -> "list[np.ndarray | None]":
    """What `Rows.advance` gives: of each row of `hidden` [rows, width] the logits of its sorted `wanted` ids.

    `head` is [tokens, width]. `index` makes an index of the library out of whole numbers, `numbers` float32 of numpy
    out of its arrays. Rows that want the very same ids are computed together; what nobody asks for is not computed.
    """
    groups: dict[int, list[int]] = {}
    for row, ids in enumerate(wanted):
        if ids is not None:
            groups.setdefault(id(ids), []).append(row)
    found: list[np.ndarray | None] = [None] * len(wanted)
    made = (_logits(head, hidden[index(rows)], wanted[rows[0]], index) for rows in groups.values())
    for rows, logits in zip(groups.values(), numbers(made), strict=True):
        for row, one in zip(rows, logits, strict=True):
            found[row] = one
    return found


def _logits(head: Any, hidden: Any, ids: "np.ndarray", index: Callable[[Any], Any]) -> Any:
    first, last = int(ids[0]), int(ids[-1])
    if last - first + 1 == len(ids):
        return hidden @ head[first : last + 1].T
    if len(ids) * _MANY > len(head):
        return (hidden @ head.T)[:, index(ids)]
    return hidden @ head[index(ids)].T
