"""Each rule finds what it is for, stays silent where that is mended, and is true of the versions that are installed."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import flask
import pytest

from modelport.adopt.rules.removed import ARGUMENTS, REMOVED
from tests.adopt.cases import CASES
from tests.adopt.reading import found, read


@pytest.mark.parametrize(("rule", "bad", "good"), CASES, ids=[f"{rule}-{n}" for n, (rule, _, _) in enumerate(CASES)])
def test_a_fault_is_found_and_its_remedy_is_not(rule: str, bad: str, good: str, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "good").mkdir()
    there = found(read(tmp_path / "bad", bad), rule)
    assert there, bad
    assert all(f.what and f.remedy and f.place.line > 0 for f in there)
    assert found(read(tmp_path / "good", good), rule) == [], good


def test_every_rule_has_a_case() -> None:
    folder = Path(__file__).parents[2] / "src" / "modelport" / "adopt" / "rules"
    named = {word for path in folder.glob("*.py") for word in _rules(path.read_text(encoding="utf8"))} - {
        "scikit-learn",
        "utf-8",
    }
    elsewhere = {  # those that need a model file; see test_artifacts.py
        "unreadable-file",
        "pickle-of-joblib",
        "old-artifact",
        "feature-order",
        "feature-count",
        "number-in-response-model",
    }
    assert named - {rule for rule, _, _ in CASES} == elsewhere


def _rules(text: str) -> set[str]:
    """Names of rules: texts of two words with a hyphen between, or one of a few single words."""
    return {
        name
        for name in re.findall(r'"([a-z]+(?:-[a-z0-9]+)*)"', text)
        if "-" in name or name in ("validator", "deprecated", "debug")
    }


@pytest.mark.parametrize("name", REMOVED)
def test_what_is_called_removed_is_not_there(name: str) -> None:
    module, _, last = name.rpartition(".")
    pytest.importorskip(module.partition(".")[0])
    with pytest.raises(ImportError):
        importlib.import_module(name)
    with pytest.raises(
        (ImportError, AttributeError, FutureWarning)
    ):  # the latter before the AttributeError, for two of NumPy
        getattr(importlib.import_module(module), last)


@pytest.mark.parametrize(("function", "argument"), [(f, a) for f, arguments in ARGUMENTS.items() for a in arguments])
def test_what_is_called_a_removed_argument_is_not_taken(function: str, argument: str) -> None:
    module, _, name = function.rpartition(".")
    called = getattr(pytest.importorskip(module), name)
    if any(p.kind is p.VAR_KEYWORD for p in _parameters(called)):  # it hands over what it does not know
        given = [Path(flask.__file__).parent, *(["app.py"] if argument != "filename" else [])]
        with flask.Flask(__name__).test_request_context(), pytest.raises(TypeError):
            called(*given, **{argument: "app.py"})
    else:
        assert argument not in inspect.signature(called).parameters


def _parameters(function: Any) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())
