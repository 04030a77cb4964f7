"""What the code of each model rests on, so that an edit of a route leaves the models alone that it does not concern.

Of the file that declares a model, the statements that its class or function needs, one after another: what they use, what
changes that, and whatever has an effect of its own (`np.random.seed(0)`). Of every other file of the user's, all of it. Where
this cannot be told, as with `globals()`, everything counts: a model that is loaded once too often costs time, one that is kept
wrongly costs trust.
"""

from __future__ import annotations

import ast
import hashlib
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from modelport.assembly.sources import (
    BUILTINS,
    DEFINITIONS,
    FUNCTIONS,
    SourceFile,
    Sources,
    Stamp,
    Statement,
    used_by_head,
    used_in_annotation,
)
from modelport.service import ModelHandle, ModelSpec, Service

UNSURE: Stamp = [0, 0]
UNTRACEABLE = frozenset({"globals", "locals", "vars", "eval", "exec", "__import__", "importlib", "import_module"})


@dataclass(frozen=True, slots=True)
class Footprints:
    """Digests: of what each model in Python rests on, and of all of the user's code.

    `calls`: the models that each may call. `files`: all that was read, and when.
    """

    models: dict[str, str]
    calls: dict[str, list[str]]
    whole: str
    files: dict[str, Stamp]


def take_footprints(service: Service, since_ns: int) -> Footprints:
    """Of a service that was imported into this process, which was begun at a time.

    What was written since may have been imported as it was before: then nothing is sure, and such files are told so that
    they show as changed.
    """
    sources = Sources()
    own = {_file_of(spec.target) for spec in service.models.values()} & sources.files.keys()
    entries = own | _declaring(service, sources)
    reached = _reach_all(sources, list(sources.files))
    closures = {name: _closure(spec, service, sources, entries) for name, spec in service.models.items()}
    whole = _digest((path, sources.read(path).text) for path in sorted(reached))
    models = {name: closure.digest() for name, closure in closures.items()}
    calls = {name: sorted(closure.calls) for name, closure in closures.items()}
    now_ns = time.time_ns()
    fresh = {path for path, (written, _) in sources.stamps.items() if since_ns < written < now_ns}
    if fresh:
        unlike_any = f"read while it was written, at {now_ns}"
        whole, models = unlike_any, dict.fromkeys(models, unlike_any)
        sources.stamps.update(dict.fromkeys(fresh, UNSURE))
    return Footprints(models, calls, whole, dict(sources.stamps))


def files_reached() -> dict[str, Stamp]:
    """The files behind what was imported into this process, or was about to be."""
    sources = Sources()
    _reach_all(sources, list(sources.files))
    return dict(sources.stamps)


def _file_of(target: Any) -> str:
    module = sys.modules.get(getattr(target, "__module__", "") or "")
    return os.path.abspath(getattr(module, "__file__", None) or "")


def _place_of(spec: ModelSpec) -> tuple[str, str]:
    """File of its class or function, and under which name it stands there; "?" where one made inside another tells nothing."""
    name = getattr(spec.target, "__qualname__", "?")
    return _file_of(spec.target), "?" if "<" in name else name.partition(".")[0]


def _declaring(service: Service, sources: Sources) -> set[str]:
    """The files that have the service among their names and declare something of it."""
    return {
        path for path, module in sources.modules.items() if any(value is service for value in vars(module).values())
    }


def _reach_all(sources: Sources, paths: list[str]) -> set[str]:
    reached: set[str] = set()
    while paths:
        path = paths.pop()
        if path not in reached:
            reached.add(path)
            source = sources.read(path)
            paths += [found for each in source.imports for found, _ in sources.resolve(source, each)]
    return reached


def _digest(parts: Iterable[tuple[Any, ...]]) -> str:
    return hashlib.sha256(repr(list(parts)).encode()).hexdigest()


def _closure(spec: ModelSpec, service: Service, sources: Sources, entries: set[str]) -> _Closure:
    closure = _Closure(service, sources, entries)
    closure.begin(spec)
    closure.complete()
    return closure


@dataclass(slots=True)
class _Closure:
    """Of one model: grows until nothing is missing."""

    service: Service
    sources: Sources
    entries: set[str]  # files of which single statements count
    names: dict[str, set[str]] = field(default_factory=dict)
    statements: set[tuple[str, int]] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    heads: dict[str, str] = field(default_factory=dict)  # of models that are called: their types, not their code
    wholes: set[str] = field(default_factory=set)

    def begin(self, spec: ModelSpec) -> None:
        """With where it is declared."""
        path, name = _place_of(spec)
        self.heads[""] = repr((spec.batch, spec.parallel, spec.example))
        if path in self.sources.files and any(self._defines(path, index, name) for index in self._binding(path, name)):
            self.name(path, name)
        else:  # made by another function, or imported from a package: whatever declares may say what it is
            for each in self.entries:
                self.whole(each)

    def _binding(self, path: str, name: str) -> list[int]:
        return self.sources.read(path).binding(name)

    def _defines(self, path: str, index: int, name: str) -> bool:
        return isinstance(self.sources.read(path).statements[index].node, DEFINITIONS)

    def complete(self) -> None:
        """Add what changes what is there, until nothing is added."""
        size = -1
        while size != len(self.statements) + len(self.wholes):
            size = len(self.statements) + len(self.wholes)
            for path in list(self.names):
                self._add_effects(path)
        loaded = set(self.sources.modules) - _reach_all(self.sources, list(self.entries))
        self.wholes |= loaded  # imported in a way that cannot be read off: it may be for anybody

    def _add_effects(self, path: str) -> None:
        source = self.sources.read(path)
        used = set().union(*(statement.uses for statement in source.statements))
        for index, statement in enumerate(source.statements):
            is_import = isinstance(statement.node, ast.Import | ast.ImportFrom)
            unused = is_import and not statement.binds & used and self._is_of_users(source, statement)
            if unused or any(self._concerns(source, statement, root) for root in statement.changes):
                self.statement(path, index)

    def _is_of_users(self, source: SourceFile, statement: Statement) -> bool:
        """An import of the user's own that nothing uses is there for what it does. That of an entry is its very self."""
        found = [path for each in statement.imports for path, _ in self.sources.resolve(source, each)]
        return any(path not in self.entries for path in found)

    def _concerns(self, source: SourceFile, statement: Statement, root: str) -> bool:
        if self._is_service(source, root):
            return False
        bound = [source.statements[index].node for index in source.binding(root)]
        is_own = bool(bound) and not all(isinstance(node, ast.Import | ast.ImportFrom) for node in bound)
        if is_own or isinstance(statement.node, DEFINITIONS):
            return root in self.names[source.path]
        return True  # of a package or the interpreter: everybody may notice

    def _is_service(self, source: SourceFile, name: str) -> bool:
        module = self.sources.modules.get(source.path)
        return module is not None and getattr(module, name, None) is self.service

    # -- growing -------------------------------------------------------------------------------------------------

    def name(self, path: str, name: str) -> None:
        """Something that a file binds, of a file of which single statements count."""
        if path not in self.entries:
            return self.whole(path)
        known = self.names.setdefault(path, set())
        if name not in known:
            known.add(name)
            for index in self._binding(path, name):
                self.statement(path, index)
        return None

    def statement(self, path: str, index: int) -> None:
        """One statement, and what it uses."""
        if (path, index) in self.statements:
            return
        self.statements.add((path, index))
        source = self.sources.read(path)
        statement = source.statements[index]
        self._follow_imports(source, statement)
        self._follow_calls(source, statement.node)
        self._use(source, statement.uses)

    def _use(self, source: SourceFile, names: set[str]) -> None:
        self.names.setdefault(source.path, set())
        if names & UNTRACEABLE:
            self._take_everything()
        for name in names:
            if not self._is_service(source, name) and (source.binding(name) or name not in BUILTINS):
                self.name(source.path, name)
                self._note_handle(source, name)

    def _note_handle(self, source: SourceFile, name: str) -> None:
        value = getattr(self.sources.modules.get(source.path), name, None)
        if isinstance(value, ModelHandle):
            self._head(value.name)

    def _take_everything(self) -> None:
        self.wholes |= set(self.sources.files)
        self.calls |= set(self.service.names)

    def _follow_imports(self, source: SourceFile, statement: Statement) -> None:
        for each in statement.imports:
            for path, name in self.sources.resolve(source, each):
                if path in self.entries and name not in ("", "*"):
                    self._use(self.sources.read(path), {name})
                elif path not in self.entries or name == "*":
                    self.whole(path)

    def whole(self, path: str) -> None:
        """All of a file, and all that it imports."""
        if path in self.wholes:
            return
        self.wholes.add(path)
        source = self.sources.read(path)
        for name in list(vars(self.sources.modules[path])) if path in self.sources.modules else ():
            self._note_handle(source, name)
        for each in source.imports:
            for found, name in self.sources.resolve(source, each):
                if found in self.entries and name not in ("", "*"):
                    self._use(self.sources.read(found), {name})
                elif found not in self.entries or name == "*":
                    self.whole(found)

    def _follow_calls(self, source: SourceFile, node: ast.AST) -> None:
        """`service["mood"]` rests on how the model is called and what it answers; with a name that is not written there, on all."""
        for each in ast.walk(node):
            if not isinstance(each, ast.Subscript) or not isinstance(each.value, ast.Name):
                continue
            if self._is_service(source, each.value.id):
                called = each.slice.value if isinstance(each.slice, ast.Constant) else None
                if isinstance(called, str):
                    self._head(called)
                else:
                    self._take_everything()

    def _head(self, model: str) -> None:
        self.calls.add(model)
        spec = self.service.models.get(model)
        if spec is None or model in self.heads:
            return None
        path, name = _file_of(spec.target), getattr(spec.target, "__qualname__", "?").partition(".")[0]
        self.heads[model] = ""
        if path not in self.sources.files:
            return self._take_everything()
        source = self.sources.read(path)
        for index in source.binding(name):
            for function in _functions_called(source.statements[index].node):
                self.heads[model] += ast.dump(function.args) + ast.dump(function.returns or ast.Constant(None))
                self._use(source, used_by_head(function) | used_in_annotation(function.returns))
        return None

    def digest(self) -> str:
        """Of all of it."""
        parts = [(path, self.sources.read(path).statements[index].text) for path, index in sorted(self.statements)]
        wholes = [(path, self.sources.read(path).text) for path in sorted(self.wholes)]
        return _digest([*parts, *wholes, *sorted(self.heads.items())])


def _functions_called(node: ast.stmt) -> list[Any]:
    """The function of a model: itself, or the `predict` of a class."""
    if isinstance(node, FUNCTIONS):
        return [node]
    return [each for each in getattr(node, "body", []) if isinstance(each, FUNCTIONS) and each.name == "predict"]
