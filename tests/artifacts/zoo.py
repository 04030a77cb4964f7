"""What the tests of loaders share: training data, rows as JSON records, and the answers that an estimator itself gives."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.serving import Service, same, serving

ROWS = 60


def people(rows: int = 120, seed: int = 0) -> Any:
    """A table of the usual kinds of columns, and nothing missing."""
    import pandas

    rng = np.random.default_rng(seed)
    return pandas.DataFrame(
        {
            "age": rng.integers(18, 80, rows),
            "income": rng.normal(3000, 800, rows).round(2),
            "city": rng.choice(["Bergen", "Lima", "Nairobi", "Osaka"], rows),
            "member": rng.random(rows) < 0.5,
        }
    )


def numbers(rows: int = 120, seed: int = 0) -> Any:
    """A table of numbers with names."""
    import pandas

    rng = np.random.default_rng(seed)
    return pandas.DataFrame(rng.normal(size=(rows, 4)), columns=["a", "b", "c", "d"])


def sums(table: Any) -> Any:
    """A target that the columns of `numbers` tell."""
    return table["a"] + 2 * table["b"] - table["c"] * table["d"]


def plain(value: Any) -> Any:
    """A cell as JSON has it."""
    if value is None or value != value:
        return None
    return value.item() if isinstance(value, np.generic) else value


def to_records(rows: Any) -> list[Any]:
    """Rows as a client sends them: objects with their keys in any order, or flat lists where there are no names."""
    if isinstance(rows, np.ndarray):
        return [[plain(v) for v in row] for row in rows.tolist()]
    if isinstance(rows, list):
        return [{"text": text} for text in rows]
    rng = random.Random(0)
    records = [{str(k): plain(v) for k, v in row.items()} for row in rows.to_dict("records")]
    return [dict(rng.sample(list(record.items()), len(record))) for record in records]


def own_answers(estimator: Any, rows: Any) -> list[Any]:
    """What the estimator itself says, in the shape that is promised to callers."""
    labels = estimator.predict(rows)
    labels = np.asarray(labels.toarray() if hasattr(labels, "toarray") else labels)
    answers: list[Any] = [{"prediction": _named(label)} for label in _squeezed(labels).tolist()]
    if hasattr(estimator, "predict_proba") and hasattr(estimator, "classes_"):
        for answer, row in zip(answers, _probabilities(estimator, rows, labels), strict=True):
            answer["probabilities"] = row
    return answers


def _squeezed(labels: Any) -> Any:
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _named(label: Any) -> Any:
    return {f"y{i}": v for i, v in enumerate(label)} if isinstance(label, list) else label


def _probabilities(estimator: Any, rows: Any, labels: Any) -> list[Any]:
    tables = estimator.predict_proba(rows)
    if labels.ndim == 1:
        return [_keyed(estimator.classes_, row) for row in tables]
    if isinstance(tables, list):
        per_output = [
            [_keyed(classes, row) for row in table] for classes, table in zip(estimator.classes_, tables, strict=True)
        ]
    else:
        per_output = [[{"0": 1 - p, "1": p} for p in column] for column in tables.T]
    return [{f"y{i}": row for i, row in enumerate(rows)} for rows in zip(*per_output, strict=True)]


def _keyed(classes: Any, row: Any) -> dict[str, float]:
    return {str(c): float(p) for c, p in zip(np.asarray(classes).tolist(), row, strict=True)}


def save(estimator: Any, folder: Path, name: str = "model.joblib") -> Path:
    """The file that a user would have."""
    import joblib

    path = folder / name
    joblib.dump(estimator, path)
    return path


def check_served(path: Path, rows: Any, wanted: Sequence[Any], **options: Any) -> None:
    """A model answers a whole list and single records as wanted, and its own example; all as its documentation says."""
    records = to_records(rows)
    assert len(records) == len(wanted) >= 50
    with serving(path, **options) as service:
        check_answers(service, records, wanted)


def check_answers(service: Service, records: Sequence[Any], wanted: Sequence[Any]) -> None:
    """The same for a service that runs."""
    answers = service.predict(records)
    wrong = [(i, a, w) for i, (a, w) in enumerate(zip(answers, wanted, strict=True)) if not same(a, w)]
    assert not wrong, f"{len(wrong)} answers differ, first: {wrong[0]}"
    for i in (0, len(records) // 2, -1):
        assert same(service.predict(records[i]), wanted[i])
    example = service.predict(service.signature["example"])
    for answer in (*answers[:5], example):
        service.check(answer)
