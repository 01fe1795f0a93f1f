"""Not a benchmark: counts the memory of tensors on the CPU, for those that compare it with what was forecast."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from torch.profiler import ProfilerActivity, profile


def peak_growth(work: Callable[[], object]) -> int:
    """Bytes of the tensors that the work makes, at the most at once.

    Blocks from before it do not count when it gives them back. PyTorch's profiler tells some of those too (those made
    under an earlier profiler, or at the address of such a block), so that a block counts from its own beginning only.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        work()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiled.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    alive: dict[int, int] = {}
    held = most = 0
    for event in sorted((e for e in events if e["name"] == "[memory]"), key=lambda e: e["ts"]):
        address, size = event["args"]["Addr"], event["args"]["Bytes"]
        if size > 0:
            alive[address] = size
            held += size
            most = max(most, held)
        else:
            held -= alive.pop(address, 0)
    return most
