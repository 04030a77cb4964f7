"""Trees and ensembles of them: the very probabilities, to the last bit, and the same side of every threshold and tie."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from modelport.compilation.compiled import CompiledModel
from modelport.compilation.compiler import compile_model
from modelport.compilation.rows import around
from tests.compile.originals import SMALL, compiled, diabetes, iris, original, people, to_records, with_gaps
from tests.house.source import ROOT

NAMES = np.array(["setosa", "versicolor", "virginica"])


def music() -> tuple[Any, Any]:
    """The shipped data: inputs and genres."""
    with (ROOT / "examples" / "music" / "music.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    fields = ("acousticness", "danceability", "energy", "liveness", "speechiness", "tempo", "valence")
    return np.array([[float(r[f]) for f in fields] for r in rows]), np.array([r["genre"] for r in rows])


def test_a_forest_gives_the_same_bits_at_every_exact_tie_of_the_music_data(tmp_path: Path) -> None:
    inputs, genres = music()
    forest = RandomForestClassifier(10, random_state=0).fit(inputs[::4], genres[::4])
    made = compiled(forest, tmp_path, inputs)
    assert made.report.kinds.get("tied votes", 0) > 0, "the check found no tie"
    table = forest.predict_proba(inputs)
    answers = made.predict(to_records(inputs) or [])
    assert [list(a["probabilities"].values()) for a in answers] == table.tolist()
    assert [a["prediction"] for a in answers] == forest.predict(inputs).tolist()


def test_two_trees_that_disagree_are_a_tie_and_the_first_class_wins(tmp_path: Path) -> None:
    inputs, labels = iris()
    forest = RandomForestClassifier(2, random_state=3).fit(inputs, labels == 1)
    made = compiled(forest, tmp_path, inputs)
    tied = inputs[(forest.predict_proba(inputs) == 0.5).all(axis=1)]
    assert len(tied)
    assert made.report.kinds["tied votes"] > 0
    assert all(a["prediction"] is False for a in made.predict(to_records(tied) or []))


@pytest.mark.parametrize("kind", [DecisionTreeRegressor, RandomForestRegressor])
def test_every_number_next_to_every_threshold_falls_on_its_side(kind: Any, tmp_path: Path) -> None:
    inputs, values = diabetes()
    model = kind(random_state=0).fit(inputs, values)
    made = compiled(model, tmp_path)
    tree = model.tree_ if kind is DecisionTreeRegressor else model.estimators_[0].tree_
    rows = []
    for node in np.flatnonzero(tree.children_left >= 0):
        for value in around(float(tree.threshold[node])):
            row = inputs[node % len(inputs)].copy()
            row[tree.feature[node]] = value
            rows.append(row)
    answers = [a["prediction"] for a in made.predict(to_records(np.array(rows)) or [])]
    assert answers == model.predict(np.array(rows)).tolist()


CASES = {
    "tree, text labels": lambda x, y: DecisionTreeClassifier(random_state=0).fit(x, NAMES[y]),
    "extra trees": lambda x, y: ExtraTreesClassifier(20, random_state=0).fit(x, y),
    "forest, gaps": lambda x, y: RandomForestClassifier(20, random_state=0).fit(with_gaps(x), y),
    "forest, two outputs": lambda x, y: RandomForestClassifier(9, random_state=0).fit(
        x, np.column_stack([NAMES[y], np.where(y > 0, "a", "b")])
    ),
    "forest of values, two outputs": lambda x, y: RandomForestRegressor(9, random_state=0).fit(
        x, np.column_stack([y, y * 2.5 + x[:, 0]])
    ),
    "one leaf": lambda x, y: RandomForestClassifier(3, max_depth=1, min_samples_leaf=100, random_state=0).fit(x, y),
    "gradient boosting": lambda x, y: GradientBoostingClassifier(n_estimators=15, random_state=0).fit(x, y),
    "gradient boosting of values": lambda x, y: GradientBoostingRegressor(n_estimators=15, random_state=0).fit(x, y),
    "histogram boosting, gaps": lambda x, y: HistGradientBoostingClassifier(max_iter=15).fit(with_gaps(x), NAMES[y]),
    "adaptive boosting": lambda x, y: AdaBoostClassifier(n_estimators=15, random_state=0).fit(x, y),
    "bagging": lambda x, y: BaggingRegressor(n_estimators=5, max_features=0.5, random_state=0).fit(x, y),
    "isolation": lambda x, y: IsolationForest(n_estimators=20, random_state=0).fit(x),
}
LATER = {"histogram boosting, gaps", "forest, two outputs"}


@pytest.mark.parametrize("case", [pytest.param(case, marks=[pytest.mark.slow] * (case in LATER)) for case in CASES])
def test_ensembles_agree_on_every_checked_row(case: str, tmp_path: Path) -> None:
    inputs, labels = iris()
    made = compiled(CASES[case](inputs, labels), tmp_path, inputs)
    assert made.report.worst_probability < 1e-15


@pytest.mark.parametrize(
    "kind", [pytest.param(HistGradientBoostingClassifier, marks=pytest.mark.slow), HistGradientBoostingRegressor]
)
def test_histogram_boosting_with_categories_gaps_and_unseen_values(kind: Any, tmp_path: Path) -> None:
    table = people(gaps=True)
    sample = to_records(table)
    table["city"] = table["city"].astype("category")
    model = kind(categorical_features="from_dtype", max_iter=10, min_samples_leaf=3).fit(table, table["age"] // 25)
    made = compile_model(original(model, tmp_path), sample, SMALL)
    assert isinstance(made, CompiledModel), made.reason
    assert made.report.kinds["at a split threshold"] > 20
    assert made.report.kinds["missing values"] > 50
    assert made.report.kinds["categories"] > 5


def test_a_tree_that_splits_gaps_from_numbers_is_compiled(tmp_path: Path) -> None:
    inputs = np.array([[v] for v in [1.0, 2.0, 3.0, np.nan] * 20])
    model = DecisionTreeRegressor().fit(inputs, np.isnan(inputs[:, 0]).astype(float))
    assert np.isinf(model.tree_.threshold[0])
    compiled(model, tmp_path)


def test_gradient_boosting_of_a_release_that_called_the_number_of_its_inputs_otherwise_is_compiled(
    tmp_path: Path,
) -> None:
    """Before 0.24 it was `n_features_`, and models that are read with repairs keep it so."""
    inputs, _ = iris()
    saved = original(GradientBoostingRegressor(n_estimators=5, random_state=0).fit(inputs, inputs[:, 0]), tmp_path)
    saved.estimator.n_features_ = vars(saved.estimator).pop("n_features_in_")
    made = compile_model(saved, to_records(inputs), SMALL)
    assert isinstance(made, CompiledModel), made.reason
