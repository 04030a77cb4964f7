"""The public names: listed, sorted, resolved when first used, described."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

import modelport
from tests.house.source import PACKAGE, ROOT, tree

PAGE = ROOT / "docs" / "reference" / "python-api.md"


def test_the_list_is_sorted_and_complete() -> None:
    lazy = set(modelport._LAZY)
    assert list(modelport.__all__) == sorted(modelport.__all__)
    assert set(modelport.__all__) == lazy | {"__version__"}
    assert dir(modelport) == sorted(modelport.__all__)


def test_type_checkers_see_the_same_names() -> None:
    """A type checker does not run `__getattr__`: the block for it must name exactly what is resolved lazily."""
    block = next(n for n in tree(PACKAGE / "__init__.py").body if isinstance(n, ast.If))
    named = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert named == modelport._LAZY


@pytest.mark.parametrize("name", modelport.__all__)
def test_each_name_resolves_in_a_fresh_process(name: str) -> None:
    code = f"import modelport; assert modelport.{name} is not None; assert {name!r} in vars(modelport)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("name", modelport.__all__)
def test_each_name_is_described(name: str) -> None:
    assert f"`modelport.{name}" in PAGE.read_text(encoding="utf-8")


def test_a_name_that_is_not_there_says_so() -> None:
    with pytest.raises(AttributeError, match="no attribute 'predict'"):
        _ = modelport.predict
