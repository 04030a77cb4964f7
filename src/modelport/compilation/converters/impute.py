"""Imputers that look at the other fields of a record: at its nearest neighbors, or at one regression for each field."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelport.compilation.columns import Columns, is_gap, join
from modelport.compilation.converters.prepare import filled, indicated
from modelport.compilation.converters.registry import name_of, predict, transformer
from modelport.compilation.graph import NotConvertible, Tensor

MOST_REGRESSIONS = 1000


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
def neighbors_mean(estimator: Any, _: Columns) -> Columns:
    """The mean of the nearest stored records that have the field."""
    raise NotConvertible(name_of(estimator), "which of the stored rows at equal distances it takes, its search decides")
