"""Python's own data types, made from the arguments that pickles of them have, and from no others."""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import functools
from collections.abc import Callable
from typing import Any

from modelport.artifacts.pickles.permit import Permit, Refused, class_of

MOST_KEY_PARTS, DEEPEST_KEY = 100_000, 50
"""Hashing a tuple walks all of it: nested tuples that share their parts take for ever, deep ones overflow the stack."""

_CONTAINERS = (list, tuple, set, frozenset, dict)
_SCALARS = (int, float, str, bytes, datetime.timedelta, datetime.tzinfo)

PLAIN_TYPES: dict[str, type[Any]] = {
    **{t.__name__: t for t in (bool, bytearray, bytes, complex, dict, float, frozenset, int, list, object)},
    **{t.__name__: t for t in (range, set, slice, str, tuple)},
}
"""Types of `builtins` that may be named as values, as in `dtype=float` or `defaultdict(list)`."""

_WARNINGS = {warning.__name__: warning for warning in (DeprecationWarning, FutureWarning, UserWarning)}
"""Searches of scikit-learn before 0.21 keep with each score the warning that reading it was to give."""


def check_key(key: Any) -> None:
    """Raise Refused for a key that cannot be hashed in reasonable time."""
    if not isinstance(key, (tuple, frozenset)):
        return
    parts, layer = 0, [key]
    for _ in range(DEEPEST_KEY):
        below: list[Any] = []
        for whole in layer:
            parts += len(whole)
            if parts > MOST_KEY_PARTS and layer != [key]:
                raise Refused("a key", "is nested too deeply")
            below += [part for part in whole if isinstance(part, (tuple, frozenset))]
        if not below:
            return
        layer = below
    raise Refused("a key", "is nested too deeply")


def _made_of(make: Callable[..., Any], *kinds: Any, least: int = 0) -> Callable[..., Any]:
    """`make`, for at most as many arguments as there are kinds, each of its kind."""

    def checked(*args: Any) -> Any:
        fits = least <= len(args) <= len(kinds) and all(map(isinstance, args, kinds))
        if not fits:
            raise Refused(getattr(make, "__name__", "a type"), "is called with arguments that no pickle of it has")
        return make(*args)

    return checked


def _collect(kind: type[Any]) -> Callable[..., Any]:
    def collect(items: Any = ()) -> Any:
        if not isinstance(items, _CONTAINERS):
            raise Refused(kind.__name__, "is made of something that is no list")
        if issubclass(kind, (set, frozenset)):
            for item in items:
                check_key(item)
        return kind(items)

    return collect


def _mapping(kind: type[Any]) -> Callable[..., Any]:
    def collect(items: Any = ()) -> Any:
        pairs = items.items() if isinstance(items, dict) else items
        if not isinstance(items, (dict, list, tuple)) or not all(
            type(p) in (list, tuple) and len(p) == 2 for p in pairs
        ):
            raise Refused(kind.__name__, "is made of something that is no list of pairs")
        for key, _ in pairs:
            check_key(key)
        return kind(dict(pairs))

    return collect


def _bytes(kind: type[Any]) -> Callable[..., Any]:
    def encode(data: Any = b"", encoding: str = "latin-1", errors: str = "strict") -> Any:
        if isinstance(data, str) and str(encoding).lower() in ("latin-1", "latin1", "ascii", "utf-8"):
            return kind(data.encode(encoding))
        if isinstance(data, (bytes, bytearray)) or data == []:
            return kind(data)
        raise Refused(kind.__name__, "is made of something that is neither bytes nor text")

    return encode


def _default_dict(factory: Any = None) -> Any:
    if factory is not None and factory not in (*PLAIN_TYPES.values(), collections.OrderedDict):
        raise Refused("collections.defaultdict", "has a factory that is no plain type")
    return collections.defaultdict(factory)


def _partial(function: Any) -> Any:
    """Only what find_class has let through as a value can be here: functions that compute."""
    if isinstance(function, (Permit, type)) or not callable(function):
        raise Refused("functools.partial", f"is made of {getattr(function, 'name', 'no function')}")
    return functools.partial(function)


def _reconstruct(permit: Any, base: Any, state: Any) -> Any:
    """`copyreg._reconstructor`: how protocols 0 and 1 make any object."""
    cls = class_of(permit)
    if base is object:
        return permit.blank()
    if base not in (dict, list) or not issubclass(cls, base) or not isinstance(state, (dict, list)):
        raise Refused(permit.name, "is made in a way that no pickle of it has")
    made = base.__new__(cls)
    dict.update(made, state) if base is dict else list.extend(made, state)
    return made


def _blank(permit: Any) -> Any:
    class_of(permit)
    return permit.blank()


_NUMBER = (int, float)
PLAIN_MAKERS: dict[Any, Callable[..., Any]] = {
    bytes: _bytes(bytes),
    bytearray: _bytes(bytearray),
    **{kind: _collect(kind) for kind in (list, tuple, set, frozenset)},
    dict: _mapping(dict),
    object: _made_of(object),
    complex: _made_of(complex, _NUMBER, _NUMBER),
    slice: _made_of(slice, object, object, object, least=1),
    range: _made_of(range, int, int, int, least=1),
    collections.OrderedDict: _mapping(collections.OrderedDict),
}
"""How the types that may be values are called."""

_FUNCTIONS: dict[tuple[str, str], Callable[..., Any]] = {
    ("copyreg", "_reconstructor"): _reconstruct,
    ("copyreg", "__newobj__"): _blank,
    ("_codecs", "encode"): _bytes(bytes),
    ("functools", "partial"): _partial,
    ("collections", "defaultdict"): _default_dict,
    ("collections", "Counter"): _mapping(collections.Counter),
    ("collections", "deque"): _made_of(collections.deque, _CONTAINERS, int),
    ("decimal", "Decimal"): _made_of(decimal.Decimal, str, least=1),
    ("fractions", "Fraction"): _made_of(fractions.Fraction, int, int, least=2),
    **{
        ("datetime", kind.__name__): _made_of(kind, *[_SCALARS] * 8, least=1)
        for kind in (datetime.date, datetime.time, datetime.datetime, datetime.timedelta, datetime.timezone)
    },
}


def find_plain(module: str, name: str) -> Any:
    """What stands for a global of the standard library; None where there is nothing."""
    if module == "builtins":
        return PLAIN_TYPES.get(name) or _WARNINGS.get(name)
    if (module, name) == ("collections", "OrderedDict"):
        return collections.OrderedDict
    make = _FUNCTIONS.get((module, name))
    return make and Permit(f"{module}.{name}", make=make)
