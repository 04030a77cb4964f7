"""The project's own source as the house tests read it: files, syntax trees, imports."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "modelport"
MODULE_NAME = re.compile(r"modelport(\.\w+)+(:\w+)?")


@dataclass(frozen=True, slots=True)
class Import:
    """One module that a file asks for, by statement or by a string that names it."""

    file: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def package_files() -> list[Path]:
    """Every Python file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def project_files() -> list[Path]:
    """Every Python file of the project, those that git does not know yet included."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted(ROOT / name for name in names if (ROOT / name).is_file())


def layer_of(path: Path) -> str:
    """The package, or single module, right below `modelport`; `modelport` for its `__init__`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return {"__init__": "modelport", "__main__": "modelport"}.get(parts[0], parts[0])


def layer_of_module(module: str) -> str:
    """The same for a dotted name."""
    return module.split(".")[1] if "." in module else module


def imports(path: Path) -> list[Import]:
    """Every import of a file: at the top, inside functions, under TYPE_CHECKING, and modules named in strings."""
    return list(dict.fromkeys(_imports(path)))


def _imports(path: Path) -> Iterator[Import]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield Import(path, node.lineno, _imported_module(path, node, alias.name))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and MODULE_NAME.fullmatch(node.value):
            module = node.value.partition(":")[0]
            if _is_module(module):
                yield Import(path, node.lineno, module)


def _imported_module(path: Path, node: ast.ImportFrom, name: str) -> str:
    base = node.module or ""
    if node.level:
        folder = path.parent.relative_to(PACKAGE.parent).parts
        base = ".".join([*folder[: len(folder) - node.level + 1], *([base] if base else [])])
    return f"{base}.{name}" if _is_module(f"{base}.{name}") else base


def _is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
