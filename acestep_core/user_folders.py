"""Where a person's own files are kept between runs: presets and the like, and what programs remember."""

import os
import sys
from pathlib import Path

_NAME = "acestep-core"


def config_folder() -> Path:
    """What the person chose to keep. XDG_CONFIG_HOME moves it on every system; it need not exist."""
    return _folder("XDG_CONFIG_HOME", "APPDATA", "~/.config")


def state_folder() -> Path:
    """What is remembered and can be lost without harm. XDG_STATE_HOME moves it on every system."""
    return _folder("XDG_STATE_HOME", "LOCALAPPDATA", "~/.local/state")


def _folder(variable: str, on_windows: str, elsewhere: str) -> Path:
    if os.environ.get(variable):
        return Path(os.environ[variable]) / _NAME
    if sys.platform == "win32" and os.environ.get(on_windows):
        return Path(os.environ[on_windows]) / _NAME
    if sys.platform == "darwin":
        return Path("~/Library/Application Support").expanduser() / _NAME
    return Path(elsewhere).expanduser() / _NAME
