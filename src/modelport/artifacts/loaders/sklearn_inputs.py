"""What a fitted scikit-learn estimator knows about its inputs: names, types, categories, ranges, gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np

from modelport.artifacts.loaders.sklearn_parts import (
    all_parts,
    first_step,
    inner_models,
    is_known,
    is_vectorizer,
    reads_objects,
    steps_of,
    stored,
)
from modelport.artifacts.loaders.tabular import kind_of, named_fields
from modelport.errors import SignatureError
from modelport.kernel.infer import refine
from modelport.kernel.ports import Hints
from modelport.kernel.signature import FLOAT_LIMIT, NUMERIC, Field, Kind

ENCODERS = ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder")
IMPUTERS = ("SimpleImputer", "KNNImputer", "IterativeImputer")
NAN_NATIVE = ("HistGradientBoosting", "XGB", "LGBM", "CatBoost")


@dataclass(frozen=True, slots=True)
class Inputs:
    """The fields in the model's order, whether they have no names of their own, and in which columns a gap is None."""

    fields: tuple[Field, ...]
    positional: bool
    none_gaps: frozenset[int] = frozenset()


def read_inputs(estimator: Any, hints: Hints, limit: float = FLOAT_LIMIT) -> Inputs:
    """The inputs, from the estimator and what the user said. `limit` is the greatest number that it computes with."""
    first = first_step(estimator)
    if is_vectorizer(first):
        return Inputs(_text_input(hints), False)
    if reads_objects(first):
        return Inputs(_object_inputs(first, hints), False)
    names = stored(estimator, "feature_names_in_")
    count = 1 if type(first).__name__ == "IsotonicRegression" else stored(estimator, "n_features_in_")
    told = hints.features or hints.columns or hints.known
    if names is None and count is None and not told:
        raise SignatureError("the model stores neither names nor number of its inputs; give --data or --features a,b,…")
    stored_names = None if names is None else [str(name) for name in names]
    fields, positional = named_fields(stored_names, count, hints, limit=limit)
    walk = _Walk(fields)
    walk.visit(estimator, list(range(len(fields))), Seen.ALL)
    if not positional:
        walk.release()
    return Inputs(refine(walk.fields, hints), positional, frozenset(walk.none_gaps))


def _text_input(hints: Hints) -> tuple[Field, ...]:
    texts = [n for n in hints.columns if n != hints.target and hints.columns[n].kind is Kind.STRING]
    known = tuple(f.name for f in hints.known)
    told = hints.features or known or (texts if len(texts) == 1 else ()) or tuple(hints.corrections)[:1] or ("text",)
    field = Field(told[0], Kind.STRING, dtype="text", reasons=("text: the first step is a text vectorizer",))
    return refine([field], hints)


def _object_inputs(step: Any, hints: Hints) -> tuple[Field, ...]:
    """The names that a DictVectorizer has seen, or for a FeatureHasher, which keeps none, those that the user gives."""
    fields = _hashed_fields(step, hints) if type(step).__name__ == "FeatureHasher" else _vectorized_fields(step)
    left_out = "may be left out: such a record has no such key"
    return refine([f.because(left_out, nullable=True, optional=True) for f in fields], hints)


def _hashed_fields(step: Any, hints: Hints) -> list[Field]:
    if step.input_type != "dict":
        raise SignatureError(
            f"the FeatureHasher reads lists of {step.input_type}s, which are no records; train it on objects (input_type='dict')"
        )
    names = hints.features or tuple(name for name in hints.columns if name != hints.target)
    if not names:
        raise SignatureError("a FeatureHasher does not store the names of its inputs; give --data or --features a,b,…")
    return [Field(name, guessed=True, reasons=("hashed under its name",)) for name in names]


def _vectorized_fields(step: Any) -> list[Field]:
    values: dict[str, list[str]] = {}
    numbers: set[str] = set()
    for feature in step.feature_names_:
        name, is_text, value = str(feature).partition(step.separator)
        values.setdefault(name, []).extend([value] if is_text else [])
        numbers |= set() if is_text else {name}
    mixed = sorted(name for name in numbers if values[name])
    if mixed:
        raise SignatureError(
            f"the DictVectorizer has seen numbers and text as {mixed[0]!r}: use two names, and train again"
        )
    reason = "a key that the DictVectorizer has seen"
    return [
        Field(name, Kind.STRING, categories=tuple(known), reasons=(reason,))
        if known
        else Field(name, reasons=(reason,))
        for name, known in values.items()
    ]


def needs_frame(estimator: Any, fields: Sequence[Field]) -> bool:
    """Whether the model must get a DataFrame: it addresses columns by name, or we do not know what it does."""
    if stored(estimator, "feature_names_in_") is None:
        return False
    if any(f.kind not in NUMERIC for f in fields):
        return True
    return any(type(part).__name__ == "ColumnTransformer" or not is_known(part) for part in all_parts(estimator))


# -- walking the steps ---------------------------------------------------------------------------------------------


class Seen(IntEnum):
    """What a step sees of the records: other columns, the same ones with their gaps but other values, or all as sent."""

    NOTHING = 0
    GAPS = 1
    ALL = 2


@dataclass(slots=True)
class _Walk:
    """Writes what each step knows into the fields that it sees, each with its reason."""

    fields: list[Field]
    none_gaps: set[int] = field(default_factory=set)
    used: set[int] = field(default_factory=set)
    dropped: set[int] = field(default_factory=set)

    def release(self) -> None:
        """Callers may leave out what every part of the model drops. Another member of an ensemble may read what one drops."""
        unread = sorted(self.dropped - self.used)
        self._update(unread, "may be left out: every part of the model drops it", optional=True)

    def visit(self, step: Any, columns: list[int], seen: Seen) -> Seen:
        """Read one step. Says what the next one sees."""
        name = type(step).__name__
        if steps := steps_of(step):
            return self._pipeline(steps, columns, seen)
        if inside := inner_models(step):
            return min(self.visit(model, columns, seen) for model in inside)
        if name == "ColumnTransformer":
            return self._column_transformer(step, columns, seen)
        if name == "FeatureUnion":
            return min(self.visit(part, columns, seen) for _, part in step.transformer_list) and Seen.NOTHING
        return self._leaf(step, name, columns, seen)

    def _leaf(self, step: Any, name: str, columns: list[int], seen: Seen) -> Seen:
        self.used.update(columns)
        if name in ENCODERS and seen is Seen.ALL:
            self._encoder(step, name, columns)
            return Seen.NOTHING
        if name in IMPUTERS:
            return self._imputer(step, name, columns, seen)
        if is_vectorizer(step) and seen is Seen.ALL:
            self._update(columns, "text: read by a text vectorizer", kind=Kind.STRING, dtype="text")
        elif not is_known(step) and seen is Seen.ALL:
            self._update(columns, f"a guess: {name} is code of its own; --data or the TOML file can tell", guessed=True)
        else:
            self._numbers(step, name, columns, seen)
        return Seen.GAPS if name.endswith("Scaler") else Seen.NOTHING

    def _update(self, columns: Sequence[int], reason: str, **changes: Any) -> None:
        for i in columns:
            self.fields[i] = self.fields[i].because(reason, **changes)

    def _pipeline(self, steps: Sequence[Any], columns: list[int], seen: Seen) -> Seen:
        for step in steps:
            seen = self.visit(step, columns, seen)
            if seen is Seen.NOTHING:
                break
        return seen

    def _column_transformer(self, step: Any, columns: list[int], seen: Seen) -> Seen:
        if seen is not Seen.ALL:
            self.used.update(columns)
            return Seen.NOTHING
        used: set[int] = set()
        for _, transformer, selection in step.transformers_:
            chosen = _resolve(selection, [self.fields[i].name for i in columns], columns)
            if isinstance(transformer, str) and transformer == "drop":
                continue
            used.update(chosen)
            if transformer is None or isinstance(transformer, str):  # passed through to whatever comes next
                self.used.update(chosen)
            else:
                self.visit(transformer, chosen, seen)
        unused = [i for i in columns if i not in used]
        self.dropped.update(unused)
        self._update(unused, "not used by the model, so null is allowed", nullable=True, guessed=True)
        return Seen.NOTHING

    def _encoder(self, step: Any, name: str, columns: list[int]) -> None:
        closed = stored(step, "handle_unknown") == "error" and name != "TargetEncoder"
        for i, categories in zip(columns, step.categories_, strict=True):
            values = [v for v in np.asarray(categories, dtype=object).tolist() if v is not None and v == v]
            if any(v is None for v in categories):
                self.none_gaps.add(i)
            self.fields[i] = _categorical(self.fields[i], values, name, closed)
            if len(values) < len(categories):
                self._update([i], f"null allowed: a category of the {name}", nullable=True)

    def _imputer(self, step: Any, name: str, columns: list[int], seen: Seen) -> Seen:
        if stored(step, "missing_values") is None:
            self.none_gaps.update(columns)
        text = getattr(stored(step, "statistics_"), "dtype", None) is np.dtype(object)
        changes: dict[str, Any] = {"kind": Kind.STRING} if text and seen is Seen.ALL else {}
        self._update(columns, f"null allowed: filled in by the {name}", nullable=True, **changes)
        return seen if _keeps_columns(step, len(columns)) else Seen.NOTHING

    def _numbers(self, step: Any, name: str, columns: list[int], seen: Seen) -> None:
        if name == "MinMaxScaler" and seen is Seen.ALL:
            for i, low, high in zip(columns, step.data_min_.tolist(), step.data_max_.tolist(), strict=True):
                self._update([i], f"range {low:g} to {high:g} stored in the MinMaxScaler", low=low, high=high)
        if name == "IsotonicRegression" and seen is Seen.ALL:
            low, high = float(step.X_min_), float(step.X_max_)
            self._update(columns, f"range {low:g} to {high:g} stored in the model", low=low, high=high)
        if name.startswith(NAN_NATIVE):
            self._update(columns, f"null allowed: {name} reads gaps itself", nullable=True)
        if name.startswith("HistGradientBoosting") and seen is Seen.ALL and stored(step, "_preprocessor") is not None:
            encoder = step._preprocessor.named_transformers_["encoder"]
            self._encoder(encoder, name, [i for i, c in zip(columns, step.is_categorical_, strict=True) if c])


def _categorical(f: Field, values: list[Any], encoder: str, closed: bool) -> Field:
    kind = Kind.STRING if any(isinstance(v, str) for v in values) else kind_of(values)
    if kind in NUMERIC and all(float(v).is_integer() for v in values):
        kind, values = Kind.INT, [int(v) for v in values]
    reason = f"{len(values)} categories stored in the {encoder}{'' if closed else '; others are allowed'}"
    if kind is Kind.BOOL or not values:
        return f.because(reason, kind=kind if values else f.kind)
    return f.because(reason, kind=kind, categories=tuple(values), closed=closed or f.closed)


def _keeps_columns(step: Any, count: int) -> bool:
    """Imputers drop columns that were empty in training, and may append indicators."""
    try:
        return len(step.get_feature_names_out()) == count
    except Exception:  # an imputer of an older version, half migrated
        return False


def _resolve(selection: Any, names: list[str], columns: list[int]) -> list[int]:
    """The fields that a ColumnTransformer's column selection means: names, positions, a mask or a slice."""
    if isinstance(selection, str):
        selection = [selection]
    if isinstance(selection, slice):
        return columns[_resolve_slice(selection, names)]
    chosen = list(np.atleast_1d(np.asarray(selection, dtype=object)))
    if chosen and all(isinstance(c, (bool, np.bool_)) for c in chosen):
        return [i for i, keep in zip(columns, chosen, strict=True) if keep]
    return [columns[names.index(c)] if isinstance(c, str) else columns[int(c)] for c in chosen]


def _resolve_slice(selection: slice, names: list[str]) -> slice:
    """Slices of names include their end, as in pandas."""
    start = names.index(selection.start) if isinstance(selection.start, str) else selection.start
    stop = names.index(selection.stop) + 1 if isinstance(selection.stop, str) else selection.stop
    return slice(start, stop, selection.step)
