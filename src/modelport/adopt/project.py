"""Which files belong to an application: the one that was named, and what it imports of its own folder."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from modelport.adopt.source import Function, Source, import_base, read_source
from modelport.errors import SetupError

MOST_FILES = 400


@dataclass(slots=True)
class Project:
    """The sources of an application by module. `root` is where its imports are looked up, `folder` where its file lies."""

    root: Path
    folder: Path
    entry: Source
    sources: dict[str, Source] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Source]:
        return iter(self.sources.values())

    def definition(self, name: str) -> tuple[Source, ast.stmt] | None:
        """The function, class or assignment behind a full name, through re-exports."""
        for _ in range(5):
            module, _, last = name.rpartition(".")
            source = self.sources.get(module)
            if source is None:
                return None
            found = next((s for s in ast.walk(source.tree) if _defines(source, s, last)), None)
            if isinstance(found, ast.stmt):
                return source, found
            if source.names.get(last, name) == name:
                return None
            name = source.names[last]
        return None

    def function(self, name: str) -> tuple[Source, Function] | None:
        """The same, for functions alone."""
        found = self.definition(name)
        return (found[0], found[1]) if found and isinstance(found[1], Function) else None

    def value(self, name: str) -> tuple[Source, ast.expr] | None:
        """What a name at the top of a file is assigned."""
        found = self.definition(name)
        if found and isinstance(found[1], ast.Assign | ast.AnnAssign) and found[1].value is not None:
            return found[0], found[1].value
        return None

    def constant(self, source: Source, node: ast.expr | None) -> ast.expr | None:
        """What an expression stands for: a name at the top of a file is followed to what it is assigned there."""
        while isinstance(node, ast.Name | ast.Attribute):
            found = self.value(source.full_name(node))
            if found is None or found[1] is node:
                break
            source, node = found
        return node

    def full_name(self, source: Source, node: ast.AST | None) -> str:
        """The full name of an expression, through re-exports between files of the application."""
        name = source.full_name(node)
        for _ in range(5):
            module, _, last = name.rpartition(".")
            found = self.sources.get(module)
            if found is None or found.names.get(last, name) == name:
                return name
            name = found.names[last]
        return name


def _defines(source: Source, node: ast.AST, name: str) -> bool:
    if isinstance(node, Function | ast.ClassDef):
        return node.name == name and source.function_of(node) is None
    if isinstance(node, ast.Assign):
        return any(isinstance(t, ast.Name) and t.id == name for t in node.targets) and source.function_of(node) is None
    return isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name


def read_project(path: Path) -> Project:
    """Read a file and, one after another, what is imported from beside it. Raises SetupError where the first cannot be read."""
    path = Path(path)
    root, module = _place(path.absolute())
    entry = read_source(path, str(path), module)
    project = Project(root, path.absolute().parent, entry, {module: entry})
    ahead = [entry]
    while ahead and len(project.sources) < MOST_FILES:
        source = ahead.pop(0)
        for name in _mentioned(source):
            found = _find(root, name) or _find(project.folder, name)
            if found is None or name in project.sources:
                continue
            try:
                project.sources[name] = read_source(found, _shown(found, path), name)
            except SetupError as error:
                project.unread.append(str(error))
                continue
            ahead.append(project.sources[name])
    return project


def _place(path: Path) -> tuple[Path, str]:
    """The folder that imports start from, and the module's name below it."""
    folder, parts = path.parent, [] if path.name == "__init__.py" else [path.stem]
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts)


def _mentioned(source: Source) -> Iterator[str]:
    """Modules that a file may import, packages around them included."""
    for node in ast.walk(source.tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = import_base(source, node)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:n]) for n in range(1, len(parts) + 1))


def _find(root: Path, module: str) -> Path | None:
    if not all(part.isidentifier() for part in module.split(".")):
        return None
    base = root.joinpath(*module.split("."))
    return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()), None)


def _shown(found: Path, entry: Path) -> str:
    """As the user would write it: relative to where the entry was given from."""
    for base in (entry.absolute().parent, *entry.absolute().parents):
        if found.is_relative_to(base):
            shown = found.relative_to(base)
            given = entry.parent if base == entry.absolute().parent else base
            return str(given / shown)
    return str(found)
