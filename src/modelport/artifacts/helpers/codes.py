"""Encoders of single columns and of the label: LabelEncoder, OrdinalEncoder, and plain dicts such as `{"low": 0, "high": 1}`."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from modelport.artifacts.helpers.members import SCALARS, Member, texts_of
from modelport.artifacts.loaders.sklearn_parts import stored
from modelport.errors import ArtifactError


def is_label_encoder(thing: Any) -> bool:
    """Whether it is scikit-learn's encoder of one list of labels, which stores no column."""
    return type(thing).__name__ == "LabelEncoder" and type(thing).__module__.startswith("sklearn.")


def is_table(thing: Any) -> bool:
    """Whether it is a dict of plain values."""
    return isinstance(thing, dict) and bool(thing) and all(isinstance(value, SCALARS) for value in thing.values())


def labels_of(thing: Any, count: int) -> tuple[Any, ...] | None:
    """The names that an object gives to `count` classes, 0, 1, …; None where it gives none, or to others.

    It may be a LabelEncoder, an OrdinalEncoder of one column, a list of texts, or a dict in either direction.
    """
    found: list[Any] | None = None
    if is_label_encoder(thing):
        found = np.asarray(thing.classes_).tolist()
    elif type(thing).__name__ == "OrdinalEncoder" and len(stored(thing, "categories_") or ()) == 1:
        found = np.asarray(thing.categories_[0]).tolist()
    elif is_table(thing):
        found = _labels_in_table(thing)
    else:
        found = texts_of(thing)
    if found is None or len(found) != count or len({str(label) for label in found}) != len(found):
        return None
    return tuple(found)


def _labels_in_table(table: dict[Any, Any]) -> list[Any] | None:
    for pairs in (dict(table), {value: key for key, value in table.items()}):
        numbers = {_number(key): label for key, label in pairs.items()}
        if len(pairs) == len(table) and sorted(numbers, key=str) == sorted(range(len(table)), key=str):
            labels = [numbers[i] for i in range(len(table))]
            if all(isinstance(label, str) for label in labels):
                return labels
    return None


def _number(key: Any) -> Any:
    if isinstance(key, str) and key.isdecimal():  # JSON has no other keys
        return int(key)
    return int(key) if isinstance(key, (int, float, np.integer, np.floating)) and float(key).is_integer() else key


def column_encoder(member: Member) -> Any:
    """What turns the texts of one column into the numbers that the object gives them: fitted parts of scikit-learn.

    Raises ArtifactError for a dict whose numbers no encoder of scikit-learn gives.
    """
    if is_label_encoder(member.thing):
        return _ordinal(np.asarray(member.thing.classes_))
    pairs = sorted(member.thing.items(), key=lambda pair: pair[1])
    codes = [float(code) for _, code in pairs]
    steps = {round(b - a, 12) for a, b in pairwise(codes)} or {1.0}
    if len(steps) != 1 or steps == {0.0}:
        raise ArtifactError(
            f"{member.label} gives its texts numbers that are not evenly spaced ({', '.join(f'{c:g}' for c in codes[:5])}): "
            "put it into the model as a Pipeline with a TargetEncoder, or send the numbers"
        )
    encoder = _ordinal(np.array([text for text, _ in pairs], dtype=object))
    if codes == list(range(len(codes))):
        return encoder
    return _pipeline([encoder, _affine(steps.pop(), codes[0])])


def is_column_codes(thing: Any) -> bool:
    """Whether a dict gives numbers to texts, as an encoder of a column does."""
    return is_table(thing) and all(
        isinstance(key, str) and isinstance(code, (bool, int, float, np.number)) for key, code in thing.items()
    )


def _ordinal(categories: Any) -> Any:
    from sklearn.preprocessing import OrdinalEncoder

    values = np.asarray(categories, dtype=object if categories.dtype.kind in "OUT" else None)
    return OrdinalEncoder(categories=[values]).fit(values.reshape(-1, 1))


def _affine(step: float, start: float) -> Any:
    """Positions 0, 1, … to `start`, `start + step`, …"""
    from sklearn.preprocessing import MinMaxScaler

    return MinMaxScaler((start, start + step)).fit([[0.0], [1.0]])


def _pipeline(steps: list[Any]) -> Any:
    from sklearn.pipeline import make_pipeline

    return make_pipeline(*steps)
