"""Plays a song with a program that the machine has, in the background."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from acestep_core.errors import UserError

# the first that is there; those at the end play WAV alone
_PLAYERS = (
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "quiet"),
    ("mpv", "--no-video", "--really-quiet"),
    ("cvlc", "--play-and-exit", "--quiet"),
    ("vlc", "--intf", "dummy", "--play-and-exit"),
    ("afplay",),
    ("play", "-q"),
    ("paplay",),
    ("aplay", "-q"),
)
_WAV_ALONE = ("aplay",)
_POWERSHELL = "Add-Type -AssemblyName PresentationCore; $p = New-Object Windows.Media.MediaPlayer; $p.Open([uri]'{}'); \
while (-not $p.NaturalDuration.HasTimeSpan) {{ Start-Sleep -Milliseconds 100 }}; $p.Play(); \
Start-Sleep -Seconds ([math]::Ceiling($p.NaturalDuration.TimeSpan.TotalSeconds))"


class Player:
    """At most one song at a time. `program` is a command line, else a player is looked for when one is needed."""

    def __init__(self, program: str | None = None):
        self._program = program
        self._playing: subprocess.Popen[bytes] | None = None

    @property
    def playing(self) -> bool:
        return self._playing is not None and self._playing.poll() is None

    def play(self, audio: Path) -> str:
        """Start the song from its beginning; returns the player's name. Raises `UserError` if there is none."""
        self.stop()
        command = player_command(audio, self._program)
        try:
            # not our own stdin: players read keys from the terminal
            self._playing = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError as e:
            raise UserError(f"The player {command[0]} cannot be started ({e.strerror})", "name another") from None
        return Path(command[0]).stem

    def stop(self) -> None:
        if self._playing is not None and self.playing:
            self._playing.terminate()
            self._playing.wait()
        self._playing = None


def player_command(audio: Path, program: str | None = None) -> list[str]:
    """The command that plays the file. Raises `UserError` where nothing on this machine can."""
    path = str(audio.resolve())  # absolute, so that no name passes for an option
    if program:
        named = shlex.split(program, posix=sys.platform != "win32")
        if not named or shutil.which(named[0]) is None:
            raise UserError(f"There is no player {program}", "give its full path with --player")
        return [*named, path]
    for name, *options in _PLAYERS:
        if shutil.which(name) and (name not in _WAV_ALONE or audio.suffix.lower() == ".wav"):
            return [name, *options, path]
    if sys.platform == "win32":
        return ["powershell", "-NoProfile", "-Command", _POWERSHELL.format(path.replace("'", "''"))]
    raise UserError(f"Nothing here plays {audio.suffix} files", "install ffplay or mpv, or name a player with --player")
