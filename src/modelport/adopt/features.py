"""What a handler gives its model: which values, from where, and who decides their order."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from modelport.adopt.flow import DEEPEST, Scope
from modelport.adopt.inputs import fields_of, key_of_part, source_of
from modelport.adopt.source import text_of, texts_of

CASTS = ("float", "int", "str", "bool", "numpy.float64", "numpy.float32", "numpy.int64")
_WRAPPERS = (
    "numpy.array",
    "numpy.asarray",
    "numpy.atleast_2d",
    "list",
    "tuple",
    "numpy.float64",
    "numpy.float32",
    "numpy.vstack",
)
_METHODS = ("reshape", "astype", "to_numpy", "copy", "tolist")
_DICTS = ("dict", "model_dump")


@dataclass(frozen=True, slots=True)
class Feature:
    """One value. `source` is a part of the request and `key` its name there; both empty for anything else."""

    source: str = ""
    key: str = ""
    cast: str = ""


@dataclass(frozen=True, slots=True)
class Features:
    """One record as the handler builds it. `columns` are the names that it gives them; `through` what it was passed through.

    `order` is `code`, `schema`, `client` or, where it cannot be told, empty.
    """

    order: str
    values: tuple[Feature, ...] = ()
    columns: tuple[str, ...] = ()
    through: tuple[str, ...] = field(default=())
    node: ast.expr | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """The names in the request, in the order in which the model gets them."""
        return tuple(value.key for value in self.values)


UNKNOWN = Features("")


def read_features(scope: Scope, node: ast.expr, depth: int = 0) -> Features:
    """What is behind the argument of `predict`."""
    if depth > DEEPEST:
        return UNKNOWN
    node = _grown(scope, node) or scope.resolve(node)
    if isinstance(node, ast.List | ast.Tuple):
        return _listed(scope, node, depth)
    if isinstance(node, ast.ListComp):
        return _comprehended(scope, node, depth)
    if isinstance(node, ast.Call):
        return _called(scope, node, depth)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name | ast.List):
        return _selected(scope, node, depth)
    if isinstance(node, ast.Attribute) and node.attr == "values":
        return read_features(scope, node.value, depth + 1)
    return UNKNOWN


def _grown(scope: Scope, node: ast.expr) -> ast.List | None:
    """A list that is empty first and appended to, as the list that it becomes."""
    found = scope.value(node) if isinstance(node, ast.Name) else None
    if not isinstance(found, ast.List) or found.elts or not isinstance(node, ast.Name):
        return None
    calls = [
        c
        for c in scope.calls()
        if isinstance(c.func, ast.Attribute)
        and c.func.attr == "append"
        and ast.unparse(c.func.value) == node.id
        and c.args
    ]
    looped = any(
        isinstance(above, ast.For | ast.While | ast.If) for call in calls for above in scope.source.above(call)
    )
    return None if looped or not calls else ast.List([call.args[0] for call in calls])


def _listed(scope: Scope, node: ast.List | ast.Tuple, depth: int) -> Features:
    if len(node.elts) == 1 and not _is_value(scope, node.elts[0]):
        inner = read_features(scope, node.elts[0], depth + 1)
        if inner.order:
            return inner
        mapping = scope.resolve(node.elts[0])
        return _mapping(scope, mapping, depth)
    values = tuple(value_of(scope, item) for item in node.elts)
    return Features("code", values, node=node) if values else UNKNOWN


def _is_value(scope: Scope, node: ast.expr) -> bool:
    return bool(value_of(scope, node).key)


def value_of(scope: Scope, node: ast.expr) -> Feature:
    """One number: where in the request it comes from, and what it is turned into."""
    cast = ""
    for _ in range(DEEPEST):
        node = scope.resolve(node)
        if isinstance(node, ast.Call) and scope.source.called(node) in CASTS and len(node.args) == 1:
            cast, node = cast or scope.source.called(node).rpartition(".")[2], node.args[0]
            continue
        break
    if pair := key_of_part(scope, node):
        return Feature(*pair, cast)
    if isinstance(node, ast.Subscript) and (name := text_of(node.slice)) is not None:
        fields = _dumped(scope, scope.resolve(node.value))
        if name in fields:
            return Feature("json", name, cast or fields[name])
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        owner = scope.parameters.get(node.value.id)
        fields = fields_of(scope.project, scope.source, owner.annotation) if owner else {}
        if node.attr in fields:
            return Feature("json", node.attr, cast or fields[node.attr])
    if isinstance(node, ast.Name) and node.id in scope.parameters:
        note = scope.parameters[node.id].annotation
        return Feature("query", node.id, cast or (ast.unparse(note) if note else ""))
    return Feature("", "", cast)


def _comprehended(scope: Scope, node: ast.ListComp, depth: int) -> Features:
    """`[float(x) for x in …]`: over values in somebody's order, or over names that the code lists."""
    if len(node.generators) != 1 or node.generators[0].ifs:
        return UNKNOWN
    each = node.generators[0]
    over = scope.resolve(each.iter)
    names = texts_of(over)
    if names and isinstance(each.target, ast.Name):
        keyed = [n for n in ast.walk(node.elt) if isinstance(n, ast.Subscript | ast.Call)]
        for part in keyed:
            base = (
                part.value
                if isinstance(part, ast.Subscript)
                else part.func.value
                if isinstance(part.func, ast.Attribute)
                else None
            )
            key = part.slice if isinstance(part, ast.Subscript) else part.args[0] if part.args else None
            if base is not None and isinstance(key, ast.Name) and key.id == each.target.id:
                source = source_of(scope, base)
                if source:
                    return Features(
                        "code", tuple(Feature(source, name, _cast(scope, node.elt)) for name in names), node=node
                    )
        return UNKNOWN
    return read_features(scope, each.iter, depth + 1)


def _cast(scope: Scope, node: ast.expr) -> str:
    name = scope.source.called(node)
    return name.rpartition(".")[2] if name in CASTS else ""


def _called(scope: Scope, call: ast.Call, depth: int) -> Features:
    name = scope.project.full_name(scope.source, call.func)
    if name == "pandas.DataFrame":
        return _frame(scope, call, depth)
    if name == "numpy.array" and call.args and isinstance(call.args[0], ast.List) and len(call.args[0].elts) == 1:
        return read_features(scope, call.args[0], depth + 1)
    if name in _WRAPPERS and call.args:
        return read_features(scope, call.args[0], depth + 1)
    if name == "map" and len(call.args) == 2:
        return read_features(scope, call.args[1], depth + 1)
    if not isinstance(call.func, ast.Attribute):
        return UNKNOWN
    if call.func.attr in _METHODS:
        return read_features(scope, call.func.value, depth + 1)
    if call.func.attr in ("transform", "fit_transform") and call.args:
        inner = read_features(scope, call.args[0], depth + 1)
        passed = (*inner.through, ast.unparse(call.func.value))
        return Features(inner.order, inner.values, inner.columns, passed, inner.node)
    if call.func.attr in ("values", "items"):
        return _mapping(scope, call.func.value, depth)
    return UNKNOWN


def _mapping(scope: Scope, node: ast.expr, depth: int) -> Features:
    """The values of a mapping: of a body in the client's order, of a class in that of its fields."""
    node = scope.resolve(node)
    if isinstance(node, ast.Dict):
        names = [text_of(key) for key in node.keys]
        values = tuple(
            value_of(scope, value.elts[0] if isinstance(value, ast.List) and len(value.elts) == 1 else value)
            for value in node.values
        )
        known = tuple(name for name in names if name is not None)
        return Features("code", values, known, node=node) if len(known) == len(names) else UNKNOWN
    fields = _dumped(scope, node)
    if fields:
        values = tuple(Feature("json", name, kind) for name, kind in fields.items())
        return Features("schema", values, tuple(fields), node=node)
    source = source_of(scope, node)
    return (
        Features("client", (Feature(source, ""),), node=node)
        if source in ("json", "form", "query", "form or query")
        else UNKNOWN
    )


def _dumped(scope: Scope, node: ast.expr) -> dict[str, str]:
    """The fields of a class whose instance is turned into a dict."""
    owner: ast.expr | None = None
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _DICTS
        and not node.keywords
    ):
        owner = node.func.value
    elif (
        isinstance(node, ast.Call)
        and scope.source.called(node) in ("dict", "vars", "dataclasses.asdict", "jsonable_encoder")
        and node.args
    ):
        owner = node.args[0]
    elif isinstance(node, ast.Attribute) and node.attr == "__dict__":
        owner = node.value
    if not isinstance(owner, ast.Name) or owner.id not in scope.parameters:
        return {}
    return fields_of(scope.project, scope.source, scope.parameters[owner.id].annotation)


def _frame(scope: Scope, call: ast.Call, depth: int) -> Features:
    if not call.args and not call.keywords:
        return UNKNOWN
    given = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "data"), None)
    columns = next((k.value for k in call.keywords if k.arg == "columns"), call.args[2] if len(call.args) > 2 else None)
    names = texts_of(scope.resolve(columns)) if columns is not None else ()
    inner = _mapping(scope, given, depth) if given is not None else UNKNOWN
    if not inner.order and given is not None:
        inner = read_features(scope, given, depth + 1)
    if names and inner.order in ("client", "schema") and _is_mapping(scope, given):
        source = inner.values[0].source
        kinds = {value.key: value.cast for value in inner.values}
        return Features(
            "code",
            tuple(Feature(source, name, kinds.get(name, "")) for name in names),
            names,
            inner.through,
            inner.node,
        )
    if columns is not None and not names and inner.order != "code":
        return UNKNOWN
    return Features(inner.order, inner.values, names or inner.columns, inner.through, inner.node)


def _is_mapping(scope: Scope, node: ast.expr | None) -> bool:
    """Whether pandas finds names in it, so that `columns=` selects by name."""
    if node is None:
        return False
    node = scope.resolve(node)
    if isinstance(node, ast.List) and len(node.elts) == 1:
        return _is_mapping(scope, node.elts[0])
    values = (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("values", "items")
    )
    return (
        not values
        and not isinstance(node, ast.List | ast.ListComp)
        and bool(source_of(scope, node) or _dumped(scope, node))
    )


def _selected(scope: Scope, node: ast.Subscript, depth: int) -> Features:
    """`frame[COLUMNS]`: the order that the code lists, whatever came."""
    inner = read_features(scope, node.value, depth + 1)
    names = texts_of(scope.resolve(node.slice))
    if not inner.order or not names or not (inner.columns or inner.order == "client"):
        return UNKNOWN
    by_name = dict(zip(inner.columns, inner.values, strict=False))
    source = inner.values[0].source
    values = tuple(by_name.get(name, Feature(source, name)) for name in names)
    return Features("code", values, names, inner.through, inner.node)
