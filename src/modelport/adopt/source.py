"""One Python file as text and syntax tree, with the full names of what it mentions."""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from modelport.errors import SetupError

Function = ast.FunctionDef | ast.AsyncFunctionDef
STARRED = {
    "flask": (
        *("Flask", "Blueprint", "request", "session", "g", "current_app", "jsonify", "make_response", "Response"),
        *("render_template", "render_template_string", "redirect", "url_for", "abort", "flash"),
        *("send_file", "send_from_directory"),
    )
}
"""What `from flask import *` brings, as far as it matters here."""
MOST_BYTES = 2 * 2**20
"""Larger files are data that somebody has written as Python."""


@dataclass(slots=True, eq=False)
class Source:
    """A parsed file. `module` is the dotted name under which the other files of the application import it."""

    path: Path
    shown: str
    module: str
    tree: ast.Module
    package: str = ""
    names: dict[str, str] = field(default_factory=dict)
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)

    def full_name(self, node: ast.AST | None) -> str:
        """`pd.DataFrame` as `pandas.DataFrame`, a name of this file as `module.name`; empty for what is no dotted name."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            base = self.full_name(node.value)
            return f"{base}.{node.attr}" if base else ""
        return ""

    def called(self, node: ast.AST | None) -> str:
        """The full name of what a call calls; empty for what is no call."""
        return self.full_name(node.func) if isinstance(node, ast.Call) else ""

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a node stands in, from the inside out."""
        while (found := self.parents.get(node)) is not None:
            yield found
            node = found

    def function_of(self, node: ast.AST) -> Function | None:
        """The innermost function that a node stands in."""
        return next((n for n in self.above(node) if isinstance(n, Function)), None)

    def functions(self) -> Iterator[Function]:
        """Every function, methods and inner ones included."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def calls(self, within: ast.AST | None = None) -> Iterator[ast.Call]:
        """Every call, in the order of the text."""
        found = [node for node in ast.walk(within or self.tree) if isinstance(node, ast.Call)]
        return iter(sorted(found, key=lambda call: (call.lineno, call.col_offset)))

    def under_main(self, node: ast.AST) -> bool:
        """Whether it runs only where this file is the program."""
        return any(isinstance(above, ast.If) and is_main_test(above.test) for above in self.above(node))


def read_source(path: Path, shown: str, module: str) -> Source:
    """Parse a file. Raises SetupError, which names the line, where it cannot be read as Python."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SetupError(f"{shown} has more than {MOST_BYTES // 2**20} MiB: give the file in which the app is made")
        with tokenize.open(path) as file:
            tree = ast.parse(file.read(), shown)
    except FileNotFoundError:
        raise SetupError(f"the file {shown} does not exist") from None
    except IsADirectoryError:
        raise SetupError(
            f"{shown} is a folder: give the file in which the app is made, such as {shown}/app.py"
        ) from None
    except OSError as error:
        raise SetupError(f"{shown} cannot be read: {error.strerror}") from None
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        raise SetupError(f"{shown} is no Python that this version reads: {where}{error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise SetupError(f"{shown} is no Python file: {str(error) or 'it is nested too deeply'}") from None
    source = Source(path, shown, module, tree, module if path.name == "__init__.py" else module.rpartition(".")[0])
    source.parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    source.names = {**_defined(source), **dict(_imported(source))}
    return source


def _defined(source: Source) -> dict[str, str]:
    """Names that this file makes at its top, and those that its functions declare global."""
    names = {name for node in ast.walk(source.tree) if isinstance(node, ast.Global) for name in node.names}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and source.function_of(node) is None:
            names.add(node.id)
        if isinstance(node, Function | ast.ClassDef) and source.function_of(node) is None:
            names.add(node.name)
    return {name: f"{source.module}.{name}" for name in names}


def _imported(source: Source) -> Iterator[tuple[str, str]]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom):
            base = import_base(source, node)
            starred = STARRED.get(base, ()) if any(alias.name == "*" for alias in node.names) else ()
            names = [(alias.asname or alias.name, alias.name) for alias in node.names] + [
                (name, name) for name in starred
            ]
            yield from ((shown, f"{base}.{name}") for shown, name in names)


def import_base(source: Source, node: ast.ImportFrom) -> str:
    """The module of a `from … import`, dots resolved."""
    if not node.level:
        return node.module or ""
    package = source.package.split(".") if source.package else []
    kept = package[: len(package) - (node.level - 1)]
    return ".".join([*kept, *([node.module] if node.module else [])])


def is_main_test(test: ast.expr) -> bool:
    """Whether this is `__name__ == "__main__"`."""
    if not isinstance(test, ast.Compare) or len(test.comparators) != 1:
        return False
    sides = (test.left, test.comparators[0])
    named = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
    return named and any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)


def text_of(node: ast.AST | None) -> str | None:
    """The value of a literal text."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def texts_of(node: ast.AST | None) -> tuple[str, ...]:
    """The texts of a literal list, tuple or set; empty for anything else."""
    if not isinstance(node, ast.List | ast.Tuple | ast.Set):
        return ()
    found = [text_of(item) for item in node.elts]
    return tuple(text for text in found if text is not None) if None not in found else ()


def argument(call: ast.Call, name: str, position: int | None = None) -> ast.expr | None:
    """An argument by its keyword, or by its place."""
    by_name = next((k.value for k in call.keywords if k.arg == name), None)
    if by_name is not None or position is None or position >= len(call.args):
        return by_name
    given = call.args[position]
    return None if any(isinstance(a, ast.Starred) for a in call.args[: position + 1]) else given
