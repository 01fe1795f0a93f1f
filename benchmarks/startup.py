"""What it costs to start: `acestep-core --help` and `plugins list` against a bare interpreter and one with click.

The rounds are interleaved and every time is divided by the bare one of the same round, so a busy machine shifts all
of them alike. Prints medians, with the number of installed distributions, whose metadata is read.

Target: under 0.2 s each.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time

import importlib_metadata

TARGET_S = 0.2
BARE, CLICK = "python -c pass", 'python -c "import click"'
COMMANDS = {
    BARE: ["-c", "pass"],
    CLICK: ["-c", "import click"],
    "acestep-core --help": ["-m", "acestep_core", "--help"],
    "acestep-core plugins list": ["-m", "acestep_core", "plugins", "list"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = measured(parser.parse_args().rounds)
    print(f"Python {sys.version.split()[0]}, {len(list(importlib_metadata.distributions()))} installed distributions, "
          f"{len(rounds)} rounds, target under {TARGET_S} s")  # fmt: skip
    print(f"{'command':<28}{'seconds':>9}{'/ bare':>9}{'/ click':>9}  target")
    for name in COMMANDS:
        seconds = statistics.median(r[name] for r in rounds)
        to_bare, to_click = (statistics.median(r[name] / r[base] for r in rounds) for base in (BARE, CLICK))
        verdict = "" if name in (BARE, CLICK) else "met" if seconds < TARGET_S else "missed"
        print(f"{name:<28}{seconds:>9.3f}{to_bare:>9.1f}{to_click:>9.1f}  {verdict}".rstrip())


def measured(count: int) -> list[dict[str, float]]:
    """Seconds per command, round by round; a first round that warms the disk cache is left out."""
    with tempfile.TemporaryDirectory() as folder:  # where no settings file lies
        return [{name: seconds(a, folder) for name, a in COMMANDS.items()} for _ in range(count + 1)][1:]


def seconds(arguments: list[str], folder: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=folder, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
