"""What 200 installed plugin packages cost: `--help` and `plugins list` with and without them, interleaved.

The packages are metadata and a module each, as pip would have left them, and are seen through PYTHONPATH. Prints
median seconds and the median ratio of the pairs. Target: at most 1.5.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COUNT, TARGET = 200, 1.5
COMMANDS = {"--help": ["--help"], "plugins list": ["plugins", "list"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        write_packages(Path(folder))
        print(f"{'command':<16}{'without':>9}{'with 200':>10}{'ratio':>8}   target <= {TARGET}")
        for name, arguments in COMMANDS.items():
            pairs = [(seconds(arguments, folder, ""), seconds(arguments, folder, folder)) for _ in range(rounds + 1)][
                1:
            ]
            without, many = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratio = statistics.median(b / a for a, b in pairs)
            print(f"{name:<16}{without:>9.3f}{many:>10.3f}{ratio:>8.2f}   {'met' if ratio <= TARGET else 'missed'}")


def write_packages(folder: Path) -> None:
    for number in range(COUNT):
        info = folder / f"many_{number}-1.0.dist-info"
        info.mkdir()
        about = f"Metadata-Version: 2.1\nName: many-{number}\nVersion: 1.0\nRequires-Dist: acestep-core>=1,<2\n"
        (info / "METADATA").write_text(about)
        (info / "entry_points.txt").write_text(f"[acestep_core.samplers]\nmany_{number} = many_{number}\n")
        (folder / f"many_{number}.py").write_text("raise SystemExit('imported')\n")


def seconds(arguments: list[str], folder: str, path: str) -> float:
    environment = {**os.environ, "PYTHONPATH": path}
    start = time.perf_counter()
    command = [sys.executable, "-m", "acestep_core", *arguments]
    subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
