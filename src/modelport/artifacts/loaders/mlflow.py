"""Model folders of MLflow, read as they are: the file inside by its own loader, the signature from `MLmodel`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from modelport.artifacts.mlflow import MlflowFolder, is_mlflow, read_mlflow
from modelport.errors import ArtifactError, UntrustedPickle
from modelport.kernel.ports import Hints, Loader, Model

_LOADERS = {
    "sklearn": "SklearnLoader",
    "skops": "SkopsLoader",
    "xgboost": "XgboostLoader",
    "lightgbm": "LightgbmLoader",
    "catboost": "CatboostLoader",
    "onnx": "OnnxLoader",
    "torch": "TorchLoader",
}
_BY_SUFFIX = {".pkl": "sklearn", ".joblib": "sklearn", ".skops": "skops"}
"""Wrappers of boosters are stored like scikit-learn's estimators."""


class MlflowLoader:
    """Reads folders with an `MLmodel` file. `probe` looks inside, because where a model runs depends on its kind."""

    extra = "mlflow"
    compiled = False
    compilable = True

    def probe(self, path: Path, head: bytes) -> bool:
        """By its `MLmodel` file."""
        if not is_mlflow(path):
            return False
        try:
            loader = _loader_of(read_mlflow(path))
        except ArtifactError:  # told when it is loaded
            return True
        self.compiled, self.compilable = loader.compiled, getattr(loader, "compilable", False)
        return True

    def load(self, path: Path, hints: Hints) -> Model:
        """Read the file inside, with the columns of the signature where no data says more."""
        folder = read_mlflow(path)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings(
                    "ignore", ".*Unknown file format", UserWarning
                )  # of XGBoost: MLflow 2 wrote .xgb
                model: Any = _loader_of(folder).load(folder.data, _with_signature(hints, folder))
        except UntrustedPickle as error:
            raise UntrustedPickle(str(error) + _own_code(folder), error.name) from None
        model.signature = replace(model.signature, notes=(*model.signature.notes, *folder.notes))
        return model  # type: ignore[no-any-return]


def _loader_of(folder: MlflowFolder) -> Loader:
    kind = _BY_SUFFIX.get(folder.data.suffix, "torch" if folder.flavor == "pytorch" else folder.flavor)
    loader: Loader = getattr(import_module(f"{__package__}.{kind}"), _LOADERS[kind])()
    return loader


def _own_code(folder: MlflowFolder) -> str:
    if not folder.settings.get("code"):
        return ""
    return (
        ". The code that was logged with it (code_paths) is not imported from a model folder: install it as a package"
    )


def _with_signature(hints: Hints, folder: MlflowFolder) -> Hints:
    """What the user says wins; then data; then what was logged with the model."""
    gaps: dict[str, Mapping[str, Any]] = {name: {"nullable": True} for name in folder.optional}
    corrections = {
        name: {**gaps.get(name, {}), **hints.corrections.get(name, {})} for name in {**gaps, **hints.corrections}
    }
    return replace(hints, columns=hints.columns or folder.columns, corrections=corrections)
