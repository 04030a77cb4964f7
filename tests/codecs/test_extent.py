"""Small bodies that unfold to very much are refused before they are unfolded; large answers are translated in pieces."""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa
import pytest

from modelport.codecs import extent
from modelport.codecs.answers import CannotWrite
from modelport.codecs.arrow import arrow_to_json, json_to_arrow, read_arrow
from modelport.codecs.msgpack import json_to_msgpack, msgpack_to_json
from modelport.errors import BodyTooLarge, MalformedBody


def stream(table: pa.Table) -> bytes:
    """An Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def list_of(count: int, item: bytes) -> bytes:
    """MessagePack of one value, so often."""
    return b"\xdd" + count.to_bytes(4) + item * count


@pytest.mark.parametrize(
    "body",
    [
        list_of(7_500_000, b"\x90"),
        list_of(400_000, b"\x80"),
        list_of(1_100_000, b"\xc0"),
        list_of(220_000, b"\xdc\x00\x00"),
        b"\x91" * 300_000,
    ],
    ids=["lists", "maps", "nils", "long-heads", "deep"],
)
def test_messagepack_of_very_many_values_is_refused_before_it_is_read(body: bytes) -> None:
    with pytest.raises(BodyTooLarge, match="more than 1,000,000 values"):
        msgpack_to_json(body)


VALUES: list[Any] = [
    *(None, True, 1, -1, 200, -200, 70_000, -70_000, 2**40, -(2**40), 1.5, "", "x" * 20, "x" * 200, "x" * 70_000),
    *([], {}, {"a": [1]}, [0] * 20, [0] * 70_000, {str(n): n for n in range(20)}, {str(n): n for n in range(70_000)}),
]


def test_the_scan_finds_every_head_of_messagepack(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in [*VALUES, b"x" * 20, b"x" * 300, b"x" * 70_000, msgspec.msgpack.Ext(5, b"xyz")]:
        body = msgspec.msgpack.encode([value, "end"])
        expected = extent.ARRAY_COST + 1 + _cost(value)
        monkeypatch.setattr(extent, "MOST_COST", expected)
        assert not extent.is_vast_msgpack(body)
        monkeypatch.setattr(extent, "MOST_COST", expected - 1)
        assert extent.is_vast_msgpack(body)


def _cost(value: Any) -> int:
    if isinstance(value, list):
        return extent.ARRAY_COST + sum(map(_cost, value))
    if isinstance(value, dict):
        return extent.MAP_COST + sum(1 + _cost(one) for one in value.values())
    return 1


def test_many_records_and_long_texts_are_read() -> None:
    rows = [{"tempo": n + 0.5, "key": "C", "mode": 1} for n in range(80_000)]
    assert msgspec.json.decode(msgpack_to_json(msgspec.msgpack.encode(rows))) == rows
    text = {"text": "\u0090" * 2_000_000}
    assert msgspec.json.decode(msgpack_to_json(msgspec.msgpack.encode(text))) == text


@pytest.mark.parametrize("body", [b"", b"\xc1" * 300_000, b"\xdb\xff\xff\xff\xff" + b"x" * 300_000])
def test_what_is_no_messagepack_is_still_told_as_that(body: bytes) -> None:
    with pytest.raises(MalformedBody, match="not valid MessagePack"):
        msgpack_to_json(body)


def test_a_small_table_of_columns_that_hold_nothing_is_refused() -> None:
    body = stream(pa.table({f"c{n}": pa.nulls(90_000) for n in range(11)}))
    assert len(body) < 4000
    with pytest.raises(BodyTooLarge, match="90,000 rows of columns that hold nothing"):
        read_arrow(body)


def test_a_table_of_very_many_cells_is_not_read_as_records() -> None:
    column = pa.array([True] * 101_000)
    with pytest.raises(BodyTooLarge, match="101,000 rows of 10 columns, more than 1,000,000 values"):
        arrow_to_json(stream(pa.table({f"c{n}": column for n in range(10)})) + bytes(1_000_000))


@pytest.mark.parametrize("rows", [0, 1, 49_999, 50_000, 50_001, 100_000])
def test_every_row_of_a_table_is_a_record_however_many_there_are(rows: int) -> None:
    table = pa.table({"n": list(range(rows))}, schema=pa.schema([("n", pa.int64())]))
    assert msgspec.json.decode(arrow_to_json(stream(table))) == [{"n": n} for n in range(rows)]


@pytest.mark.parametrize("count", [0, 15, 16, 8_000, 65_535, 65_536])
def test_an_answer_translated_in_pieces_is_the_same_value(count: int) -> None:
    answer = [{"prediction": "rock, [metal] {x}", "probabilities": {"rock": 0.5, "pop": n}} for n in range(count)]
    written = json_to_msgpack(msgspec.json.encode(answer))
    assert written == msgspec.msgpack.encode(answer)
    if count:
        table = pa.ipc.open_stream(json_to_arrow(msgspec.json.encode(answer))).read_all()
        assert table.column("probabilities.pop").to_pylist() == list(range(count))


def test_one_value_that_is_very_large_is_not_translated() -> None:
    answer = b'{"all":[' + b",".join([b"[]"] * 250_000) + b"]}"
    for translate in (json_to_msgpack, json_to_arrow):
        with pytest.raises(CannotWrite, match="too large"):
            translate(answer)
