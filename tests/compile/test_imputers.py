"""Imputers that look at the other fields of a record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeRegressor

from tests.compile.originals import compiled, iris, to_records, with_gaps

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IMPUTERS: dict[str, Any] = {
    "regressions": IterativeImputer(random_state=0),
    "regressions, within bounds": IterativeImputer(Ridge(), random_state=0, min_value=0, max_value=5, max_iter=2),
    "trees, and where gaps were": IterativeImputer(
        DecisionTreeRegressor(max_depth=3), random_state=0, add_indicator=True, max_iter=3, n_nearest_features=2
    ),
    "a first guess alone": IterativeImputer(max_iter=0, initial_strategy="median"),
}


def gappy() -> tuple[Any, Any]:
    """Records with gaps."""
    inputs, labels = iris()
    return with_gaps(inputs + np.random.default_rng(0).normal(size=inputs.shape) * 0.01), labels


@pytest.mark.parametrize("name", IMPUTERS)
def test_gaps_are_filled_as_the_original_fills_them(name: str, tmp_path: Path) -> None:
    inputs, labels = gappy()
    model = make_pipeline(IMPUTERS[name], LogisticRegression(max_iter=300)).fit(inputs, labels)
    made = compiled(model, tmp_path, inputs)
    assert made.report.kinds["missing values"] > 50
    wanted = model.predict_proba(inputs)
    got = [list(a["probabilities"].values()) for a in made.predict(to_records(inputs) or [])]
    assert np.abs(np.array(got) - wanted).max() < 1e-9


def test_trees_behind_regressions(tmp_path: Path) -> None:
    inputs, labels = gappy()
    model = make_pipeline(IterativeImputer(random_state=0), RandomForestClassifier(7, random_state=0))
    compiled(model.fit(inputs, labels), tmp_path, inputs)
