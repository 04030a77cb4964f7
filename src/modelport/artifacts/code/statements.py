"""The statements that a notebook or script has run, by the names that they bind."""

from __future__ import annotations

import ast
import symtable
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Statement:
    """The last statement that bound a name, as it was written."""

    text: str
    node: ast.stmt


def read_statements() -> dict[str, Statement]:
    """What `__main__` has run: the cells of a notebook in their order, or the script. Empty where nobody has kept it."""
    found: dict[str, Statement] = {}
    for source in _sources():
        try:
            body = ast.parse(source).body
        except SyntaxError:  # a cell that failed has defined nothing
            continue
        for node in _flat(body):
            text = _text(source, node)
            found.update((name, Statement(text, node)) for name in _bound(node))
    return found


def _sources() -> Iterator[str]:
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is not None:
        for cell in shell.user_ns.get("In", ()):
            yield shell.transform_cell(cell)
        return
    file = getattr(sys.modules["__main__"], "__file__", None)
    if file is not None and Path(file).is_file():
        yield Path(file).read_text(encoding="utf-8")


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Those within `if`, `try` and `with`, too: a script defines its classes under `if __name__ == "__main__":`."""
    for node in body:
        if isinstance(node, (ast.If, ast.Try, ast.With)):
            handlers = [s for h in getattr(node, "handlers", ()) for s in h.body]
            yield from _flat([*node.body, *getattr(node, "orelse", ()), *handlers, *getattr(node, "finalbody", ())])
        else:
            yield node


def _text(source: str, node: ast.stmt) -> str:
    """A definition as it was written, with its decorators; anything else, and what was indented, written anew."""
    decorators = getattr(node, "decorator_list", None)
    if decorators is None or node.col_offset:  # the lines of a text in it cannot be moved to the left
        return ast.unparse(node)
    first = min([node.lineno, *(d.lineno for d in decorators)])
    return "\n".join(source.splitlines()[first - 1 : node.end_lineno])


def _bound(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0]
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                yield target.id


def global_names(text: str) -> list[str]:
    """The names that a statement looks up outside itself, in the order of the alphabet."""
    found: set[str] = set()
    tables = [symtable.symtable(text, "<saved>", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        top = table.get_type() == "module"
        found |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (top or s.is_global())}
    return sorted(found)


def import_of(name: str, statement: Statement) -> str | None:
    """The import that binds a name and nothing else; None for any other statement."""
    node = statement.node
    if not isinstance(node, (ast.Import, ast.ImportFrom)):
        return None
    alias = next((a for a in node.names if (a.asname or a.name.partition(".")[0]) == name), None)
    if alias is None or (isinstance(node, ast.ImportFrom) and node.level):
        return None
    return ast.unparse(
        ast.ImportFrom(node.module, [alias], 0) if isinstance(node, ast.ImportFrom) else ast.Import([alias])
    )
