"""What is said of objects in memory that are no model, and of who has named their inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

import modelport
from modelport.assembly.artifacts import load_artifact
from modelport.config import ServeOptions
from modelport.errors import SetupError

CASES = [
    (3, "what was given is of type int, which is no model"),
    (LinearRegression(), "what was given is a LinearRegression that is not fitted"),
    (LinearRegression, "what was given is the class LinearRegression, not a fitted model"),
]


@pytest.mark.parametrize(("thing", "said"), CASES)
def test_objects_are_refused_without_the_name_of_a_file(thing: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError) as compiled:
        modelport.compile(thing)
    with pytest.raises(SetupError) as saved:
        modelport.save(thing, tmp_path / "it.bundle")
    for told in (str(compiled.value), str(saved.value)):
        assert told.startswith(said)
        assert ".joblib" not in told


def test_names_from_a_list_beside_the_model_say_so(tmp_path: Path) -> None:
    model = LinearRegression().fit(np.eye(3), [0, 1, 2])
    joblib.dump(
        {"columns": ["a", "b", "c"], "scaler": StandardScaler().fit(np.eye(3)), "model": model}, tmp_path / "dict.pkl"
    )
    loaded, _ = load_artifact(tmp_path / "dict.pkl", ServeOptions())
    assert loaded.signature.inputs[0].reasons[0] == "named by dict.pkl['columns'], in this order"
    loaded, _ = load_artifact(tmp_path / "dict.pkl", ServeOptions(features=("a", "b", "c")))
    assert loaded.signature.inputs[0].reasons[0] == "named by --features, in this order"


def test_names_from_the_file_beside_the_model_say_so(tmp_path: Path) -> None:
    joblib.dump(LinearRegression().fit(np.eye(3), [0, 1, 2]), tmp_path / "line.joblib")
    (tmp_path / "line.toml").write_text('features = ["a", "b", "c"]')
    loaded, _ = load_artifact(tmp_path / "line.joblib", ServeOptions())
    assert loaded.signature.inputs[0].reasons[0] == "named by line.toml, in this order"
