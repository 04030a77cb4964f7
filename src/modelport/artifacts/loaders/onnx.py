"""ONNX models on ONNX Runtime."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelport.artifacts.loaders.onnx_external import refuse_outside
from modelport.artifacts.loaders.onnx_graph import GraphFacts, read_graph
from modelport.artifacts.loaders.onnx_tree import compile_tree
from modelport.artifacts.loaders.tabular import (
    Outputs,
    class_answers,
    is_sound,
    named_fields,
    plain_values,
    settle_gaps,
    value_answers,
)
from modelport.errors import ArtifactError, MissingExtra
from modelport.kernel.infer import refine
from modelport.kernel.ports import Cost, Hints, Model
from modelport.kernel.signature import DOUBLE_LIMIT, FLOAT_LIMIT, Field, Kind, Output, Signature, Task, example_value
from modelport.kernel.values import Record

DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(string)": "string",
    "tensor(bool)": "bool",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


class OnnxLoader:
    """Reads `.onnx` files."""

    extra = "onnx"
    compiled = True

    def probe(self, path: Path, head: bytes) -> bool:
        """By its suffix: an ONNX file has no magic number."""
        return path.suffix.lower() == ".onnx"

    def load(self, path: Path, hints: Hints) -> Model:
        """Open a single-threaded session and read its signature."""
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when it is imported
        try:
            import onnxruntime
        except ModuleNotFoundError:
            raise MissingExtra("an ONNX model", self.extra) from None
        refuse_outside(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # a batch of rows gains nothing from more
        options.log_severity_level = 4  # what goes wrong in a call is raised, too
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises a dozen types of its own
            raise ArtifactError(f"{path} cannot be read as ONNX: {_first_line(error)}") from None
        return OnnxModel(session, path, hints)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]


class OnnxModel:
    """An ONNX Runtime session with its signature."""

    def __init__(self, session: Any, path: Path, hints: Hints) -> None:
        self._session = session
        inputs, outputs = session.get_inputs(), session.get_outputs()
        rows = _read_rows(inputs, outputs)
        self._output_names = [o.name for o in outputs]
        facts = read_graph(path, [i.name for i in inputs], self._output_names[0])
        fields, positional, self._feed = _read_inputs(session, inputs, rows, facts, hints)
        if rows == "one" and all(_is_free(i.shape[0]) for i in inputs) and self._keeps_rows(fields):
            rows = "batch"
        self._batched = rows == "batch"
        tabular = fields[0].kind is not Kind.TENSOR
        task, described, self._answer = _read_outputs(outputs, facts.classes, tabular, rows)
        if tabular:
            fields = settle_gaps(fields, self._works)
        self.signature = Signature(task, fields, described, positional)
        self.cost = Cost(bytes=path.stat().st_size, compiled=True, releases_gil=True)
        table = len(inputs) == 1 and DTYPES[inputs[0].type] == "float32" and tabular and self._batched
        walkable = table and not any(f.nullable for f in fields)  # null cannot be compared
        self._tree = compile_tree(path, len(fields), self._answer_table) if walkable else None

    def _answer_table(self, rows: Sequence[Record]) -> list[Any]:
        table = np.array(rows, dtype=np.float32)
        return self._answer(self._session.run(self._output_names, {self._session.get_inputs()[0].name: table}))

    def predict(self, records: Sequence[Record]) -> list[Any]:
        """One run for all records, or one per record where the model has a fixed batch size."""
        if self._tree is not None:
            return self._tree(records)
        if self._batched or len(records) == 1:
            return self._answer(self._session.run(self._output_names, self._feed(records)))
        return [answer for record in records for answer in self.predict([record])]

    def _keeps_rows(self, fields: Sequence[Field]) -> bool:
        """Whether three records get three answers, where the declared shapes of the outputs do not say so."""
        record = tuple(example_value(f) for f in fields)
        try:
            values = self._session.run(self._output_names, self._feed([record] * 3))
        except Exception:  # ONNX Runtime raises a dozen types of its own
            return False
        return all(np.shape(v)[:1] == (3,) for v in values)

    def _works(self, record: Record) -> bool:
        values = self._session.run(self._output_names, self._feed([record]))
        return all(is_sound(v if isinstance(v, np.ndarray) else list(v[0].values())) for v in values)


# -- inputs --------------------------------------------------------------------------------------------------------

Feed = Callable[[Sequence[Record]], dict[str, Any]]


def _read_rows(inputs: Sequence[Any], outputs: Sequence[Any]) -> str:
    """How records meet the first axis: "batch" takes any number, "one" has length 1, "none" is no axis of records."""
    if all(i.shape and _is_free(i.shape[0]) for i in inputs):
        return "batch" if all(_is_row_wise(o) for o in outputs) else "one"
    return "one" if all(i.shape and (_is_free(i.shape[0]) or i.shape[0] == 1) for i in inputs) else "none"


def _is_row_wise(o: Any) -> bool:
    """An output of a fixed size would mix the records of several callers. Of sequences the shape is not known."""
    return not o.type.startswith("tensor") or (bool(o.shape) and _is_free(o.shape[0]))


def _read_inputs(
    session: Any, inputs: Sequence[Any], rows: str, facts: GraphFacts, hints: Hints
) -> tuple[tuple[Field, ...], bool, Feed]:
    for i in inputs:
        if i.type not in DTYPES:
            raise ArtifactError(f"the input {i.name!r} has the type {i.type}, which cannot be sent as JSON")
    if len(inputs) == 1 and rows != "none" and _is_table(inputs[0], hints):
        return _read_table(session, inputs[0], hints)
    if rows != "none" and all(i.shape[1:] in ([1], []) for i in inputs):
        fields = refine([_column_field(i, facts) for i in inputs], hints)
        return fields, False, _column_feed(inputs)
    fields = refine([_tensor_field(i, rows) for i in inputs], hints)
    return fields, False, _tensor_feed(inputs, stack=rows != "none")


def _is_free(dimension: Any) -> bool:
    return not isinstance(dimension, int) or dimension < 0


def _is_table(i: Any, hints: Hints) -> bool:
    return len(i.shape) == 2 and (not _is_free(i.shape[1]) or bool(hints.features or hints.columns))


def _read_table(session: Any, i: Any, hints: Hints) -> tuple[tuple[Field, ...], bool, Feed]:
    count = None if _is_free(i.shape[1]) else i.shape[1]
    fields, positional = named_fields(_stored_names(session, count), count, hints, **_cell_type(i))
    dtype, name = _numpy_dtype(i), i.name

    def feed(records: Sequence[Record]) -> dict[str, Any]:
        return {name: np.array(records, dtype=dtype)}

    return refine(fields, hints), positional, feed


def _cell_type(i: Any) -> dict[str, Any]:
    dtype = DTYPES[i.type]
    if dtype in ("string", "bool"):
        return {"kind": Kind.STRING if dtype == "string" else Kind.BOOL}
    limit = DOUBLE_LIMIT if dtype == "float64" else FLOAT_LIMIT
    return {"kind": Kind.INT if "int" in dtype else Kind.FLOAT, "dtype": dtype, "limit": limit}


def _numpy_dtype(i: Any) -> np.dtype[Any]:
    return np.dtype(object if DTYPES[i.type] == "string" else DTYPES[i.type])


def _stored_names(session: Any, count: int | None) -> list[str] | None:
    """Column names in the model's metadata, under the key `feature_names`: a JSON list or a comma-separated line."""
    text = session.get_modelmeta().custom_metadata_map.get("feature_names", "")
    try:
        names = json.loads(text) if text.startswith("[") else text.split(",") if text else []
    except json.JSONDecodeError:
        return None
    fit = len(set(map(str, names))) == (count or len(names)) and all(isinstance(n, str) for n in names)
    return names if names and fit else None


def _column_field(i: Any, facts: GraphFacts) -> Field:
    f = Field(i.name, **_cell_type(i), reasons=(f"an input of type {DTYPES[i.type]}",))
    categories, closed = facts.categories.get(i.name, ((), False))
    if not categories or f.kind is Kind.BOOL:
        return f
    reason = f"{len(categories)} categories stored in its OneHotEncoder{'' if closed else '; others are allowed'}"
    kind = Kind.STRING if isinstance(categories[0], str) else Kind.INT
    return f.because(reason, kind=kind, categories=categories, closed=closed)


def _column_feed(inputs: Sequence[Any]) -> Feed:
    layout = [(i.name, _numpy_dtype(i), (-1, *i.shape[1:])) for i in inputs]

    def feed(records: Sequence[Record]) -> dict[str, Any]:
        columns = zip(*records, strict=True)
        return {n: np.array(c, dtype=d).reshape(s) for (n, d, s), c in zip(layout, columns, strict=True)}

    return feed


def _tensor_field(i: Any, rows: str) -> Field:
    shape = tuple(None if _is_free(d) else d for d in i.shape)
    shape = shape if rows == "none" else shape[1:]
    return Field(i.name, Kind.TENSOR, shape=shape, dtype=DTYPES[i.type], reasons=("shape and type of the graph",))


def _tensor_feed(inputs: Sequence[Any], stack: bool) -> Feed:
    names, dtypes = [i.name for i in inputs], [_numpy_dtype(i) for i in inputs]

    def feed(records: Sequence[Record]) -> dict[str, Any]:
        columns = zip(*records, strict=True)
        arrays = (np.asarray(c if stack else c[0], dtype=d) for c, d in zip(columns, dtypes, strict=True))
        return dict(zip(names, arrays, strict=True))

    return feed


# -- outputs -------------------------------------------------------------------------------------------------------

Answer = Callable[[list[Any]], list[Any]]


def _read_outputs(outputs: Sequence[Any], classes: Sequence[Any], tabular: bool, rows: str) -> Outputs:
    first = outputs[0]
    labelled = first.type in ("tensor(string)", "tensor(int64)") and len(first.shape) <= 2
    if labelled and len(outputs) == 2 and tabular:
        return _read_labels(outputs, classes)
    if tabular and len(outputs) == 1 and _is_value(first):
        width = first.shape[1] if len(first.shape) == 2 and not _is_free(first.shape[1]) else 1
        task, described, answer = plain_values(width, _value_kind(first))
        return task, described, lambda values: answer(np.asarray(values[0]))
    described = tuple(
        Output(o.name, Kind.TENSOR, shape=_record_shape(o, rows), dtype=DTYPES.get(o.type, o.type)) for o in outputs
    )
    return Task.TENSOR, described, _tensor_answers([o.name for o in outputs], rows)


def _read_labels(outputs: Sequence[Any], classes: Sequence[Any]) -> Outputs:
    label, scores = outputs
    kind = Kind.STRING if label.type == "tensor(string)" else Kind.INT
    if scores.type.startswith("seq(map("):
        described = Output("prediction", kind, tuple(classes), probabilities=True)
        return Task.CLASSIFY, (described,), _zipmap_answers
    if "prob" not in scores.name.lower():  # k-means and outlier detectors name theirs `scores`
        return Task.CLUSTER, (Output("prediction", kind),), lambda values: value_answers(values[0])
    width = scores.shape[1] if len(scores.shape) == 2 and not _is_free(scores.shape[1]) else len(classes)
    keys = list(classes) if len(classes) == width else list(range(width))
    described = Output("prediction", kind, tuple(keys), probabilities=True)
    return Task.CLASSIFY, (described,), lambda v: class_answers(v[0].tolist(), keys, v[1].tolist())


def _zipmap_answers(values: list[Any]) -> list[Any]:
    labels, maps = values
    return [
        {"prediction": label, "probabilities": {str(key): value for key, value in row.items()}}
        for label, row in zip(labels.tolist(), maps, strict=True)
    ]


def _is_value(o: Any) -> bool:
    return len(o.shape) <= 2 and (len(o.shape) < 2 or o.shape[1] == 1 or o.name == "variable")


def _value_kind(o: Any) -> Kind:
    dtype = DTYPES.get(o.type, "string")
    return Kind.FLOAT if "float" in dtype else Kind.INT if "int" in dtype else Kind.STRING


def _record_shape(o: Any, rows: str) -> tuple[int | None, ...]:
    shape = tuple(None if _is_free(d) else d for d in o.shape)
    return shape if rows == "none" else shape[1:]


def _tensor_answers(names: Sequence[str], rows: str) -> Answer:
    def one_each(values: list[Any]) -> list[Any]:
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]

    def whole(values: list[Any]) -> list[Any]:
        return [dict(zip(names, values, strict=True))]

    def first_row(values: list[Any]) -> list[Any]:
        return whole([v[0] if len(np.shape(v)) and np.shape(v)[0] == 1 else v for v in values])

    return {"batch": one_each, "one": first_row, "none": whole}[rows]
