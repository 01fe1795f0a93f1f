"""What the README says of the server."""

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
_BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def section() -> str:
    return README.read_text(encoding="utf-8").partition("## The server\n")[2].partition("\n## ")[0]


def examples(url: str) -> tuple[str, str, str]:
    """How it is started, the lines for a shell and the Python of a client, for a server at `url`."""
    (_, _, start), (_, _, shell), (_, file, client) = _BLOCK.findall(section())
    assert file.strip() == "file=remote.py"
    return start, *(text.replace("http://127.0.0.1:8001", url) for text in (shell, client))
