"""Imports mlx-lm without what it does to the whole process."""

import importlib
from typing import Any


def import_mlx_lm() -> Any:
    """The package. It limits open files to 2048 when it is imported; the limit is put back as far as is allowed."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = importlib.import_module("mlx_lm")
    now = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (_least(soft, now), now))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    except (ValueError, OSError):
        pass  # only root may raise the upper limit again
    return found


def _least(a: int, b: int) -> int:
    import resource

    infinite = resource.RLIM_INFINITY
    return b if a == infinite else a if b == infinite else min(a, b)
