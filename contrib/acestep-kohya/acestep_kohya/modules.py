"""The modules of a source folder as syntax trees: which function a name means, and what a constant is."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acestep_core import UserError
from acestep_core.files import text_at
from acestep_kohya.added import UNKNOWN

_FARTHEST = 10  # imports of imports; modules that import each other end here


@dataclass
class Module:
    """One file. `imports` maps a local name to (module, name in it or "")."""

    path: Path
    functions: dict[str, ast.FunctionDef] = field(default_factory=dict)
    constants: dict[str, ast.expr] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    elsewhere: Callable[["Module", str], Any] = lambda module, dotted: UNKNOWN
    """The value of a constant that the module has imported, by the name it has there."""

    def value(self, node: ast.expr | None, scope: Mapping[str, Any]) -> Any:
        """The plain value of an expression, or `UNKNOWN`."""
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                if name in scope:
                    return scope[name]
                return self.value(self.constants[name], {}) if name in self.constants else self.elsewhere(self, name)
            case ast.Attribute():
                return self.elsewhere(self, ast.unparse(node))
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                values = [self.value(e, scope) for e in elements]
                return UNKNOWN if UNKNOWN in values else values
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                known = self.value(operand, scope)
                return known if known is UNKNOWN else not known
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return -number
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return _sum(self.value(left, scope), self.value(right, scope))
            case ast.JoinedStr(values=parts):
                texts = [self.value(p.value if isinstance(p, ast.FormattedValue) else p, scope) for p in parts]
                return UNKNOWN if UNKNOWN in texts else "".join(map(str, texts))
        return UNKNOWN


@dataclass(frozen=True)
class Function:
    """A function and the module whose names it sees."""

    module: Module
    node: ast.FunctionDef


class Modules:
    """Modules below `root`, each read once."""

    def __init__(self, root: Path):
        self._root = root
        self._read: dict[Path, Module] = {}

    def read(self, path: Path) -> Module:
        """Raises `UserError` for a file that is no Python."""
        if path not in self._read:
            text = text_at(path, "is this folder a whole copy of sd-scripts?")
            try:
                tree = ast.parse(text)
            except SyntaxError as e:
                raise UserError(f"{path} line {e.lineno} is no Python ({e.msg})", "get sd-scripts anew") from None
            self._read[path] = self._module(path, tree)
        return self._read[path]

    def function(self, module: Module, named: ast.expr) -> Function | None:
        """The function that `name` or `module.name` means there; None if it is not in this folder."""
        found = self._home(module, ast.unparse(named)) if isinstance(named, ast.Name | ast.Attribute) else None
        if found is None or found[1] not in found[0].functions:
            return None
        return Function(found[0], found[0].functions[found[1]])

    def _constant(self, module: Module, dotted: str) -> Any:
        found = self._home(module, dotted)
        if found is None or found[1] not in found[0].constants:
            return UNKNOWN
        return found[0].value(found[0].constants[found[1]], {})

    def _home(self, module: Module, dotted: str, depth: int = 0) -> tuple[Module, str] | None:
        """The module in which something was defined, and its name there; imports are followed."""
        owner, _, name = dotted.rpartition(".")
        if not owner and (name in module.functions or name in module.constants):
            return module, name
        for source, inner in self._sources(module, owner, name) if depth < _FARTHEST else ():
            found = self._file(source)
            if found is not None:
                return self._home(self.read(found), inner, depth + 1)
        return None

    def _sources(self, module: Module, owner: str, name: str) -> list[tuple[str, str]]:
        """(module, name in it) that the name may have been imported from."""
        if not owner:
            source, original = module.imports.get(name, ("", ""))
            return [(source, original)] if original else []
        source, original = module.imports.get(owner, (owner, ""))
        return [(f"{source}.{original}".rstrip("."), name)]

    def _file(self, dotted: str) -> Path | None:
        base = self._root.joinpath(*dotted.split("."))
        return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()), None)

    def _module(self, path: Path, tree: ast.Module) -> Module:
        module = Module(path, elsewhere=self._constant)
        for statement in tree.body:
            match statement:
                case ast.FunctionDef(name=name):
                    module.functions[name] = statement
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    module.constants[name] = value
        package = path.parent.relative_to(self._root).parts
        for node in ast.walk(tree):
            module.imports |= _imported(node, package)
        return module


def _imported(node: ast.AST, package: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Local name -> (module, name in it) of an import; a relative one starts at the package of its file."""
    match node:
        case ast.Import(names=names):
            return {n.asname or n.name: (n.name, "") for n in names}
        case ast.ImportFrom(module=source, names=names, level=level):
            above = package[: len(package) - level + 1] if level else ()
            whole = ".".join([*above, *([source] if source else [])])
            return {n.asname or n.name: (whole, n.name) for n in names}
    return {}


def _sum(left: Any, right: Any) -> Any:
    return left + right if type(left) is type(right) and isinstance(left, str | list) else UNKNOWN
