"""One OpenAPI document out of two: that of the models, and that of a user's own routes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]

GUARD: Document = {"x-modelport-guard": True}
"""Marks an operation of the routes that stands in front of a model: what it asks of a caller belongs to the model's own."""

METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})


def merge_documents(ours: Document, theirs: Document) -> Document:
    """Where both use a name, the routes keep it and ours gets another: clients are generated from theirs already."""
    theirs = {**theirs, "paths": _take_guards(ours["paths"], theirs.get("paths", {}))}
    ours = _rename_components(ours, theirs)
    paths = {
        **theirs.get("paths", {}),
        **{p: item for p, item in ours["paths"].items() if p not in theirs.get("paths", {})},
    }
    _rename_operations(ours["paths"], {operation["operationId"] for operation in _operations(theirs.get("paths", {}))})
    tags = {tag["name"]: tag for tag in [*ours["tags"], *theirs.get("tags", [])]}
    components = {
        kind: {**theirs.get("components", {}).get(kind, {}), **ours["components"].get(kind, {})}
        for kind in {**theirs.get("components", {}), **ours["components"]}
    }
    own: Document = {key: theirs[key] for key in ("servers", "webhooks", "security", "externalDocs") if key in theirs}
    return {**ours, **own, "paths": paths, "components": components, "tags": list(tags.values())}


def _take_guards(paths: Document, theirs: Document) -> Document:
    """Have the operations of models say which parameters and which security their guards ask for. Returns all other paths."""
    others: Document = {}
    for path, item in theirs.items():
        guard = item.get("post", {})
        if not GUARD.keys() <= guard.keys():
            others[path] = item
            continue
        asked = paths.get(path, {}).get("post", {})
        asked["parameters"] = [*asked.get("parameters", []), *guard.get("parameters", [])]
        if "security" in guard:
            asked["security"] = guard["security"]
    return others


def _operations(paths: Document) -> Iterator[Document]:
    for item in paths.values():
        yield from (operation for method, operation in item.items() if method in METHODS and "operationId" in operation)


def _rename_operations(paths: Document, taken: set[str]) -> None:
    for operation in _operations(paths):
        while operation["operationId"] in taken:
            operation["operationId"] += "_model"


def _rename_components(ours: Document, theirs: Document) -> Document:
    taken = theirs.get("components", {}).get("schemas", {}).keys()
    names = {name: f"Modelport.{name}" for name in ours["components"]["schemas"] if name in taken}
    if not names:
        return ours
    references = {f"#/components/schemas/{old}": f"#/components/schemas/{new}" for old, new in names.items()}
    renamed: Document = _with_references(ours, references)
    schemas = renamed["components"]["schemas"]
    renamed["components"]["schemas"] = {names.get(name, name): schema for name, schema in schemas.items()}
    return renamed


def _with_references(node: Any, references: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {
            key: references.get(value, value)
            if key == "$ref" and isinstance(value, str)
            else _with_references(value, references)
            for key, value in node.items()
        }
    return [_with_references(item, references) for item in node] if isinstance(node, list) else node
