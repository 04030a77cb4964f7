"""Arrays, tables and bytes as inputs of models in Python, and answers held against their annotation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from modelport import Array, Columns
from modelport.codecs.outcomes import compile_writer
from modelport.codecs.typed import TypedBody, read_body_type
from modelport.errors import ConfigError, InvalidInput
from modelport.kernel.values import Failure

Matrix = Annotated[np.ndarray, Array("float32", (None, 2))]
People = Annotated[pd.DataFrame, Columns(age=int, weight=float | None)]


def body_of(function: Callable[..., Any], batch: bool = False) -> TypedBody:
    """How this function's body is read."""
    return read_body_type(function, batch, None, "app.py:3")


def matrix(x: Matrix) -> NDArray[np.float32]:
    """An array in, an array out."""
    return x


def pair(x: NDArray[np.float32], factor: int = 2) -> float:
    """An array beside an option."""
    return float(x.sum()) * factor


def table(people: People) -> int:
    """A table."""
    return len(people)


def test_lists_become_an_array_of_the_declared_type() -> None:
    (array,), listed = body_of(matrix).decode(b"[[1, 2], [3, 0.1]]")
    assert (array.dtype, array.shape, listed) == (np.float32, (2, 2), False)


def test_a_batch_of_arrays_has_one_list_more_than_an_array() -> None:
    arrays, listed = body_of(matrix).decode(b"[[[1, 2]], [[3, 4], [5, 6]]]")
    assert [a.shape for a in arrays] == [(1, 2), (2, 2)]
    assert listed


def test_an_array_can_stand_beside_options() -> None:
    (body,), _ = body_of(pair).decode(b'{"x": [1, 2], "factor": 3}')
    arguments = body_of(pair).arguments(body)
    assert (arguments["x"].dtype, arguments["factor"]) == (np.float32, 3)


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"[[1, 2, 3]]", "array_shape", "Axis 1 has 3 values, 2 are wanted"),
        (b"[1, 2]", "array_shape", "The array has 1 axis; 2 axes are wanted, shape (any, 2)"),
        (b"[[1, 2], [3]]", "array_ragged", "The lists of axis 1 differ in length: [0] has 2 values, [1] has 1"),
        (b'[[1, "2"]]', "array_element", "Expected float, got str at [0][1]"),
        (b"[[1, true]]", "array_element", "Expected float, got bool at [0][1]"),
        (b"[[1, null]]", "array_element", "Expected float, got null at [0][1]"),
        (b"[[1, 1e39]]", "array_range", "The number at [0, 1] is infinite as float32"),
        (b"{}", "array_element", "Expected a list, got object"),
    ],
)
def test_a_list_that_is_no_such_array_is_refused_in_words(body: bytes, kind: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        body_of(matrix).decode(body)
    (problem,) = caught.value.problems
    assert (problem.type, problem.message) == (kind, said)
    assert problem.hint


def test_null_stands_for_nan_where_an_array_may_hold_it() -> None:
    def predict(x: Annotated[np.ndarray, Array("float64", (None,), finite=False)]) -> float:
        return 0.0

    (array,), _ = body_of(predict).decode(b"[1, null]")
    assert np.isnan(array[1])


@pytest.mark.parametrize(("dtype", "number"), [("uint8", "300"), ("int8", "-129"), ("int64", "9223372036854775808")])
def test_a_number_beyond_an_integer_type_is_refused(dtype: str, number: str) -> None:
    def predict(x: Any) -> int:
        return 0

    predict.__annotations__["x"] = Annotated[np.ndarray, Array(dtype, (None,))]
    with pytest.raises(InvalidInput, match=f"outside {dtype}"):
        body_of(predict).decode(f"[{number}]".encode())


def test_bytes_are_base64_in_json() -> None:
    def predict(content: bytes) -> bytes:
        return content

    assert body_of(predict).decode(b'"YWJj"') == ([b"abc"], False)
    with pytest.raises(InvalidInput, match="base64"):
        body_of(predict).decode(b'"a!"')


@pytest.mark.parametrize(
    "body", [b'[{"age": 1, "weight": null}, {"age": 2, "weight": 3}]', b'{"age": [1, 2], "weight": [null, 3]}']
)
def test_a_table_is_records_or_columns(body: bytes) -> None:
    (frame,), _ = body_of(table).decode(body)
    assert list(frame.columns) == ["age", "weight"]
    assert frame["age"].tolist() == [1, 2]
    assert frame["weight"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'[{"age": 1}]', "Record 0 lacks ['weight']"),
        (b'[{"age": 1, "weight": 2, "size": 3}]', "Record 0 has ['size'], which is not asked for"),
        (b'[{"age": 1.5, "weight": 2}]', "Column 'age', row 0: float came where integer is wanted"),
        (b'[{"age": true, "weight": 2}]', "Column 'age', row 0: a boolean came where integer is wanted"),
        (b'{"age": [1], "weight": [1, 2]}', "The columns differ in length: 'age' has 1, 'weight' has 2"),
        (b"3", "A int came where a table is wanted"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_by_column_and_row(body: bytes, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        body_of(table).decode(body)
    assert caught.value.problems[0].message == said


@pytest.mark.parametrize("hint", [np.ndarray, "list[np.ndarray]", np.float32])
def test_an_annotation_that_says_too_little_fails_with_its_place_and_a_remedy(hint: Any) -> None:
    def predict(x: Any) -> float:
        return 0.0

    predict.__annotations__["x"] = hint
    with pytest.raises(ConfigError, match=r"app\.py:3: the parameter 'x': .*(for example|write float)"):
        body_of(predict)


@dataclass
class Holding:
    """An array that Pydantic cannot be told of."""

    x: NDArray[np.float32]


def test_an_array_in_a_class_fails_with_the_annotation_to_write() -> None:
    def predict(item: Holding) -> float:
        return 0.0

    with pytest.raises(ConfigError, match=r"app\.py:3: .*in a class write Annotated\[np\.ndarray, modelport\.Array"):
        body_of(predict)


@pytest.mark.parametrize("make", [lambda: Array("complex64"), lambda: Array("float32", "x"), lambda: Columns(age=dict)])  # type: ignore[arg-type]
def test_a_type_that_is_declared_wrongly_names_its_line(make: Callable[[], Any]) -> None:
    with pytest.raises(ConfigError, match=r"test_arrays\.py:\d+: "):
        make()


# -- answers ------------------------------------------------------------------------------------------------------


def answer_of(value: Any, kind: Any) -> Any:
    """What becomes of an answer of a function that declares to return this."""

    def predict(x: int) -> Any:
        return value

    predict.__annotations__["return"] = kind
    return compile_writer(body_of(predict).answer)(value)


@pytest.mark.parametrize(
    ("value", "kind", "written"),
    [
        (np.float32(0.1), float, b"0.1"),
        (np.arange(2), list[int], b"[0,1]"),
        (float("nan"), float, b"null"),
        ([1.0, float("nan")], list[float], b"[1.0,null]"),
        (np.ones((1, 2)), NDArray[np.float32], b"[[1.0,1.0]]"),
        (np.array([np.nan, 1]), Annotated[np.ndarray, Array("float64", (2,))], b"[null,1.0]"),
        (pd.DataFrame({"a": [1]}), pd.DataFrame, b'[{"a":1}]'),
        (2, float, b"2"),
        (b"abc", bytes, b'"YWJj"'),
    ],
)
def test_an_answer_of_the_declared_type_is_sent(value: Any, kind: Any, written: bytes) -> None:
    assert answer_of(value, kind) == written


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        ("a", float, "result: Input should be a valid number, not 'a'"),
        ({"a": [1, "b"]}, dict[str, list[int]], "result.a[1]: Input should be a valid integer, not 'b'"),
        (None, float, "result: Input should be a valid number, not None"),
        (np.ones(3), Annotated[np.ndarray, Array("float64", (2,))], "result: Axis 0 has 3 values, 2 are wanted"),
    ],
)
def test_an_answer_of_another_type_is_a_failure_that_only_the_log_explains(value: Any, kind: Any, said: str) -> None:
    failure = answer_of(value, kind)
    assert isinstance(failure, Failure)
    assert said in failure.cause
    assert "result" not in failure.message
