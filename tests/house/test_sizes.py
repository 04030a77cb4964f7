"""What fits on a screen is read; what does not is scrolled past."""

from __future__ import annotations

import ast

from tests.house.source import ROOT, project_files, tree

LONGEST_FUNCTION, LONGEST_FILE, MOST_PARAMETERS = 60, 500, 8


def functions() -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function of the project, with where it is."""
    return [
        (f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node)
        for path in project_files()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_no_function_is_too_long() -> None:
    lengths = {where: (node.end_lineno or 0) - node.lineno + 1 for where, node in functions()}
    assert {where: length for where, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_no_file_is_too_long() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in project_files()
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_function_takes_too_many_parameters() -> None:
    counts = {
        where: len(node.args.posonlyargs) + len(node.args.args) + len(node.args.kwonlyargs)
        for where, node in functions()
    }
    assert {where: count for where, count in counts.items() if count > MOST_PARAMETERS} == {}
