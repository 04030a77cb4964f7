"""What is brought up to date whenever a pickle is read: texts of Python 2, indexes and frames of old pandas."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from modelport.artifacts.pickles.reader import read_pickle
from modelport.native import foreign_reader

ARRAY = b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03(K\x01K\x02\x85cnumpy\ndtype\n"
BYTES = ARRAY + b"U\x02S4K\x00K\x01\x87R(K\x03U\x01|NNNK\x04K\x01K\x00tb\x89U\x08%stb"
OBJECTS = ARRAY + b"U\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb\x89](U%c%sU%c%setb"
NUMBERS = ARRAY + b"U\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x10%stb"


def both(data: bytes, tmp_path: Path) -> list[Any]:
    """What this side reads, and the other side of a native environment."""
    (tmp_path / "old.pkl").write_bytes(data)
    return [read_pickle(tmp_path / "old.pkl"), foreign_reader.read_file(str(tmp_path / "old.pkl"))]


def objects(first: bytes, second: bytes) -> bytes:
    return OBJECTS % (len(first), first, len(second), second)


def test_labels_of_python_2_are_texts(tmp_path: Path) -> None:
    for found in both(b"\x80\x02" + BYTES % b"yes\0no\0\0" + b".", tmp_path):
        assert (found.dtype.kind, found.tolist()) == ("U", ["yes", "no"])


@pytest.mark.parametrize("alphabet", ["utf-8", "latin-1"])
def test_labels_of_python_2_that_are_not_ascii_are_read_in_their_alphabet(alphabet: str, tmp_path: Path) -> None:
    stored = [word.encode(alphabet) for word in ("été", "thé")]
    for found in both(b"\x80\x02" + objects(*stored) + b".", tmp_path):
        assert found.tolist() == ["été", "thé"]


def test_an_array_of_texts_is_one_wherever_the_file_refers_to_it(tmp_path: Path) -> None:
    for first, second in both(b"\x80\x02" + BYTES % b"yes\0no\0\0" + b"h\x03\x86.", tmp_path):
        assert first is second
        assert second.tolist() == ["yes", "no"]


def test_numbers_of_python_2_are_the_same_numbers(tmp_path: Path) -> None:
    wanted = np.array([-1.5, 2.0 / 3.0])
    for found in both(b"\x80\x02" + NUMBERS % wanted.tobytes() + b".", tmp_path):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_bytes_of_python_3_stay_bytes(protocol: int, tmp_path: Path) -> None:
    for found in both(pickle.dumps(np.array([b"yes", b"no"]), protocol), tmp_path):
        assert found.tolist() == [b"yes", b"no"]


@pytest.mark.parametrize(("name", "values"), [("Int64Index", np.array([3, 1])), ("Float64Index", np.array([0.5, 1.5]))])
def test_an_index_that_pandas_2_has_no_class_for_is_one_of_its_numbers(name: str, values: Any, tmp_path: Path) -> None:
    data = pickle.dumps(pandas.Index(values, name="rows"), 2)
    assert b"cpandas\nIndex\n" in data or b"cpandas.core.indexes.base\nIndex\n" in data
    for before in (b"cpandas\nIndex\n", b"cpandas.core.indexes.base\nIndex\n"):
        data = data.replace(before, f"cpandas.core.indexes.numeric\n{name}\n".encode())
    (tmp_path / "columns.pkl").write_bytes(data)
    found = read_pickle(tmp_path / "columns.pkl")
    assert (type(found), found.dtype, found.tolist(), found.name) == (
        pandas.Index,
        values.dtype,
        values.tolist(),
        "rows",
    )
