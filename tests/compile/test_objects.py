"""`modelport.compile`: a model in memory, asked as it was asked before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import modelport
from tests.compile.originals import diabetes, iris


@pytest.fixture(scope="module")
def flowers() -> tuple[pd.DataFrame, Any]:
    """A frame with names, and labels that are words."""
    inputs, labels = iris()
    return pd.DataFrame(inputs, columns=["a", "b", "c", "d"]), np.array(["x", "y", "z"])[labels]


def test_a_classifier_answers_as_before_from_a_frame_an_array_and_dictionaries(
    flowers: tuple[pd.DataFrame, Any],
) -> None:
    frame, labels = flowers
    original = RandomForestClassifier(12, random_state=0).fit(frame, labels)
    compiled = modelport.compile(original, frame)
    assert compiled.report.full
    assert str(compiled.report).startswith("parity ")
    assert compiled.predict(frame).tolist() == original.predict(frame).tolist()
    for rows in (frame, frame[["d", "c", "b", "a"]], frame.to_dict("records"), frame.to_numpy()):
        assert np.array_equal(compiled.predict_proba(rows), original.predict_proba(frame))


def test_a_regressor_answers_as_before_and_gives_no_probabilities() -> None:
    inputs, values = diabetes()
    original = RandomForestRegressor(12, random_state=0).fit(inputs, values)
    compiled = modelport.compile(original)
    assert np.array_equal(compiled.predict(inputs), original.predict(inputs))
    with pytest.raises(AttributeError, match="no table of probabilities"):
        compiled.predict_proba(inputs)


def test_what_is_saved_is_read_again(flowers: tuple[pd.DataFrame, Any], tmp_path: Path) -> None:
    frame, labels = flowers
    compiled = modelport.compile(LogisticRegression(max_iter=500).fit(frame, labels), frame)
    compiled.save(tmp_path / "flowers")
    again = modelport.load_compiled(tmp_path / "flowers")
    assert np.array_equal(again.predict_proba(frame), compiled.predict_proba(frame))
    (tmp_path / "flowers" / "compiled.json").write_text("{}")
    with pytest.raises(modelport.SetupError, match="compile it again"):
        modelport.load_compiled(tmp_path / "flowers")


def test_what_cannot_be_compiled_says_why() -> None:
    numbers = np.arange(8.0).reshape(8, 1)
    with pytest.raises(modelport.NotCompiledError, match="FunctionTransformer: log1p loses digits"):
        modelport.compile(
            make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()).fit(numbers, numbers[:, 0] > 3)
        )
    with pytest.raises(modelport.SetupError, match="no predict method"):
        modelport.compile(3)


def test_rows_that_do_not_fit_are_refused_by_name(flowers: tuple[pd.DataFrame, Any]) -> None:
    frame, labels = flowers
    compiled = modelport.compile(LogisticRegression(max_iter=500).fit(frame, labels))
    with pytest.raises(ValueError, match="columns are missing: d"):
        compiled.predict(frame[["a", "b", "c"]])
    with pytest.raises(ValueError, match="takes 4 columns, not 3"):
        compiled.predict(frame.to_numpy()[:, :3])
    with pytest.raises(ValueError, match="a row for each record"):
        compiled.predict(np.zeros(4))


def test_the_path_of_a_file_is_as_good_as_the_model(music: Any) -> None:
    compiled = modelport.compile(music.joblib, pd.read_csv(music.data).drop(columns="genre"))
    assert compiled.report.full
