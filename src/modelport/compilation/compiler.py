"""From a fitted model to a compiled one that has been held against it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modelport.compilation.boundaries import boundary_rows
from modelport.compilation.cache import FORMAT
from modelport.compilation.columns import Columns, FreeText, is_gap
from modelport.compilation.compiled import CompiledModel, Facts, Nodes
from modelport.compilation.converters import classify, name_of, predict
from modelport.compilation.converters.forests import TREES
from modelport.compilation.converters.registry import Classified
from modelport.compilation.feed import LABELS, PROBABILITIES, REFUSED, VALUES, Feed
from modelport.compilation.graph import Graph, NotConvertible, Tensor
from modelport.compilation.parity import Expected, Predict, Report, ask, compare
from modelport.compilation.rows import USUAL, Budget, RowMaker
from modelport.kernel.signature import Kind, Signature, Task, example_value
from modelport.kernel.values import Record

TIMED_ROWS = 30
ORIGINAL_LIMIT_S = 20.0
"""How long the original is asked in all; fewer rows are checked where it is slow, and the report says so."""

FEWEST_ROWS = 100
"""Parity on fewer rows than this proves nothing."""


TOO_SLOW = 2.0
"""A compiled form may take this times the original's time for one row, for what it saves in memory and at the start."""


@dataclass(frozen=True, slots=True)
class Original:
    """What is to be compiled: the fitted estimator or booster, and how it is served: its signature, records to answers."""

    estimator: Any
    signature: Signature
    predict: Predict


@dataclass(frozen=True, slots=True)
class NotCompiled:
    """Why the original runs: `reason` names the part that has no converter, or the row on which the two differ.

    `part` is that part's class, or empty; `report` is what was compared, if anything was.
    """

    reason: str
    part: str = ""
    report: Report | None = None


def compile_model(
    original: Original,
    sample: Sequence[Record] | None = None,
    budget: Budget | None = None,
    limit_s: float = ORIGINAL_LIMIT_S,
) -> CompiledModel | NotCompiled:
    """Convert the model and compare it with the original on every kind of checked row.

    `sample` are real records in the signature's order; `limit_s` bounds how long the original is asked, in seconds. Raises
    MissingExtra where onnx or ONNX Runtime is not installed; never what a model's library raises.
    """
    try:
        graph, facts = _convert(original)
        compiled = CompiledModel(graph.finish(facts.tensors), facts.plain(original))
    except NotConvertible as error:
        return NotCompiled(str(error), error.part)
    except ModuleNotFoundError:
        raise
    except Exception as error:  # of a converter that met a model it does not know, or of the runtime
        name = name_of(original.estimator)
        return NotCompiled(f"{name}: cannot be converted: {type(error).__name__}: {str(error)[:300]}", name)
    return _checked(original, compiled, sample or (), graph, budget or Budget(), limit_s)


# -- converting ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Converted:
    feed: Feed
    tensors: dict[str, Tensor]

    def plain(self, original: Original) -> Facts:
        labels = _float_labels(original)
        tree = lone_tree(original.estimator)
        return Facts(FORMAT, original.signature, self.feed, tuple(self.tensors), Report(), labels, tree=tree)


def lone_tree(estimator: Any) -> Nodes | None:
    """The nodes of a model that is one decision tree and nothing else."""
    if name_of(estimator) not in TREES:
        return None
    t = estimator.tree_
    return Nodes(*(tuple(a.tolist()) for a in (t.feature, t.threshold, t.children_left, t.children_right)))


def _float_labels(original: Original) -> bool:
    """Whether the original says 1.0 for its class 1."""
    signature = original.signature
    if signature.task is not Task.CLASSIFY or len(signature.outputs) < 2:
        return False
    answer = original.predict([tuple(map(example_value, signature.inputs))])[0]["prediction"]
    return all(isinstance(label, float) for label in answer.values()) and not any(
        isinstance(c, float) for o in signature.outputs for c in o.classes
    )


def _convert(original: Original) -> tuple[Graph, _Converted]:
    fields = original.signature.inputs
    if any(f.kind is Kind.TENSOR for f in fields):
        raise NotConvertible(name_of(original.estimator), "reads tensors")
    tables = _tables(original)
    graph = Graph(len(fields))
    known = tuple(FreeText(i) if f.dtype == "text" else tables.get(i) for i, f in enumerate(fields))
    columns = Columns(
        graph.input.columns(range(len(fields))) if any(f.dtype == "text" for f in fields) else graph.input,
        len(fields),
        original.signature.names,
        known if any(t is not None for t in known) else None,
    )
    if original.signature.task is Task.CLASSIFY:
        made = classify(original.estimator, columns)
        tensors = _class_outputs(original, made if isinstance(made, list) else [made])
    else:
        tensors = {VALUES: predict(original.estimator, columns)}
    refused = graph.refused()
    if refused is not None:
        tensors[REFUSED] = refused
    return graph, _Converted(Feed(len(fields), tables, tuple(graph.texts)), tensors)


def _class_outputs(original: Original, made: list[Classified]) -> dict[str, Tensor]:
    """Labels by output, and the tables that the signature promises."""
    outputs = original.signature.outputs
    if len(made) != len(outputs):
        raise NotConvertible(name_of(original.estimator), "has outputs that its signature has not")
    tensors = {LABELS: made[0].labels.graph.concat([m.labels.cast(np.int64).tall() for m in made])}
    for i, (output, m) in enumerate(zip(outputs, made, strict=True)):
        if output.probabilities:
            if m.probabilities is None:
                raise NotConvertible(name_of(original.estimator), "its probabilities have no converter")
            tensors[PROBABILITIES if len(outputs) == 1 else f"{PROBABILITIES}{i}"] = m.probabilities
    return tensors


def _tables(original: Original) -> dict[int, tuple[Any, ...]]:
    """By column of text, the values that any part of the model knows."""
    texts = [i for i, f in enumerate(original.signature.inputs) if f.kind is Kind.STRING and f.dtype != "text"]
    if not texts:
        return {}
    known = sorted({v for part in parts_of(original.estimator) for v in _known_texts(part)})
    return {i: tuple(dict.fromkeys([*original.signature.inputs[i].categories, *known])) for i in texts}


def _known_texts(part: Any) -> Iterator[str]:
    for name in ("categories_", "statistics_"):
        values = getattr(part, name, None)
        for one in values if isinstance(values, (list, np.ndarray)) else ():
            for value in one if isinstance(one, np.ndarray) else (one,):
                if isinstance(value, str) and not is_gap(value):
                    yield value


def parts_of(model: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """The model and every estimator that it holds, however deep."""
    seen = set() if seen is None else seen
    if id(model) in seen:
        return
    seen.add(id(model))
    if isinstance(model, (list, tuple)) or (isinstance(model, np.ndarray) and model.dtype == object):
        for item in model.ravel() if isinstance(model, np.ndarray) else model:
            yield from parts_of(item, seen)
    elif isinstance(model, dict):
        yield from parts_of(list(model.values()), seen)
    elif hasattr(model, "fit") or type(model).__name__.startswith("_Calibrated"):
        yield model
        yield from parts_of(list(getattr(model, "__dict__", {}).values()), seen)


# -- checking ------------------------------------------------------------------------------------------------------

COMPARING = [
    "Bagging",
    "AdaBoost",
    "Calibrated",
    "DecisionTree",
    "ExtraTree",
    "RandomForest",
    "GradientBoosting",
    "HistGradientBoosting",
    "Isolation",
    "Voting",
    "Pipeline",
    "ColumnTransformer",
    "OneHotEncoder",
    "OrdinalEncoder",
    "SimpleImputer",
    "StandardScaler",
    "MinMaxScaler",
    "MaxAbsScaler",
    "RobustScaler",
    "GridSearchCV",
    "RandomizedSearchCV",
    "XGB",
    "LGBM",
    "CatBoost",
    "Booster",
    "Dummy",
    "TreePredictor",
    "Loss",
    "LabelEncoder",
    "FunctionTransformer",
    "KBinsDiscretizer",
    "SelectKBest",
    "SelectFromModel",
    "Binarizer",
    "VarianceThreshold",
    "MultiOutput",
    "FrozenEstimator",
]
"""Models made of these alone change their answers only where a number passes another: the last digit can be told."""


def _only_compares(estimator: Any) -> bool:
    return all(name_of(part).lstrip("_").startswith(tuple(COMPARING)) for part in parts_of(estimator))


def _checked(
    original: Original,
    compiled: CompiledModel,
    sample: Sequence[Record],
    graph: Graph,
    budget: Budget,
    limit_s: float,
) -> CompiledModel | NotCompiled:
    maker = RowMaker(original.signature, sample, graph.splits, budget, _terms(graph))
    expected = ask(original.predict, maker.rows(), limit_s * 0.6)
    early = compare(expected, compiled.predict, USUAL)
    if early.mismatch is not None:
        return _differs(original, early)
    edges = boundary_rows(
        original.predict,
        maker,
        original.signature.inputs,
        _only_compares(original.estimator),
        budget,
        limit_s * 0.3,
    )
    expected = ask(original.predict, edges, limit_s * 0.1, expected)
    report = _measured(original, compiled, expected, compare(expected, compiled.predict, USUAL))
    if not report.full:
        return _differs(original, report)
    if report.rows < FEWEST_ROWS:
        return NotCompiled(f"only {report.rows} rows could be checked: {report}", "", report)
    if report.row_us_after > TOO_SLOW * report.row_us_before:
        times = f"{report.row_us_before:.0f} µs before, {report.row_us_after:.0f} µs after"
        return NotCompiled(
            f"{name_of(original.estimator)}: compiled it would be slower, {times} for one row", "", report
        )
    return compiled.with_report(report)


def answered_rows(original: Original, sample: Sequence[Record], limit_s: float) -> Expected:
    """The original's answers to rows of every kind, whether or not it can be compiled.

    `limit_s`: how long it is asked, in seconds.
    """
    splits, terms = _read_edges(original)
    budget = Budget()
    maker = RowMaker(original.signature, sample, splits, budget, terms)
    expected = ask(original.predict, maker.rows(), limit_s * 0.6)
    exact = _only_compares(original.estimator)
    edges = boundary_rows(original.predict, maker, original.signature.inputs, exact, budget, limit_s * 0.3)
    return ask(original.predict, edges, limit_s * 0.1, expected)


def _read_edges(original: Original) -> tuple[Any, dict[int, list[str]]]:
    """The thresholds and terms of a model by field, as far as there are converters for it."""
    try:
        graph, _ = _convert(original)
    except Exception:  # of a model without a converter, or of another version than converters know
        words = [w for part in parts_of(original.estimator) for w in getattr(part, "vocabulary_", None) or ()]
        texts = [i for i, f in enumerate(original.signature.inputs) if f.dtype == "text"]
        return {}, {i: [str(w) for w in words] for i in texts}
    return graph.splits, _terms(graph)


def _terms(graph: Graph) -> dict[int, list[str]]:
    """By field of free text, the terms that the model knows."""
    found: dict[int, list[str]] = {}
    for reader in graph.texts:
        found.setdefault(reader.field, []).extend(reader.terms or ())
    return found


def _differs(original: Original, report: Report) -> NotCompiled:
    if report.mismatch is None:
        return NotCompiled(f"no row could be checked: {report.why_excluded}", "", report)
    return NotCompiled(f"{name_of(original.estimator)}: {report.mismatch}", "", report)


def _measured(original: Original, compiled: CompiledModel, expected: Expected, report: Report) -> Report:
    records = [record for _, record in expected.rows[:TIMED_ROWS]]
    return replace(
        report,
        row_us_before=_row_us(original.predict, records),
        row_us_after=_row_us(compiled.predict, records),
        bytes_after=compiled.cost.bytes,
    )


def _row_us(predict: Predict, records: Sequence[Record]) -> float:
    """The median time of a call with one record, in microseconds."""
    times = []
    for record in records:
        start = time.perf_counter()
        predict([record])
        times.append((time.perf_counter() - start) * 1e6)
    return float(np.median(times)) if times else 0.0
