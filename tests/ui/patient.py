"""Work that lasts: an annotator of another package that takes its time, and songs that are long to encode."""

from pathlib import Path

from third_party import Distribution

SONGS, SECONDS, RATE_HZ = 40, 60, 8000
PATIENT = Distribution("tp-patient", "none, an annotator", ("annotators", "patient"), '''
import time

from acestep_core import Annotator, Value, hookimpl, option

class Patient(Annotator):
    """Thinks about each song for a while."""
    name = "patient"
    seconds: float = option(0.0, "how long it thinks", ge=0, le=60)

    def annotate(self, song, wanted):
        time.sleep(self.seconds)
        return {"genre": Value("slow", 0.5)} if "genre" in wanted else {}

@hookimpl
def acestep_annotators():
    return [Patient]
''')  # fmt: skip


def write_long_songs(folder: Path) -> None:
    """Of which no two are the same."""
    import numpy as np
    import soundfile

    folder.mkdir()
    t = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    for n in range(SONGS):
        wave = 0.3 * np.sin(2 * np.pi * (200 + 5 * n) * t) * (t % 0.5 < 0.1)
        soundfile.write(folder / f"song-{n:02}.flac", wave.astype("float32"), RATE_HZ)
