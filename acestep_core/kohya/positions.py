"""Line numbers of the tables and keys of a TOML file, which the standard parser does not give."""

import re
from collections.abc import Iterator

Path = tuple[str | int, ...]
_TABLE = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_STRING = re.compile(r'"""|\'\'\'|"(?:\\.|[^"\\])*"|\'[^\']*\'|#.*')


def lines_of(text: str) -> dict[Path, int]:
    """("datasets", 0, "subsets", 1, "num_repeats") -> 7. What stands inside an inline table has no line of its own."""
    found: dict[Path, int] = {}
    for path, number in _places(text):
        found.setdefault(path, number)
    return found


def said_twice(text: str) -> list[tuple[str, int, int]]:
    """(name, line, earlier line) of every key or table that stands there again, which TOML forbids."""
    first = lines_of(text)
    return [(str(path[-1]), number, first[path]) for path, number in _places(text) if first[path] != number]


def _places(text: str) -> Iterator[tuple[Path, int]]:
    counts: dict[Path, int] = {}
    table: Path = ()
    quote, depth = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if not quote and not depth:
            header, key = _TABLE.match(line), _KEY.match(line)
            if header and not key:
                table = _table(_parts(header[2]), header[1] == "[[", counts)
                yield table, number
            elif key:
                yield (*table, *_parts(key[1])), number
        quote, depth = _left_open(line, quote, depth)


def _parts(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in re.findall(r'"[^"]*"|\'[^\']*\'|[\w-]+', dotted)]


def _table(names: list[str], is_array: bool, counts: dict[Path, int]) -> Path:
    """The full path of a header; a name that is an array stands for its latest table."""
    path: Path = ()
    for place, name in enumerate(names, 1):
        path = (*path, name)
        if is_array and place == len(names):
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _left_open(line: str, quote: str, depth: int) -> tuple[str, int]:
    """(the string that goes on in the next line, brackets that do) after this line."""
    rest = line
    while True:
        if quote:
            before, end, rest = rest.partition(quote)
            if not end:
                return quote, depth
            quote = ""
        match = _STRING.search(rest)
        plain = rest[: match.start()] if match else rest
        depth = max(0, depth + sum(map(plain.count, "[{")) - sum(map(plain.count, "]}")))
        if match is None:
            return "", depth
        quote = match[0] if match[0] in ('"""', "'''") else ""
        rest = rest[match.end() :]
