"""Work that lasts: plugins of other packages that take their time, and songs long to encode or to listen to."""

from pathlib import Path

from third_party import Distribution

SONGS, SECONDS, RATE_HZ = 40, 60, 8000
TAKES, LONG_SECONDS, LONG_RATE_HZ = 200, 600, 44100
_STREAM_INFO = 42  # bytes until the end of the first block of a FLAC file
ANNOTATOR = Distribution("tp-patient", "none, an annotator", ("annotators", "patient"), '''
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
TRANSCRIBER = Distribution("tp-patient-ear", "none, a transcriber", ("transcribers", "patient"), '''
import time

from acestep_core import Transcriber, Transcript, hookimpl, option

class Patient(Transcriber):
    """Listens to each song for a while."""
    name = "patient"
    seconds: float = option(0.0, "how long it listens", ge=0, le=60)

    def transcribe(self, audio, *, language=None):
        time.sleep(self.seconds)
        return Transcript("la la la", language="en")

@hookimpl
def acestep_transcribers():
    return [Patient]
''')  # fmt: skip
PLUGINS = (ANNOTATOR, TRANSCRIBER)


def write_long_songs(folder: Path) -> None:
    """Of which no two are the same."""
    import numpy as np
    import soundfile

    folder.mkdir()
    t = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    for n in range(SONGS):
        wave = 0.3 * np.sin(2 * np.pi * (200 + 5 * n) * t) * (t % 0.5 < 0.1)
        soundfile.write(folder / f"song-{n:02}.flac", wave.astype("float32"), RATE_HZ)


def write_takes(folder: Path) -> None:
    """One song many times, with more or less padding, so that each has to be listened to, which takes seconds."""
    import numpy as np
    import soundfile

    folder.mkdir()
    clicks = np.zeros(LONG_SECONDS * LONG_RATE_HZ, "float32")
    clicks[:: LONG_RATE_HZ // 2] = 0.5
    soundfile.write(folder / "take-000.flac", clicks, LONG_RATE_HZ)
    whole = (folder / "take-000.flac").read_bytes()
    for n in range(1, TAKES):
        padding = b"\x01" + n.to_bytes(3, "big") + bytes(n)
        (folder / f"take-{n:03}.flac").write_bytes(whole[:_STREAM_INFO] + padding + whole[_STREAM_INFO:])
