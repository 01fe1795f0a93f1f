"""A template turned into the call of a training script, with a row that accounts for every key."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from acestep_core import UserError
from acestep_core.options import nearest
from acestep_kohya.arguments import FLAG, SECRETS, SWITCH, Argument, Schema
from acestep_kohya.template import Template
from acestep_kohya.values import is_nothing, normal, words

PASSED, LEFT_OUT, ADDED, CHANGED, DEPRECATED, UNKNOWN, WRONG = (
    "passed", "left out", "added", "changed", "deprecated", "unknown", "wrong"
)  # fmt: skip
MASKED = "***"
_INSTEAD = {
    "config_file": "the template takes its place",
    "output_config": "see: acestep-core kohya toml",
}


@dataclass(frozen=True)
class Row:
    """What became of one key. `passed` is what stands on the command line for it."""

    key: str
    where: str
    section: str
    value: Any
    status: str
    passed: Sequence[str] = ()
    remark: str = ""


@dataclass
class Call:
    """The arguments of a script by name, as they are passed, and how they came about."""

    template: Template
    schema: Schema
    values: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    errors: list[UserError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def get(self, name: str) -> Any:
        """What the script will work with: the value passed, else its default."""
        known = self.schema.arguments.get(name)
        return self.values.get(name, known.default if known else None)

    def argument(self, name: str) -> Argument:
        return self.schema.arguments[name]

    def arguments(self) -> list[str]:
        """The words after the name of the script."""
        return [word for name, value in self.values.items() for word in words(self.argument(name), value)]

    def put(self, name: str, value: Any, status: str, remark: str) -> None:
        """Add or change a value; `remark` says why."""
        self.values[name] = normal(self.argument(name), value)
        before = self.rows.get(name)
        passed = words(self.argument(name), self.values[name])
        self.rows[name] = Row(name, before.where if before else "", before.section if before else "",
                              before.value if before else None, status, passed, remark)  # fmt: skip

    def where(self, name: str) -> str:
        """Where the key stands, for an error about it."""
        return self.rows[name].where if name in self.rows and self.rows[name].where else self.template.path.name

    def wrong(self, name: str, problem: str, hint: str) -> None:
        self.errors.append(UserError(f"{self.where(name)}: {problem}", hint))

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(row) for row in self.rows.values()]


def make_call(template: Template, schema: Schema) -> Call:
    """Every key of the template accounted for; nothing is checked against other keys yet."""
    call = Call(template, schema, errors=list(template.errors))
    call.notes += [f"{schema.script}: {note}, so it is not known" for note in schema.notes] + template.notes
    for setting in template.settings.values():
        row, value = _row(setting.name, setting.value, setting.where, setting.section, schema)
        call.rows[setting.name] = row
        if row.status in (UNKNOWN, WRONG):
            call.errors.append(_told(row, schema))
        elif row.passed:
            call.values[setting.name] = value
    missing = [a.name for a in schema.arguments.values() if a.required and a.name not in call.values]
    call.errors += [UserError(f"{template.path.name}: {n} is missing, which {schema.script} must have", f"add {n}")
                    for n in missing if n not in call.rows]  # fmt: skip
    return call


def _row(name: str, given: Any, where: str, section: str, schema: Schema) -> tuple[Row, Any]:
    """The row of a key, and its value if the script is to know it."""

    def row(status: str, remark: str = "", passed: Sequence[str] = ()) -> Row:
        return Row(name, where, section, given, status, passed, remark)

    argument = schema.arguments.get(name)
    if argument is None:
        return row(UNKNOWN, _hint(name, schema.arguments)), None
    if name in _INSTEAD and not is_nothing(given) and given is not False:
        return row(WRONG, f"take it out: {_INSTEAD[name]}"), None
    if is_nothing(given):
        return row(LEFT_OUT, "empty: the script's own default counts"), None
    try:
        value = normal(argument, given)
    except UserError as e:
        return row(WRONG, f"{e.problem}" + (f" ({e.hint})" if e.hint else "")), None
    passed = words(argument, value)
    if name in SECRETS:
        return Row(name, where, section, MASKED, PASSED, [f"{argument.option}={MASKED}"]), value
    if argument.deprecated and passed:
        return row(DEPRECATED, argument.deprecated, passed), value
    if argument.kind in (FLAG, SWITCH) and not passed:
        return row(LEFT_OUT, "as it is without it"), None
    changed = _different(given, value)
    return row(PASSED, f"as {value}" if changed else "", passed), value


def _different(given: Any, value: Any) -> bool:
    """Whether more than the way of writing has changed, which the table tells."""
    return not isinstance(value, list) and (type(given), given) != (type(value), value)


def _hint(name: str, known: Mapping[str, Argument]) -> str:
    hint = nearest(name, known)
    return "" if hint.startswith("known: ") else hint  # the names of two hundred arguments are no hint


def _told(row: Row, schema: Schema) -> UserError:
    if row.status == UNKNOWN:
        newer = "; --scripts FOLDER reads those of your sd-scripts" if schema.is_bundled else ""
        return UserError(f"{row.where}: the script has no argument '{row.key}'", (row.remark or "take it out") + newer)
    return UserError(f"{row.where}: {row.remark}" if row.key in row.remark else f"{row.where}: {row.key}: {row.remark}")


def scripts_folder(template: Template, given: Path | None) -> Path | None:
    """The sd-scripts folder: the option, else that of `[kohya]`, as it counts from the template's folder."""
    if given is not None or "scripts" not in template.own:
        return given
    return template.path.parent / Path(template.own["scripts"]).expanduser()
