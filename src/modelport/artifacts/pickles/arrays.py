"""NumPy's types, made by checked functions of ours: its own trust what a pickle says of sizes and memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from modelport.artifacts.pickles.permit import Permit, Refused, class_of, words
from modelport.artifacts.pickles.stream import Stream

_FUNCTIONS = words(
    "abs absolute amax amin any all argmax argmin around asarray atleast_1d atleast_2d clip column_stack cumsum diff "
    "dot expand_dims hstack max mean median min nan_to_num nanmax nanmean nanmedian nanmin nansum prod ptp ravel reshape "
    "round squeeze std sum transpose var vstack where"
)
"""Functions that models store, in a FunctionTransformer say. They compute on arrays; none opens a file or calls another."""

_BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")


def find_numpy(module: str, name: str) -> Any:
    """What stands for a global of NumPy; None where there is nothing."""
    make = _MAKERS.get(name)
    if make is not None:
        return Permit(f"{module}.{name}", make=make)
    if name in (
        "ndarray",
        "memmap",
    ):  # joblib names the class of an array that was mapped from a file when it was saved
        return Permit(f"{module}.{name}", np.ndarray)
    if name in ("matrix", "recarray"):
        return Permit(f"{module}.{name}", getattr(np, name, None) or getattr(np.rec, name))
    if name in ("MaskedArray", "MaskedConstant"):
        return Permit(f"{module}.{name}", np.ma.MaskedArray)
    if name in _BIT_GENERATORS:
        return Permit(f"{module}.{name}", getattr(np.random, name))
    found = getattr(np, name, None)
    if isinstance(found, np.ufunc) or (isinstance(found, type) and issubclass(found, np.generic)):
        return found
    return found if name in _FUNCTIONS else None


# -- types -----------------------------------------------------------------------------------------------------------


def _dtype(spec: Any, align: Any = False, copy: Any = False) -> np.dtype[Any]:
    """A copy always: the state that follows would change NumPy's own instance."""
    if not isinstance(spec, (str, type)):
        raise Refused("numpy.dtype", "is made of something that is neither a text nor a type")
    return np.dtype(spec, bool(align), True)


def check_dtype_state(dtype: np.dtype[Any], state: Any) -> None:
    """Raise Refused where a state says something else of memory than NumPy would itself.

    Such a type would let plain bytes be read as pointers to objects.
    """
    try:
        _, _, base, names, fields, size, alignment, flags = state[:8]
        wanted = _described(dtype, base, names, fields, size)
        sizes = size in (-1, wanted.itemsize) and alignment in (-1, 0, 1, 2, 4, 8, 16)
    except (TypeError, ValueError, KeyError, AttributeError):
        raise Refused("numpy.dtype", "has a state that no type has") from None
    plain = type(flags) is int and 0 <= flags < 256
    same = dtype.type is np.record or wanted.itemsize == dtype.itemsize
    if not plain or not sizes or not same or flags != wanted.flags & 0xFF:
        raise Refused("numpy.dtype", "has a state that says something wrong of memory")


def _described(dtype: np.dtype[Any], base: Any, names: Any, fields: Any, size: int) -> np.dtype[Any]:
    if base is not None:
        return np.dtype((base[0], base[1]))
    if not fields:
        return dtype
    formats = [fields[name][0] for name in names]
    if set(fields) != set(names) or not all(isinstance(f, np.dtype) for f in formats):
        raise ValueError(names)
    offsets = [fields[name][1] for name in names]
    return np.dtype({"names": list(names), "formats": formats, "offsets": offsets, "itemsize": size})


def check_array_state(array: Any, state: Any) -> None:
    """Raise Refused where an array would have more elements than came: NumPy reads the rest from memory that is not its own."""
    kind = type(array).__name__
    try:
        shape, dtype, _, data = state[1:5] if len(state) != 4 else state
        count = math.prod(shape)
        listed = isinstance(data, list)
        least = min(shape, default=0)
    except (TypeError, ValueError):
        raise Refused(f"numpy.{kind}", "has a state that no array has") from None
    if not isinstance(dtype, np.dtype) or listed != dtype.hasobject or least < 0:
        raise Refused(f"numpy.{kind}", "has a state that no array has")
    if len(data) != (count if listed else count * dtype.itemsize):
        raise Refused(f"numpy.{kind}", "says that it has more or fewer elements than came")


# -- arrays ----------------------------------------------------------------------------------------------------------


def _empty(permit: Any, shape: Any, _: Any) -> Any:
    """What `_reconstruct` makes: an array of nothing, which the state then fills."""
    if shape != (0,):
        raise Refused("numpy._core.multiarray._reconstruct", "is called for an array that is not empty")
    return np.ndarray.__new__(class_of(permit, np.ndarray), (0,), np.int8)


def _masked(permit: Any, *_: Any) -> Any:
    cls = class_of(permit, np.ma.MaskedArray)
    return np.ma.MaskedArray.__new__(cls, np.zeros(0, np.int8), mask=np.zeros(0, bool))


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> Any:
    if not isinstance(data, (bytes, bytearray)) or not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise Refused("numpy._core.numeric._frombuffer", "is called with something that is no data of an array")
    array = np.frombuffer(data, dtype)
    if order == "K" and axes is not None:
        return array.reshape(shape).transpose(axes)
    return array.reshape(shape, order=order)


def _scalar(dtype: Any, data: Any = b"") -> Any:
    if isinstance(data, str):
        data = data.encode("latin-1")
    fits = isinstance(dtype, np.dtype) and not dtype.hasobject and isinstance(data, bytes)
    if not fits or len(data) != dtype.itemsize:
        raise Refused("numpy._core.multiarray.scalar", "is called with something that is no number")
    return np.frombuffer(data, dtype)[0] if data else np.zeros((), dtype)[()]


def _ufunc(module: Any, name: Any) -> Any:
    found = getattr(np, str(name), None)
    if not str(module).startswith("numpy") or not isinstance(found, np.ufunc):
        raise Refused(f"{module}.{name}", "is no function of NumPy for arrays")
    return found


# -- random numbers --------------------------------------------------------------------------------------------------


def _bit_generator(kind: Any = "MT19937") -> Any:
    if isinstance(kind, Permit):
        return class_of(kind, np.random.BitGenerator)(0)
    if kind not in _BIT_GENERATORS:
        raise Refused(f"numpy.random.{kind}", "is no generator of NumPy")
    return getattr(np.random, kind)(0)


def _random_state(generator: Any = "MT19937", *_: Any) -> Any:
    made = generator if isinstance(generator, np.random.BitGenerator) else _bit_generator(generator)
    return np.random.RandomState(made)


def _generator(generator: Any = "MT19937", *_: Any) -> Any:
    made = generator if isinstance(generator, np.random.BitGenerator) else _bit_generator(generator)
    return np.random.Generator(made)


def _seed_sequence(*_: Any) -> Any:
    """A fresh one, which the state may fill: of a fitted model's generator nothing is asked any more."""
    return np.random.SeedSequence(0)


_MAKERS: dict[str, Callable[..., Any]] = {
    "dtype": _dtype,
    "_reconstruct": _empty,
    "_mareconstruct": _masked,
    "_frombuffer": _from_buffer,
    "scalar": _scalar,
    "_ufunc_reconstruct": _ufunc,
    "__bit_generator_ctor": _bit_generator,
    "__randomstate_ctor": _random_state,
    "__RandomState_ctor": _random_state,
    "__generator_ctor": _generator,
    "__pyx_unpickle_SeedSequence": _seed_sequence,
    "SeedSequence": _seed_sequence,
}


# -- arrays that joblib writes between the opcodes -------------------------------------------------------------------


class JoblibArray:
    """What joblib pickles in an array's place. The array's bytes follow in the stream, and are read when its state is known."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    subclass: Any
    order: str
    numpy_array_alignment_bytes: int | None = None

    def read(self, stream: Stream, nested: Callable[[], Any]) -> Any:
        """The array; `nested` unpickles one of objects, which stands as a pickle of its own in the stream."""
        if not isinstance(self.dtype, np.dtype) or not all(isinstance(n, int) and n >= 0 for n in self.shape):
            raise ValueError("an array without shape or type")
        cls = class_of(self.subclass, np.ndarray)
        array = nested() if self.dtype.hasobject else self._read_numbers(stream)
        return array.view(cls) if cls is np.matrix else array

    def _read_numbers(self, stream: Stream) -> Any:
        if self.numpy_array_alignment_bytes is not None:
            stream.read(stream.read(1)[0])
        size = math.prod(self.shape) * self.dtype.itemsize
        stream.claim(size)
        data = np.empty(size, np.uint8)
        if stream.fill(data) != size:
            raise EOFError
        array = data.view(self.dtype) if size else np.empty(math.prod(self.shape), self.dtype)
        array = array.reshape(self.shape[::-1]).T if self.order == "F" else array.reshape(self.shape)
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
