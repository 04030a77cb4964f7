"""ONNX models on ONNX Runtime."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelport.artifacts.loaders.onnx_classes import read_classes
from modelport.artifacts.loaders.tabular import class_answers, named_fields, value_answers
from modelport.errors import ArtifactError, MissingExtra
from modelport.kernel.infer import refine
from modelport.kernel.ports import Cost, Hints, Model
from modelport.kernel.signature import Field, Kind, Output, Signature, Task
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

    def probe(self, path: Path, head: bytes) -> bool:
        """By its suffix: an ONNX file has no magic number."""
        return path.suffix.lower() == ".onnx"

    def load(self, path: Path, hints: Hints) -> Model:
        """Open a single-threaded session and read its signature."""
        try:
            import onnxruntime
        except ModuleNotFoundError:
            raise MissingExtra("an ONNX model", self.extra) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # a batch of rows gains nothing from more
        options.log_severity_level = 3
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
        inputs = session.get_inputs()
        fields, positional, self._feed = _read_inputs(session, inputs, hints)
        outputs = session.get_outputs()
        classes = read_classes(path)
        self._batched = all(_is_free(i.shape[0]) for i in inputs if i.shape)
        self._output_names = [o.name for o in outputs]
        task, described, self._answer = _read_outputs(outputs, classes, tabular=fields[0].kind is not Kind.TENSOR)
        self.signature = Signature(task, fields, described, positional)
        self.cost = Cost(bytes=path.stat().st_size, compiled=True, releases_gil=True)

    def predict(self, records: Sequence[Record]) -> list[Any]:
        """One run for all records, or one per record where the model has a fixed batch size."""
        if self._batched or len(records) == 1:
            return self._answer(self._session.run(self._output_names, self._feed(records)))
        return [answer for record in records for answer in self.predict([record])]


# -- inputs --------------------------------------------------------------------------------------------------------

Feed = Callable[[Sequence[Record]], dict[str, Any]]


def _read_inputs(session: Any, inputs: Sequence[Any], hints: Hints) -> tuple[tuple[Field, ...], bool, Feed]:
    for i in inputs:
        if i.type not in DTYPES:
            raise ArtifactError(f"the input {i.name!r} has the type {i.type}, which cannot be sent as JSON")
    if len(inputs) == 1 and _is_table(inputs[0], hints):
        return _read_table(session, inputs[0], hints)
    if all(len(i.shape) == 2 and i.shape[1] == 1 for i in inputs):
        fields = refine([_column_field(i) for i in inputs], hints)
        return fields, False, _column_feed(inputs, fields)
    fields = tuple(_tensor_field(i) for i in inputs)
    batched = all(_is_free(i.shape[0]) for i in inputs if i.shape)
    return fields, False, _tensor_feed(inputs, stack=batched or all(i.shape and i.shape[0] == 1 for i in inputs))


def _is_free(dimension: Any) -> bool:
    return not isinstance(dimension, int) or dimension < 0


def _is_table(i: Any, hints: Hints) -> bool:
    if len(i.shape) != 2 or DTYPES[i.type] in ("string", "bool") or not (_is_free(i.shape[0]) or i.shape[0] == 1):
        return False
    return not _is_free(i.shape[1]) or bool(hints.features or hints.columns)


def _read_table(session: Any, i: Any, hints: Hints) -> tuple[tuple[Field, ...], bool, Feed]:
    dtype = DTYPES[i.type]
    count = None if _is_free(i.shape[1]) else i.shape[1]
    kind = Kind.INT if "int" in dtype else Kind.FLOAT
    names = _stored_names(session, count)
    fields, positional = named_fields(names, count, hints, kind=kind, dtype=dtype)
    numpy_dtype, name = np.dtype(dtype), i.name

    def feed(records: Sequence[Record]) -> dict[str, Any]:
        return {name: np.array(records, dtype=numpy_dtype)}

    return refine(fields, hints), positional, feed


def _stored_names(session: Any, count: int | None) -> list[str] | None:
    """Column names in the model's metadata, under the key `feature_names`: a JSON list or a comma-separated line."""
    text = session.get_modelmeta().custom_metadata_map.get("feature_names", "")
    try:
        names = json.loads(text) if text.startswith("[") else text.split(",") if text else []
    except json.JSONDecodeError:
        return None
    return names if names and len(names) == (count or len(names)) and all(isinstance(n, str) for n in names) else None


def _column_field(i: Any) -> Field:
    dtype = DTYPES[i.type]
    kind = {"string": Kind.STRING, "bool": Kind.BOOL}.get(dtype, Kind.INT if "int" in dtype else Kind.FLOAT)
    return Field(
        i.name, kind, dtype="" if dtype in ("string", "bool") else dtype, reasons=(f"an input of type {dtype}",)
    )


def _column_feed(inputs: Sequence[Any], fields: Sequence[Field]) -> Feed:
    names = [i.name for i in inputs]
    dtypes = [np.dtype(object if DTYPES[i.type] == "string" else DTYPES[i.type]) for i in inputs]

    def feed(records: Sequence[Record]) -> dict[str, Any]:
        columns = zip(*records, strict=True)
        return {n: np.array(c, dtype=d).reshape(-1, 1) for n, c, d in zip(names, columns, dtypes, strict=True)}

    return feed


def _tensor_field(i: Any) -> Field:
    shape = [None if _is_free(d) else d for d in i.shape]
    if shape and (shape[0] is None or shape[0] == 1):
        shape = shape[1:]
    return Field(
        i.name, Kind.TENSOR, shape=tuple(shape), dtype=DTYPES[i.type], reasons=("shape and type of the graph",)
    )


def _tensor_feed(inputs: Sequence[Any], stack: bool) -> Feed:
    names = [i.name for i in inputs]

    def feed(records: Sequence[Record]) -> dict[str, Any]:
        columns = zip(*records, strict=True)
        return {n: np.stack(c) if stack else c[0] for n, c in zip(names, columns, strict=True)}

    return feed


# -- outputs -------------------------------------------------------------------------------------------------------

Answer = Callable[[list[Any]], list[Any]]


def _read_outputs(
    outputs: Sequence[Any], classes: Sequence[Any], tabular: bool
) -> tuple[Task, tuple[Output, ...], Answer]:
    first = outputs[0]
    labelled = first.type in ("tensor(string)", "tensor(int64)") and len(first.shape) <= 2
    if labelled and len(outputs) == 2 and tabular:
        return _read_labels(outputs, classes)
    if tabular and len(outputs) == 1 and _is_value(first):
        return _read_values(first)
    described = tuple(
        Output(o.name, Kind.TENSOR, shape=_record_shape(o), dtype=DTYPES.get(o.type, o.type)) for o in outputs
    )
    return Task.TENSOR, described, _tensor_answers([o.name for o in outputs])


def _read_labels(outputs: Sequence[Any], classes: Sequence[Any]) -> tuple[Task, tuple[Output, ...], Answer]:
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


def _read_values(o: Any) -> tuple[Task, tuple[Output, ...], Answer]:
    width = o.shape[1] if len(o.shape) == 2 and not _is_free(o.shape[1]) else 1
    kind = Kind.FLOAT if "float" in o.type or "double" in o.type else Kind.INT if "int" in o.type else Kind.STRING
    names = ["prediction"] if width == 1 else [f"y{i}" for i in range(width)]
    return (
        Task.REGRESS,
        tuple(Output(name, kind) for name in names),
        lambda values: value_answers(np.asarray(values[0])),
    )


def _record_shape(o: Any) -> tuple[int | None, ...]:
    return tuple(None if _is_free(d) else d for d in o.shape[1:])


def _tensor_answers(names: Sequence[str]) -> Answer:
    def answer(values: list[Any]) -> list[Any]:
        rows = zip(*values, strict=True)
        return [dict(zip(names, row, strict=True)) for row in rows]

    return answer
