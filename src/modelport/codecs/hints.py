"""From the annotations of a function to types that Pydantic reads: arrays, tables, images and bytes among them."""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable
from dataclasses import replace
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

import typing_extensions

from modelport.codecs.arrays import Array, array_of
from modelport.codecs.images import Image, LazyImage, PendingImage
from modelport.codecs.problems import invalid_body
from modelport.codecs.tables import Columns

Whole = Array | Columns | LazyImage
SCALARS = {"floating": float, "integer": int, "bool": bool, "str_": str}
RESULTS = frozenset({"numpy", "pandas", "polars", "pyarrow", "torch", "tensorflow", "jax", "jaxlib", "scipy", "PIL"})
"""Packages whose objects are written as they are: their types declare nothing that could be checked."""


def package_of(kind: Any) -> str:
    """The package that a type comes from, by its name alone."""
    return str(getattr(kind, "__module__", "")).partition(".")[0]


def _is_type(hint: Any, package: str, name: str) -> bool:
    kind = get_origin(hint) or hint
    return package_of(kind) == package and getattr(kind, "__name__", "") == name


def is_data_frame(hint: Any) -> bool:
    """Whether an answer is declared to be a table of pandas, with or without its columns."""
    return _is_type(hint.__origin__ if get_origin(hint) is Annotated else hint, "pandas", "DataFrame")


_typed_dicts: dict[Any, Any] = {}


def typed_dict(hint: Any) -> Any:
    """A TypedDict of `typing` as one of `typing_extensions`: before Python 3.12 Pydantic reads no other."""
    if sys.version_info >= (3, 12) or not typing.is_typeddict(hint):
        return hint
    if hint not in _typed_dicts:
        _typed_dicts[hint] = hint  # inside itself it stays what it is, and Pydantic says so
        kinds = typing_extensions.get_type_hints(hint, include_extras=True)
        fields = {name: _as_field(kind, name in hint.__required_keys__) for name, kind in kinds.items()}
        made: Any = typing_extensions.TypedDict(hint.__name__, fields)  # type: ignore[misc]
        made.__module__, made.__doc__ = hint.__module__, hint.__doc__
        _typed_dicts[hint] = made
    return _typed_dicts[hint]


def _as_field(kind: Any, required: bool) -> Any:
    if get_origin(kind) in (
        typing.Required,
        typing.NotRequired,
    ):  # of annotations that are texts the class does not know it
        required, kind = get_origin(kind) is typing.Required, get_args(kind)[0]
    kind = _rebuild(typed_dict(kind), typed_dict)
    return typing_extensions.Required[kind] if required else typing_extensions.NotRequired[kind]


def read_hint(hint: Any) -> Any:
    """The same type for an input, as Pydantic reads it. Raises TypeError where it does not say enough."""
    hint = typed_dict(hint)
    if get_origin(hint) is Annotated:
        return hint
    if _is_type(hint, "numpy", "ndarray"):
        array = array_of(hint)
        if array is None:
            raise TypeError(
                "an array needs the type of its numbers, for example  "
                'Annotated[np.ndarray, modelport.Array("float32", (None, 8))]  or  NDArray[np.float32]'
            )
        return Annotated[Any, array]
    if _is_type(hint, "pandas", "DataFrame"):
        return Annotated[Any, Columns()]
    if _is_type(hint, "PIL", "Image"):
        return Annotated[hint, Image()]
    if package_of(hint) == "numpy" and isinstance(hint, type):
        raise TypeError(f"{hint.__name__} is no type of JSON: write float, int, bool or str, or an array of it")
    return _rebuild(hint, read_hint)


def write_hint(hint: Any) -> Any:
    """The same type for an answer, as Pydantic checks it; Any where there is nothing to check."""
    hint = typed_dict(hint)
    if get_origin(hint) is Annotated:
        return _write_marked(hint)
    if _is_type(hint, "numpy", "ndarray"):
        array = array_of(hint)
        return Any if array is None else Annotated[Any, _lenient(array)]
    if isinstance(hint, type) and package_of(hint) == "numpy":
        return next((SCALARS[base.__name__] for base in hint.__mro__ if base.__name__ in SCALARS), Any)
    if package_of(get_origin(hint) or hint) in RESULTS:
        return Any
    return _rebuild(hint, write_hint)


def _write_marked(hint: Any) -> Any:
    for marker in hint.__metadata__:
        if isinstance(marker, Array):
            return Annotated[Any, _lenient(marker)]
        if isinstance(marker, (Columns, Image)):
            return Any
    return hint


def _lenient(array: Array) -> Array:
    """A model may answer NaN: it becomes null and is counted."""
    return replace(array, finite=False) if array.name.startswith("float") else array


def _rebuild(hint: Any, change: Callable[[Any], Any]) -> Any:
    """A list, a union and so on, of parts that may have changed."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is None or origin is typing.Literal or origin is Annotated:
        return hint
    changed = tuple(change(a) if isinstance(a, type) or get_origin(a) is not None else a for a in args)
    if changed == args:
        return hint
    if origin in (typing.Union, UnionType):
        return typing.Union[changed]  # noqa: UP007  a tuple of members
    return origin[changed]


def marker_of(hint: Any) -> Whole | None:
    """What an input is as a whole, where it is an array, a table or an image."""
    if get_origin(hint) is not Annotated:
        return None
    for marker in hint.__metadata__:
        if isinstance(marker, Image):
            return LazyImage(marker, package_of(hint.__origin__) != "PIL")
        if isinstance(marker, (Array, Columns, LazyImage)):
            return marker
    return None


def decode_late(hint: Any) -> Any:
    """An image is decoded when the model is called; anything else stays as it is."""
    marker = marker_of(hint)
    return Annotated[Any, marker] if isinstance(marker, LazyImage) else hint


def is_file(hint: Any) -> bool:
    """Whether a form sends it as a file."""
    if hint is bytes or isinstance(marker_of(hint), LazyImage):
        return True
    return type(None) in get_args(hint) and any(is_file(a) for a in get_args(hint) if a is not type(None))


def file_schema(hint: Any) -> dict[str, Any]:
    """A file of a form: pages show a file picker for it."""
    schema = {"type": "string", "format": "binary"}
    parts = [hint, *get_args(hint)]
    is_image = any(isinstance(marker_of(part), LazyImage) for part in parts)
    return {**schema, "contentMediaType": "image/*"} if is_image else schema


def is_whole(hint: Any) -> bool:
    """Whether a single parameter of this type is the body itself."""
    return hint is bytes or marker_of(hint) is not None


def list_depth(hint: Any, list_like: Callable[[Any], bool]) -> int:
    """How many lists are around the innermost part of one body."""
    marker = marker_of(hint)
    if isinstance(marker, Array):
        return marker.list_depth
    if isinstance(marker, Columns):
        return 1
    if get_origin(hint) is Annotated:
        return list_depth(hint.__origin__, list_like)
    if not list_like(hint):
        return 0
    args = [a for a in get_args(hint) if a is not Ellipsis]
    return 1 + (list_depth(args[0], list_like) if args else 0)


def settle(value: Any, *place: str) -> Any:
    """An argument, with an image decoded. Raises InvalidInput where it turns out to be damaged."""
    if type(value) is not PendingImage:
        return value
    from pydantic_core import PydanticCustomError

    try:
        return value.decode()
    except PydanticCustomError as error:
        hint = (error.context or {}).get("hint", "")
        raise invalid_body(error.type, error.message(), str(hint), ("body", *place)) from None
