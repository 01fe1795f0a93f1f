"""What every kind of plugin shares: a name, options that are frozen once it is made, and an end.

Attributes whose names start with an underscore are a plugin's own state.
"""

import sys
from abc import ABCMeta
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, dataclass_transform

from acestep_core.errors import raise_all
from acestep_core.options import as_dict, check_values, option


class _PluginMeta(ABCMeta):
    """Checks and freezes the options of an object right after it was made."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        made = super().__call__(*args, **kwargs)
        raise_all(check_values(made, cls.name or cls.__name__), f"'{cls.name or cls.__name__}'")
        object.__setattr__(made, "_frozen", frozenset(f.name for f in fields(made)))
        return made


@dataclass_transform(kw_only_default=True, field_specifiers=(option, field))
class Plugin(metaclass=_PluginMeta):
    """What every kind shares: a name, options, and `close()` to let go of what it holds."""

    name: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        about = cls.__doc__ or getattr(sys.modules.get(cls.__module__), "__doc__", None)
        dataclass(kw_only=True, eq=False, repr=False)(cls)
        cls.__doc__ = about  # where there was none, dataclass() has put a signature that says nothing

    def __setattr__(self, key: str, value: Any) -> None:
        if key in getattr(self, "_frozen", ()):
            raise AttributeError(f"option '{key}' of '{self.name}' is frozen; make a new object")
        object.__setattr__(self, key, value)

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v!r}" for k, v in self.options().items())
        return f"{type(self).__name__}({shown})"

    def options(self) -> dict[str, Any]:
        """Option values as plain JSON types, secrets masked."""
        return as_dict(self)

    def close(self) -> None:
        """Let go of files, processes and memory. Called at the end, may be called twice."""
