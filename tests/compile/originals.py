"""What the tests of compilation share: models as their loaders serve them, small real data, and strict comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np

from modelport.artifacts.loaders.sklearn import SklearnLoader
from modelport.compilation.compiled import CompiledModel
from modelport.compilation.compiler import Original, compile_model
from modelport.compilation.rows import Budget
from modelport.kernel.ports import Hints

SMALL = Budget(sample=400, inside=400, scaled=60, thresholds=420, gaps=120, categories=120, ties=120, searched=800)


def original(estimator: Any, folder: Path, **hints: Any) -> Original:
    """As it is served: saved, read by the loader, with its signature."""
    path = folder / "model.joblib"
    joblib.dump(estimator, path)
    model = SklearnLoader().load(path, Hints(**hints))
    return Original(estimator, model.signature, model.predict)


def compiled(estimator: Any, folder: Path, sample: Any = None) -> CompiledModel:
    """The compiled model; the test fails with the reason where there is none."""
    made = compile_model(original(estimator, folder), to_records(sample), SMALL)
    assert isinstance(made, CompiledModel), made.reason
    assert made.report.full
    assert made.report.rows >= 400
    return made


def to_records(rows: Any) -> list[tuple[Any, ...]] | None:
    """Rows of an array or a frame as records: plain values, None for gaps."""
    if rows is None:
        return None
    cells = rows.tolist() if isinstance(rows, np.ndarray) else rows.astype(object).to_numpy().tolist()
    return [tuple(None if v is None or v != v else v for v in row) for row in cells]


def iris() -> tuple[Any, Any]:
    """Inputs and labels 0, 1, 2."""
    from sklearn.datasets import load_iris

    inputs, labels = load_iris(return_X_y=True)
    return inputs, labels


def diabetes() -> tuple[Any, Any]:
    """Inputs and values."""
    from sklearn.datasets import load_diabetes

    inputs, values = load_diabetes(return_X_y=True)
    return inputs, values


def with_gaps(inputs: Any) -> Any:
    """The same inputs with NaN here and there."""
    rng = np.random.default_rng(1)
    return np.where(rng.random(inputs.shape) < 0.15, np.nan, inputs)


def people(gaps: bool = False) -> Any:
    """Numbers, text and yes or no."""
    import pandas

    rng = np.random.default_rng(0)
    table = pandas.DataFrame(
        {
            "age": rng.integers(18, 80, 200),
            "income": rng.normal(3000, 800, 200).round(2),
            "city": rng.choice(["Bergen", "Lima", "Nairobi", "Osaka"], 200).astype(object),
            "member": rng.random(200) < 0.5,
        }
    )
    if gaps:
        table.loc[::7, "income"] = np.nan
        table["city"] = table["city"].astype(object)
        table.loc[::9, "city"] = None
    return table
