"""What scanning 2,000 songs costs, beside reading the header of each with soundfile, in turns in the same process.

The songs are made in a temporary folder: five formats in nested folders, half of them with tags, with the sidecars and
the table that people keep. They are seconds long, since neither way decodes, but longer than what an id is made of.

Target: at most 3 times the headers. A third of a scan is hashing, which runs beside the rest: where all processors are
taken by others the ratio is about 3.4.
"""

import argparse
import json
import shutil
import statistics
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from acestep_core.audio import write_audio
from acestep_core.scan import scan_folder

TARGET = 3.0
# format -> (share of the songs, seconds of noise that make a file of a few hundred kilobytes)
FORMATS = {".mp3": (0.45, 20), ".flac": (0.25, 3), ".wav": (0.15, 3), ".ogg": (0.1, 20), ".opus": (0.05, 20)}
LYRICS = "[Verse]\nRain on the roof tonight\nAnd the harbour far below\n\n[Chorus]\nSing it over, sing it slow\n" * 6
CAPTION = "A slow acoustic waltz with brushed drums, upright bass and a warm female voice, recorded close."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        paths = make_songs(Path(name), given.songs)
        ways: dict[str, Callable[[], Any]] = {
            "soundfile.info of each": lambda: [soundfile.info(str(p)) for p in paths],
            "scan_folder": lambda: scan_folder(Path(name)),
        }
        found = ways["scan_folder"]()
        assert len(found.songs) == given.songs and not any(s.problems for s in found.songs)
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(given.rounds + 1):
            for way, run in ways.items():
                times[way].append(seconds(run))
        report({way: each[1:] for way, each in times.items()}, paths)


def make_songs(folder: Path, count: int) -> list[Path]:
    """Copies of one song per format, each with bytes of its own in the middle, where no header is."""
    bases = [make_base(folder / f"base{extension}", seconds) for extension, (_, seconds) in FORMATS.items()]
    bounds = np.cumsum([share for share, _ in FORMATS.values()]) * 100
    paths = []
    for number in range(count):
        base = bases[int(np.searchsorted(bounds, number * 37 % 100, side="right"))]
        path = folder / f"artist {number % 20:02}" / f"album {number % 3}" / f"{number:04} a song's name{base.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        tags = id3(number) if base.suffix == ".mp3" and number % 2 else b""
        raw = bytearray(tags + base.read_bytes())
        raw[len(raw) // 2 : len(raw) // 2 + 4] = struct.pack("<I", number)
        path.write_bytes(raw)
        write_sidecars(path, number)
        paths.append(path)
    rows = "".join(f"{p.name},{90 + i % 60},A minor\n" for i, p in enumerate(paths) if i % 3 == 0)
    (folder / "key_bpm.csv").write_text("File,BPM,Key\n" + rows)
    for base in bases:
        base.unlink()
    return paths


def make_base(path: Path, seconds: int) -> Path:
    noise = np.random.default_rng(seconds).uniform(-0.3, 0.3, (2, seconds * 48_000)).astype(np.float32)
    write_audio(path, noise)
    if path.suffix in (".flac", ".ogg"):  # these have one file of tags for all copies
        tagged = path.with_name(f"tagged{path.suffix}")
        with soundfile.SoundFile(tagged, "w", 48_000, 2) as f:
            f.title, f.artist = "A song's name", "Somebody"
            for start in range(0, noise.shape[1], 48_000):
                f.write(noise[:, start : start + 48_000].T)
        shutil.move(tagged, path)
    return path


def id3(number: int) -> bytes:
    """An ID3v2.3 tag with what players and DJ programs write, a cover picture among it."""
    texts = {b"TIT2": f"Song {number}", b"TPE1": "Somebody", b"TALB": "Album", b"TBPM": "128.00", b"TKEY": "8A"}
    frames = b"".join(frame(key, b"\x03" + text.encode()) for key, text in texts.items())
    frames += frame(b"USLT", b"\x03eng\x00" + LYRICS.encode())
    frames += frame(b"APIC", b"\x00image/jpeg\x00\x03\x00" + bytes(60_000))
    size = bytes((len(frames) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\x00\x00" + size + frames


def frame(key: bytes, content: bytes) -> bytes:
    return key + struct.pack(">I", len(content)) + b"\x00\x00" + content


def write_sidecars(path: Path, number: int) -> None:
    """Nine songs of ten have lyrics, seven a caption, five a JSON file."""
    base = path.with_suffix("")
    if number % 10 < 9:
        Path(f"{base}{'.lyrics.txt' if number % 2 else '.txt'}").write_text(LYRICS)
    if number % 10 < 7:
        Path(f"{base}.caption.txt").write_text(CAPTION)
    if number % 10 < 5:
        Path(f"{base}.json").write_text(json.dumps({"bpm": 120, "keyscale": "D minor", "language": "en"}))


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def report(times: dict[str, list[float]], paths: list[Path]) -> None:
    counts = Counter(p.suffix for p in paths)
    print(f"{len(paths)} songs ({', '.join(f'{n} {e}' for e, n in counts.most_common())})")
    headers, scans = times.values()
    for way, each in times.items():
        per_song = statistics.median(each) / len(paths) * 1e3
        print(f"{way:24}{statistics.median(each):8.3f} s{per_song:8.3f} ms a song")
    target = f"target <= {TARGET:g}"
    ratio = statistics.median(s / h for s, h in zip(scans, headers, strict=True))
    print(f"the scan costs {ratio:.2f} times the headers   {target}   {'met' if ratio <= TARGET else 'missed'}")


if __name__ == "__main__":
    main()
