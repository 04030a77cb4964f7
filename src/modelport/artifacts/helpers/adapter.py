"""Models that are no scikit-learn estimators, boosters and ONNX say, behind transformers that are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from modelport.artifacts.helpers.composing import compose
from modelport.artifacts.helpers.members import read_helpers
from modelport.artifacts.loaders.sklearn import load_estimator, read_object
from modelport.artifacts.loaders.tabular import Array
from modelport.errors import ArtifactError
from modelport.kernel.ports import Hints, Loader, Model
from modelport.kernel.signature import NUMERIC


def load_with_helpers(loader: Loader, path: Path, hints: Hints) -> Model:
    """A model of any kind with what lies in files of its own. Raises ArtifactError where that does not fit."""
    inner = loader.load(path, Hints(allow_pickle=hints.allow_pickle, cache_dir=hints.cache_dir))
    adapter = SavedModel(inner, path)
    whole = compose(adapter, path, read_helpers(hints.helpers, lambda p: read_object(p, hints)), hints)
    if whole.estimator is adapter:  # names alone
        return loader.load(path, replace(whole.hints, helpers=()))
    model: Any = load_estimator(path, hints, lambda: adapter)
    booster = getattr(inner, "estimator", None)
    if booster is None:
        del model.estimator  # there is nothing that could be compiled
    else:
        model.estimator = type(model.estimator)([*model.estimator.steps[:-1], ("model", booster)])
    return model  # type: ignore[no-any-return]


class SavedModel:
    """A loaded model as the last step of a Pipeline: rows of numbers in, labels and probabilities out."""

    def __init__(self, model: Model, path: Path) -> None:
        signature = model.signature
        if any(f.kind not in NUMERIC for f in signature.inputs) or len(signature.outputs) != 1:
            raise ArtifactError(
                f"{path} takes more than numbers, or gives several answers: --with is not for such models"
            )
        self._predict = model.predict
        self.n_features_in_ = len(signature.inputs)
        if not signature.positional:
            self.feature_names_in_ = np.array(signature.names, dtype=object)
        output = signature.outputs[0]
        if output.classes:
            self.classes_ = np.array(output.classes)
        if output.probabilities:
            self.predict_proba = self._probabilities

    def fit(self, rows: Any, labels: Any = None) -> SavedModel:
        """It is fitted: Pipeline asks whether this method is there."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        from sklearn.base import BaseEstimator

        return BaseEstimator().__sklearn_tags__()

    def predict(self, rows: Any) -> Array:
        """Labels or values."""
        return np.array([answer["prediction"] for answer in self._answers(rows)])

    def _probabilities(self, rows: Any) -> Array:
        return np.array([list(answer["probabilities"].values()) for answer in self._answers(rows)])

    def _answers(self, rows: Any) -> list[Any]:
        table = rows.toarray() if hasattr(rows, "toarray") else np.asarray(rows)
        return self._predict([tuple(row) for row in table.tolist()])
