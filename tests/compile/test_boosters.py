"""XGBoost, LightGBM and CatBoost, as their loaders serve them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from modelport.compilation.compiler import NotCompiled, compile_model
from tests.compile.originals import SMALL, compiled, diabetes, iris, original, people, to_records, with_gaps

QUIET = {"verbose": 0, "allow_writing_files": False, "thread_count": 1}
CLASSIFIERS = {
    "xgboost": XGBClassifier(n_estimators=12),
    "xgboost, dropped trees": XGBClassifier(n_estimators=12, booster="dart", rate_drop=0.3),
    "xgboost, zero is missing": XGBClassifier(n_estimators=12, missing=0.0),
    "lightgbm": LGBMClassifier(n_estimators=12, verbose=-1),
    "lightgbm, one against all": LGBMClassifier(n_estimators=12, verbose=-1, objective="multiclassova"),
    "catboost": CatBoostClassifier(iterations=12, **QUIET),
    "catboost, gaps are greatest": CatBoostClassifier(iterations=12, nan_mode="Max", **QUIET),
    "in a pipeline": make_pipeline(StandardScaler(), XGBClassifier(n_estimators=12)),
}
REGRESSORS = {
    "xgboost": XGBRegressor(n_estimators=12),
    "xgboost, counts": XGBRegressor(n_estimators=12, objective="count:poisson"),
    "lightgbm": LGBMRegressor(n_estimators=12, verbose=-1),
    "lightgbm, zero is missing": LGBMRegressor(n_estimators=12, verbose=-1, zero_as_missing=True),
    "lightgbm, tweedie": LGBMRegressor(n_estimators=12, verbose=-1, objective="tweedie"),
    "catboost": CatBoostRegressor(iterations=12, **QUIET),
}


@pytest.mark.parametrize("case", CLASSIFIERS)
@pytest.mark.parametrize("classes", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_classifiers_agree_with_gaps(case: str, classes: int, tmp_path: Path) -> None:
    inputs, labels = iris()
    if "against all" in case and classes == 2:
        pytest.skip("LightGBM refuses two classes here")
    inputs = np.nan_to_num(inputs) if "zero" in case else with_gaps(inputs)
    compiled(CLASSIFIERS[case].fit(inputs, labels if classes == 3 else labels == 1), tmp_path, inputs)


@pytest.mark.parametrize("case", REGRESSORS)
def test_regressors_agree_with_gaps(case: str, tmp_path: Path) -> None:
    inputs, values = diabetes()
    made = compiled(REGRESSORS[case].fit(with_gaps(inputs), values), tmp_path, with_gaps(inputs))
    assert made.report.kinds["at a split threshold"] > 30


@pytest.mark.parametrize(
    "model",
    [
        XGBClassifier(n_estimators=9, enable_categorical=True, max_cat_to_onehot=1, min_child_weight=0),
        LGBMClassifier(n_estimators=9, verbose=-1, min_data_in_leaf=3, min_data_per_group=3, cat_smooth=1),
    ],
    ids=["xgboost", "lightgbm"],
)
def test_categories_by_set_agree_with_gaps(model: Any, tmp_path: Path) -> None:
    table = people(gaps=True)
    sample = to_records(table)
    table["city"] = table["city"].astype("category")
    rng = np.random.default_rng(0)
    made = compiled(model.fit(table, rng.integers(0, 3, len(table))), tmp_path, None)
    assert made.report.kinds["categories"] >= 4
    assert len(made.predict(sample or [])) == len(table)


def test_categories_of_catboost_are_refused_by_the_name_of_their_operators(tmp_path: Path) -> None:
    table = people()[["age", "city"]]
    model = CatBoostClassifier(iterations=5, verbose=False, allow_writing_files=False, cat_features=["city"])
    made = compile_model(original(model.fit(table, table["age"] > 40), tmp_path), None, SMALL)
    assert isinstance(made, NotCompiled)
    assert "reads categories (OneHotFeature, OnlineCtr)" in made.reason
