"""Transformers that scale, bend, bin or fill in single columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelport.compilation.columns import FIRST, NULL, Columns, is_gap, join, positions
from modelport.compilation.converters.registry import name_of, transformer
from modelport.compilation.graph import Array, NotConvertible, Tensor


@transformer("StandardScaler")
def standard(estimator: Any, inputs: Columns) -> Columns:
    """Less the mean, by the deviation."""
    x = inputs.numbers(name_of(estimator))
    x = x - np.asarray(estimator.mean_) if estimator.with_mean else x
    return inputs.kept(x / np.asarray(estimator.scale_) if estimator.with_std else x)


@transformer("MinMaxScaler")
def min_max(estimator: Any, inputs: Columns) -> Columns:
    """Into a range."""
    x = inputs.numbers(name_of(estimator)) * np.asarray(estimator.scale_) + np.asarray(estimator.min_)
    return inputs.kept(x.clip(*map(float, estimator.feature_range)) if estimator.clip else x)


@transformer("MaxAbsScaler")
def max_abs(estimator: Any, inputs: Columns) -> Columns:
    """By the greatest magnitude."""
    x = inputs.numbers(name_of(estimator)) / np.asarray(estimator.scale_)
    return inputs.kept(x.clip(-1.0, 1.0) if getattr(estimator, "clip", False) else x)


@transformer("RobustScaler")
def robust(estimator: Any, inputs: Columns) -> Columns:
    """Less the median, by the range of quantiles."""
    x = inputs.numbers(name_of(estimator))
    x = x - np.asarray(estimator.center_) if estimator.with_centering else x
    return inputs.kept(x / np.asarray(estimator.scale_) if estimator.with_scaling else x)


@transformer("Normalizer")
def normalized(estimator: Any, inputs: Columns) -> Columns:
    """Rows of length one."""
    x = inputs.numbers(name_of(estimator))
    if estimator.norm == "l2":
        length = (x * x).total(keep=True).apply("Sqrt")
    else:
        length = x.apply("Abs").reduce("Sum" if estimator.norm == "l1" else "Max", 1, keep=True)
    return inputs.kept(x / (length < 10 * np.finfo(np.float64).eps).where(1.0, length))


@transformer("Binarizer")
def binary(estimator: Any, inputs: Columns) -> Columns:
    """Above the threshold or not."""
    return inputs.kept((inputs.numbers(name_of(estimator)) > float(estimator.threshold)).as_float())


@transformer("FunctionTransformer")
def own_function(estimator: Any, inputs: Columns) -> Columns:
    """Some functions of NumPy; of code of the user's own nothing is known."""
    names = {"log1p": None, "log": "Log", "exp": "Exp", "sqrt": "Sqrt", "abs": "Abs", "absolute": "Abs", "tanh": "Tanh"}
    func = estimator.func
    if func is None or _only_checks(func):
        return inputs
    name = getattr(func, "__name__", "")
    if not isinstance(func, np.ufunc) or name not in names or estimator.kw_args:
        raise NotConvertible(
            name_of(estimator), f"runs a function ({name or func!r:.60}) of which we do not know what it does"
        )
    x = inputs.numbers(name_of(estimator))
    if name == "log1p":
        raise NotConvertible(name_of(estimator), "log1p loses digits near zero in ONNX")
    return inputs.kept(x.apply(str(names[name])))


def _only_checks(func: Any) -> bool:
    """What histogram gradient boosting puts before its trees."""
    inner = getattr(func, "func", func)
    return (inner.__module__, inner.__name__) == ("sklearn.utils.validation", "check_array")


# -- powers and quantiles ------------------------------------------------------------------------------------------


@transformer("PowerTransformer")
def powered(estimator: Any, inputs: Columns) -> Columns:
    """Box-Cox or Yeo-Johnson, column by column, then scaled."""
    x = inputs.numbers(name_of(estimator))
    bend = _box_cox if estimator.method == "box-cox" else _yeo_johnson
    bent = x.graph.stack([bend(x.column(i), float(power)) for i, power in enumerate(estimator.lambdas_)])
    if not estimator.standardize:
        return inputs.kept(bent)
    x.graph.refuse_infinite(bent)  # the scaler behind it does
    return standard(estimator._scaler, inputs.kept(bent))


def _box_cox(x: Tensor, power: float) -> Tensor:
    return x.apply("Log") if power == 0 else (x**power - 1.0) / power


def _yeo_johnson(x: Tensor, power: float) -> Tensor:
    up = x.apply("Abs") + 1.0
    above = up.apply("Log") if abs(power) < np.spacing(1.0) else (up**power - 1.0) / power
    below = -(up ** (2.0 - power) - 1.0) / (2.0 - power) if abs(power - 2) > np.spacing(1.0) else -up.apply("Log")
    return (x >= 0.0).where(above, below)


@transformer("QuantileTransformer")
def quantiles(estimator: Any, inputs: Columns) -> Columns:
    """Linear interpolation between quantiles, from both sides, as scikit-learn does it."""
    if estimator.output_distribution != "uniform":
        raise NotConvertible(name_of(estimator), "the inverse of the normal distribution has no operator")
    x = inputs.numbers(name_of(estimator))
    columns = [_to_uniform(x.column(i), q, estimator.references_) for i, q in enumerate(estimator.quantiles_.T)]
    return inputs.kept(x.graph.stack(columns))


def _to_uniform(x: Tensor, quantile: Array, references: Array) -> Tensor:
    forward = interpolate(x, quantile, references)
    backward = interpolate(-x, -quantile[::-1], -references[::-1])
    middle = (forward - backward) * 0.5
    upper = x.equals(float(quantile[-1])).where(1.0, middle)
    return x.equals(float(quantile[0])).where(0.0, upper)


def interpolate(x: Tensor, at: Array, values: Array) -> Tensor:
    """`numpy.interp`: at equal points the last one counts; NaN stays NaN."""
    at, values = np.asarray(at, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if len(at) == 1:
        return x * 0.0 + float(values[0])
    place = x.tall() >= at.reshape(1, -1)
    index = (place.cast(np.int64).total(1) - np.array(1)).cast(np.int64)
    last = len(at) - 1
    inner = x.graph.op("Min", x.graph.op("Max", index, np.array(0)), np.array(last - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(np.diff(at) > 0, np.diff(values) / np.diff(at), 0.0)
    g = x.graph
    between = g.constant(slope).gather(inner) * (x - g.constant(at).gather(inner)) + g.constant(values).gather(inner)
    upper = (x >= float(at[-1])).where(float(values[-1]), between)
    return (x < float(at[0])).where(float(values[0]), upper)


@transformer("KBinsDiscretizer")
def binned(estimator: Any, inputs: Columns) -> Columns:
    """Which bin each value falls into, as a number or one-hot."""
    x = inputs.numbers(name_of(estimator))
    parts, width = [], 0
    for i, edges in enumerate(estimator.bin_edges_):
        index = (x.columns([i]) >= np.asarray(edges[1:-1]).reshape(1, -1)).as_float().total(keep=True)
        if estimator.encode == "ordinal":
            parts.append(index)
        else:
            parts.append(index.equals(np.arange(estimator.n_bins_[i], dtype=np.float64)).as_float())
        width += 1 if estimator.encode == "ordinal" else int(estimator.n_bins_[i])
    return inputs.now(x.graph.concat(parts), width)


# -- gaps ----------------------------------------------------------------------------------------------------------


@transformer("SimpleImputer")
def filled(estimator: Any, inputs: Columns) -> Columns:
    """A statistic in place of gaps."""
    statistics = estimator.statistics_
    empty = [is_gap(s) for s in statistics.tolist()]
    columns = [_fill(estimator, inputs.select([i]), s) for i, s in enumerate(statistics.tolist()) if not empty[i]]
    found = join(columns)
    if estimator.indicator_ is not None:
        found = join([found, indicated(estimator.indicator_, inputs)])
    return found


def _fill(estimator: Any, column: Columns, statistic: Any) -> Columns:
    table = column.table(0)
    if table is None:
        return column.kept(_is_missing(column.tensor, estimator.missing_values).where(float(statistic), column.tensor))
    if not is_gap(estimator.missing_values):
        raise NotConvertible(name_of(estimator), f"takes {estimator.missing_values!r} for a gap in text")
    if statistic not in table:
        raise NotConvertible(name_of(estimator), f"fills in {statistic!r:.40}, which no encoder knows")
    code = float(FIRST + table.index(statistic))
    return column.kept(column.tensor.equals(float(NULL)).where(code, column.tensor))


def _is_missing(x: Tensor, missing: Any) -> Tensor:
    return x.is_nan() if is_gap(missing) else x.equals(float(missing))


@transformer("MissingIndicator")
def indicated(estimator: Any, inputs: Columns) -> Columns:
    """Where gaps were."""
    if inputs.tables and any(inputs.tables):
        raise NotConvertible(name_of(estimator), "marks gaps in text")
    chosen = np.asarray(estimator.features_)
    found = _is_missing(inputs.tensor, estimator.missing_values).as_float()
    return inputs.now(found.columns(chosen), len(chosen))


# -- categories ----------------------------------------------------------------------------------------------------


def category_index(estimator: Any, inputs: Columns, i: int, unseen: int, gap: int) -> Tensor:
    """For one column of an encoder, the position of each value among its categories, as whole numbers."""
    categories = estimator.categories_[i].tolist()
    table = inputs.table(i)
    x = inputs.tensor.column(i)
    if table is not None:
        return x.graph.constant(positions(table, categories, unseen, gap)).gather(x.cast(np.int64))
    numbers = [float(c) for c in categories if not is_gap(c)]
    gaps = [k for k, c in enumerate(categories) if is_gap(c)]
    hits = x.tall().equals(np.array(numbers).reshape(1, -1))
    order = np.array([k for k, c in enumerate(categories) if not is_gap(c)], dtype=np.float64)
    place = (hits.as_float() * (order - unseen)).total() + float(unseen)
    return x.is_nan().where(float(gaps[0] if gaps else gap), place).cast(np.int64)


@transformer("OneHotEncoder")
def one_hot(estimator: Any, inputs: Columns) -> Columns:
    """A column for each category that is kept; infrequent ones share the last."""
    parts, width = [], 0
    for i in range(len(estimator.categories_)):
        rows = _one_hot_rows(estimator, i)
        count = len(estimator.categories_[i])
        parts.append(inputs.tensor.graph.constant(rows).gather(category_index(estimator, inputs, i, count, count)))
        width += rows.shape[1]
    return inputs.now(inputs.tensor.graph.concat(parts), width)


def _one_hot_rows(estimator: Any, i: int) -> Array:
    """By category, and for an unseen one last, the row that stands for it."""
    count = len(estimator.categories_[i])
    mapping, width = np.arange(count), count
    infrequent = getattr(estimator, "_default_to_infrequent_mappings", None)
    shared = None
    if getattr(estimator, "_infrequent_enabled", False) and infrequent is not None and infrequent[i] is not None:
        mapping = np.asarray(infrequent[i])
        width = int(mapping.max()) + 1
        shared = width - 1
    rows = np.zeros((count + 1, width))
    rows[np.arange(count), mapping] = 1.0
    if shared is not None and estimator.handle_unknown in ("infrequent_if_exist", "warn"):
        rows[count, shared] = 1.0
    dropped = estimator._drop_idx_after_grouping[i] if estimator._drop_idx_after_grouping is not None else None
    return rows if dropped is None else np.delete(rows, int(dropped), axis=1)


@transformer("OrdinalEncoder")
def ordinal(estimator: Any, inputs: Columns) -> Columns:
    """The position of each category."""
    if getattr(estimator, "_infrequent_enabled", False):
        raise NotConvertible(name_of(estimator), "groups infrequent categories")
    g = inputs.tensor.graph
    found = []
    for i, categories in enumerate(estimator.categories_):
        count = len(categories)
        unseen = np.nan if estimator.unknown_value is None else float(estimator.unknown_value)
        values = [float(k) for k in range(count)]
        for k, category in enumerate(categories.tolist()):
            if is_gap(category):
                values[k] = float(estimator.encoded_missing_value)
        lookup = g.constant(np.array([*values, unseen]))
        found.append(lookup.gather(category_index(estimator, inputs, i, count, count)))
    return inputs.now(g.stack(found), len(found))


@transformer("TargetEncoder")
def target_mean(estimator: Any, inputs: Columns) -> Columns:
    """The mean of the target by category; the overall mean for unseen ones."""
    g = inputs.tensor.graph
    classes = len(estimator.classes_) if estimator.target_type_ == "multiclass" else 1
    means = np.atleast_1d(np.asarray(estimator.target_mean_))
    found = []
    for i, categories in enumerate(estimator.categories_):
        index = category_index(estimator, inputs, i, len(categories), len(categories))
        for k in range(classes):
            values = np.append(np.asarray(estimator.encodings_[i * classes + k]), means[k])
            found.append(g.constant(values).gather(index))
    return inputs.now(g.stack(found), len(found))


@transformer("DictVectorizer")
def from_objects(estimator: Any, inputs: Columns) -> Columns:
    """A number for each name, and one for each text of a name: whether it is there. What is left out is zero."""
    if inputs.names is None:
        raise NotConvertible(name_of(estimator), "reads what another step made")
    columns = []
    for feature in estimator.feature_names_:
        name, _, value = str(feature).partition(estimator.separator)
        i = inputs.names.index(name)
        table, x = inputs.table(i), inputs.tensor.columns([i])
        here = x.is_nan().where(0.0, x) if table is None else x.equals(float(FIRST + table.index(value))).as_float()
        columns.append(here)
    return inputs.now(inputs.tensor.graph.concat(columns), len(columns))
