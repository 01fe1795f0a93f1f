"""Audio files with tags in them, written byte by byte, since the library that reads them writes none."""

import struct
from pathlib import Path

import numpy as np

from acestep_core.audio import write_audio
from acestep_core.testing.fakes import write_wav


def write_mp3(path: Path, *frames: bytes) -> Path:
    """A short MP3 with an ID3v2.3 tag of these frames; see `text_frame` and `lyrics_frame`."""
    wave = np.random.default_rng(len(path.name)).uniform(-0.1, 0.1, (2, 4800)).astype(np.float32)
    write_audio(path, wave)
    content = b"".join(frames)
    size = bytes((len(content) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\x03\x00\x00" + size + content + path.read_bytes())
    return path


def text_frame(key: str, text: str | bytes) -> bytes:
    """Text goes in as UTF-16, bytes as what the frame then calls Latin-1."""
    content = b"\x00" + text if isinstance(text, bytes) else b"\x01" + text.encode("utf-16")
    return key.encode() + struct.pack(">I", len(content)) + b"\x00\x00" + content


def lyrics_frame(text: str | bytes) -> bytes:
    if isinstance(text, bytes):
        content = b"\x00eng\x00" + text
    else:
        content = b"\x01eng" + "".encode("utf-16") + b"\x00\x00" + text.encode("utf-16")
    return b"USLT" + struct.pack(">I", len(content)) + b"\x00\x00" + content


def write_flac(path: Path, *comments: str) -> Path:
    """A short FLAC with Vorbis comments such as BPM=120, in a block of its own behind the first."""
    write_audio(path, np.random.default_rng(len(path.name)).uniform(-0.1, 0.1, (2, 4800)).astype(np.float32))
    raw = path.read_bytes()
    texts = [c.encode() for c in comments]
    block = struct.pack("<I", 4) + b"test" + struct.pack("<I", len(texts))
    block += b"".join(struct.pack("<I", len(t)) + t for t in texts)
    kept, rest = [raw[4:42]], raw[42:]
    last = kept[0][0] & 0x80
    while not last:  # the blocks between the first and the sound, but for the comments that libsndfile wrote
        last, kind, size = rest[0] & 0x80, rest[0] & 0x7F, int.from_bytes(rest[1:4], "big")
        kept += [rest[: 4 + size]] if kind != 4 else []
        rest = rest[4 + size :]
    kept.append(b"\x04" + len(block).to_bytes(3, "big") + block)
    blocks = [bytes([b[0] & 0x7F | (0x80 if i == len(kept) - 1 else 0)]) + b[1:] for i, b in enumerate(kept)]
    path.write_bytes(b"fLaC" + b"".join(blocks) + rest)
    return path


def write_tagged_wav(path: Path, **fields: str) -> Path:
    """A short WAV with a LIST INFO chunk at its end: write_tagged_wav(path, INAM="title")."""
    write_wav(path, 0.1, rate_hz=8000)
    info = b"INFO"
    for key, text in fields.items():
        value = text.encode() + b"\0" * (2 - len(text.encode()) % 2)
        info += key.encode() + struct.pack("<I", len(value)) + value
    raw = path.read_bytes() + b"LIST" + struct.pack("<I", len(info)) + info
    path.write_bytes(raw[:4] + struct.pack("<I", len(raw) - 8) + raw[8:])
    return path
