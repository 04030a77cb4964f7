"""PyTorch programs: TorchScript and `torch.export` files. Both hold the code with the weights; a bare state_dict does not."""

from __future__ import annotations

import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from modelport.artifacts.loaders.tabular import Array, is_sound, named_fields, settle_gaps, to_array
from modelport.errors import ArtifactError, MissingExtra, ModelportError, SignatureError, UntrustedPickle
from modelport.kernel.infer import refine
from modelport.kernel.ports import Cost, Hints, Model
from modelport.kernel.signature import Field, Kind, Output, Signature, Task, example_value
from modelport.kernel.values import Record

SUFFIXES = frozenset({".pt", ".pth", ".pt2", ".ptc", ".jit", ".torchscript"})
DTYPES = {
    "bfloat16": "float32",  # NumPy has none
    **{name: name for name in ("float16", "float32", "float64", "bool", "uint8", "int8", "int16", "int32", "int64")},
}
Call = Callable[[Sequence[Any]], Any]


class TorchLoader:
    """Reads `.pt2` of `torch.export`, and `.pt` or `.pth` of TorchScript."""

    extra = "torch"
    compiled = False

    def probe(self, path: Path, head: bytes) -> bool:
        """By its suffix: the archive inside is looked at when it is loaded."""
        return path.suffix.lower() in SUFFIXES

    def load(self, path: Path, hints: Hints) -> Model:
        """Read the program. Modules pickled whole are refused; pickles inside exported files go through PyTorch's allow-list.

        That protects the loading, not what comes after it: either file is a program, and is run to predict.
        """
        names = _archive_names(path)
        exported = _is_exported(names, path)
        try:
            import torch
        except ModuleNotFoundError:
            raise MissingExtra("a PyTorch model", self.extra) from None
        torch.set_num_threads(1)  # requests are the parallelism
        try:
            program = _read_exported(path, hints.allow_pickle) if exported else _read_script(path, names)
        except ModelportError:
            raise
        except pickle.UnpicklingError as error:
            raise _refusal(path, error) from None
        except Exception as error:  # PyTorch raises whatever its parts raise
            raise ArtifactError(f"{path} cannot be read by PyTorch: {_first_line(error)}") from None
        return TorchModel(program, path, hints)


def _archive_names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except zipfile.BadZipFile:
        if path.read_bytes()[:2] == b"PK":
            raise ArtifactError(f"{path} is damaged: it ends before its table of contents; copy it again") from None
        raise ArtifactError(f"{path} holds a pickle, not a program. {_WHAT_TO_SAVE}") from None


_WHAT_TO_SAVE = (
    "Save the code with the weights: torch.export.save(torch.export.export(model.eval(), (example,)), 'model.pt2') "
    "or torch.jit.script(model.eval()).save('model.pt')"
)


def _is_exported(names: Sequence[str], path: Path) -> bool:
    inside = {name.partition("/")[2] for name in names}
    if any(name.startswith("code/") for name in inside):
        return False
    if any(name.startswith("data/aotinductor/") for name in inside):
        raise ArtifactError(f"{path} is compiled for one machine by AOTInductor, which is not served. {_WHAT_TO_SAVE}")
    if "archive_format" in inside or "serialized_exported_program.json" in names:
        return True
    raise ArtifactError(f"{path} holds weights or a pickled module without its code. {_WHAT_TO_SAVE}")


def _refusal(path: Path, error: Exception) -> ArtifactError:
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    if found is None:
        return ArtifactError(f"{path} cannot be read by PyTorch: {_first_line(error)}")
    return UntrustedPickle(
        f"{path} was not loaded, because loading it could run code: {found[1]} is not on PyTorch's list of what a file may hold. "
        "Save the model as ONNX (torch.onnx.export); or, if you trust whoever made this file, add --allow-pickle",
        found[1],
    )


@contextmanager
def _only_weights(allow_pickle: bool) -> Iterator[None]:
    """PyTorch's own reader of exported files unpickles anything, in some versions after having refused it; this it obeys."""
    before = os.environ.get(_FORCE)
    if not allow_pickle:
        os.environ[_FORCE] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_FORCE, None)
        else:
            os.environ[_FORCE] = before


_FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0][:300]


# -- the two formats -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Program:
    """A callable with what its file says of inputs and outputs.

    `rows` says how records meet the batch axis: "batch" (all at once, within `limits`), "one" (an axis of length 1) or "none".
    `outputs` are empty where only a run can tell them; `located` are the inputs whose shape the file knows.
    """

    call: Call
    inputs: tuple[Field, ...]
    located: frozenset[str]
    dtypes: tuple[Any, ...]
    rows: str
    limits: tuple[int, int | None] = (1, None)
    outputs: tuple[Output, ...] = ()


def _read_script(path: Path, names: Sequence[str]) -> _Program:
    import torch

    traced = any(name.endswith("/traced_inputs.pkl") for name in names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the format is old, and files of it are many
        module = torch.jit.load(str(path), map_location="cpu", _restore_shapes=traced)
    module.eval()
    if not hasattr(module, "forward"):
        raise ArtifactError(f"{path} holds a module without forward. {_WHAT_TO_SAVE}")
    arguments = [a for a in module.forward.schema.arguments[1:] if not a.has_default_value()]
    for a in arguments:
        if str(a.type) != "Tensor":
            raise ArtifactError(f"the input {a.name!r} is a {a.type}; only tensors are served: wrap it in a module")
    names = [a.name for a in arguments]
    fields = [_script_field(a.name, t) for a, t in zip(arguments, list(module.graph.inputs())[1:], strict=False)]

    def call(tensors: Sequence[Any]) -> Any:
        return module(**dict(zip(names, tensors, strict=True)))

    located = frozenset(f.name for f in fields if f.dtype)
    return _Program(call, tuple(fields), located, (None,) * len(fields), "batch")


def _script_field(name: str, value: Any) -> Field:
    """Traced modules keep the shape of the example they were traced with, scripted ones none."""
    sizes, scalar = value.type().sizes(), value.type().scalarType()
    if sizes is None or scalar is None or len(sizes) == 0:
        return Field(name, Kind.TENSOR, guessed=True, reasons=("a tensor, of a shape that TorchScript does not store",))
    dtype = {"Float": "float32", "Double": "float64", "Half": "float16", "Long": "int64", "Int": "int32"}.get(scalar)
    reason = "shape of the example that the model was traced with"
    return Field(
        name,
        Kind.TENSOR,
        shape=tuple(sizes[1:]),
        dtype=dtype or DTYPES[scalar.lower()],
        guessed=True,
        reasons=(reason,),
    )


def _read_exported(path: Path, allow_pickle: bool) -> _Program:
    import torch
    from torch.export.graph_signature import InputKind, TensorArgument
    from torch.utils import _pytree as pytree

    with _only_weights(allow_pickle):
        program = torch.export.load(str(path))
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    arguments = [s.arg for s in program.graph_signature.input_specs if s.kind == InputKind.USER_INPUT]
    tensors = [a.name for a in arguments if isinstance(a, TensorArgument)]
    fixed = [None if isinstance(a, TensorArgument) else a.value for a in arguments]
    places = [i for i, a in enumerate(arguments) if isinstance(a, TensorArgument)]
    module, spec = program.module(), program.call_spec.in_spec

    def call(given: Sequence[Any]) -> Any:
        leaves = list(fixed)
        for i, tensor in zip(places, given, strict=True):
            leaves[i] = tensor
        args, kwargs = pytree.tree_unflatten(leaves, spec)
        return module(*args, **kwargs)

    outputs = _exported_outputs(program, values, pytree)
    shapes = [tuple(values[name].shape) for name in tensors]
    rows, limits = _read_rows(shapes, outputs.values(), program.range_constraints)
    fields = tuple(_exported_field(name, values[name], rows) for name in tensors)
    dtypes = tuple(values[name].dtype for name in tensors)
    described = tuple(_exported_output(name, value, rows) for name, value in outputs.items())
    return _Program(call, fields, frozenset(tensors), dtypes, rows, limits, described)


def _exported_outputs(program: Any, values: Mapping[str, Any], pytree: Any) -> dict[str, Any]:
    leaves = [values.get(name) if isinstance(name, str) else name for name in program.graph_signature.user_outputs]
    return named_leaves(pytree.tree_unflatten(leaves, program.call_spec.out_spec))


def _read_rows(
    inputs: Sequence[tuple[Any, ...]], outputs: Iterable[Any], ranges: Mapping[Any, Any]
) -> tuple[str, tuple[int, int | None]]:
    """How records meet the batch axis: a free first axis that all inputs and outputs share takes any number of them."""
    firsts = {str(shape[0]) if shape else "" for shape in inputs}
    if "" in firsts or len(firsts) != 1:
        return "none", (1, 1)
    first = inputs[0][0]
    if isinstance(first, int):
        return ("one" if first == 1 else "none"), (1, 1)
    if not all(getattr(o, "shape", None) and str(o.shape[0]) == str(first) for o in outputs):
        return "one", (1, 1)  # an output over the whole batch would mix the records of several callers
    bounds = ranges.get(first.node.expr)
    if bounds is None:
        return "batch", (1, None)
    return "batch", (int(bounds.lower), int(bounds.upper) if bounds.upper.is_Integer else None)


def _exported_field(name: str, value: Any, rows: str) -> Field:
    stored = str(value.dtype).removeprefix("torch.")
    if stored not in DTYPES:
        raise ArtifactError(f"the input {name!r} is of type {stored}, which cannot be sent as JSON")
    shape = _record_shape(value, rows)
    return Field(name, Kind.TENSOR, shape=shape, dtype=DTYPES[stored], reasons=("shape and type of the program",))


def _exported_output(name: str, value: Any, rows: str) -> Output:
    dtype = str(getattr(value, "dtype", type(value).__name__)).removeprefix("torch.")
    return Output(name, Kind.TENSOR, shape=_record_shape(value, rows), dtype=DTYPES.get(dtype, dtype))


def _record_shape(value: Any, rows: str) -> tuple[int | None, ...]:
    shape = tuple(d if isinstance(d, int) else None for d in getattr(value, "shape", ()))
    return shape if rows == "none" else shape[1:]


def named_leaves(value: Any, name: str = "") -> dict[str, Any]:
    """The tensors of any structure by name: keys and field names as they are, output_0, output_1, … for the rest."""
    if isinstance(value, Mapping):
        parts = [(str(key), part) for key, part in value.items()]
    elif hasattr(value, "_fields"):
        parts = list(zip(value._fields, value, strict=True))
    elif isinstance(value, (list, tuple)):
        parts = [(str(i) if name else f"output_{i}", part) for i, part in enumerate(value)]
    else:
        return {} if value is None else {name or "output": value}
    named = (named_leaves(part, f"{name}_{key}" if name else key) for key, part in parts)
    return {key: leaf for leaves in named for key, leaf in leaves.items()}


# -- the model -----------------------------------------------------------------------------------------------------


class TorchModel:
    """A program with its signature."""

    def __init__(self, program: _Program, path: Path, hints: Hints) -> None:
        fields, self._table = _read_fields(program, path, hints)
        self._program = program
        self._dtypes = [np.dtype(f.dtype or "float32") for f in fields[:1]] if self._table else []
        if not program.outputs:
            self._explore(fields, path)
        if self._table:
            fields = settle_gaps(fields, self._works)
        self.signature = Signature(Task.TENSOR, fields, self._program.outputs)
        self.cost = Cost(bytes=path.stat().st_size, compiled=False, releases_gil=True)

    def predict(self, records: Sequence[Record]) -> list[Any]:
        """As many records at once as the program takes."""
        low, high = self._program.limits
        step = high or len(records)
        return [answer for i in range(0, len(records), step) for answer in self._run(records[i : i + step], low)]

    def _run(self, records: Sequence[Record], least: int) -> list[Any]:
        import torch

        padded = [*records, *[records[-1]] * (least - len(records))]
        with torch.inference_mode():
            leaves = named_leaves(self._program.call(self._tensors(padded)))
        if self._program.rows == "batch":
            rows = list(zip(*(_rows(leaf, len(padded)) for leaf in leaves.values()), strict=True))
            return [dict(zip(leaves, row, strict=True)) for row in rows[: len(records)]]
        strip = self._program.rows == "one"
        return [{name: _plain(leaf[0] if strip and _is_row(leaf) else leaf) for name, leaf in leaves.items()}]

    def _tensors(self, records: Sequence[Record]) -> list[Any]:
        import torch

        if self._table:
            arrays: list[Array] = [to_array(records, self._dtypes[0])]
        else:
            columns = zip(*records, strict=True)
            arrays = [np.asarray(c[0]) if self._program.rows == "none" else np.stack(c) for c in columns]
        tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
        dtypes = self._program.dtypes
        return [t if d is None or t.dtype == d else t.to(d) for t, d in zip(tensors, dtypes, strict=True)]

    def _explore(self, fields: Sequence[Field], path: Path) -> None:
        """Run the model's own example, to learn its outputs and whether it takes several records at once."""
        example = _example(fields)
        self._program = replace(self._program, rows="one", limits=(1, 1))
        try:
            answer = self.predict([example])[0]
        except Exception as error:
            shapes = ", ".join(f"{f.name} {list(f.shape)} {f.dtype}" for f in fields) if not self._table else "a row"
            raise SignatureError(
                f"{path} fails on an example ({shapes}): {_last_line(error)}; "
                f"correct shape or dtype, or give an example, in {path.with_suffix('.toml').name}"
            ) from None
        free = any(None in f.shape for f in fields)
        outputs = tuple(_explored_output(name, value, free) for name, value in answer.items())
        self._program = replace(self._program, outputs=outputs)
        if self._takes_batches(example):
            self._program = replace(self._program, rows="batch", limits=(1, None))

    def _takes_batches(self, example: Record) -> bool:
        one = self._program
        self._program = replace(one, rows="batch", limits=(1, None))
        try:
            return len(self.predict([example])) == 1 and len(self.predict([example, example])) == 2
        except Exception:  # the model is written for one record at a time
            return False
        finally:
            self._program = one

    def _works(self, record: Record) -> bool:
        answer = self.predict([record])[0]
        return all(is_sound(value) for value in answer.values())


def _is_row(leaf: Any) -> bool:
    shape: Sequence[int] = getattr(leaf, "shape", ())
    return len(shape) > 0 and shape[0] == 1


def _rows(leaf: Any, count: int) -> list[Any]:
    shape: Sequence[int] = getattr(leaf, "shape", ())
    if len(shape) == 0 or shape[0] != count:
        raise ValueError(f"an output of shape {list(shape)} for {count} records")
    return list(_plain(leaf))


def _plain(leaf: Any) -> Any:
    return leaf.tolist() if hasattr(leaf, "tolist") else leaf


def _last_line(error: Exception) -> str:
    """TorchScript tells its own traceback first and the reason last."""
    return str(error).strip().rpartition("\n")[2][:300]


def _example(fields: Sequence[Field]) -> Record:
    return tuple(
        np.array(example_value(f), dtype=f.dtype) if f.kind is Kind.TENSOR else example_value(f) for f in fields
    )


def _explored_output(name: str, value: Any, free: bool) -> Output:
    array = np.asarray(value)
    dtype = {"f": "float32", "i": "int64", "b": "bool"}.get(array.dtype.kind, str(array.dtype))
    return Output(name, Kind.TENSOR, shape=(None,) * array.ndim if free else array.shape, dtype=dtype)


# -- inputs --------------------------------------------------------------------------------------------------------


def _read_fields(program: _Program, path: Path, hints: Hints) -> tuple[tuple[Field, ...], bool]:
    """The inputs as tensors, or as the columns of a table where there is one input of a flat row and the user names them."""
    if len(program.inputs) == 1 and (hints.features or hints.columns) and _is_flat(program, program.inputs[0]):
        only = program.inputs[0]
        count = only.shape[0] if only.shape else None
        dtype = only.dtype or "float32"
        kind = Kind.INT if "int" in dtype else Kind.FLOAT
        fields, _ = named_fields(None, count, hints, kind=kind, dtype=dtype)
        return refine(fields, hints), True
    refined = refine(program.inputs, hints)
    for f in refined:
        if f.guessed and f.name not in program.located:
            raise SignatureError(_ask_for_shape(f, path))
    return tuple(replace(f, dtype=f.dtype or "float32") for f in refined), False


def _is_flat(program: _Program, f: Field) -> bool:
    return program.rows != "none" and (len(f.shape) == 1 if f.name in program.located else True)


def _ask_for_shape(f: Field, path: Path) -> str:
    return (
        f"TorchScript stores no shape for the input {f.name!r}. Say the shape of one record, without the batch axis, in "
        f'{path.with_suffix(".toml").name}:  [fields.{f.name}]  shape = [3, 224, 224]  dtype = "float32"  '
        "(-1 for an axis of any length); where it is a row of a table, name its columns with --features or --data"
    )
