"""One seed per item; everything random takes one of its own from it."""

import hashlib


def derived_seed(seed: int, label: str) -> int:
    """A seed of its own for each use, out of the one seed of an item."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{label}".encode()).digest()[:7], "big")
