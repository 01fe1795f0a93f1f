"""Takes out of a finished audio file what libsndfile made random or dated, so that the same sound is the same bytes.

An Ogg stream gets a random serial number, a WAV of floats the time of its writing.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_OGG_POLYNOMIAL = 0x04C11DB7  # RFC 3533: not reflected, begins and ends with 0
_BODY = 27  # bytes of a page before its lengths and its sound; serial number at 14, checksum at 22


def make_repeatable(path: Path) -> None:
    """Rewrites what is random or dated in place, so only for a file that nobody reads yet."""
    with path.open("r+b") as file:
        start = file.read(4)
        if start == b"RIFF":
            _undate(file)
        elif start == b"OggS":
            file.seek(0)
            content = bytearray(file.read())
            _number(content)
            file.seek(0)
            file.write(content)


def _undate(file: BinaryIO) -> None:
    """The chunk PEAK of a WAV holds a version, a time, and the peaks."""
    file.seek(12)
    while len(head := file.read(8)) == 8 and head[:4] != b"data":
        start, size = file.tell(), int.from_bytes(head[4:], "little")
        if head[:4] == b"PEAK":
            file.seek(start + 4)
            file.write(bytes(4))
        file.seek(start + size + size % 2)


def _number(ogg: bytearray) -> None:
    """A serial number out of the sound in place of a random one.

    The checksum is linear: a page's changes by that of the change alone, which depends on how many bytes follow it.
    """
    pages = list(_pages(ogg))
    serial = 0
    for start, end in pages:
        serial = zlib.crc32(memoryview(ogg)[start + _BODY : end], serial)
    first = pages[0][0]
    change = int.from_bytes(ogg[first + 14 : first + 18], "little") ^ serial
    after = _checksums(change.to_bytes(4, "little"), max(end - start for start, end in pages))
    for start, end in pages:
        crc = int.from_bytes(ogg[start + 22 : start + 26], "little") ^ after[end - start - 18]
        ogg[start + 14 : start + 18] = serial.to_bytes(4, "little")
        ogg[start + 22 : start + 26] = crc.to_bytes(4, "little")


def _pages(ogg: bytearray) -> Iterator[tuple[int, int]]:
    at = 0
    while at < len(ogg):
        segments = ogg[at + 26]
        end = at + _BODY + segments + sum(ogg[at + _BODY : at + _BODY + segments])
        yield at, end
        at = end


def _checksums(change: bytes, most: int) -> list[int]:
    """Checksum of `change` with n zero bytes behind it, for n from 0 to `most`."""
    crc, found = 0, []
    for byte in change + bytes(most):
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (_OGG_POLYNOMIAL if crc & 0x80000000 else 0)) & 0xFFFFFFFF
        found.append(crc)
    return found[len(change) - 1 :]
