"""Tells shortage of memory, which every device words differently, in one way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from acestep_core.errors import OutOfMemory

# CPU on Linux and Windows, MPS, and XPU or older CUDA: plain RuntimeErrors there.
_WORDS = ("can't allocate memory", "not enough memory", "mps backend out of memory", "out of memory", "out_of_memory")


@contextmanager
def shortage(what: str, hint: str) -> Iterator[None]:
    """Within, an error about memory becomes `OutOfMemory` about `what`; every other one stays what it is."""
    try:
        yield
    except (RuntimeError, MemoryError) as e:
        if not is_shortage(e):
            raise
        short = OutOfMemory(f"There is not enough memory for {what} ({_reason(e)})", hint)
    else:
        return
    raise short  # outside of the handler: the traceback of the first would keep its tensors alive


@contextmanager
def shortage_in_training(what: Callable[[], str], hint: str) -> Iterator[None]:
    """`shortage`, where a part's own words about it would send the user the wrong way."""
    try:
        yield
    except (OutOfMemory, RuntimeError, MemoryError) as e:
        told = isinstance(e, OutOfMemory)
        if (told and e.hint == hint) or not (told or is_shortage(e)):
            raise
        raise OutOfMemory(f"There is not enough memory for {what()}", hint) from e


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that the device or the machine has no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _WORDS)


def _reason(error: BaseException) -> str:
    """The sentence of its message that is about memory."""
    sentences = str(error).partition("\n")[0].split(". ")
    return next((s.strip(" .") for s in sentences if "memory" in s), "out of memory")
