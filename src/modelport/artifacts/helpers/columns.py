"""Transformers that read some of the columns, as in `X[["age", "fare"]] = scaler.transform(X[["age", "fare"]])`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelport.artifacts.helpers.steps import Step
from modelport.artifacts.loaders.sklearn_parts import first_step, stored


@dataclass(frozen=True, slots=True)
class Stage:
    """Parts, each with the columns that it reads and makes. Every other column passes as it is.

    `names` are the columns that come in, `makes` those that go out, both in order.
    """

    parts: tuple[tuple[Any, tuple[str, ...], tuple[str, ...]], ...]
    names: tuple[str, ...]
    makes: tuple[str, ...]


def plan_stage(steps: Sequence[Step], wanted: Sequence[str]) -> Stage | None:
    """The stage that makes the columns `wanted`, in that order; None where names do not say how."""
    parts = [(step.member.thing, step.reads or (), step.makes or ()) for step in steps]
    made = [name for _, _, makes in parts for name in makes]
    if not made or len(set(made)) < len(made) or not set(made) <= set(wanted):
        return None
    if any(not reads for _, reads, _ in parts):
        return None
    incoming: list[str] = []
    for name in wanted:  # what is made stands where the first of its columns stands
        owner = next(((reads, makes) for _, reads, makes in parts if name in makes), None)
        reads = (name,) if owner is None else (name,) if owner[0] == owner[1] else owner[0]
        incoming += [n for n in reads if n not in incoming]
    raw = [name for name in wanted if name not in made]
    if any(name in reads and reads != makes for name in raw for _, reads, makes in parts):
        return None  # a column that is both encoded and passed on as it is: possible, but nothing says so
    return Stage(tuple(parts), tuple(incoming), tuple(wanted))


def build_stage(stage: Stage, named: bool) -> list[Any]:
    """A fitted ColumnTransformer, and where need be another that brings the columns in order.

    `named`: records come with the names of their columns, since this is the first thing that they meet.
    """
    from sklearn.compose import ColumnTransformer

    at = {name: i for i, name in enumerate(stage.names)}
    parts: list[Any] = [
        (f"part{i}", _Fitted(thing), [at[n] for n in reads]) for i, (thing, reads, _) in enumerate(stage.parts)
    ]
    touched = {name for _, reads, _ in stage.parts for name in reads}
    rest = [name for name in stage.names if name not in touched]
    if rest:
        parts.append(("rest", "passthrough", [at[name] for name in rest]))
    transformer = ColumnTransformer(parts, sparse_threshold=0)
    example = _example(stage)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parts that were fitted with names, or without
        transformer.fit(_frame(example) if named else _table(example))
    transformer.transformers_ = [
        (name, part.fitted if isinstance(part, _Fitted) else part, columns)
        for name, part, columns in transformer.transformers_
    ]
    transformer.transformers = [
        (name, part.fitted if isinstance(part, _Fitted) else part, columns) for name, part, columns in parts
    ]
    made = [*(name for _, _, makes in stage.parts for name in makes), *rest]
    return [transformer, *_in_order(made, stage.makes)]


def _in_order(made: Sequence[str], wanted: Sequence[str]) -> list[Any]:
    from sklearn.compose import ColumnTransformer

    if list(made) == list(wanted):
        return []
    at = [list(made).index(name) for name in wanted]
    return [ColumnTransformer([("order", "passthrough", at)], sparse_threshold=0).fit(np.zeros((1, len(at))))]


class _Fitted:
    """Passes a fitted transformer through `fit` as it is: ColumnTransformer fits a copy of everything else."""

    def __init__(self, fitted: Any) -> None:
        self.fitted = fitted

    def __sklearn_clone__(self) -> _Fitted:
        return self

    def fit(self, X: Any, y: Any = None) -> _Fitted:
        return self

    def transform(self, X: Any) -> Any:
        return self.fitted.transform(X)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}


def _example(stage: Stage) -> Mapping[str, Any]:
    """A record that every part takes: categories that an encoder knows, and zeros."""
    values: dict[str, Any] = dict.fromkeys(stage.names, 0.0)
    for thing, reads, _ in stage.parts:
        categories = stored(first_step(thing), "categories_")
        if isinstance(categories, list):
            values |= {name: known[0] for name, known in zip(reads, categories, strict=False) if len(known)}
    return values


def _frame(example: Mapping[str, Any]) -> Any:
    import pandas

    return pandas.DataFrame({name: [value] for name, value in example.items()})


def _table(example: Mapping[str, Any]) -> Any:
    return np.array(
        [list(example.values())], dtype=object if any(isinstance(v, str) for v in example.values()) else None
    )
