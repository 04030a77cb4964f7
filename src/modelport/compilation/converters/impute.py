"""Imputers that look at the other fields of a record: at its nearest neighbors, or at one regression for each field."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelport.compilation.columns import Columns, is_gap, join
from modelport.compilation.converters.prepare import filled, indicated
from modelport.compilation.converters.registry import name_of, predict, transformer
from modelport.compilation.graph import Array, NotConvertible, Tensor

MOST_REGRESSIONS = 1000
MAX_CELLS = 2_000_000
"""Stored records times fields, as for models of nearest neighbors."""


def _with_indicator(estimator: Any, inputs: Columns, made: Columns) -> Columns:
    return made if estimator.indicator_ is None else join([made, indicated(estimator.indicator_, inputs)])


def _gaps_of(estimator: Any, x: Tensor) -> Tensor:
    return x.is_nan() if is_gap(estimator.missing_values) else x.equals(float(estimator.missing_values))


# -- regressions in turn -------------------------------------------------------------------------------------------


@transformer("IterativeImputer")
def regressed(estimator: Any, inputs: Columns) -> Columns:
    """A first guess, then one regression after the other on what is known by then; only gaps change."""
    name = name_of(estimator)
    if estimator.sample_posterior:
        raise NotConvertible(name, "draws random values (sample_posterior=True)")
    if len(estimator.imputation_sequence_) > MOST_REGRESSIONS:
        raise NotConvertible(name, f"runs more than {MOST_REGRESSIONS:,} regressions for each record")
    first = estimator.initial_imputer_
    if any(is_gap(s) for s in first.statistics_.tolist()):
        raise NotConvertible(name, "drops fields that were empty in training")
    x = inputs.numbers(name)
    gaps, guess = _gaps_of(estimator, x), filled(first, inputs).tensor
    columns = [guess.columns([i]) for i in range(inputs.width)]
    for target, others, model in estimator.imputation_sequence_ if estimator.n_iter_ else ():
        known = x.graph.concat([columns[i] for i in np.asarray(others).tolist()])
        found = predict(model, inputs.now(known, len(others))).tall()
        found = found.clip(float(estimator._min_value[target]), float(estimator._max_value[target]))
        columns[target] = gaps.columns([target]).where(found, columns[target])
    return _with_indicator(estimator, inputs, inputs.now(x.graph.concat(columns), inputs.width))


# -- neighbors -----------------------------------------------------------------------------------------------------


@transformer("KNNImputer")
def neighbors_mean(estimator: Any, inputs: Columns) -> Columns:
    """The mean of the nearest stored records that have the field; of all of them where nothing can be compared."""
    name = name_of(estimator)
    if estimator.metric != "nan_euclidean" or estimator.weights not in ("uniform", "distance"):
        raise NotConvertible(name, "its metric or its weights are a function of its own")
    known = np.asarray(estimator._fit_X, dtype=np.float64)
    if known.size > MAX_CELLS:
        raise NotConvertible(name, f"compares with {len(known):,} stored rows")
    x, missing = inputs.numbers(name), np.asarray(estimator._mask_fit_X)
    gaps = _gaps_of(estimator, x)
    distances = _gap_distances(x, gaps, known, missing)
    columns = []
    for i in range(inputs.width):
        if missing[:, i].all():
            columns += [x.graph.repeat(np.zeros(1))] if estimator.keep_empty_features else []
        else:
            value = _from_neighbors(estimator, distances, known[:, i], ~missing[:, i])
            columns.append(gaps.columns([i]).where(value, x.columns([i])))
    made = inputs.now(x.graph.concat(columns), len(columns))
    return _with_indicator(estimator, inputs, made)


def _gap_distances(x: Tensor, gaps: Tensor, known: Array, missing: Array) -> Tensor:
    """By the fields that both have, scaled up to all of them; NaN where there is none."""
    there, absent = np.where(missing, 0.0, known), missing.astype(np.float64)
    cells, holes = gaps.where(0.0, x), gaps.as_float()
    lengths = (there * there).sum(axis=1)
    squares = cells * cells
    apart = ((cells @ there.T) * -2.0 + squares.total(keep=True) + lengths).clip(0.0, None)
    apart = (apart - squares @ absent.T - holes @ (there * there).T).clip(0.0, None)
    shared = (1.0 - holes) @ (1.0 - absent).T
    scaled = apart / shared.equals(0.0).where(1.0, shared) * float(known.shape[1])
    return shared.equals(0.0).where(np.nan, scaled.apply("Sqrt"))


def _from_neighbors(estimator: Any, distances: Tensor, values: Array, donors: Array) -> Tensor:
    places, own = np.flatnonzero(donors), values[donors]
    near = distances.columns(places)
    count = min(int(estimator.n_neighbors), len(places))
    finite = near.is_nan().where(np.inf, near)
    nearest, chosen = near.graph.ops("TopK", 2, finite, np.array([count]), axis=1, largest=0)
    comparable = (nearest < np.inf).as_float()
    weights = comparable
    if estimator.weights == "distance":
        same = nearest.equals(0.0).as_float()
        weights = (same.reduce("Max", 1, keep=True) > 0.0).where(same, comparable / nearest)
    total = weights.total(keep=True)
    mean = (near.graph.constant(own).gather(chosen) * weights).total(keep=True) / total
    return total.equals(0.0).where(float(own.mean()), mean)
