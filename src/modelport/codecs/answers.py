"""Answers of models in Python to JSON: whatever models return, found by its type and without importing its library.

Numbers of 32 bits are written as they print: 0.1, not 0.10000000149011612. NaN and infinity become null and are counted.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import partial
from pathlib import PurePath
from typing import Any

import msgspec
import orjson

from modelport.codecs.json import Encoded

Plain = Callable[[Any], Any]
ADVICE = "return numbers, strings, lists, dictionaries, dataclasses, Pydantic models, arrays or tables"
ARRAY_KINDS = "biuf"
MAX_SHOWN = 60


class UnknownAnswer(TypeError):
    """An answer holds something that no rule here can write. The message names it and the way to it."""


class CannotWrite(Exception):
    """An answer that the wanted media type has no form for. The message says why."""


def encode_answer(value: Any) -> bytes:
    """JSON of any answer; an `Encoded` where numbers were none. Raises UnknownAnswer."""
    try:
        whole = _array_json(value) if _writers.get(type(value)) is _write_array else None
        if whole is not None:  # of a large array, nothing is looked at twice
            return whole if _is_finite(value) else _mark(whole, value)
        encoded = _encode(value)
    except (TypeError, ValueError, RecursionError):  # a key or a value that wants care, or that nobody can write
        value = _simplify_all(value)
        encoded = _encode(value)
    return encoded if b"null" not in encoded else _mark(encoded, value)


def _mark(encoded: bytes, value: Any) -> Encoded:
    marked = Encoded(encoded)
    marked.non_finite = count_none_numbers(value)
    return marked


def _is_finite(array: Any) -> bool:
    if array.dtype.kind != "f":
        return True
    import numpy as np

    return bool(np.isfinite(array).all())


# -- how one kind of object is written ----------------------------------------------------------------------------


def _write_array(array: Any) -> Any:
    """JSON at once where the numbers allow it, else what can be walked through."""
    written = _array_json(array)
    return plain_array(array) if written is None else msgspec.Raw(written)


def _array_json(array: Any) -> bytes | None:
    """None where the numbers of an array want more care. Raises TypeError for those that nobody can write."""
    kind = array.dtype.kind
    if array.dtype.hasobject or kind not in ARRAY_KINDS or not array.ndim:
        return None
    if array.dtype.itemsize > 8:  # long doubles
        array = array.astype("float64")
    elif not array.dtype.isnative or not array.flags.c_contiguous:
        array = array.astype(array.dtype.newbyteorder("="), order="C")
    return orjson.dumps(array, option=orjson.OPT_SERIALIZE_NUMPY)


def plain_array(array: Any) -> Any:
    """Lists, of whatever is no plain number; a scalar where it has no axes."""
    kind = array.dtype.kind
    if array.dtype.names:
        return [dict(zip(array.dtype.names, row, strict=True)) for row in array.ravel().tolist()]
    if kind in "Mm":
        return array.astype(f"{kind}8[us]").tolist()  # finer units would come out as bare integers
    if kind == "V":  # bfloat16 and its like
        return _write_array(array.astype("float32"))
    if kind == "c":
        raise UnknownAnswer("an array of complex numbers, which JSON has not; return real and imaginary parts")
    return array.item() if kind == "f" and not array.ndim and array.dtype.itemsize == 8 else _shortest(array)


def _shortest(array: Any) -> Any:
    if array.dtype.kind == "f" and array.ndim == 0:
        return _write_scalar(array[()])
    return array.tolist()


def _write_scalar(scalar: Any) -> Any:
    """32 bits and fewer as they print: the float64 nearest to 0.1f prints as 0.10000000149011612."""
    kind = scalar.dtype.kind
    if kind == "f" and scalar.dtype.itemsize < 8:
        return float(str(scalar))
    if kind in "MmVc":
        return plain_array(scalar.reshape(()))
    return scalar.item() if scalar.dtype.itemsize <= 8 else float(scalar)


def _write_tensor(tensor: Any) -> Any:
    return _write_array(tensor_array(tensor))


def tensor_array(tensor: Any) -> Any:
    """The array of a tensor, wherever it lies and whatever it remembers."""
    for step in ("detach", "cpu", "to_dense"):
        tensor = getattr(tensor, step)() if hasattr(tensor, step) else tensor
    if str(getattr(tensor, "dtype", "")).endswith("bfloat16"):
        tensor = tensor.float()
    return tensor.numpy()


def series_values(series: Any) -> list[Any]:
    """The values of a pandas column as Python's own, None where one is missing; floats stay NaN to be counted."""
    kind = getattr(series.dtype, "kind", "O")
    if kind == "f" and not hasattr(series.dtype, "numpy_dtype"):
        values = series.to_numpy()
        return values.tolist() if values.dtype.itemsize == 8 else [float(str(v)) for v in values]
    if kind in "biu" and not hasattr(series.dtype, "numpy_dtype"):
        return series.to_numpy().tolist()  # type: ignore[no-any-return]
    missing = series.isna().to_numpy()
    return [
        value if not gone or (isinstance(value, float) and kind == "f") else None
        for value, gone in zip(series, missing, strict=True)
    ]


def _write_frame(frame: Any) -> Any:
    """Records; the index is not part of them."""
    names = [str(name) if not isinstance(name, tuple) else ".".join(map(str, name)) for name in frame.columns]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UnknownAnswer(f"a table with two columns called {twice!r}; give each its own name")
    columns = [series_values(frame.iloc[:, i]) for i in range(len(names))]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)] if names else [{}] * len(frame)


def _write_pydantic(value: Any) -> Any:
    from pydantic_core import PydanticSerializationError

    try:
        return value.model_dump(mode="json")
    except (PydanticSerializationError, ValueError):  # an array in it, say: which is ours to write
        return value.model_dump()


def _write_masked(array: Any) -> Any:
    return array.tolist()


_BY_NAME: dict[tuple[str, str], Plain] = {
    ("numpy", "MaskedArray"): _write_masked,
    ("numpy", "ndarray"): _write_array,
    ("numpy", "generic"): _write_scalar,
    ("pandas", "NaTType"): lambda _: None,
    ("pandas", "NAType"): lambda _: None,
    ("pandas", "Timestamp"): lambda v: v.to_pydatetime(warn=False),
    ("pandas", "Timedelta"): lambda v: v.to_pytimedelta(),
    ("pandas", "Period"): str,
    ("pandas", "Interval"): str,
    ("pandas", "DataFrame"): _write_frame,
    ("pandas", "Series"): series_values,
    ("pandas", "Index"): lambda v: series_values(v.to_series()),
    ("pandas", "ExtensionArray"): lambda v: [None if gone else x for x, gone in zip(v, v.isna(), strict=True)],
    ("polars", "DataFrame"): lambda v: v.to_dicts(),
    ("polars", "Series"): lambda v: v.to_list(),
    ("pyarrow", "Table"): lambda v: v.to_pylist(),
    ("pyarrow", "RecordBatch"): lambda v: v.to_pylist(),
    ("torch", "Tensor"): _write_tensor,
    ("tensorflow", "Tensor"): _write_tensor,
    ("pydantic", "BaseModel"): _write_pydantic,
}
"""Package and class name, looked for along the bases of an object's type: no library is imported to tell its objects."""

_BUILT_IN: tuple[tuple[type | tuple[type, ...], Plain], ...] = (
    (str, str.__str__),
    (bool, bool),
    (int, int),
    (float, float),
    (PurePath, str),
    (Mapping, dict),
    ((Set, range), list),
    (Sequence, list),
)

_writers: dict[type, Plain] = {}
"""Of the types that were met: which one writes them."""


def _find_writer(kind: type) -> Plain:
    for base in kind.__mro__:
        found = _BY_NAME.get((base.__module__.partition(".")[0], base.__name__))
        if found is not None:
            return found
    for bases, write in _BUILT_IN:
        if issubclass(kind, bases):
            return write
    if hasattr(kind, "__next__"):
        return _refuse
    if kind.__name__ in ("deque", "dict_values", "dict_keys", "dict_items"):
        return list
    if hasattr(kind, "detach") or (hasattr(kind, "numpy") and hasattr(kind, "dtype")):
        return _write_tensor
    return _write_by_protocol if hasattr(kind, "__array__") or hasattr(kind, "tolist") else _refuse


def _write_by_protocol(value: Any) -> Any:
    """Arrays of other libraries, which convert themselves."""
    if hasattr(value, "__array__"):
        import numpy as np

        return _write_array(np.asarray(value))
    return value.tolist()


def _refuse(value: Any) -> Any:
    raise UnknownAnswer(f"a {type(value).__module__}.{type(value).__qualname__}; {ADVICE}")


def _write(value: Any) -> Any:
    kind = type(value)
    writer = _writers.get(kind)
    if writer is None:
        writer = _writers[kind] = _find_writer(kind)
    return writer(value)


_encode = msgspec.json.Encoder(enc_hook=_write).encode


# -- numbers that are none ----------------------------------------------------------------------------------------


def count_none_numbers(value: Any) -> int:
    """How many numbers of an answer are NaN or infinite. What the model itself gave as None is none of them."""
    in_arrays: list[int] = []
    rest = msgspec.to_builtins(value, enc_hook=partial(_count_hook, in_arrays))
    return sum(in_arrays) + count_none_floats(rest)


def _count_hook(found: list[int], value: Any) -> Any:
    written = value if isinstance(value, msgspec.Raw) else _write_unless_array(found, value)
    return None if isinstance(written, msgspec.Raw) else written


def _write_unless_array(found: list[int], value: Any) -> Any:
    array = value if hasattr(value, "dtype") and hasattr(value, "ndim") and hasattr(value, "strides") else None
    if array is None and hasattr(type(value), "detach"):
        array = tensor_array(value)
    if array is not None and hasattr(array, "filled"):
        array = array.filled(0)  # what is masked is missing, not wrong
    if array is None or array.dtype.kind not in "fV" or array.dtype.names:
        return _write(value)
    import numpy as np

    found.append(int(array.size - np.isfinite(array.astype("float32") if array.dtype.kind == "V" else array).sum()))
    return None


def count_none_floats(part: Any) -> int:
    """The same for what consists of Python's plain values alone: nothing of it is copied."""
    if isinstance(part, dict):
        return sum(map(count_none_floats, part.values()))
    if isinstance(part, (list, tuple)):
        return sum(map(count_none_floats, part))
    return isinstance(part, float) and not math.isfinite(part)


# -- the careful way ----------------------------------------------------------------------------------------------


def _simplify_all(value: Any) -> Any:
    try:
        return _simplify(value, "result")
    except RecursionError:
        raise UnknownAnswer("result is nested too deeply, or holds itself") from None


def _simplify(value: Any, path: str) -> Any:
    """The same with keys that JSON has; raises UnknownAnswer with the path of the first part that cannot be written."""
    if isinstance(value, Mapping):
        return {_key(key, path): _simplify(inner, f"{path}[{_short(key)}]") for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_simplify(inner, f"{path}[{i}]") for i, inner in enumerate(value)]
    if isinstance(value, msgspec.Raw):
        return value
    fields = _fields(value)
    if fields is not None:
        return {name: _simplify(inner, f"{path}.{name}") for name, inner in fields}
    try:
        _encode(value)
    except UnicodeEncodeError:
        raise UnknownAnswer(f"{path} is text that is no Unicode: {ascii(value)[:MAX_SHOWN]}") from None
    except RecursionError:
        raise
    except Exception as error:
        return _simplify_written(value, path, error)
    return value


def _simplify_written(value: Any, path: str, error: Exception) -> Any:
    """Either nobody can write it, or something in it."""
    try:
        written = _write(value)
    except UnknownAnswer as unknown:
        raise UnknownAnswer(f"{path} is {unknown}") from None
    if type(written) is type(value):
        raise UnknownAnswer(f"{path} is a {type(value).__qualname__} that cannot be written: {error}") from None
    return _simplify(written, path)


def _fields(value: Any) -> Iterable[tuple[str, Any]] | None:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value)]
    if isinstance(value, msgspec.Struct):
        return [(name, getattr(value, name)) for name in value.__struct_fields__]
    return None


def _key(key: Any, path: str) -> Any:
    """Text of a key, as JSON has no other."""
    if hasattr(key, "item") and hasattr(key, "dtype"):
        key = key.item()
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, (tuple, list, frozenset)) or key != key:
        raise UnknownAnswer(f"{path} has the key {_short(key)}, which is no text; use strings as keys")
    try:
        _encode({key: 0})
    except (TypeError, ValueError, RecursionError):
        written = str(key) if isinstance(key, PurePath) else _write(key)
        return str(written)
    return key


def _short(key: Any) -> str:
    shown = repr(key.item() if hasattr(key, "item") and hasattr(key, "dtype") else key)
    return shown if len(shown) <= MAX_SHOWN else shown[: MAX_SHOWN - 1] + "…"
