"""The source of everything that a model needs from a notebook or script, and from modules beside it."""

from __future__ import annotations

import ast
import builtins
import hashlib
import re
import sys
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from modelport.artifacts.code.places import is_local, local_files
from modelport.artifacts.code.statements import Statement, global_names, import_of, read_statements
from modelport.errors import ArtifactError

MOST_NUMBERS = 10_000
"""Of an array that stands as a constant in the source."""

LITERALS = (str, bytes, int, float, complex, bool, type(None))


@dataclass(frozen=True, slots=True)
class Code:
    """Source files by their path, the module that stands for the notebook with what is in it, and the names to import by."""

    files: dict[str, str]
    notebook: str = ""
    defined: dict[str, Any] = field(default_factory=dict)

    @property
    def roots(self) -> frozenset[str]:
        """The modules that are in it."""
        return frozenset(path.partition("/")[0].removesuffix(".py") for path in self.files)


def collect_code(things: list[Any]) -> Code:
    """What these classes and functions need. Raises ArtifactError naming what has no source, or is no code."""
    writer = _Writer()
    files: dict[str, str] = {}
    for thing in things:
        if thing.__module__ == "__main__":
            writer.require(thing.__qualname__.partition(".")[0], "the model")
        else:
            files |= local_files(thing.__module__)
    for module in writer.local:
        files |= local_files(module)
    if not writer.defined:
        return Code(files)
    text = writer.text()
    name = f"notebook_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return Code({f"{name}.py": text, **files}, name, writer.defined)


class _Writer:
    """Writes a module with the definitions of `__main__` that are required, what they need before them."""

    def __init__(self) -> None:
        self._main = sys.modules["__main__"].__dict__
        self._statements = read_statements()
        self._imports: list[str] = []
        self._body: list[str] = []
        self._seen: set[str] = set()
        self.defined: dict[str, Any] = {}
        self.local: list[str] = []

    def text(self) -> str:
        """The module."""
        future = "annotations" in self._statements and "__future__" in self._statements["annotations"].text
        head = ["from __future__ import annotations"] if future else []
        imports = "\n".join([*head, *dict.fromkeys(self._imports)])
        return "\n\n\n".join(filter(None, [imports, *self._body])) + "\n"

    def require(self, name: str, user: str) -> None:
        """Write what binds a name, unless it is there or is Python's own."""
        if name in self._seen or name not in self._main:
            if name not in self._seen and not hasattr(builtins, name):
                self._refuse_missing(name, user)
            return
        self._seen.add(name)
        value, statement = self._main[name], self._statements.get(name)
        line = self._import_line(name, value, statement)
        if line is not None:
            self._imports.append(line)
        elif isinstance(value, (type, FunctionType)) or (statement and _is_definition(statement)):
            self._define(name, value, statement, user)
        else:
            self._body.append(self._constant(name, value, user))

    def _refuse_missing(self, name: str, user: str) -> None:
        if name.startswith("__"):
            return
        raise ArtifactError(
            f"{user} uses the name {name!r}, which is not defined any more: run the cell that defines it, and save again"
        )

    def _import_line(self, name: str, value: Any, statement: Statement | None) -> str | None:
        module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        line = import_of(name, statement) if statement else None
        if isinstance(value, ModuleType):
            line = line or f"import {value.__name__} as {name}"
        elif line is None and isinstance(value, (type, FunctionType)) and module not in (None, "__main__"):
            if "<" in value.__qualname__:
                return None
            line = f"from {module} import {value.__qualname__} as {name}"
        if line is not None and isinstance(module, str) and is_local(module):
            self.local.append(module)
        return line

    def _define(self, name: str, value: Any, statement: Statement | None, user: str) -> None:
        if statement is None:
            raise ArtifactError(
                f"the source of {name!r}, which {user} needs, cannot be found: define it in a cell of the notebook, in the "
                "script itself, or in a module beside it"
            )
        self.defined[name] = value
        for needed in global_names(statement.text):
            if needed != name:
                self.require(needed, name)
        self._body.append(statement.text)

    def _constant(self, name: str, value: Any, user: str) -> str:
        if _is_literal(value):
            return f"{name} = {value!r}"
        if isinstance(value, re.Pattern):
            self._imports.append("import re")
            return f"{name} = re.compile({value.pattern!r}, {int(value.flags)})"
        if isinstance(value, np.generic):
            return self._constant(name, value.item(), user)
        if isinstance(value, np.ndarray) and value.dtype.kind in "biufU" and value.size <= MOST_NUMBERS:
            self._imports.append("import numpy")
            self._imports.append("from numpy import inf, nan")
            return f"{name} = numpy.array({value.tolist()!r}, dtype={value.dtype.str!r})"
        if type(value).__name__ == "Logger" and type(value).__module__ == "logging":
            self._imports.append("import logging")
            return f"{name} = logging.getLogger({value.name!r})"
        raise ArtifactError(
            f"{user} uses {name!r}, a {type(value).__name__} that only this process has: keep it in the model "
            f"(self.{name} = …), or pass it as an argument"
        )


def _is_definition(statement: Statement) -> bool:
    return isinstance(statement.node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))


def _is_literal(value: Any) -> bool:
    if type(value) is float:
        return value == value and abs(value) != float("inf")
    if type(value) in LITERALS:
        return True
    if type(value) in (list, tuple, set, frozenset):
        return all(map(_is_literal, value))
    return type(value) is dict and all(_is_literal(k) and _is_literal(v) for k, v in value.items())
