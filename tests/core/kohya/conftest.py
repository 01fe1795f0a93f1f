"""Songs of a given length with text files beside them, and dataset TOMLs."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from acestep_core.testing.fakes import write_wav

Song = Callable[..., Path]


@pytest.fixture
def song(tmp_path: Path) -> Song:
    """song("a/x.wav", 12.0, txt="...", caption="...") writes a song of its own sound and files of its stem."""
    written: list[Path] = []

    def write(name: str, seconds: float = 6.0, **texts: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_wav(path, seconds, rate_hz=8000, hz=100.0 + 10 * len(written))
        written.append(path)
        for ending, text in texts.items():
            path.with_suffix(f".{ending.replace('_', '.')}").write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def toml(tmp_path: Path) -> Callable[[str], Path]:
    """toml(text) writes data.toml beside the songs."""

    def write(text: str) -> Path:
        path = tmp_path / "data.toml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write
