"""The source files of a user's own code as they are on disk: statement by statement, what each binds, uses, changes and imports."""

from __future__ import annotations

import ast
import builtins
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType

import modelport

_PATHS = sysconfig.get_paths()
_OTHERS = (
    *(str(Path(_PATHS[name])) + os.sep for name in ("stdlib", "platstdlib")),
    str(Path(modelport.__file__).parent),
)
_PACKAGES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
BUILTINS = frozenset(dir(builtins))
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)
COMPOUND = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.TryStar, ast.Match, ast.AsyncFor, ast.AsyncWith)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
Stamp = list[int]
"""When a file was last written, in nanoseconds, and its size in bytes."""


def is_users(path: str | None) -> bool:
    """Whether a file is neither Python's own, nor an installed package's, nor ours."""
    return bool(path) and not str(path).startswith(_OTHERS) and not any(part in str(path) for part in _PACKAGES)


def users_modules() -> dict[str, ModuleType]:
    """The modules of the user's own files that are loaded, by the absolute path of each."""
    found: dict[str, ModuleType] = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name != "__main__" and isinstance(file, str) and file.endswith(".py") and is_users(file):
            found[os.path.abspath(file)] = module
    return found


@dataclass(frozen=True, slots=True)
class Import:
    """One imported thing: `module`, or `name` of it; `*` for all. `level`: dots before a relative one."""

    module: str
    name: str = ""
    level: int = 0


@dataclass(slots=True)
class Statement:
    """One statement at the top of a file."""

    node: ast.stmt
    binds: set[str] = field(default_factory=set)
    uses: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)
    """The first names of what it calls for the effect, or assigns a part of: `service` in `service.mount(…)`."""
    imports: list[Import] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What it says, without comments, blank lines and its place in the file."""
        return ast.dump(self.node)

    @property
    def has_effect(self) -> bool:
        """Whether it does more than to bind names."""
        return bool(self.changes) and not isinstance(self.node, DEFINITIONS)


@dataclass(slots=True)
class SourceFile:
    """A file. One that is no Python that we can read counts by its text."""

    path: str
    package: str
    text: str
    statements: list[Statement] = field(default_factory=list)

    @property
    def imports(self) -> Iterator[Import]:
        """Whatever it imports, anywhere in it."""
        return (each for statement in self.statements for each in statement.imports)

    def binding(self, name: str) -> list[int]:
        """The statements that bind a name."""
        return [index for index, statement in enumerate(self.statements) if name in statement.binds]


def read_file(path: str, module: ModuleType | None) -> SourceFile:
    """A file as it is now. Raises OSError where it cannot be read."""
    content = Path(path).read_bytes()
    package = getattr(module, "__package__", None) or ""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return SourceFile(path, package, content.hex())
    statements = [_read_statement(node) for node in tree.body if not _is_main(node)]
    return SourceFile(path, package, ast.dump(tree), statements)


def _is_main(node: ast.stmt) -> bool:
    """`if __name__ == "__main__":` is not run where the file is served."""
    return isinstance(node, ast.If) and any(isinstance(n, ast.Name) and n.id == "__name__" for n in ast.walk(node.test))


def _read_statement(node: ast.stmt) -> Statement:
    statement = Statement(node, set(_bound(node)), used_names(node), set(_changed(node)))
    for each in ast.walk(node):
        if isinstance(each, ast.Import):
            statement.imports += [Import(alias.name) for alias in each.names]
        elif isinstance(each, ast.ImportFrom):
            statement.imports += [Import(each.module or "", alias.name, each.level) for alias in each.names]
    return statement


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a statement at the top binds, those in its branches included."""
    if isinstance(node, DEFINITIONS):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
        yield node.id
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name
    if not isinstance(node, (*DEFINITIONS, ast.Lambda, *COMPREHENSIONS)):
        for child in ast.iter_child_nodes(node):
            yield from _bound(child)


def _changed(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, DEFINITIONS):
        yield from filter(None, map(root_of, node.decorator_list))
    elif isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
        yield root_of(node.value) or "?"
    elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
        targets = [node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else node.targets
        parts = [t for target in targets for t in ast.walk(target) if isinstance(t, ast.Attribute | ast.Subscript)]
        yield from filter(None, map(root_of, parts))
    elif isinstance(node, COMPOUND):
        for child in ast.walk(node):
            if child is not node and isinstance(child, ast.stmt) and not isinstance(child, COMPOUND):
                yield from _changed(child)


def root_of(node: ast.AST) -> str:
    """The first name of `name.part[0].part(…)`; empty where it has none."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Await):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def used_names(node: ast.AST | None) -> set[str]:
    """The names that come from outside of it: not a function's own variables. Those in annotations that are texts, too."""
    if node is None:
        return set()
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Load) else set()
    if not isinstance(node, (*FUNCTIONS, ast.Lambda)):
        annotation = used_in_annotation(getattr(node, "annotation", None))
        return annotation.union(*map(used_names, ast.iter_child_nodes(node)))
    body = node.body if isinstance(node.body, list) else [node.body]
    inner: set[str] = set().union(*map(used_names, body))
    own = {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}
    for each in body:
        own |= set(_bound(each))
    own -= {name for each in ast.walk(node) if isinstance(each, ast.Global) for name in each.names}
    return (inner - own) | used_by_head(node)


def used_by_head(node: ast.AST) -> set[str]:
    """Of a function: what its parameters, defaults, annotations and decorators use."""
    arguments = node.args if isinstance(node, (*FUNCTIONS, ast.Lambda)) else None
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return used_names(arguments).union(used_in_annotation(getattr(node, "returns", None)), *map(used_names, decorators))


def used_in_annotation(node: ast.AST | None) -> set[str]:
    """The same where texts may be types: `list["Song"]`."""
    if node is None:
        return set()
    found = used_names(node)
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            try:
                found |= used_names(ast.parse(each.value, mode="eval"))
            except SyntaxError:  # a literal, not a type
                continue
    return found


class Sources:
    """Every file of the user's own code that is reached from those that are loaded."""

    def __init__(self) -> None:
        self.modules = users_modules()
        self.files: dict[str, SourceFile] = {}
        self.stamps: dict[str, Stamp] = {}
        self._by_name = {module.__name__: path for path, module in self.modules.items()}
        for path in self.modules:
            self.read(path)

    def read(self, path: str) -> SourceFile:
        """A file, read once."""
        if path not in self.files:
            stamp = stamp_of(path)
            self.files[path] = read_file(path, self.modules.get(path))
            if stamp is not None:
                self.stamps[path] = stamp
        return self.files[path]

    def resolve(self, source: SourceFile, wanted: Import) -> Iterator[tuple[str, str]]:
        """The files behind an import, and which name of each: packages on the way, and a module that is imported as a name."""
        base = self._absolute(source, wanted)
        parts = base.split(".") if base else []
        for count in range(1, len(parts)):
            yield from ((path, "") for path in self._find(".".join(parts[:count])))
        if wanted.name and wanted.name != "*":
            inner = self._find(f"{base}.{wanted.name}" if base else wanted.name)
            yield from ((path, "*") for path in inner)
            yield from ((path, "" if inner else wanted.name) for path in self._find(base))
        else:
            yield from ((path, "*") for path in self._find(base))

    def _absolute(self, source: SourceFile, wanted: Import) -> str:
        if not wanted.level:
            return wanted.module
        parts = source.package.split(".")
        around = parts[: len(parts) - wanted.level + 1]
        return ".".join([*around, *filter(None, [wanted.module])])

    def _find(self, module: str) -> list[str]:
        """The user's file of a module: the loaded one, or the one that importing it would load."""
        if module in self._by_name:
            return [self._by_name[module]]
        if not module or module in sys.modules or module.partition(".")[0] in sys.stdlib_module_names:
            return []
        parts = module.split(".")
        folders = [folder for folder in sys.path if is_users(folder or os.getcwd())]
        for folder in folders:
            base = os.path.join(os.path.abspath(folder), *parts)
            for path in (f"{base}.py", os.path.join(base, "__init__.py")):
                if is_users(path) and os.path.isfile(path):
                    return [path]
        return []


def stamp_of(path: str) -> Stamp | None:
    """Of a file; None where it is not there."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_mtime_ns, status.st_size]


def stamps_of(paths: Mapping[str, object] | list[str]) -> dict[str, Stamp]:
    """Of those files that are there."""
    stamped = map(partial(_with_stamp), paths)
    return {path: stamp for path, stamp in stamped if stamp is not None}


def _with_stamp(path: str) -> tuple[str, Stamp | None]:
    return path, stamp_of(path)
