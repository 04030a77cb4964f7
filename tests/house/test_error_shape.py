"""Errors: one drawn tree, one table of statuses, one shape on the wire, one page."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import Any

import pytest

from modelport import errors
from modelport.errors import Problem
from modelport.fronts.status import STATUS, error_body, status_of
from tests.house.source import PACKAGE, ROOT, tree

CLASSES = {
    name: value for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)
}
CALL_ERRORS = [cls for cls in CLASSES.values() if issubclass(cls, errors.CallError)]
PAGE = ROOT / "docs" / "reference" / "errors.md"


def drawn_tree() -> Iterator[tuple[str, str | None]]:
    """Each class of the drawing in the docstring of errors.py, with the class that it hangs from."""
    ancestors: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        branch, _, rest = line.rpartition("── ") if "── " in line else ("", "", line)
        name = rest.split(" ")[0]
        if name not in CLASSES or (not branch and rest != name):
            continue
        depth = len(branch)
        ancestors = [(d, n) for d, n in ancestors if d < depth]
        yield name, ancestors[-1][1] if ancestors and branch else None
        ancestors.append((depth if branch else -1, name))


def test_the_drawing_holds_every_class_where_it_really_hangs() -> None:
    real = {name: cls.__bases__[0].__name__ for name, cls in CLASSES.items()} | {"ModelportError": None}
    assert dict(drawn_tree()) == real


@pytest.mark.parametrize("name", CLASSES)
def test_each_error_is_on_its_page(name: str) -> None:
    assert f"`{name}`" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("cls", CALL_ERRORS)
def test_each_error_of_a_call_reaches_a_status_that_its_page_names(cls: type[errors.CallError]) -> None:
    status = status_of(_example(cls))
    assert 400 <= status <= 599
    row = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{cls.__name__}`"))
    assert f"| {status} |" in row
    assert f"`{cls.code}`" in row


def test_not_ready_is_never_the_callers_fault() -> None:
    assert status_of(errors.NotReady("loading")) == 503


@pytest.mark.parametrize("cls", CALL_ERRORS)
def test_every_error_has_the_one_shape_on_the_wire(cls: type[errors.CallError]) -> None:
    body = json.loads(error_body(_example(cls)))
    assert body.keys() == {"detail"}
    for entry in body["detail"]:
        assert {"loc", "msg", "type", "input"} <= entry.keys() <= {"loc", "msg", "type", "input", "hint"}
        assert isinstance(entry["loc"], list)
        assert entry["msg"]
        assert entry["type"]


def test_the_table_lists_no_class_twice_and_none_that_is_gone() -> None:
    assert set(STATUS) <= set(CALL_ERRORS)


def test_only_errors_py_declares_errors_that_users_may_meet() -> None:
    """An exception class elsewhere must be private to its module's own machinery: it derives from Exception alone."""
    strays = [
        f"{path.name}: {node.name}"
        for path in PACKAGE.rglob("*.py")
        if path.name != "errors.py"
        for node in tree(path).body
        if isinstance(node, ast.ClassDef) and any(isinstance(b, ast.Name) and b.id in CLASSES for b in node.bases)
    ]
    assert not strays


def _example(cls: type[Any]) -> Any:
    problem = Problem(("body", 3, "tempo"), "Expected a number", "float_type", "fast", "send a number")
    return cls([problem]) if issubclass(cls, errors.InvalidInput) else cls("It did not work")
