"""Reads the arguments of a training script from its source, without importing or running anything of it."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from acestep_core import UserError
from acestep_core.options import nearest
from acestep_kohya.added import PARSER, UNKNOWN, argument_of
from acestep_kohya.arguments import Argument, Schema
from acestep_kohya.modules import Function, Module, Modules

SETUP = "setup_parser"
_GROUPS = ("add_argument_group", "add_mutually_exclusive_group")


def read_schema(folder: Path, script: str) -> Schema:
    """The arguments that `setup_parser` of the script adds, and the functions it calls.

    Raises `UserError` if there is no such script, or none that can be read.
    """
    modules = Modules(folder)
    path = folder / script
    if not path.is_file():
        scripts = [p.name for p in sorted(folder.glob("*train*.py"))]
        hint = nearest(script, scripts) if scripts else "give the folder of sd-scripts, which holds train_network.py"
        raise UserError(f"There is no {script} in {folder}", hint)
    module = modules.read(path)
    if SETUP not in module.functions:
        raise UserError(f"{path} defines no {SETUP}()", "give another --script")
    reader = _Reader(modules)
    reader.follow(module, module.functions[SETUP], {})
    if not reader.found:
        raise UserError(f"{path} adds no argument that can be read", "is this folder a whole copy of sd-scripts?")
    known = {name: replace(a, default=reader.defaults.get(name, a.default)) for name, a in reader.found.items()}
    return Schema(script, str(path), known, tuple(reader.notes))


class _Reader:
    """Follows the statements of a function in their order; `scope` has what its names stand for."""

    def __init__(self, modules: Modules):
        self.found: dict[str, Argument] = {}
        self.defaults: dict[str, Any] = {}
        self.notes: list[str] = []
        self._modules = modules
        self._open: list[ast.FunctionDef] = []

    def follow(self, module: Module, function: ast.FunctionDef, bound: Mapping[str, Any]) -> Any:
        """What the function returns: `PARSER`, a plain value or `UNKNOWN`."""
        if function in self._open:
            return UNKNOWN
        self._open.append(function)
        scope = dict(bound)
        returned = [self._statement(module, s, scope) for s in _statements(function.body, module, scope)]
        self._open.pop()
        return next((r for r in returned if r is not UNKNOWN), UNKNOWN)

    def _statement(self, module: Module, statement: ast.stmt, scope: dict[str, Any]) -> Any:
        match statement:
            case ast.Return(value=ast.expr() as value):
                return self._value(module, value, scope)
            case ast.Expr(value=ast.Call() as call):
                self._call(module, call, scope)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                scope[name] = self._value(module, value, scope)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                scope[name] = self._value(module, value, scope)
        return UNKNOWN

    def _value(self, module: Module, node: ast.expr, scope: Mapping[str, Any]) -> Any:
        return self._call(module, node, scope) if isinstance(node, ast.Call) else module.value(node, scope)

    def _call(self, module: Module, call: ast.Call, scope: Mapping[str, Any]) -> Any:
        match call.func:
            case ast.Attribute(value=ast.Name(id=owner), attr=method) if scope.get(owner) is PARSER:
                return self._asked(module, call, method, scope)
            case ast.Attribute(attr="ArgumentParser") | ast.Name(id="ArgumentParser"):
                return PARSER
        given = [*call.args, *(k.value for k in call.keywords)]
        hands_on = any(module.value(a, scope) is PARSER for a in given)
        function = self._modules.function(module, call.func)
        if function is not None and (hands_on or function.node.name == SETUP):
            return self.follow(function.module, function.node, _bound(function, call, module, scope))
        if hands_on:
            self._note(module, call, f"{ast.unparse(call.func)}() is not to be found")
        return UNKNOWN

    def _asked(self, module: Module, call: ast.Call, method: str, scope: Mapping[str, Any]) -> Any:
        """A method of the parser."""
        if method in _GROUPS:
            return PARSER
        if method == "set_defaults":
            self.defaults |= {k.arg: module.value(k.value, scope) for k in call.keywords if k.arg}
        if method == "add_argument":
            found = argument_of(call, lambda node: module.value(node, scope))
            if found is None:
                self._note(module, call, "an argument whose name cannot be told")
            else:
                self.found[found.name] = found
        return UNKNOWN

    def _note(self, module: Module, node: ast.expr, what: str) -> None:
        self.notes.append(f"{module.path.name} line {node.lineno}: {what}")


def _statements(body: Iterable[ast.stmt], module: Module, scope: dict[str, Any]) -> Iterator[ast.stmt]:
    """One by one as they would run: branches that are known not to are left out, loops over plain values unrolled."""
    for statement in body:
        match statement:
            case ast.If():
                known = module.value(statement.test, scope)
                yield from _statements(statement.body if known is UNKNOWN or known else [], module, scope)
                yield from _statements(statement.orelse if known is UNKNOWN or not known else [], module, scope)
            case ast.For(target=ast.Name(id=name)):
                values = module.value(statement.iter, scope)
                for value in values if isinstance(values, list) else [UNKNOWN]:
                    scope[name] = value
                    yield from _statements(statement.body, module, scope)
            case ast.With() | ast.Try():
                yield from _statements(statement.body, module, scope)
            case _:
                yield statement


def _bound(function: Function, call: ast.Call, module: Module, scope: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of the function as the call sets them."""
    spec = function.node.args
    names = [a.arg for a in (*spec.posonlyargs, *spec.args)]
    last = zip(reversed(names), reversed(spec.defaults), strict=False)
    bound = {name: function.module.value(default, {}) for name, default in last}
    bound |= {a.arg: function.module.value(d, {}) for a, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if d}
    bound |= {name: module.value(node, scope) for name, node in zip(names, call.args, strict=False)}
    return bound | {k.arg: module.value(k.value, scope) for k in call.keywords if k.arg}
