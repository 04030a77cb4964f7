"""Paths that a program would build, worked out from its text."""

from __future__ import annotations

import ast
from pathlib import Path, PurePosixPath

from modelport.adopt.flow import Scope
from modelport.adopt.project import Project
from modelport.adopt.source import Source, text_of

WORKING, FILE, ABSOLUTE = "the working directory", "the file", "absolute"
_OPENERS = ("open", "io.open", "gzip.open", "bz2.open")
_ALIKE = (
    "os.path.abspath",
    "os.path.realpath",
    "os.path.normpath",
    "str",
    "os.fspath",
    "pathlib.Path",
    "pathlib.PurePath",
)
_FILE = "<file>"


class PathReader:
    """Works out the path behind an expression of one file."""

    def __init__(self, project: Project, source: Source, scope: Scope | None) -> None:
        self._project, self._source, self._scope = project, source, scope

    def read(self, node: ast.expr | None) -> tuple[str, str] | None:
        """What the path is relative to, and the path; None where only a run would tell."""
        found = self._text(node, 0)
        if found is None:
            return None
        if found.startswith(_FILE):
            below = PurePosixPath(found.removeprefix(_FILE).lstrip("/") or ".")
            return FILE, str(below)
        plain = found.replace("\\", "/")
        return (ABSOLUTE if Path(plain).is_absolute() or plain[1:3] == ":/" else WORKING), plain

    def _text(self, node: ast.expr | None, depth: int) -> str | None:
        if node is None or depth > 12:
            return None
        if isinstance(node, ast.Name | ast.Attribute) and (found := self._followed(node, depth)) is not None:
            return found
        match node:
            case ast.Constant():
                return text_of(node)
            case ast.JoinedStr():
                parts = [
                    self._text(p.value if isinstance(p, ast.FormattedValue) else p, depth + 1) for p in node.values
                ]
                return _joined("", parts)
            case ast.BinOp(op=ast.Div()):
                return _joined("/", [self._text(node.left, depth + 1), self._text(node.right, depth + 1)])
            case ast.BinOp(op=ast.Add()):
                return _joined("", [self._text(node.left, depth + 1), self._text(node.right, depth + 1)])
            case ast.Call():
                return self._call(node, depth)
            case ast.Attribute(attr="parent"):
                return _parent(self._text(node.value, depth + 1))
            case ast.Subscript(value=ast.Attribute(attr="parents", value=base), slice=ast.Constant(value=int() as up)):
                text = self._text(base, depth + 1)
                for _ in range(up + 1):
                    text = _parent(text)
                return text
        return None

    def _followed(self, node: ast.Name | ast.Attribute, depth: int) -> str | None:
        if isinstance(node, ast.Name) and node.id == "__file__":
            return f"{_FILE}/{self._source.path.name}"
        if isinstance(node, ast.Name) and self._scope is not None:
            value: ast.expr | None = self._scope.resolve(node)
        else:
            value = self._project.constant(self._source, node)
        if value is None or value is node:
            return None
        found = self._project.value(self._project.full_name(self._source, node))
        if found is not None and found[0] is not self._source:
            return PathReader(self._project, found[0], None)._text(found[1], depth + 1)
        return self._text(value, depth + 1)

    def _call(self, call: ast.Call, depth: int) -> str | None:
        name = self._source.called(call)
        parts = [self._text(a, depth + 1) for a in call.args]
        if name in _OPENERS:
            return parts[0] if parts else None
        if name in _ALIKE and parts:
            return _joined("/", parts)
        if name == "os.path.join":
            return _joined("/", parts)
        if name == "os.path.dirname" and parts:
            return _parent(parts[0])
        if name in ("os.getcwd", "pathlib.Path.cwd"):
            return "."
        if name in ("os.getenv", "os.environ.get"):
            return parts[1] if len(parts) > 1 else None
        if isinstance(call.func, ast.Attribute):
            base = self._text(call.func.value, depth + 1)
            if call.func.attr in ("resolve", "absolute", "as_posix", "open", "expanduser"):
                return base
            if call.func.attr == "joinpath":
                return _joined("/", [base, *parts])
        return None


def _parent(text: str | None) -> str | None:
    if text is None:
        return None
    if text == _FILE or text.endswith(".."):
        return f"{text}/.."
    head, slash, _ = text.rpartition("/")
    return head if slash else "."


def _joined(between: str, parts: list[str | None]) -> str | None:
    texts = [part for part in parts if part is not None]
    if len(texts) != len(parts):
        return None
    if between:
        last = max((n for n, text in enumerate(texts) if text.startswith("/")), default=0)
        return between.join(
            text.rstrip("/") if n < len(texts) - 1 - last else text for n, text in enumerate(texts[last:])
        )
    return "".join(texts)


def locate(project: Project, source: Source, base: str, text: str) -> Path | None:
    """The file itself, where there is one: relative paths are tried from the application's folder, its root, and here."""
    path = Path(text)
    folders = [source.path.absolute().parent] if base == FILE else [project.folder, project.root, Path.cwd()]
    tried = [path] if base == ABSOLUTE else [folder / path for folder in folders]
    return next((found for found in tried if found.exists()), None)
