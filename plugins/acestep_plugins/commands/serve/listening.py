"""Whether an uploaded file is sound, found out in a process of its own.

`python -m acestep_plugins.commands.serve.listening FILE SECONDS` decodes the file block by block, keeps none of it, and
prints a line of JSON. A decoder that a file leads astray harms that process alone.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acestep_core.audio import check_complete, decoded, probe
from acestep_core.errors import UserError

MODULE = "acestep_plugins.commands.serve.listening"
CONTAINERS: Mapping[str, tuple[str, ...]] = {
    ".wav": ("WAV", "WAVEX", "RF64", "W64"),
    ".flac": ("FLAC",),
    ".mp3": ("MP3",),
    ".ogg": ("OGG",),
    ".opus": ("OGG",),
}
_RATES = (8_000, 384_000)
_TIME_S, _MEMORY = 120.0, 1_000_000_000


def listen_apart(path: Path, longest_s: float) -> dict[str, Any]:
    """`listen` in another process. Raises `UserError` for what is no sound."""
    command = [sys.executable, "-m", MODULE, str(path), str(longest_s)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIME_S, stdin=subprocess.DEVNULL)
        told = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, IndexError, ValueError):
        raise UserError("The file breaks the decoder", "export it again as .wav or .flac") from None
    if "problem" in told:
        raise UserError.from_plain(told)
    return told


def listen(path: Path, longest_s: float) -> dict[str, Any]:
    """Length, rate and channels. Headers are believed only in what they may ask for, never in how much there is."""
    import soundfile

    try:
        info = probe(path)
        with soundfile.SoundFile(str(path)) as file:
            container = file.format
    except UserError as e:
        raise UserError(f"The file cannot be used: {e.problem}", e.hint) from None
    if container not in CONTAINERS[path.suffix.lower()]:
        raise UserError(f"The file is called {path.suffix} and is {container}", "give it the ending of what it is")
    if not _RATES[0] <= info.rate_hz <= _RATES[1]:
        raise UserError(f"The file has {info.rate_hz} samples a second", "export it again with 44100 or 48000")
    if info.duration_s > longest_s:
        raise UserError(f"The file says it is {info.duration_s:.0f} s long", f"send at most {longest_s:g} s")
    frames = 0
    for block in decoded(path, info):
        frames += len(block)
        if frames > longest_s * info.rate_hz:
            raise UserError(f"There is more in the file than {longest_s:g} s", "send less")
    check_complete(frames, info)
    return {"duration_s": frames / info.rate_hz, "rate_hz": info.rate_hz, "channels": info.channels}


def _limit_memory() -> None:
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limits
        return
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))


def main() -> None:
    _limit_memory()
    try:
        told = listen(Path(sys.argv[1]), float(sys.argv[2]))
    except UserError as e:
        told = UserError(e.problem[:1].upper() + e.problem[1:], e.hint).as_plain()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
