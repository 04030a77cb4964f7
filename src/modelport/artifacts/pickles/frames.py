"""The types of pandas, and of the Arrow arrays that hold its texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from modelport.artifacts.pickles.permit import Permit, Refused, class_of, words

_TYPES = words(
    "BooleanDtype Categorical CategoricalDtype CategoricalIndex DataFrame DatetimeIndex DatetimeTZDtype Index Interval "
    "IntervalDtype IntervalIndex MultiIndex Period PeriodDtype PeriodIndex RangeIndex Series StringDtype TimedeltaIndex"
)
_ARRAYS = words(
    "ArrowStringArray BooleanArray DatetimeArray FloatingArray IntegerArray IntervalArray NumpyExtensionArray PeriodArray "
    "StringArray TimedeltaArray"
)
_NUMBER_TYPE = re.compile(r"U?Int(8|16|32|64)Dtype|Float(32|64)Dtype")
_MANAGERS = ("BlockManager", "SingleBlockManager")


def find_pandas(module: str, name: str) -> Any:
    """What stands for a global of pandas, wherever the version that saved it kept it; None where there is nothing."""
    import pandas

    full = f"{module}.{name}"
    if name in _TYPES or _NUMBER_TYPE.fullmatch(name):
        cls = getattr(pandas, name)
        return Permit(full, cls, cls if name.endswith("Dtype") or name == "RangeIndex" else None)
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
    from pandas._libs.tslibs import timestamps

    if name == "_new_Index":
        return Permit(full, make=_new_index)
    if name == "__pyx_unpickle_NDArrayBacked":
        return Permit(full, make=_with_class(arrays.__pyx_unpickle_NDArrayBacked, arrays.NDArrayBacked))
    if name == "_unpickle_block":
        return Permit(full, make=internals._unpickle_block)
    if name == "_unpickle_timestamp":
        return Permit(full, make=timestamps._unpickle_timestamp)
    return None


def _with_class(function: Callable[..., Any], base: type[Any]) -> Callable[..., Any]:
    def make(permit: Any, *rest: Any) -> Any:
        return function(class_of(permit, base), *rest)

    return make


def _new_index(permit: Any, values: Any) -> Any:
    import pandas
    from pandas.core.indexes.base import _new_Index

    return _new_Index(class_of(permit, pandas.Index), values)


def find_arrow(module: str, name: str) -> Any:
    """What stands for a global of PyArrow; None where there is nothing."""
    make = {"py_buffer": _buffer, "type_for_alias": _type, "_restore_array": _array}.get(name)
    return make and Permit(f"{module}.{name}", make=make)


def _buffer(data: Any) -> Any:
    import pyarrow

    if not isinstance(data, (bytes, bytearray)):
        raise Refused("pyarrow.lib.py_buffer", "is made of something that is not bytes")
    return pyarrow.py_buffer(data)


def _type(alias: Any) -> Any:
    import pyarrow

    return pyarrow.type_for_alias(str(alias))


def _array(data: Any) -> Any:
    """Lengths and offsets in a pickle may point anywhere, so they are checked before anybody follows them."""
    import pyarrow

    array = pyarrow.lib._restore_array(data)
    array.validate(full=True)
    return array
