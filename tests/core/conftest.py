"""Short songs with text files beside them."""

from collections.abc import Callable
from json import dumps
from pathlib import Path

import numpy as np
import pytest

from acestep_core.audio import write_audio

AddSong = Callable[..., Path]
_count = iter(range(1_000_000))


@pytest.fixture
def add(tmp_path: Path) -> AddSong:
    """add("a.wav", json={...}, caption="...", lyrics="...", txt="...") writes a short song and its text files."""

    def write(name: str, json: object = None, **texts: str) -> Path:
        path = tmp_path / name
        wave = np.random.default_rng(next(_count)).uniform(-0.1, 0.1, (2, 4800)).astype(np.float32)
        write_audio(path, wave)
        endings = {"caption": ".caption.txt", "lyrics": ".lyrics.txt", "txt": ".txt"}
        for kind, text in texts.items():
            path.with_suffix(endings[kind]).write_text(text, encoding="utf-8")
        if json is not None:
            path.with_suffix(".json").write_text(dumps(json), encoding="utf-8")
        return path

    return write
