"""What a name stands for inside a function: the assignment that came last before it is used."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from modelport.adopt.project import Project
from modelport.adopt.source import Function, Source

DEEPEST = 12
"""How many names are followed one after another."""


@dataclass(slots=True)
class Scope:
    """A function with its parameters and assignments."""

    project: Project
    source: Source
    function: Function
    assigned: dict[str, list[tuple[int, ast.expr]]] = field(default_factory=dict)
    parameters: dict[str, ast.arg] = field(default_factory=dict)

    def __post_init__(self) -> None:
        arguments = self.function.args
        self.parameters = {a.arg: a for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
        for node in self.nodes():
            for name, value in _assignments(node):
                self.assigned.setdefault(name, []).append((value.lineno, value))
        for values in self.assigned.values():
            values.sort(key=lambda pair: pair[0])

    def nodes(self) -> Iterator[ast.AST]:
        """Everything in the function but what stands in functions inside it."""
        ahead: list[ast.AST] = list(self.function.body)
        while ahead:
            node = ahead.pop()
            yield node
            if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
                ahead += ast.iter_child_nodes(node)

    def calls(self) -> list[ast.Call]:
        """Every call, in the order of the text."""
        found = [node for node in self.nodes() if isinstance(node, ast.Call)]
        return sorted(found, key=lambda call: (call.lineno, call.col_offset))

    def value(self, name: ast.Name) -> ast.expr | None:
        """What a local name was last assigned before this use; None where that is not known."""
        before = [
            value
            for line, value in self.assigned.get(name.id, ())
            if (line, 0) < (name.lineno, 1) and not _holds(value, name)
        ]
        return before[-1] if before else None

    def resolve(self, node: ast.expr) -> ast.expr:
        """Follow local names, then names of the file, to what they stand for."""
        for _ in range(DEEPEST):
            if not isinstance(node, ast.Name):
                return node
            found = self.value(node)
            if found is None:
                own = node.id in self.parameters or node.id in self.assigned
                return (None if own else self.project.constant(self.source, node)) or node
            node = found
        return node

    def is_local(self, name: str) -> bool:
        """Whether the function makes this name itself."""
        declared = any(isinstance(n, ast.Global) and name in n.names for n in self.nodes())
        return not declared and (name in self.assigned or name in self.parameters)


def _holds(node: ast.AST, part: ast.AST) -> bool:
    return any(child is part for child in ast.walk(node))


def _assignments(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Names that a statement assigns, with their values; of a tuple, one by one where both sides are written out."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _pairs(target, node.value)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
        if node.value is not None:
            yield from _pairs(node.target, node.value)
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield from _pairs(node.optional_vars, node.context_expr)


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple | ast.List):
        values = value.elts if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts) else None
        for position, part in enumerate(target.elts):
            yield from _pairs(part, values[position] if values else value)


def reached(project: Project, source: Source, function: Function, depth: int = 4) -> list[Scope]:
    """A function and those of the application that it calls, each once."""
    scopes: list[Scope] = []
    ahead = [(source, function, 0)]
    seen: set[Function] = set()
    while ahead:
        source, function, level = ahead.pop(0)
        if function in seen:
            continue
        seen.add(function)
        scope = Scope(project, source, function)
        scopes.append(scope)
        if level < depth:
            found = (project.function(project.full_name(source, call.func)) for call in scope.calls())
            ahead += [(s, f, level + 1) for s, f in filter(None, found)]
    return scopes
