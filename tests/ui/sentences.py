"""Every sentence that the source can say to a person, read from it without running it; {} stands for what is filled in.

Sentences are what errors, problems of songs, findings and notes are made with. Followed are names that are given a text
in the same function or at the top of a module, arguments of functions, what functions return, and tables of texts.
"""

import ast
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from acestep_plugins.commands.ui.sentences import BLANK, GAP

SAYING = (
    "UserError",
    "FatalError",
    "OutOfMemory",
    "Diverged",
    "PluginError",
    "Problem",
    "Finding",
    "Trouble",
    "ValueError",
)
LISTS = ("notes", "warnings", "why")
NEAREST = {"did you mean '{}'?", "known: {}", "it has none"}  # of options.nearest
_DEEPEST, _MOST, _LETTERS = 5, 24, 3
_NUMBERS = re.compile(r"[{}.%]+")
Texts = set[str]


@dataclass
class Module:
    """One file of source."""

    path: Path
    tree: ast.Module
    parents: dict[ast.AST, ast.AST]
    top: dict[str, ast.expr]
    functions: dict[str, ast.FunctionDef]
    imported: set[str]

    @classmethod
    def of(cls, path: Path) -> "Module":
        tree = ast.parse(path.read_text(encoding="utf-8"))
        every = list(ast.walk(tree))
        functions = {n.name: n for n in every if isinstance(n, ast.FunctionDef)}
        imported = {a.asname or a.name for n in every if isinstance(n, ast.ImportFrom) for a in n.names}
        parents = {child: n for n in every for child in ast.iter_child_nodes(n)}
        return cls(path, tree, parents, dict(_assigned(tree.body)), functions, imported)

    def function_around(self, node: ast.AST) -> ast.FunctionDef | None:
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, ast.FunctionDef):
                return node
        return None


@dataclass
class Source:
    """All modules, of which each may import from the others."""

    modules: list[Module]
    calls: dict[str, list[tuple[Module, ast.Call]]] = field(default_factory=dict)

    @classmethod
    def below(cls, folders: Iterable[Path]) -> "Source":
        found = cls([Module.of(p) for folder in folders for p in sorted(folder.rglob("*.py"))])
        for module in found.modules:
            for call in (n for n in ast.walk(module.tree) if isinstance(n, ast.Call)):
                found.calls.setdefault(_called(call), []).append((module, call))
        return found

    def sentences(self, module: Module) -> Iterator[str]:
        """Those that one module says."""
        for node in ast.walk(module.tree):
            for argument in _said(node):
                yield from (text.strip() for text in self._text(module, argument, 0) if _is_sentence(text))

    def _text(self, module: Module, node: ast.expr | None, depth: int) -> Texts:
        """The texts that an expression may be; none where that cannot be told."""
        if node is None or depth > _DEEPEST:
            return set()
        each = [self._text(module, n, depth + 1) for n in _either(node)]
        if each:
            return set().union(*each)
        if isinstance(node, ast.Constant):
            return {node.value} if isinstance(node.value, str) else set()
        if isinstance(node, ast.JoinedStr):
            return self._filled(module, node, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            sides = [self._text(module, n, depth + 1) or {BLANK} for n in (node.left, node.right)]
            return {a + b for a, b in itertools.product(*sides)}
        if isinstance(node, ast.Name):
            return self._named(module, node, depth)
        if isinstance(node, ast.Subscript):
            return self._text(module, node.value, depth + 1)
        return self._returned(module, node, depth) if isinstance(node, ast.Call) else set()

    def _filled(self, module: Module, node: ast.JoinedStr, depth: int) -> Texts:
        """An f-string; of what is filled in only a choice between texts is followed."""
        parts: list[Texts] = []
        for value in node.values:
            if isinstance(value, ast.Constant):
                parts.append({str(value.value)})
            else:
                inner = value.value if isinstance(value, ast.FormattedValue) else None
                chosen = self._chosen(module, inner, depth)
                if parts and all(text.endswith(" ") for text in parts[-1]):
                    chosen = chosen - {""}  # nothing is left out in the middle
                parts.append(chosen or {BLANK})
        made = {"".join(p) for p in itertools.product(*parts)}
        return made if len(made) <= _MOST else {"".join(min(p) if len(p) == 1 else BLANK for p in parts)}

    def _chosen(self, module: Module, node: ast.expr | None, depth: int) -> Texts:
        """The texts that a part of an f-string is chosen from, there or at a name in the same function."""
        if isinstance(node, ast.Subscript):
            found = self._text(module, node, depth + 1)
            return found if all(BLANK not in text for text in found) else set()
        around = module.function_around(node) if isinstance(node, ast.Name) else None
        given = [v for name, v in _assigned(ast.walk(around)) if name == node.id] if around else [node]
        each = [n for v in given if v is not None for n in _choices(v)]
        if around is None and len(each) < 2:
            return set()
        texts = [set() if isinstance(n, ast.Name) else self._text(module, n, depth + 1) for n in each]
        told = all(texts) and not any(_NUMBERS.fullmatch(text) for each in texts for text in each)
        return set().union(*texts) if told else set()

    def _named(self, module: Module, node: ast.Name, depth: int) -> Texts:
        around = module.function_around(node)
        while around is not None:
            local = [v for name, v in _assigned(ast.walk(around)) if name == node.id]
            texts = set[str]().union(*(self._text(module, v, depth + 1) for v in local))
            texts = texts or self._argument(module, around, node.id, depth)
            if texts:
                return texts
            around = module.function_around(around)
        homes = [module] + ([m for m in self.modules if node.id in m.top] if node.id in module.imported else [])
        home = next((m for m in homes if node.id in m.top), None)
        return self._text(home, home.top[node.id], depth + 1) if home else set()

    def _argument(self, module: Module, function: ast.FunctionDef, name: str, depth: int) -> Texts:
        """What a function is called with."""
        names = [a.arg for a in function.args.args]
        if name not in names + [a.arg for a in function.args.kwonlyargs]:
            return set()
        defaults = dict(zip(names[::-1], function.args.defaults[::-1], strict=False))
        texts = self._text(module, defaults.get(name), depth + 1)
        place = names.index(name) - (names[0] in ("self", "cls")) if name in names else -1
        for caller, call in self.calls.get(function.name, ()):
            if caller is module or function.name in caller.imported:
                given = {k.arg: k.value for k in call.keywords}.get(name)
                plain = not any(isinstance(a, ast.Starred) for a in call.args)
                if given is None and plain and 0 <= place < len(call.args):
                    given = call.args[place]
                texts |= self._text(caller, given, depth + 1)
        return texts

    def _returned(self, module: Module, node: ast.Call, depth: int) -> Texts:
        name = _called(node)
        if name == "nearest":
            return set(NEAREST)
        if isinstance(node.func, ast.Attribute) and name == "get":  # of a table
            return self._text(module, node.func.value, depth + 1)
        own = isinstance(node.func, ast.Name) or ast.unparse(node.func).startswith(("self.", "cls."))
        homes = [module] if name in module.functions else self.modules if name in module.imported else []
        home = next((m for m in homes if name in m.functions), None)
        if home is None or not own:
            return set()
        body = ast.walk(home.functions[name])
        returned = [n.value for n in body if isinstance(n, ast.Return | ast.Yield | ast.YieldFrom)]
        return set().union(*(self._text(home, v, depth + 1) for v in returned))


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def _said(node: ast.AST) -> list[ast.expr]:
    """What a person reads of the arguments of a call, or of what is added to a list."""
    if isinstance(node, ast.Assign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [node.value] if any(ast.unparse(t).rpartition(".")[2] in LISTS for t in targets) else []
    if not isinstance(node, ast.Call):
        return []
    name = _called(node)
    if name in SAYING:
        return [*node.args[:3], *(k.value for k in node.keywords if k.arg in ("text", "problem", "remedy", "hint"))]
    to_list = name in ("append", "extend") and ast.unparse(node.func).split(".")[-2] in LISTS
    return node.args[:1] if name == "note" or to_list else [k.value for k in node.keywords if k.arg in LISTS]


def _is_sentence(text: str) -> bool:
    """Not only what is filled in, and neither a name of something nor HTML."""
    letters = re.findall("[a-z]", GAP.sub("", text))
    return " " in text.strip() and not text.startswith("<") and len(letters) >= _LETTERS


def _either(node: ast.expr) -> list[ast.expr]:
    """Those of which an expression is one."""
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, ast.BoolOp):
        return node.values
    if isinstance(node, ast.Tuple | ast.List):
        return node.elts
    if isinstance(node, ast.ListComp | ast.GeneratorExp):
        return [node.elt]
    if isinstance(node, ast.BinOp) and any(isinstance(n, ast.List | ast.ListComp) for n in (node.left, node.right)):
        return [node.left, node.right]
    return [node.value] if isinstance(node, ast.Starred) else node.values if isinstance(node, ast.Dict) else []


def _choices(node: ast.expr) -> list[ast.expr]:
    """The ends of a choice, which may be one of choices itself."""
    return [e for n in _either(node) for e in _choices(n)] if isinstance(node, ast.IfExp | ast.BoolOp) else [node]


def _assigned(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    """(name, value) of every assignment, those of several names at once among them."""
    for node in nodes:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                yield from _each(target, node.value)
        elif isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple | ast.List):
            for value in node.iter.elts:
                yield from _each(node.target, value)


def _each(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple):
        for one in _either(value) if isinstance(value, ast.IfExp) else [value]:
            if isinstance(one, ast.Tuple):
                yield from (pair for t, v in zip(target.elts, one.elts, strict=False) for pair in _each(t, v))
