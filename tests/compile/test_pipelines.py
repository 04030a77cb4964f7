"""Pipelines and models made of other models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC

from tests.compile.originals import compiled, diabetes, iris, people, to_records


def columns(encoder: Any, impute: bool = False) -> Any:
    """Numbers scaled, text encoded, the rest passed on."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    text = make_pipeline(SimpleImputer(strategy="most_frequent", missing_values=None), encoder) if impute else encoder
    return ColumnTransformer([("n", numbers, ["age", "income"]), ("c", text, ["city"])], remainder="passthrough")


ENCODERS = {
    "ignores unseen": OneHotEncoder(handle_unknown="ignore"),
    "refuses unseen": OneHotEncoder(handle_unknown="error"),
    "groups the infrequent": OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=48),
    "drops the first": OneHotEncoder(drop="first"),
    "numbers": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    "means of the target": TargetEncoder(cv=2),
}


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize(
    "model",
    [
        pytest.param(LogisticRegression(), id="linear", marks=pytest.mark.slow),
        pytest.param(RandomForestClassifier(9, random_state=0), id="forest"),
    ],
)
def test_tables_of_numbers_and_text(name: str, model: Any, tmp_path: Path) -> None:
    table = people()
    labels = np.where((table["age"] > 40) ^ (table["city"] == "Lima"), "yes", "no")
    made = compiled(make_pipeline(columns(ENCODERS[name]), model).fit(table, labels), tmp_path, table)
    assert made.report.kinds["categories"] >= 4


@pytest.mark.parametrize("impute", [False, True], ids=["a gap is a category", "gaps are filled in"])
def test_gaps_in_numbers_and_in_text(impute: bool, tmp_path: Path) -> None:
    table = people(gaps=True)
    labels = table["age"] > 40
    pipeline = make_pipeline(
        columns(OneHotEncoder(handle_unknown="ignore"), impute), GradientBoostingClassifier(n_estimators=9)
    )
    made = compiled(pipeline.fit(table, labels), tmp_path, table)
    assert made.report.kinds["missing values"] > 50


def test_a_category_that_nobody_has_seen_is_answered_as_the_original_does(tmp_path: Path) -> None:
    table = people()
    pipeline = make_pipeline(columns(OneHotEncoder(handle_unknown="ignore")), Ridge()).fit(table, table["income"])
    made = compiled(pipeline, tmp_path, table)
    strange = table.head(3).assign(city=["Atlantis", "", "LIMA"])
    wanted = pipeline.predict(strange).tolist()
    assert [a["prediction"] for a in made.predict(to_records(strange) or [])] == pytest.approx(wanted, rel=1e-12)


CASES = {
    "voting": VotingClassifier(
        [("f", RandomForestClassifier(5, random_state=0)), ("l", LogisticRegression(max_iter=500))], voting="soft"
    ),
    "stacking": StackingClassifier([("f", RandomForestClassifier(5, random_state=0)), ("s", SVC())], cv=2),
    "calibrated": CalibratedClassifierCV(RandomForestClassifier(5, random_state=0), method="isotonic", cv=2),
    "search": GridSearchCV(RandomForestClassifier(5, random_state=0), {"max_depth": [2, 3]}, cv=2),
    "kernel": make_pipeline(StandardScaler(), SVC()),
    "network": make_pipeline(StandardScaler(), MLPClassifier((9,), max_iter=2000, random_state=0)),
    "bins": make_pipeline(
        KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"), LogisticRegression(max_iter=500)
    ),
    "quantiles": make_pipeline(QuantileTransformer(n_quantiles=30), RandomForestClassifier(5, random_state=0)),
    "splines": make_pipeline(SplineTransformer(), LogisticRegression(max_iter=500)),
}


@pytest.mark.parametrize("case", CASES)
def test_models_of_models_agree(case: str, tmp_path: Path) -> None:
    inputs, labels = iris()
    compiled(CASES[case].fit(inputs, np.array(["a", "b", "c"])[labels]), tmp_path, inputs)


@pytest.mark.parametrize("kind", [MultiOutputClassifier, ClassifierChain])
def test_several_outputs_agree(kind: Any, tmp_path: Path) -> None:
    inputs, labels = iris()
    targets = np.column_stack([labels == 1, inputs[:, 0] > 5.8]).astype(int)
    compiled(kind(LogisticRegression(max_iter=500)).fit(inputs, targets), tmp_path, inputs)


def test_a_transformed_target_and_powers_agree(tmp_path: Path) -> None:
    inputs, values = diabetes()
    model = TransformedTargetRegressor(
        make_pipeline(PolynomialFeatures(2), StandardScaler(), Ridge()), func=np.log, inverse_func=np.exp
    )
    compiled(model.fit(inputs[:, :4], values), tmp_path, inputs[:, :4])


def test_several_labels_of_a_table_with_a_column_that_is_dropped(tmp_path: Path) -> None:
    table = people()[["age", "income", "member"]]
    labels = np.column_stack([table["age"] > 40, table["income"] > 3000]).astype(int)
    used = ColumnTransformer([("n", StandardScaler(), ["age", "income"])])
    model = make_pipeline(used, RandomForestClassifier(5, random_state=0)).fit(table, labels)
    compiled(model, tmp_path, table)


def test_products_of_three_columns_are_rounded_in_the_originals_order(tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).lognormal(size=(120, 3))
    model = make_pipeline(PolynomialFeatures(3), RandomForestClassifier(20, random_state=0))
    made = compiled(model.fit(inputs, inputs.prod(axis=1) > 1), tmp_path, inputs)
    tiny = [[1e6, 1e-5, 5e-324]] * 2
    wanted = model.predict_proba(tiny).tolist()
    assert [list(a["probabilities"].values()) for a in made.predict(to_records(np.array(tiny)) or [])] == wanted


def test_a_model_that_was_fitted_on_float32_is_compiled(tmp_path: Path) -> None:
    inputs, labels = iris()
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(inputs.astype(np.float32), labels)
    assert model[0].mean_.dtype == np.float64
    assert model[1].coef_.dtype == np.float32
    compiled(model, tmp_path, inputs)


def test_what_a_power_makes_infinite_is_refused_as_the_original_refuses_it(tmp_path: Path) -> None:
    inputs = 10 - np.random.default_rng(0).exponential(0.2, (80, 2))  # bent by a power far greater than one
    model = make_pipeline(PowerTransformer(), LogisticRegression()).fit(inputs, inputs[:, 0] > 9.9)
    assert model[0].lambdas_.max() > 8.2
    made = compiled(model, tmp_path, inputs)
    assert made.report.excluded == made.report.refused_alike > 0
    with pytest.raises(ValueError, match="too large"):
        made.predict([(3e38, 3e38)])
