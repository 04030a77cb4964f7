"""Random signatures, and random JSON texts that are near to fitting them: right, nearly right, hostile."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from modelport.kernel.signature import FLOAT_LIMIT, Field, Kind, Output, Signature, Task

NAMES = st.one_of(
    st.sampled_from(
        [
            "x0",
            "tempo",
            "model_name",
            "class",
            "self",
            "f0",
            "a:b",
            "::",
            'say "hi"',
            "back\\slash",
            "new\nline",
            "",
            " ",
        ]
    ),
    st.sampled_from(["größe", "ключ", "温度", "🎵", "a.b", "__proto__", "null", "\x00", "\x7f"]),
    st.text(max_size=6),
)
INT_DTYPES = ("", "int8", "uint8", "int32", "int64", "uint64")
TENSOR_DTYPES = ("float16", "float32", "float64", "int8", "uint8", "int64", "bool", "string")
FLOATS = st.floats(-FLOAT_LIMIT, FLOAT_LIMIT)
INTS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.sampled_from(["Rock", "Hip-Hop", "a:b", 'q"', "", "ключ", "12:30"]) | st.text(max_size=5)


@st.composite
def signatures(draw: st.DrawFn, tensors: bool = True) -> Signature:
    """One to five fields of any kind."""
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    positional = draw(st.booleans())
    kinds = [kind for kind in Kind if kind is not Kind.TENSOR or (tensors and not positional)]
    fields = tuple(draw(fields_named(name, draw(st.sampled_from(kinds)))) for name in names)
    if not positional:
        fields = tuple(replace(f, optional=f.nullable and draw(st.booleans())) for f in fields)
    return Signature(Task.REGRESS, fields, (Output("prediction"),), positional)


def fields_named(name: str, kind: Kind) -> st.SearchStrategy[Field]:
    """A field of this name and kind, with anything that may be known about it."""
    return _FIELDS[kind](name)


@st.composite
def _floats(draw: st.DrawFn, name: str) -> Field:
    low, high = draw(_ranges(FLOATS))
    categories = draw(st.lists(FLOATS, max_size=3, unique=True)) if low is None else []
    return Field(name, Kind.FLOAT, draw(st.booleans()), low, high, tuple(categories), draw(st.booleans()))


@st.composite
def _ints(draw: st.DrawFn, name: str) -> Field:
    plain = Field(name, Kind.INT, draw(st.booleans()), dtype=draw(st.sampled_from(INT_DTYPES)))
    inside = st.integers(max(plain.int_bounds[0], -(2**63)), min(plain.int_bounds[1], 2**63 - 1))
    if draw(st.booleans()):
        categories = draw(st.lists(inside, min_size=1, max_size=3, unique=True))
        return plain.because("test", categories=tuple(categories), closed=draw(st.booleans()))
    low, high = draw(_ranges(inside.map(lambda number: number // 4) | st.just(plain.int_bounds[0] / 2)))
    return plain.because("test", low=low, high=high)


@st.composite
def _bools(draw: st.DrawFn, name: str) -> Field:
    return Field(name, Kind.BOOL, draw(st.booleans()))


@st.composite
def _strings(draw: st.DrawFn, name: str) -> Field:
    categories = draw(st.lists(TEXTS, max_size=4, unique=True))
    return Field(name, Kind.STRING, draw(st.booleans()), categories=tuple(categories), closed=draw(st.booleans()))


@st.composite
def _tensors(draw: st.DrawFn, name: str) -> Field:
    shape = draw(st.lists(st.none() | st.integers(1, 3), max_size=3))
    return Field(
        name,
        Kind.TENSOR,
        draw(st.booleans()),
        shape=tuple(shape),
        dtype=draw(st.sampled_from(TENSOR_DTYPES)),
    )


_FIELDS: dict[Kind, Callable[[str], st.SearchStrategy[Field]]] = {
    Kind.FLOAT: _floats,
    Kind.INT: _ints,
    Kind.BOOL: _bools,
    Kind.STRING: _strings,
    Kind.TENSOR: _tensors,
}


def _ranges(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    return st.just((None, None)) | st.tuples(numbers, numbers).map(lambda pair: (min(pair), max(pair)))


# -- JSON texts ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Token:
    """A piece of text that stands where a value belongs, JSON or not."""

    text: str


class Pairs(list[tuple[str, Any]]):
    """An object whose keys may stand twice."""


NUMBER_TEXTS = (
    "NaN Infinity -Infinity 1e400 -1e400 1e39 3.4028235e38 65519 65520 -0 -0.0 5.0 1E5 1e-400 1e308 2.5 -129 256"
)
BROKEN_TEXTS = "01 1. .5 +1 0x1 1_000 tru 'x' 18446744073709551616 9223372036854775808"
STRING_TEXTS = r'"\ud800" "\ud83d\ude00" "\x41"'
TOKENS = st.sampled_from(
    [*f"{NUMBER_TEXTS} {BROKEN_TEXTS} {STRING_TEXTS}".split(), "9" * 400, "9" * 5000, '"a\tb"', ""]
).map(Token)
LEAVES = st.none() | st.booleans() | INTS | FLOATS | st.floats() | TEXTS | TOKENS
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(NAMES, inner), max_size=3).map(Pairs),
    max_leaves=6,
)


@st.composite
def bodies(draw: st.DrawFn, signature: Signature) -> bytes:
    """A body for this signature: most often one record or a list of records that nearly fit."""
    one = records(signature)
    value = draw(
        st.one_of(
            one,
            st.lists(one, max_size=3),
            flat_records(signature),
            st.lists(flat_records(signature), max_size=3),
            st.lists(one | flat_records(signature) | ANYTHING, max_size=3),
            ANYTHING,
        )
    )
    return draw(texts(value)).encode("utf-8", "surrogatepass")


@st.composite
def records(draw: st.DrawFn, signature: Signature) -> Any:
    """An object with the signature's fields, and perhaps one thing wrong."""
    pairs = Pairs((f.name, draw(values(f))) for f in signature.inputs)
    fault = draw(st.sampled_from(["none"] * 6 + ["missing", "twice", "unknown", "misspelt", "shuffled"]))
    at = draw(st.integers(0, len(pairs) - 1))
    if fault == "missing":
        del pairs[at]
    elif fault == "twice":
        pairs.append((pairs[at][0], draw(LEAVES)))
    elif fault == "unknown":
        pairs.insert(at, (draw(NAMES), draw(LEAVES)))
    elif fault == "misspelt":
        pairs[at] = (pairs[at][0] + "_", pairs[at][1])
    elif fault == "shuffled":
        pairs = Pairs(draw(st.permutations(pairs)))
    return pairs


@st.composite
def flat_records(draw: st.DrawFn, signature: Signature) -> list[Any]:
    """The values alone, in order, and perhaps one too many."""
    flat = [draw(values(f)) for f in signature.inputs]
    return flat + draw(st.lists(LEAVES, max_size=1)) if draw(st.integers(0, 5)) == 0 else flat


def values(f: Field) -> st.SearchStrategy[Any]:
    """Values for a field: mostly good ones, some at its edges, some wrong."""
    good = good_values(f)
    return st.one_of(good, good, good, good, LEAVES, ANYTHING)


def good_values(f: Field) -> st.SearchStrategy[Any]:
    """Values that the field accepts."""
    good = _GOOD[f.kind](f)
    if f.categories:
        good = st.sampled_from(f.categories) if f.closed else st.sampled_from(f.categories) | good
    return st.none() | good if f.nullable else good


def _good_ints(f: Field) -> st.SearchStrategy[Any]:
    low, high = f.int_bounds
    return st.integers(low, high) | st.sampled_from([low, high]) | st.integers(max(low, -9), 9).map(float)


def _good_tensors(f: Field) -> st.SearchStrategy[Any]:
    leaf = Field(f.name, _LEAF_KINDS.get(f.dtype, Kind.INT if "int" in f.dtype else Kind.FLOAT), dtype=f.dtype)
    good: st.SearchStrategy[Any] = st.integers(*leaf.int_bounds) if leaf.kind is Kind.INT else _GOOD[leaf.kind](leaf)
    if f.dtype == "float16":
        good = st.floats(-65504, 65504)
    for size in reversed(f.shape):
        good = st.lists(good, min_size=size or 0, max_size=3 if size is None else size)
    return good


_LEAF_KINDS = {"string": Kind.STRING, "bool": Kind.BOOL}
_GOOD: dict[Kind, Callable[[Field], st.SearchStrategy[Any]]] = {
    Kind.FLOAT: lambda f: FLOATS | st.integers(-(2**70), 2**70),
    Kind.INT: _good_ints,
    Kind.BOOL: lambda f: st.booleans(),
    Kind.STRING: lambda f: TEXTS,
    Kind.TENSOR: _good_tensors,
}


@st.composite
def texts(draw: st.DrawFn, value: Any) -> str:
    """The value as text, in one of the many ways that JSON can be written."""
    style = Style(draw(st.booleans()), draw(st.booleans()), draw(st.sampled_from(["", "", " ", "\n\t"])))
    edge = draw(st.sampled_from(["", "", "", " ", "\n", "\ufeff", "}", "\x00"]))
    text = style.write(value)
    return edge + text if draw(st.booleans()) else text + edge


@dataclass(frozen=True)
class Style:
    """How a text is written: which characters are escaped, and the space between tokens."""

    ascii_only: bool
    escape_all: bool
    space: str

    def write(self, value: Any) -> str:
        """One value."""
        if isinstance(value, Token):
            return value.text
        if isinstance(value, Pairs):
            pairs = (f"{self._string(key)}{self.space}:{self.space}{self.write(v)}" for key, v in value)
            return f"{{{self.space}{f'{self.space},'.join(pairs)}{self.space}}}"
        if isinstance(value, list):
            return f"[{self.space}{f'{self.space},'.join(map(self.write, value))}{self.space}]"
        return self._string(value) if isinstance(value, str) else json.dumps(value)

    def _string(self, text: str) -> str:
        if not self.escape_all:
            return json.dumps(text, ensure_ascii=self.ascii_only)
        units = text.encode("utf-16-be", "surrogatepass")
        return '"' + "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)) + '"'
