"""CatBoost models in their own binary format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelport.artifacts.loaders.tabular import (
    Array,
    Outputs,
    named_classes,
    named_fields,
    plain_values,
    scored_classes,
    scored_labels,
    to_array,
    to_objects,
)
from modelport.errors import ArtifactError, MissingExtra
from modelport.kernel.infer import refine
from modelport.kernel.ports import Cost, Hints, Model
from modelport.kernel.signature import Field, Kind, Signature
from modelport.kernel.values import Record

_MAGIC = b"CBM1"
_MULTI_LABEL = ("MultiLogloss", "MultiCrossEntropy")
_CLASSES = ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll", *_MULTI_LABEL)
_PREDICTIONS = {"Poisson": "Exponent", "Tweedie": "Exponent", "RMSEWithUncertainty": "RMSEWithUncertainty"}
"""What `CatBoostRegressor.predict` gives; for every other loss it is the plain sum of the leaves."""


class CatboostLoader:
    """Reads `.cbm` files."""

    extra = "catboost"
    compiled = False
    compilable = True

    def probe(self, path: Path, head: bytes) -> bool:
        """By its magic number, and by its suffix, so that a damaged file is called that."""
        return head.startswith(_MAGIC) or path.suffix.lower() == ".cbm"

    def load(self, path: Path, hints: Hints) -> Model:
        """Read the model and its metadata."""
        try:
            import catboost
        except ModuleNotFoundError:
            raise MissingExtra("a CatBoost model", self.extra) from None
        model = catboost.CatBoost()
        try:
            model.load_model(str(path))
        except catboost.CatBoostError as error:
            raise ArtifactError(f"{path} cannot be read as a CatBoost model: {str(error).strip()[-200:]}") from None
        return CatboostModel(model, path, hints)


class CatboostModel:
    """A model with its signature."""

    def __init__(self, model: Any, path: Path, hints: Hints) -> None:
        metadata = dict(model.get_metadata())
        training = json.loads(metadata.get("params", "{}"))
        loss = training.get("loss_function", {}).get("type", "")
        fields, positional, self._mixed = _read_inputs(model, training, hints)
        task, outputs, self._answer = _read_outputs(model, loss, metadata, hints)
        self._model = model
        self.estimator: Any = model  # what compilation reads
        self._kind = "Probability" if loss in _CLASSES else _PREDICTIONS.get(loss, "RawFormulaVal")
        self.signature = Signature(task, fields, outputs, positional)
        self.cost = Cost(bytes=path.stat().st_size, compiled=False, releases_gil=True)

    def predict(self, records: Sequence[Record]) -> list[Any]:
        """One pass over the trees; requests are the parallelism, so in one thread."""
        scores = self._model.predict(self._convert(records), prediction_type=self._kind, thread_count=1)
        return self._answer(np.asarray(scores))

    def _convert(self, records: Sequence[Record]) -> Array:
        """Numbers alone as 32-bit floats, as CatBoost holds them; with categories among them, cells of their own types."""
        return to_objects(records) if self._mixed else to_array(records, np.float32)


# -- inputs --------------------------------------------------------------------------------------------------------


def _read_inputs(model: Any, training: Any, hints: Hints) -> tuple[tuple[Field, ...], bool, bool]:
    """The fields, whether they are positional, and whether there are other things than numbers among them."""
    if model.get_embedding_feature_indices():
        raise ArtifactError("the model reads embedding features, which are not served: train on plain columns")
    names = list(model.feature_names_)
    unnamed = names == [str(i) for i in range(len(names))]
    fields, positional = named_fields(None if unnamed else names, len(names), hints)
    categorical, text = set(model.get_cat_feature_indices()), set(model.get_text_feature_indices())
    nan_mode = _nan_mode(training)
    for i, f in enumerate(fields):
        if i in categorical:
            reason = (
                "a categorical feature, of text unless --data says otherwise; only hashes of its categories are stored"
            )
            fields[i] = f.because(reason, kind=Kind.STRING, guessed=True)
        elif i in text:
            fields[i] = f.because("a text feature", kind=Kind.STRING, dtype="text")
        elif nan_mode != "Forbidden":
            fields[i] = f.because(f"null allowed: CatBoost reads gaps itself (nan_mode {nan_mode})", nullable=True)
    refined = list(refine(fields, hints))
    for i in categorical | text:
        refined[i] = _without_gaps(refined[i])
    return tuple(refined), positional, bool(categorical or text)


def _nan_mode(training: Any) -> str:
    options = training.get("data_processing_options", {}).get("float_features_binarization", {})
    return str(options.get("nan_mode", "Min"))


def _without_gaps(f: Field) -> Field:
    """CatBoost takes no gaps in text, so training had some text in their place."""
    f = f.because("null refused: send the text that stood for gaps in training", nullable=False) if f.nullable else f
    return (
        f.because("string: CatBoost takes no fractions as categories", kind=Kind.STRING) if f.kind is Kind.FLOAT else f
    )


# -- outputs -------------------------------------------------------------------------------------------------------


def _read_outputs(model: Any, loss: str, metadata: Mapping[str, Any], hints: Hints) -> Outputs:
    if loss in _MULTI_LABEL:
        return scored_labels(len(model.classes_))
    if loss in _CLASSES:
        classes = np.asarray(model.classes_) if len(model.classes_) else np.array([0, 1])
        if hints.classes and np.array_equal(classes, np.arange(len(classes))):
            classes = np.asarray(named_classes(len(classes), hints))
        return scored_classes(classes, float(metadata.get("binclass_probability_threshold", 0.5)))
    return plain_values(_width(model))


def _width(model: Any) -> int:
    """How many values one record gets: the file tells it only through its scale and bias."""
    _, bias = model.get_scale_and_bias()
    return len(bias) if isinstance(bias, list) else 1
