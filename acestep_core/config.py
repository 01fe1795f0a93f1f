"""Settings files: `acestep.toml` beside the work, and the run.toml written with every run.

Defaults < file < command line. Keys are checked where they are used, by the options they set.
"""

import json
import tomllib
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
        return tomllib.loads(chosen.read_text(encoding="utf-8-sig"))
    except OSError as e:
        raise UserError(f"Cannot read the settings file {chosen} ({e.strerror})", "check its path") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise UserError(f"{chosen} is no valid TOML ({e})", "correct it") from e


def plugin_options(config: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    """The table [<kind>.<name>], such as [adapters.lora]."""
    table = config.get(kind, {}).get(name.partition("@")[0], {})
    if not isinstance(table, dict):
        raise UserError(f"[{kind}.{name}] in the settings file is no table", f"write [{kind}.{name}] and options below")
    return dict(table)


def dump_toml(content: Mapping[str, Any]) -> str:
    """TOML of plain values and tables; None is left out."""
    lines = [f"{_key(k)} = {_value(v)}" for k, v in content.items() if v is not None and not isinstance(v, Mapping)]
    for name, table in content.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{_key(name)}]", *_indented(_key(name), table)]
    return "\n".join(lines).strip() + "\n"


def _indented(prefix: str, table: Mapping[str, Any]) -> list[str]:
    lines = [f"{_key(k)} = {_value(v)}" for k, v in table.items() if v is not None and not isinstance(v, Mapping)]
    for name, inner in table.items():
        if isinstance(inner, Mapping):
            path = f"{prefix}.{_key(name)}"
            lines += ["", f"[{path}]", *_indented(path, inner)]
    return lines


def _key(name: str) -> str:
    bare = name.replace("-", "").replace("_", "")
    return name if bare.isascii() and bare.isalnum() else json.dumps(name, ensure_ascii=False)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(str(value), ensure_ascii=False)
