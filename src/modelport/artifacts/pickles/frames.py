"""The types of pandas, and of the Arrow arrays that hold its texts."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any

from modelport.artifacts.pickles.permit import Permit, Refused, class_of, import_library, words

_TYPES = words("Categorical CategoricalDtype CategoricalIndex DataFrame Index MultiIndex RangeIndex Series")
_ARRAYS = words(
    "ArrowStringArray BooleanArray DatetimeArray FloatingArray IntegerArray IntervalArray NumpyExtensionArray PeriodArray "
    "StringArray TimedeltaArray"
)
_DTYPES = re.compile(r"(String|Boolean|U?Int(8|16|32|64)|Float(32|64))Dtype")
_INDEX_KEYS = words("data name names levels codes labels sortorder start stop step")
"""What pickles of an index say. Others may name a time zone, which is a file."""

_FORMER_INDEXES = words("Int64Index UInt64Index Float64Index NumericIndex")
"""Gone since pandas 2: there an index is of the type of its numbers, without a class for each."""

_MANAGERS = ("BlockManager", "SingleBlockManager")


def find_pandas(module: str, name: str) -> Any:
    """What stands for a global of pandas, wherever the version that saved it kept it; None where there is nothing."""
    pandas = import_library("pandas")
    full = f"{module}.{name}"
    if name in _FORMER_INDEXES:
        return Permit(full, pandas.Index)
    if name in _TYPES:
        return Permit(full, getattr(pandas, name))
    if _DTYPES.fullmatch(name):
        return Permit(full, getattr(pandas, name), getattr(pandas, name))
    if name in _ARRAYS:
        return Permit(full, getattr(pandas.arrays, name))
    if name in _MANAGERS:
        from pandas.core.internals import managers

        return Permit(full, getattr(managers, name), getattr(managers, name))
    if name in ("NA", "NaT"):
        return getattr(pandas, name)
    return _find_function(name, full)


def _find_function(name: str, full: str) -> Any:
    from pandas._libs import arrays, internals

    if name == "_new_Index":
        return Permit(full, make=_new_index)
    if name == "__pyx_unpickle_NDArrayBacked":
        return Permit(full, make=_with_class(arrays.__pyx_unpickle_NDArrayBacked, arrays.NDArrayBacked))
    if name == "_unpickle_block":
        return Permit(full, make=internals._unpickle_block)
    if name == "_unpickle_timestamp":
        return Permit(full, make=_timestamp)
    return None


def _with_class(function: Callable[..., Any], base: type[Any]) -> Callable[..., Any]:
    def make(permit: Any, *rest: Any) -> Any:
        return function(class_of(permit, base), *rest)

    return make


def _timestamp(value: Any, freq: Any = None, zone: Any = None, unit: Any = 10) -> Any:
    """A moment without a time zone, which would be a file, or in UTC."""
    from pandas._libs.tslibs import timestamps

    if zone not in (None, datetime.UTC):
        raise Refused("pandas.Timestamp", "is in a time zone other than UTC")
    return timestamps._unpickle_timestamp(value, freq, zone, unit)


def _new_index(permit: Any, values: Any) -> Any:
    import pandas
    from pandas.core.indexes.base import _new_Index

    if not isinstance(values, dict) or not values.keys() <= _INDEX_KEYS:
        raise Refused("pandas.core.indexes.base._new_Index", "is called with arguments that no pickle of an index has")
    return _new_Index(class_of(permit, pandas.Index), values)


def find_arrow(module: str, name: str) -> Any:
    """What stands for a global of PyArrow; None where there is nothing."""
    make = {"py_buffer": _buffer, "type_for_alias": _type, "_restore_array": _array}.get(name)
    return make and Permit(f"{module}.{name}", make=make)


def _buffer(data: Any) -> Any:
    if not isinstance(data, (bytes, bytearray)):
        raise Refused("pyarrow.lib.py_buffer", "is made of something that is not bytes")
    return import_library("pyarrow").py_buffer(data)


def _type(alias: Any) -> Any:
    return import_library("pyarrow").type_for_alias(str(alias))


def _array(data: Any) -> Any:
    """Lengths and offsets in a pickle may point anywhere, so they are checked before anybody follows them."""
    pyarrow = import_library("pyarrow")
    array = pyarrow.lib._restore_array(data)
    array.validate(full=True)
    return array
