"""Numbers beyond 32-bit floats: answered by models that compute in 64 bits, refused with the limit's name by the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.artifacts.zoo import numbers, save, sums
from tests.serving import serving

pytest.importorskip("sklearn")

from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

TABLE = numbers()
TARGET = sums(TABLE)
WIDE: dict[str, Any] = {
    "linear": LinearRegression(),
    "logistic": LogisticRegression(),
    "scaled linear": make_pipeline(StandardScaler(), LinearRegression()),
    "columns": make_pipeline(ColumnTransformer([("n", StandardScaler(), ["a", "b", "c", "d"])]), LinearRegression()),
    "target transformed": TransformedTargetRegressor(LinearRegression(), transformer=StandardScaler()),
    "boosting of histograms": HistGradientBoostingRegressor(max_iter=3),
}
NARROW: dict[str, Any] = {
    "tree": DecisionTreeRegressor(),
    "forest": RandomForestRegressor(3),
    "scaled forest": make_pipeline(StandardScaler(), RandomForestRegressor(3)),
    "bag of trees": BaggingRegressor(n_estimators=3),
}


@pytest.mark.parametrize("model", WIDE.values(), ids=WIDE.keys())
def test_a_model_of_64_bits_answers_numbers_beyond_32_bits_as_it_does_itself(model: Any, tmp_path: Path) -> None:
    model.fit(TABLE, TARGET > 0 if isinstance(model, LogisticRegression) else TARGET)
    with serving(save(model, tmp_path)) as service:
        for value in (1e39, -1e100, 10**60):
            record = {"a": value, "b": 0.5, "c": 1, "d": 2}
            row = TABLE[:1].assign(**{name: float(number) for name, number in record.items()})
            assert service.predict(record)["prediction"] == pytest.approx(model.predict(row)[0])
        refused = service.post({"a": 10**320, "b": 0, "c": 0, "d": 0})
        assert refused.status_code == 422
        assert "64-bit floats" in refused.json()["detail"][0]["msg"]


@pytest.mark.parametrize("model", NARROW.values(), ids=NARROW.keys())
def test_a_model_of_32_bits_names_their_limit(model: Any, tmp_path: Path) -> None:
    with serving(save(model.fit(TABLE, TARGET), tmp_path)) as service:
        refused = service.post({"a": 1e39, "b": 0, "c": 0, "d": 0})
        assert refused.status_code == 422
        (problem,) = refused.json()["detail"]
        assert problem["type"] == "finite_number"
        assert "32-bit floats, which end at 3.4e+38" in problem["msg"]


def test_a_range_of_the_data_beyond_32_bits_is_kept(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("x,y\n1e39,1\n3e40,2\n2e40,1.5\n")
    model = LinearRegression().fit(np.array([[1e39], [3e40], [2e40]]), [1, 2, 1.5])
    with serving(save(model, tmp_path), data=data, target="y") as service:
        assert service.field("x")["training_range"] == [1e39, 3e40]
        assert "modelport-out-of-range" not in service.post({"x": 2e40}).headers
        assert service.post({"x": 4e40}).headers["modelport-out-of-range"] == "x"
