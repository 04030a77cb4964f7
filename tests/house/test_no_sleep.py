"""Tests wait for events, not for time: a sleep is too short on a busy machine and too long on every other."""

from __future__ import annotations

import ast

from tests.house.source import ROOT, project_files, tree

TESTS = ROOT / "tests"
MAY_SLEEP = (TESTS / "process", TESTS / "serving.py")


def test_nothing_sleeps_outside_process_tests() -> None:
    """Real processes, and the one helper that polls a server until it is up, have no event to wait for."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in project_files()
        if path.is_relative_to(TESTS) and not any(path.is_relative_to(allowed) for allowed in MAY_SLEEP)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and (getattr(node.func, "attr", None) or getattr(node.func, "id", None)) == "sleep"
    ]
    assert not found
