"""What is read from a body: the compiled decoder and the careful reading are one in what they accept and give."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import modelport.codecs.json as codec
from modelport.codecs.json import Decoded, compile_decoder, encode_problems, parse, shorten
from modelport.codecs.typed import read_body_type
from modelport.errors import InvalidInput, MalformedBody
from modelport.kernel.check import MAX_PROBLEMS, read_body
from modelport.kernel.signature import Field, Kind, Output, Signature, Task
from tests.codecs.signatures import Pairs, bodies, good_values, signatures, texts
from tests.fronts.shape import assert_error_body

Outcome = Decoded | InvalidInput

EIGHT_FLOATS = Signature(Task.REGRESS, tuple(Field(f"x{i}") for i in range(8)), (Output("prediction"),))


@given(st.data())
@settings(max_examples=800, deadline=None)
def test_the_compiled_decoder_and_the_careful_reading_agree(data: st.DataObject) -> None:
    signature = data.draw(signatures())
    body = data.draw(bodies(signature))
    assert_agreement(signature, body)


@given(st.data())
@settings(max_examples=500, deadline=None)
def test_a_body_with_flipped_bytes_never_crashes_and_never_tells_the_readings_apart(data: st.DataObject) -> None:
    signature = data.draw(signatures())
    body = bytearray(data.draw(bodies(signature)))
    for _ in range(data.draw(st.integers(1, 3))):
        assume(body)
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    assert_agreement(signature, bytes(body))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_answered_with_problems(data: st.DataObject) -> None:
    assert_agreement(data.draw(signatures()), data.draw(st.binary(max_size=20)))


def assert_agreement(signature: Signature, body: bytes) -> None:
    """One outcome from both readings, and a well-formed error body where it is a refusal."""
    compiled, careful = read_compiled(signature, body), read_careful(signature, body)
    if isinstance(careful, InvalidInput):
        assert isinstance(compiled, InvalidInput), f"only the compiled decoder accepts {body!r}: {compiled}"
        assert [replace(p, hint="") for p in compiled.problems] == [replace(p, hint="") for p in careful.problems]
        assert_error_body(encode_problems(list(compiled.problems)))
    else:
        assert isinstance(compiled, Decoded), f"only the careful reading accepts {body!r}: {compiled}"
        assert plain(compiled.records) == plain(careful.records)
        assert (compiled.batch, compiled.outside) == (careful.batch, careful.outside)


def read_compiled(signature: Signature, body: bytes) -> Outcome:
    """As the service reads: compiled first."""
    try:
        return compile_decoder(signature)(body)
    except InvalidInput as error:
        return error


def read_careful(signature: Signature, body: bytes) -> Outcome:
    """The careful reading alone."""
    try:
        reading, batch = read_body(signature, parse(body, example="{}"))
    except InvalidInput as error:
        return error
    if reading.problems:
        return InvalidInput(reading.problems)
    return Decoded([as_arrays(signature, record) for record in reading.records], batch, reading.outside)


def as_arrays(signature: Signature, record: tuple[Any, ...]) -> tuple[Any, ...]:
    """A record whose tensors are arrays; what the careful reading accepts must convert."""
    dtypes = [
        np.dtype(object if f.dtype == "string" else f.dtype) if f.shape or f.dtype else None for f in signature.inputs
    ]
    return tuple(
        np.array(value, dtype) if f.kind is Kind.TENSOR and value is not None else value
        for f, dtype, value in zip(signature.inputs, dtypes, record, strict=True)
    )


def plain(records: list[tuple[Any, ...]]) -> list[list[Any]]:
    """Records with the exact type of each value beside it, so that 5 and 5.0 and True differ."""
    return [
        [(str(v.dtype), v.shape, v.tolist()) if isinstance(v, np.ndarray) else (type(v), v) for v in record]
        for record in records
    ]


@pytest.mark.parametrize("low", [-1e30, -(2**63), 0, 0.5, 2**63 - 1, 1e30])
@pytest.mark.parametrize("high", [0, 0.5, 2**63 - 1, 1e30])
@pytest.mark.parametrize("kind", [Kind.INT, Kind.FLOAT])
def test_any_range_that_a_person_writes_down_can_be_compiled(kind: Kind, low: float, high: float) -> None:
    low, high = (float(low), float(high)) if kind is Kind.FLOAT else (low, high)
    signature = Signature(Task.REGRESS, (Field("x", kind, low=low, high=high),), (Output("prediction"),))
    for text in ("0", "1", "-1", "9223372036854775807", "-9223372036854775808", "3.4028234e38"):
        assert_agreement(signature, f'{{"x": {text}}}'.encode())


@given(signatures())
@settings(max_examples=500, deadline=None)
def test_the_example_of_any_signature_is_accepted(signature: Signature) -> None:
    body = codec.encode(signature.example())
    assert isinstance(read_compiled(signature, body), Decoded), body


@given(st.data())
@settings(max_examples=500, deadline=None)
def test_a_record_of_good_values_is_accepted(data: st.DataObject) -> None:
    signature = data.draw(signatures())
    record = {f.name: data.draw(good_values(f)) for f in signature.inputs}
    outcome = read_compiled(signature, json.dumps(record).encode())
    free_axes = any(
        None in f.shape for f in signature.inputs
    )  # where one of several axes is empty, a list says too little
    assert isinstance(outcome, Decoded) or free_axes, (record, outcome.problems)


def test_a_plain_record_is_read_by_the_compiled_decoder_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("the careful reading was asked")

    fields = (
        Field("tempo", low=0.0, high=250.0),
        Field("a:b", Kind.INT, nullable=True, low=0, high=10),
        Field("genre", Kind.STRING, categories=("Rock", "Pop"), closed=True),
        Field("live", Kind.BOOL),
        Field("image", Kind.TENSOR, shape=(None, 2), dtype="uint8"),
    )
    signature = Signature(Task.REGRESS, fields, (Output("prediction"),))
    record = {"tempo": 120, "a:b": None, "genre": "Pop", "live": True, "image": [[1, 2]]}
    monkeypatch.setattr(codec, "read_body", refuse)
    decode = compile_decoder(signature)
    assert len(decode(codec.encode(record)).records) == 1
    assert len(decode(codec.encode([record] * 3)).records) == 3


def test_a_colon_hidden_in_an_escape_hides_no_key_that_stands_twice() -> None:
    signature = Signature(Task.REGRESS, (Field("a:b"), Field("c")), (Output("prediction"),))
    outcome = read_compiled(signature, b'{"a\\u003ab": 1, "c": 1, "c": 2}')
    assert isinstance(outcome, MalformedBody)
    assert outcome.problems[0].type == "duplicate_key"


# -- error bodies --------------------------------------------------------------------------------------------------


@given(st.text(max_size=3), st.integers(0, 7))
@settings(max_examples=50, deadline=None)
def test_any_key_can_be_named_in_an_error_body(key: str, at: int) -> None:
    record = {f"x{i}": 1 for i in range(8)} | {key + "\ud800"[: at % 2]: 1}
    outcome = read_compiled(EIGHT_FLOATS, json.dumps(record).encode())
    if isinstance(outcome, InvalidInput):
        assert_error_body(encode_problems(list(outcome.problems)))


def test_a_model_in_python_is_told_on_with_the_number_that_was_sent() -> None:
    def predict(tempo: float, more: list[float]) -> float:
        return tempo

    body = read_body_type(predict, False, None, "here")
    with pytest.raises(InvalidInput) as caught:
        body.decode(b'{"tempo": 1e400, "more": [1, -1e999]}')
    assert [problem.input for problem in caught.value.problems] == ["1e400", "-1e999"]


@pytest.mark.timeout(10)
def test_a_nan_deep_inside_is_found_soon_and_told_in_few_words() -> None:
    for body in (
        b'[{"a":' * 400 + b"NaN",
        b"[" + b'{"a":[1,2,3]},' * 100_000 + b"NaN]",
        b'["' + b"N" * 10**7 + b'",NaN]',
    ):
        outcome = read_compiled(EIGHT_FLOATS, body)
        assert isinstance(outcome, MalformedBody)
        assert outcome.problems[0].type == "json_constant"
        assert f"line 1, column {body.decode().rindex('NaN') + 1}" in outcome.problems[0].message
        assert len(outcome.problems[0].loc) < 50


LONG = "y" * 2_000_000
MANY_KEYS = json.dumps({f"key{i}": i for i in range(100_000)}).encode()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[" + b",".join([b"{}"] * 200_000) + b"]", "missing"),
        (b"[" + b"1," * 500_000 + b"1]", "record_type"),
        (b'[{"x0":"a"}' + b',{"x0":"a"}' * 100_000 + b"]", "float_type"),
        (MANY_KEYS, "missing"),
        (MANY_KEYS[:-1] + b', "key99999": 1}', "duplicate_key"),
        (json.dumps({f"x{i}": LONG for i in range(8)}).encode(), "float_type"),
        (json.dumps({LONG: 1}).encode(), "missing"),
        (json.dumps({f"x{i}": "0." + "0" * 1_000_000 + "1" for i in range(8)}).encode(), "float_type"),
        (b'{"x0":' + b"9" * 2_000_000 + b"}", "finite_number"),
        (b'{"x0":"' + b"\\ud800" * 100_000 + b'"}', "float_type"),
        (b"[" * 100_000, "json_depth"),
        (b'{"x0":' * 900 + b"1" + b"}" * 900, "float_type"),
    ],
    ids=lambda case: case if isinstance(case, str) else f"{len(case)}-bytes",
)
@pytest.mark.timeout(10)
def test_a_huge_body_is_refused_soon_and_in_few_words(body: bytes, kind: str) -> None:
    outcome = read_compiled(EIGHT_FLOATS, body)
    assert isinstance(outcome, InvalidInput)
    assert kind in {problem.type for problem in outcome.problems}
    assert len(outcome.problems) <= MAX_PROBLEMS
    assert_error_body(encode_problems(list(outcome.problems)))


PARSED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(PARSED)
@settings(max_examples=200, deadline=None)
def test_a_shortened_value_is_small_strict_json(value: Any) -> None:
    text = codec.encode(shorten(value)).decode()
    assert len(text) < 20_000
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_every_way_to_write_the_same_json_is_read_the_same(data: st.DataObject) -> None:
    signature = data.draw(signatures())
    record = [(f.name, data.draw(good_values(f))) for f in signature.inputs]
    body = data.draw(texts(Pairs(record))).strip("\x00}\ufeff").encode()
    body = body if body.rstrip().endswith(b"}") else body + b"}"
    one, other = read_compiled(signature, body), read_compiled(signature, json.dumps(dict(record)).encode())
    assert type(one) is type(other)
    if isinstance(one, Decoded) and isinstance(other, Decoded):
        assert plain(one.records) == plain(other.records)
