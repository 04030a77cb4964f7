"""Damaged bodies in other media types than JSON: whatever stands in them, they are read, or refused as the client's mistake."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.codecs.arrow import arrow_to_columns, arrow_to_frame, arrow_to_json
from modelport.codecs.forms import read_parts
from modelport.codecs.msgpack import msgpack_to_json
from modelport.codecs.npy import read_npy, write_npy
from modelport.codecs.tensors import npy_reader
from modelport.errors import InvalidInput
from modelport.kernel.signature import Field, Kind
from tests.codecs.test_files import stream


def npy_file(head: bytes, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """A file with this head, whatever it says."""
    return b"\x93NUMPY" + version + len(head).to_bytes(2 if version == b"\x01\x00" else 4, "little") + head + data


HEAD = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }"
DAMAGED_HEADS = {
    "parentheses": "(" * 5000,
    "brackets": "[" * 9000,
    "braces": "{" * 9000,
    "signs": "-" * 9000 + "1",
    "text that never ends": "{'" + "a" * 50,
    "bool in the shape": HEAD.replace("(3,)", "(True, 3)"),
    "negative length": HEAD.replace("(3,)", "(-1, -3)"),
    "length beyond any": HEAD.replace("(3,)", "(0x" + "f" * 8000 + ",)"),
    "too many axes": HEAD.replace("(3,)", "(3," + "1, " * 40 + ")"),
    "empty beyond addresses": HEAD.replace("(3,)", "(0, 4611686018427387904, 4611686018427387904)"),
    "order that is a number": HEAD.replace("False", "0"),
    "order that is a list": HEAD.replace("False", "[0]"),
    "type that is none": HEAD.replace("'<f8'", "'<zz'"),
    "type with a comma": HEAD.replace("'<f8'", "',,,'"),
    "type that is a number": HEAD.replace("'<f8'", "8"),
    "keys that differ in kind": "{1: 2, 'a': 3, None: 4}",
    "list as a key": "{[1]: 2}",
}


@pytest.mark.parametrize("head", DAMAGED_HEADS.values(), ids=DAMAGED_HEADS)
def test_a_damaged_head_is_refused(head: str) -> None:
    data = b"" if "(0," in head else bytes(24)
    field = Field("x", Kind.TENSOR, dtype="float64", shape=(None,))
    for read in (read_npy, npy_reader(field)):
        with pytest.raises(InvalidInput) as caught:
            read(npy_file(head.encode(), data))
        assert caught.value.problems[0].type in ("npy_invalid", "npy_type")
        assert len(caught.value.problems[0].message) < 400


def test_an_array_without_numbers_is_not_unfolded_to_lists_without_end() -> None:
    body = npy_file(HEAD.replace("(3,)", "(1000000000000, 0)").encode())
    with pytest.raises(InvalidInput, match="holds no number"):
        npy_reader(Field("x", Kind.TENSOR, dtype="float64", shape=(None,)))(body)


def mutated(good: bytes) -> st.SearchStrategy[bytes]:
    """What was a good file, with some pieces replaced, left out or put in."""
    edit = st.tuples(st.integers(0, len(good)), st.integers(0, 4), st.binary(max_size=6))

    def apply(edits: list[tuple[int, int, bytes]]) -> bytes:
        body = good
        for place, length, piece in edits:
            body = body[:place] + piece + body[place + length :]
        return body

    return st.lists(edit, min_size=1, max_size=4).map(apply)


def allow(read: Callable[[bytes], object], body: bytes) -> None:
    """Reading it may fail as a client's mistake, and in no other way."""
    with suppress(InvalidInput):
        read(body)


pieces = st.sampled_from(
    [*"()[]{}',:-+jL0197 \\\n#", "True", "None", "shape", "<f8", "|O", "'descr'", "**", "0x", "1e9", "set()"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(HEAD)), st.integers(0, 6), pieces), min_size=1, max_size=5))
@pytest.mark.filterwarnings("ignore")
def test_whatever_stands_in_a_head_is_read_or_refused(edits: list[tuple[int, int, str]]) -> None:
    head = HEAD
    for place, length, piece in edits:
        head = head[:place] + piece + head[place + length :]
    for version in (b"\x01\x00", b"\x02\x00"):
        allow(read_npy, npy_file(head.encode(), bytes(24), version))


@settings(max_examples=150, deadline=None)
@given(st.one_of(mutated(write_npy(np.arange(3.0))), st.binary(max_size=40)))
@pytest.mark.filterwarnings("ignore")
def test_a_mutated_array_is_read_or_refused(body: bytes) -> None:
    allow(read_npy, body)


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        mutated(msgspec.msgpack.encode({"a": [1, 2.5, "text", None, b"x"], "b": {"c": True}})), st.binary(max_size=40)
    )
)
def test_a_mutated_message_is_read_or_refused(body: bytes) -> None:
    allow(msgpack_to_json, body)


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="x"; filename="f"\r\nContent-Type: text/plain\r\n\r\n1\r\n--b--\r\n'
)


@settings(max_examples=150, deadline=None)
@given(
    mutated(FORM), st.one_of(st.just(b"multipart/form-data; boundary=b"), mutated(b"multipart/form-data; boundary=b"))
)
def test_a_mutated_form_is_read_or_refused(body: bytes, content_type: bytes) -> None:
    allow(lambda content: read_parts(content, content_type), body)


@pytest.mark.parametrize(
    "column",
    [
        pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["twice", "twice"])),
        pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["p", None])),
        pa.array([2**62, 1], pa.timestamp("s")),
    ],
    ids=["a category twice", "a category that is null", "a time beyond the calendar"],
)
def test_a_table_that_only_arrow_takes_for_valid_is_read_or_refused(column: pa.Array) -> None:
    body = stream(pa.table({"a": column}))
    for read in (arrow_to_json, arrow_to_columns, arrow_to_frame):
        allow(read, body)


def test_whatever_stands_in_a_table_is_read_or_refused() -> None:
    table = pa.table({"a": [1, None, 3], "t": ["x", "yy", ""], "l": [[1.5], [], None]})
    table = table.append_column("d", pa.array(["p", "q", "p"]).dictionary_encode())

    @settings(max_examples=200, deadline=None)
    @given(mutated(stream(table)))
    def check(body: bytes) -> None:
        for read in (arrow_to_json, arrow_to_columns, arrow_to_frame):
            allow(read, body)

    check()
