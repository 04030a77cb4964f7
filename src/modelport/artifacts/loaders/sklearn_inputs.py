"""What a fitted scikit-learn estimator knows about its inputs: names, types, categories, ranges, gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from modelport.artifacts.loaders.tabular import kind_of, named_fields
from modelport.errors import SignatureError
from modelport.kernel.infer import refine
from modelport.kernel.ports import Hints
from modelport.kernel.signature import Field, Kind

ENCODERS = ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder")
IMPUTERS = ("SimpleImputer", "KNNImputer", "IterativeImputer")
VECTORIZERS = ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer")
NAN_NATIVE = ("HistGradientBoosting", "XGB", "LGBM", "CatBoost")
KNOWN_LIBRARIES = ("sklearn", "xgboost", "lightgbm", "catboost", "imblearn")

Fields = list[Field]


def read_inputs(estimator: Any, hints: Hints) -> tuple[tuple[Field, ...], bool]:
    """The input fields in the model's order, and whether they have no names of their own."""
    if _is_vectorizer(first_step(estimator)):
        return _text_input(hints), False
    names = _stored(estimator, "feature_names_in_")
    count = _stored(estimator, "n_features_in_")
    if names is None and count is None and not hints.features and not hints.columns:
        raise SignatureError("the model stores neither names nor number of its inputs; give --data or --features a,b,…")
    guessed = not _is_known(first_step(estimator))
    stored_names = None if names is None else [str(name) for name in names]
    fields, positional = named_fields(stored_names, count, hints, guessed=guessed)
    _annotate(estimator, fields, list(range(len(fields))))
    return refine(fields, hints), positional


def _stored(estimator: Any, attribute: str) -> Any:
    try:
        return getattr(estimator, attribute, None)
    except Exception:  # properties of half-migrated models raise anything
        return None


def first_step(estimator: Any) -> Any:
    """The innermost first step: what the records meet first."""
    while True:
        steps = [s for _, s in getattr(estimator, "steps", ()) if s not in (None, "passthrough")]
        inner = steps[0] if steps else getattr(estimator, "best_estimator_", None)
        if inner is None:
            return estimator
        estimator = inner


def _is_vectorizer(step: Any) -> bool:
    return any(c.__name__ in VECTORIZERS for c in type(step).__mro__)


def _is_known(step: Any) -> bool:
    return type(step).__module__.partition(".")[0] in KNOWN_LIBRARIES


def _text_input(hints: Hints) -> tuple[Field, ...]:
    names = [n for n in hints.columns if n != hints.target and hints.columns[n].kind is Kind.STRING]
    name = hints.features[0] if hints.features else names[0] if len(names) == 1 else "text"
    reason = "text: the first step is a text vectorizer"
    column = hints.columns.get(name)
    return (Field(name, Kind.STRING, dtype="text", example=column.example if column else None, reasons=(reason,)),)


def needs_frame(estimator: Any, fields: Sequence[Field]) -> bool:
    """Whether the model must get a DataFrame: it addresses columns by name, or we do not know what it does."""
    step = first_step(estimator)
    by_name = _stored(estimator, "feature_names_in_") is not None
    if type(step).__name__ == "ColumnTransformer":
        return by_name
    return by_name and (not _is_known(step) or any(f.kind in (Kind.STRING, Kind.BOOL) for f in fields))


# -- walking the steps ---------------------------------------------------------------------------------------------


def _annotate(step: Any, fields: Fields, columns: list[int]) -> bool:
    """Write what a step knows into the fields it sees. Says whether the next step still sees the same columns."""
    name = type(step).__name__
    if hasattr(step, "steps"):
        return all(_annotate(s, fields, columns) for _, s in step.steps)
    if hasattr(step, "best_estimator_"):
        return _annotate(step.best_estimator_, fields, columns)
    if name == "ColumnTransformer":
        _annotate_column_transformer(step, fields, columns)
        return False
    if name in ENCODERS:
        _annotate_encoder(step, fields, columns)
        return name != "OneHotEncoder"
    if name in IMPUTERS:
        _annotate_imputer(step, fields, columns)
        return True
    if _is_vectorizer(step):
        _update(fields, columns, "text: read by a text vectorizer", kind=Kind.STRING, guessed=False)
        return False
    _annotate_numeric(step, name, fields, columns)
    return name.endswith("Scaler")


def _update(fields: Fields, columns: list[int], reason: str, **changes: Any) -> None:
    for i in columns:
        fields[i] = fields[i].because(reason, **changes)


def _annotate_column_transformer(step: Any, fields: Fields, columns: list[int]) -> None:
    for label, transformer, selection in step.transformers_:
        chosen = _resolve(selection, [fields[i].name for i in columns], columns)
        if transformer == "drop":
            _update(fields, chosen, f"not used by the model ({label} is dropped), so null is allowed", nullable=True)
        elif transformer != "passthrough":
            _annotate(transformer, fields, chosen)


def _resolve(selection: Any, names: list[str], columns: list[int]) -> list[int]:
    """The fields that a ColumnTransformer's column selection means: names, positions, a mask or a slice."""
    if isinstance(selection, str):
        selection = [selection]
    if isinstance(selection, slice):
        if isinstance(selection.start, str) or isinstance(selection.stop, str):
            stop = names.index(selection.stop) + 1 if isinstance(selection.stop, str) else selection.stop
            start = names.index(selection.start) if isinstance(selection.start, str) else selection.start
            return columns[start:stop]
        return columns[selection]
    chosen = list(np.atleast_1d(np.asarray(selection, dtype=object)))
    if chosen and all(isinstance(c, (bool, np.bool_)) for c in chosen):
        return [i for i, keep in zip(columns, chosen, strict=True) if keep]
    return [columns[names.index(c)] if isinstance(c, str) else columns[int(c)] for c in chosen]


def _annotate_encoder(step: Any, fields: Fields, columns: list[int]) -> None:
    closed = getattr(step, "handle_unknown", "error") == "error" and type(step).__name__ != "TargetEncoder"
    for i, categories in zip(columns, step.categories_, strict=True):
        values = [v for v in categories.tolist() if v is not None and v == v]
        kind = _category_kind(values)
        reason = f"{len(values)} categories stored in the {type(step).__name__}" + (
            "" if closed else "; others are allowed"
        )
        gaps = {"nullable": True} if len(values) < len(categories) else {}
        if kind in (Kind.INT, Kind.FLOAT) and all(float(v).is_integer() for v in values):
            kind, values = Kind.INT, [int(v) for v in values]
        fields[i] = fields[i].because(
            reason,
            kind=kind,
            categories=tuple(values) if kind is not Kind.BOOL else (),
            closed=closed,
            guessed=False,
            **gaps,
        )


def _category_kind(values: Sequence[Any]) -> Kind:
    return Kind.STRING if any(isinstance(v, str) for v in values) else kind_of(values)


def _annotate_imputer(step: Any, fields: Fields, columns: list[int]) -> None:
    name = type(step).__name__
    text = getattr(getattr(step, "statistics_", None), "dtype", None) is np.dtype(object)
    changes: dict[str, Any] = {"kind": Kind.STRING} if text else {}
    _update(fields, columns, f"null allowed: filled in by the {name}", nullable=True, guessed=False, **changes)


def _annotate_numeric(step: Any, name: str, fields: Fields, columns: list[int]) -> None:
    low, high = _stored(step, "data_min_"), _stored(step, "data_max_")
    if name == "MinMaxScaler" and low is not None and high is not None and len(low) == len(columns):
        for i, a, b in zip(columns, low.tolist(), high.tolist(), strict=True):
            fields[i] = fields[i].because(f"range {a:g} to {b:g} stored in the MinMaxScaler", low=a, high=b)
    if name.startswith(NAN_NATIVE):
        _update(fields, columns, f"null allowed: {name} reads gaps itself", nullable=True)
    elif (mask := _missing_mask(step)) is not None and len(mask) == len(columns):
        seen = [i for i, gap in zip(columns, mask, strict=True) if gap]
        _update(fields, seen, f"null allowed: the {name} was trained with gaps here", nullable=True)


def _missing_mask(step: Any) -> Any:
    """Trees remember which features had gaps in training, and refuse gaps in the others."""
    parts = _stored(step, "estimators_")
    first = parts[0] if isinstance(parts, list) and parts else step
    return _stored(first, "missing_values_in_feature_mask_")
