"""Settings files: `acestep.toml` beside the work, and the run.toml written with every run.

Defaults < file < command line. Keys are checked where they are used, by the options they set.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acestep_core.errors import UserError

FILE = "acestep.toml"


def load_config(path: str | Path | None = None) -> dict[str, Any]:
    """The settings file given, else ./acestep.toml, else nothing."""
    chosen = Path(path) if path else Path(FILE)
    if not path and not chosen.exists():
        return {}
    try:
        return parse_toml(chosen.read_text(encoding="utf-8-sig"), chosen)
    except OSError as e:
        raise UserError(f"Cannot read the settings file {chosen} ({e.strerror})", "check its path") from e
    except UnicodeDecodeError as e:
        raise UserError(f"{chosen} is no valid TOML ({e})", "correct it") from e


def parse_toml(text: str, path: Path) -> dict[str, Any]:
    """The content of a TOML file; what stands there twice is told with both lines."""
    import tomllib  # here because most commands run without a settings file

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        from acestep_core.kohya.positions import said_twice

        again = [f"'{name}' of line {first} stands again in line {line}" for name, line, first in said_twice(text)]
        raise UserError(f"{path} is no valid TOML ({'; '.join(again) or e})", "correct it") from None


def plugin_options(config: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    """The table [<kind>.<name>], such as [adapters.lora]."""
    table: Any = config
    bare = name.partition("@")[0]
    for key in (kind, bare):
        table = table.get(key, {})
        if not isinstance(table, dict):
            raise UserError(f"'{key}' in the settings file is no table", f"write [{kind}.{bare}] and options below")
    return dict(table)


def dump_toml(content: Mapping[str, Any]) -> str:
    """TOML of plain values and tables; None is left out."""
    return "\n".join(_lines("", content)).strip() + "\n"


def _lines(prefix: str, table: Mapping[str, Any]) -> list[str]:
    lines = [f"{_key(k)} = {_value(v)}" for k, v in table.items() if v is not None and not isinstance(v, Mapping)]
    for name, inner in table.items():
        if isinstance(inner, Mapping):
            lines += ["", f"[{prefix}{_key(name)}]", *_lines(f"{prefix}{_key(name)}.", inner)]
    return lines


def _key(name: str) -> str:
    bare = name.replace("-", "").replace("_", "")
    return name if bare.isascii() and bare.isalnum() else _quoted(name)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value if v is not None) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):  # of numpy too, whose repr is no number
        return repr(int(value) if isinstance(value, int) else float(value))
    return _quoted(str(value))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON allows DEL as it is, TOML does not
