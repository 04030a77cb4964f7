"""Arrays as inputs: `Annotated[np.ndarray, modelport.Array("float32", (None, 8))]`, or `NDArray[np.float32]` for the type alone.

Lists are checked and converted whole, in C, instead of element by element.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn, get_args

import msgspec

from modelport.codecs.problems import RUNS_NO_CODE, declared_wrong, refuse
from modelport.kernel.check import FLOAT_ENDS

Shape = tuple[int | None, ...]
INT_LIMITS = {f"{sign}int{bits}": bits for sign in ("", "u") for bits in (8, 16, 32, 64)}
DTYPES = ("float16", "float32", "float64", "bool", *INT_LIMITS)
MAX_DIMENSIONS = 32


@dataclass(frozen=True)
class Array:
    """An input that is an array of one element type.

    `shape`: a length or None (any) for each axis; without it any shape fits. `finite=False`: NaN is welcome, and null in
    JSON stands for it. Raises ConfigError where dtype or shape are none.
    """

    dtype: Any
    shape: Shape | None = None
    finite: bool = True

    def __post_init__(self) -> None:
        if self.name not in DTYPES:
            declared_wrong(f"Array wants a type of numbers, one of {', '.join(DTYPES)}, not {self.name!r}")
        if self.shape is not None:
            shape = (self.shape,) if isinstance(self.shape, int) else self.shape
            if not isinstance(shape, tuple) or not all(n is None or (type(n) is int and n >= 0) for n in shape):
                declared_wrong(f"Array wants a length or None for each axis, as in (None, 8), not {self.shape!r}")
            object.__setattr__(self, "shape", shape)
        if not self.finite and not self.name.startswith("float"):
            declared_wrong(f"Array with finite=False wants floats: {self.name} has no NaN")

    @cached_property
    def name(self) -> str:
        """The element type by name, however it was given."""
        given = self.dtype
        return (
            given if isinstance(given, str) else str(getattr(given, "name", None) or getattr(given, "__name__", given))
        )

    @property
    def list_depth(self) -> int:
        """How many lists are around one number; more than any batch where that is open."""
        return MAX_DIMENSIONS if self.shape is None else len(self.shape)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Read by `read_array`; an array that is there already is checked against the same rules."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(compile_reader(self), metadata={RUNS_NO_CODE: True})

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """The same as `json_schema`."""
        return self.json_schema()

    def json_schema(self) -> dict[str, Any]:
        """Nested lists of numbers."""
        kind = "boolean" if self.name == "bool" else "integer" if "int" in self.name else "number"
        schema: dict[str, Any] = {"type": kind if self.finite else [kind, "null"], **_bounds(self.name)}
        if self.shape is None:
            return {"type": "array", "items": {}, "description": f"Nested lists of {self.name}"}
        for length in reversed(self.shape):
            fixed = {} if length is None else {"minItems": length, "maxItems": length}
            schema = {"type": "array", "items": schema, **fixed}
        return {**schema, "description": f"{self.name}, shape {shape_text(self.shape)}"}


def _bounds(name: str) -> dict[str, float]:
    """What an element can hold: beyond that, a float would become infinite."""
    if name in FLOAT_ENDS:
        return {"exclusiveMinimum": -FLOAT_ENDS[name], "exclusiveMaximum": FLOAT_ENDS[name]}
    if name not in INT_LIMITS:
        return {}
    bits = INT_LIMITS[name]
    return (
        {"minimum": 0, "maximum": 2**bits - 1}
        if name[0] == "u"
        else {"minimum": -(2 ** (bits - 1)), "maximum": 2 ** (bits - 1) - 1}
    )


def shape_text(shape: Shape) -> str:
    """As people write it: (any, 8)."""
    inner = ", ".join("any" if n is None else str(n) for n in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def array_of(hint: Any) -> Array | None:
    """What `NDArray[np.float32]` says, or `np.ndarray[tuple[int, int], …]`. None where it names no element type."""
    args = get_args(hint)
    element = get_args(args[1]) if len(args) == 2 else ()
    if not element or not isinstance(element[0], type) or element[0].__name__ not in (*DTYPES, "bool_"):
        return None
    axes = get_args(args[0])
    shape = None if not axes or axes[-1] is Ellipsis or args[0] is Any else (None,) * len(axes)
    return Array(element[0].__name__.rstrip("_"), shape)


# -- reading -------------------------------------------------------------------------------------------------------


def leaf_of(declared: Array) -> Any:
    """The type of one number in JSON."""
    leaf: Any = {"b": bool, "i": int, "u": int, "f": float}[declared.name[0]]
    return leaf if declared.finite else leaf | None


def compile_reader(declared: Array, copy: bool = True) -> Callable[[Any], Any]:
    """A function from nested lists, or an array, to an array of the declared type and shape. `copy`: never the same array."""
    leaf = leaf_of(declared)
    expected = leaf
    for _ in declared.shape or ():
        expected = list[expected]  # type: ignore[valid-type]

    def read(value: Any) -> Any:
        if hasattr(value, "dtype"):
            return fit_array(value, declared, copy)
        kind = _nest(leaf, value) if declared.shape is None else expected
        try:
            checked = msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            _refuse_list(value, declared, error)
        return to_array(checked, declared)

    return read


def _nest(leaf: Any, value: Any) -> Any:
    """The type of lists as deep as the first element lies, for a shape that is open."""
    depth = 0
    while isinstance(value, list) and depth < MAX_DIMENSIONS:
        leaf, depth = list[leaf], depth + 1
        value = value[0] if value else None
    return leaf


def to_array(lists: Any, declared: Array) -> Any:
    """An array of the declared type and shape. Raises where lists differ in length, or a number does not fit."""
    import numpy as np

    try:
        with np.errstate(over="ignore"):
            array = np.array(lists, dtype=declared.name)
    except OverflowError:
        refuse("array_range", f"a number is outside {declared.name}", f"send numbers that {declared.name} can hold")
    except ValueError:
        refuse("array_ragged", _ragged_text(lists), "send lists of one length on each axis")
    if array.size == 0 and declared.shape and array.ndim < len(declared.shape):
        array = _empty(array, declared.shape)
    return _check(array, declared)


def _empty(array: Any, shape: Shape) -> Any:
    """JSON writes (0, 8) as [], too."""
    return array.reshape(*array.shape[:-1], 0, *(n or 0 for n in shape[array.ndim :]))


def fit_array(array: Any, declared: Array, copy: bool = True) -> Any:
    """An array from elsewhere, converted if no number changes its kind."""
    import numpy as np

    wanted = np.dtype(declared.name)
    kinds = {"f": "fiu", "i": "iu", "u": "iu", "b": "b"}[wanted.kind]
    if array.dtype.kind not in kinds:
        refuse(
            "array_type",
            f"an array of {array.dtype} came where {declared.name} is wanted",
            "convert it before you send it",
        )
    with np.errstate(over="ignore", invalid="ignore"):
        converted = array.astype(wanted, copy=copy)
    if wanted.kind in "iu" and not (converted == array).all():
        refuse("array_range", f"a number is outside {declared.name}", f"send numbers that {declared.name} can hold")
    return _check(converted, declared, array)


def _check(array: Any, declared: Array, sent: Any = None) -> Any:
    import numpy as np

    if declared.shape is not None:
        check_shape(array.shape, declared.shape)
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return array
    lost = np.isinf(array) if declared.finite or sent is None else np.isinf(array) & ~np.isinf(sent)
    if declared.finite and np.isnan(array).any():
        refuse("array_not_finite", "the array holds NaN", "replace or leave out what is missing")
    if lost.any():
        at = tuple(int(axis[0]) for axis in np.nonzero(lost))
        refuse(
            "array_range",
            f"the number at {list(at)} is infinite as {declared.name}",
            f"send numbers that {declared.name} can hold",
        )
    return array


def check_shape(came: tuple[int, ...], wanted: Shape) -> None:
    """Refuses a wrong shape by its axis and sizes."""
    if len(came) != len(wanted):
        refuse(
            "array_shape",
            f"the array has {_axes(len(came))}, shape {came}; {_axes(len(wanted))} are wanted, shape {shape_text(wanted)}",
            f"send shape {shape_text(wanted)}",
        )
    for axis, (have, want) in enumerate(zip(came, wanted, strict=True)):
        if want not in (None, have):
            refuse(
                "array_shape",
                f"axis {axis} has {have} values, {want} are wanted",
                f"send shape {shape_text(wanted)}, not {came}",
            )


def _axes(count: int) -> str:
    return f"{count} axis" if count == 1 else f"{count} axes"


def _refuse_list(value: Any, declared: Array, error: msgspec.ValidationError) -> NoReturn:
    """Say whether depth is wrong, or an element."""
    message, _, path = str(error).partition(" - at `$")
    where = path.rstrip("`")
    depth = _depth(value)
    if isinstance(value, list) and declared.shape is not None and depth != len(declared.shape) and "`array`" in message:
        refuse(
            "array_shape",
            f"the array has {_axes(depth)}; {_axes(len(declared.shape))} are wanted, shape {shape_text(declared.shape)}",
            f"send shape {shape_text(declared.shape)}",
        )
    text = message.replace("`", "").lower().replace("expected array", "expected a list")
    refuse("array_element", f"{text}{f' at {where}' if where else ''}", f"send nested lists of {declared.name}")


def _depth(value: Any) -> int:
    depth = 0
    while isinstance(value, list):
        depth, value = depth + 1, value[0] if value else None
    return depth


def _ragged_text(lists: Any, at: str = "") -> str:
    """Where lists on one axis differ in length."""
    axis = at.count("[") + 1
    sizes = [len(inner) for inner in lists if isinstance(inner, list)]
    for i, size in enumerate(sizes):
        if size != sizes[0]:
            return f"the lists of axis {axis} differ in length: {at}[0] has {sizes[0]} values, {at}[{i}] has {size}"
    for i, inner in enumerate(lists):
        if isinstance(inner, list) and inner and isinstance(inner[0], list):
            text = _ragged_text(inner, f"{at}[{i}]")
            if text:
                return text
    return "" if at else "the lists differ in length"
