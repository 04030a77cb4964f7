"""A small builder of ONNX graphs: tensors with operators, so that a converter reads like the formula it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from modelport.compilation.texts import TextReader

Array = np.ndarray[Any, Any]
OPSET, ML_OPSET = 21, 5
"""Opset 5 of ai.onnx.ml is the first whose trees compare in float64. ONNX Runtime does it right since 1.24; from 1.21 on it
accepts such trees, and rounds their thresholds."""

IR_VERSION = 10


class NotConvertible(Exception):
    """A part of a model has no exact form in ONNX. `part` names it, `why` says what about it."""

    def __init__(self, part: str, why: str) -> None:
        super().__init__(f"{part}: {why}")
        self.part, self.why = part, why


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A value of the graph. Arrays and numbers that meet it become float64 constants."""

    graph: Graph
    name: str
    __array_ufunc__: ClassVar[None] = None
    """So that `array - tensor` is ours to answer and not NumPy's."""

    def __add__(self, other: Value) -> Tensor:
        return self.graph.op("Add", self, other)

    def __radd__(self, other: Value) -> Tensor:
        return self.graph.op("Add", other, self)

    def __sub__(self, other: Value) -> Tensor:
        return self.graph.op("Sub", self, other)

    def __rsub__(self, other: Value) -> Tensor:
        return self.graph.op("Sub", other, self)

    def __mul__(self, other: Value) -> Tensor:
        return self.graph.op("Mul", self, other)

    def __rmul__(self, other: Value) -> Tensor:
        return self.graph.op("Mul", other, self)

    def __truediv__(self, other: Value) -> Tensor:
        return self.graph.op("Div", self, other)

    def __rtruediv__(self, other: Value) -> Tensor:
        return self.graph.op("Div", other, self)

    def __matmul__(self, other: Value) -> Tensor:
        return self.graph.op("MatMul", self, other)

    def __rmatmul__(self, other: Value) -> Tensor:
        return self.graph.op("MatMul", other, self)

    def __neg__(self) -> Tensor:
        return self.graph.op("Neg", self)

    def __pow__(self, other: Value) -> Tensor:
        return self.graph.op("Pow", self, other)

    def __lt__(self, other: Value) -> Tensor:
        return self.graph.op("Less", self, other)

    def __le__(self, other: Value) -> Tensor:
        return self.graph.op("LessOrEqual", self, other)

    def __gt__(self, other: Value) -> Tensor:
        return self.graph.op("Greater", self, other)

    def __ge__(self, other: Value) -> Tensor:
        return self.graph.op("GreaterOrEqual", self, other)

    def equals(self, other: Value) -> Tensor:
        """Cell by cell; NaN equals nothing."""
        return self.graph.op("Equal", self, other)

    def is_nan(self) -> Tensor:
        """Cell by cell."""
        return self.graph.op("IsNaN", self)

    def where(self, yes: Value, no: Value) -> Tensor:
        """`yes` where this condition holds, else `no`."""
        return self.graph.op("Where", self, yes, no)

    def apply(self, op: str, **attributes: Any) -> Tensor:
        """An operator of one input, such as `Exp`."""
        return self.graph.op(op, self, **attributes)

    def cast(self, dtype: Any) -> Tensor:
        """To a NumPy dtype."""
        return self.graph.op("Cast", self, to=_onnx_type(dtype))

    def as_float(self) -> Tensor:
        """To float64."""
        return self.cast(np.float64)

    def rounded(self) -> Tensor:
        """To float32 and back: what libraries see that compute in float32."""
        return self.cast(np.float32).as_float()

    def columns(self, indices: Any) -> Tensor:
        """The columns at these positions, as a matrix."""
        return self.gather(np.asarray(indices, dtype=np.int64), 1)

    def column(self, index: int) -> Tensor:
        """One column, as a vector."""
        return self.gather(np.asarray(index, dtype=np.int64), 1)

    def gather(self, indices: Value, axis: int = 0) -> Tensor:
        """`numpy.take` along an axis."""
        return self.graph.op("Gather", self, indices, axis=axis)

    def reduce(self, kind: str, axis: int, keep: bool = False) -> Tensor:
        """`kind` is Sum, Max, Min, Mean, LogSumExp or L1."""
        return self.graph.op(f"Reduce{kind}", self, np.array([axis]), keepdims=int(keep))

    def total(self, axis: int = 1, keep: bool = False) -> Tensor:
        """The sum along an axis."""
        return self.reduce("Sum", axis, keep)

    def in_order(self, axis: int, length: int) -> Tensor:
        """The sum along an axis of this length, added up one by one, as a loop does it: rounding and all."""
        sums = self.graph.op("CumSum", self, np.array(axis))
        return sums.gather(np.array(length - 1), axis)

    def argmax(self, axis: int = 1) -> Tensor:
        """The position of the greatest value, the first of equals."""
        return self.apply("ArgMax", axis=axis, keepdims=0)

    def argmin(self, axis: int = 1) -> Tensor:
        """The position of the least value, the first of equals."""
        return self.apply("ArgMin", axis=axis, keepdims=0)

    def reshape(self, *shape: int) -> Tensor:
        """0 keeps an extent, -1 is whatever is left."""
        return self.graph.op("Reshape", self, np.array(shape))

    def tall(self) -> Tensor:
        """A vector as a matrix of one column."""
        return self.reshape(-1, 1)

    def transpose(self, *axes: int) -> Tensor:
        """The axes in another order."""
        return self.apply("Transpose", perm=list(axes))

    def clip(self, low: float | None, high: float | None) -> Tensor:
        """Within bounds; NaN stays."""
        clipped = self if low is None else (self < low).where(low, self)
        return clipped if high is None else (clipped > high).where(high, clipped)


Value = Tensor | Array | float | int | np.generic


class Graph:
    """Collects nodes and constants. One float64 matrix goes in: a row per record, a column per field."""

    def __init__(self, width: int) -> None:
        self.input = Tensor(self, "records")
        self.width = width
        self._nodes: list[Any] = []
        self._constants: dict[tuple[Any, ...], Any] = {}
        self._count = 0
        self._fields: dict[str, Array] = {"records": np.arange(width)}
        self.splits: dict[int, list[Array]] = {}
        self._refused: list[Tensor] = []
        self.texts: list[TextReader] = []

    def read_text(self, reader: TextReader) -> Tensor:
        """The counts of the terms of a text, for each record. They come in after the fields, from beside the graph."""
        start = self.width
        if reader in self.texts:  # of a model with many members that read the same
            start -= sum(r.width for r in self.texts[self.texts.index(reader) :])
        else:
            self.texts.append(reader)
            self.width += reader.width
        return self.op("Slice", self.input, np.array([start]), np.array([start + reader.width]), np.array([1]))

    def for_trees(self, x: Tensor) -> Tensor:
        """Rounded to float32, as scikit-learn's trees see it. What an earlier step made too large for that is refused, as there;
        fields as they were sent always fit."""
        if x.name not in self._fields:
            self.refuse_infinite(x.cast(np.float32))
        return x.rounded()

    def refuse_infinite(self, x: Tensor) -> None:
        """The original raises where a number of this matrix is infinite."""
        self._refused.append(x.apply("IsInf").as_float().reduce("Max", 1) > 0.0)

    def refused(self) -> Tensor | None:
        """By record, whether the original refuses it; None where it refuses none."""
        found = self._refused[0] if self._refused else None
        for more in self._refused[1:]:
            found = self.op("Or", found, more) if found is not None else more
        return found

    def note_splits(self, x: Tensor, feature: Array, threshold: Array) -> None:
        """Keep the thresholds of trees that see fields of the records as they were sent: rows are checked on both sides of each."""
        fields = self._fields.get(x.name)
        if fields is None:
            return
        for column in np.unique(feature):
            self.splits.setdefault(int(fields[column]), []).append(threshold[feature == column])

    def _trace(self, kind: str, inputs: Sequence[Value], made: Tensor) -> None:
        """Remember which fields a tensor's columns are, as long as nothing was done to their values but rounding."""
        source = inputs[0] if inputs else None
        fields = self._fields.get(source.name) if isinstance(source, Tensor) else None
        if fields is None:
            return
        if kind == "Cast":
            self._fields[made.name] = fields
        elif kind == "Gather" and isinstance(inputs[1], np.ndarray) and inputs[1].ndim == 1:
            self._fields[made.name] = fields[inputs[1]]

    def constant(self, value: Array | float | int | np.generic) -> Tensor:
        """A constant; floats and whole numbers are 64 bits wide, and equal ones are kept once."""
        from onnx import numpy_helper

        array = np.asarray(value)
        if array.dtype.kind == "f" and array.dtype != np.float32:
            array = array.astype(np.float64)
        if array.dtype.kind in "iu" and array.dtype != np.int64:
            array = array.astype(np.int64)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"c{len(self._constants)}"
            self._constants[key] = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        return Tensor(self, self._constants[key].name)

    def op(self, kind: str, *inputs: Value, **attributes: Any) -> Tensor:
        """A node with one output. Numbers and arrays among its inputs are float64; `constant` keeps float32."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, outputs: int, *inputs: Value, **attributes: Any) -> list[Tensor]:
        """A node with several outputs."""
        from onnx import helper

        names = [self._name(value) for value in inputs]
        made = [f"t{self._count + i}" for i in range(outputs)]
        self._count += outputs
        self._nodes.append(helper.make_node(kind, names, made, **attributes))
        tensors = [Tensor(self, name) for name in made]
        self._trace(kind, inputs, tensors[0])
        return tensors

    def _name(self, value: Value) -> str:
        if isinstance(value, Tensor):
            return value.name
        if isinstance(value, (np.ndarray, np.generic)) and value.dtype == np.float32:
            value = value.astype(np.float64)  # of a model that was fitted on float32 and is asked in float64
        return self.constant(float(value) if isinstance(value, (int, float)) else value).name

    def concat(self, parts: Sequence[Tensor], axis: int = 1) -> Tensor:
        """Side by side."""
        return parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=axis)

    def stack(self, vectors: Sequence[Tensor]) -> Tensor:
        """Vectors as the columns of a matrix."""
        return self.concat([vector.tall() for vector in vectors])

    def repeat(self, row: Array) -> Tensor:
        """The same row, or number, once for each record."""
        zero = self.input.gather(np.zeros(1, dtype=np.int64), 1).reshape(-1, *([1] * np.asarray(row).ndim))
        ones = zero.equals(zero).where(np.zeros(1), np.zeros(1))  # NaN times 0 is NaN, so not by a product
        if np.asarray(row).ndim == 0:
            ones = ones.reshape(-1)
        return ones + np.asarray(row, dtype=np.float64)

    def finish(self, outputs: dict[str, Tensor]) -> bytes:
        """The model as the bytes of an ONNX file, with these outputs."""
        from onnx import TensorProto, helper

        for name, tensor in outputs.items():
            self._nodes.append(helper.make_node("Identity", [tensor.name], [name]))
        given = [helper.make_tensor_value_info("records", TensorProto.DOUBLE, ["rows", self.width])]
        told = [_untyped_output(name) for name in outputs]
        graph = helper.make_graph(self._nodes, "modelport", given, told, list(self._constants.values()))
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="modelport")
        model.ir_version = IR_VERSION
        return bytes(model.SerializeToString())


def _untyped_output(name: str) -> Any:
    """ONNX Runtime infers the type."""
    import onnx

    info = onnx.ValueInfoProto()
    info.name = name
    return info


def _onnx_type(dtype: Any) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
