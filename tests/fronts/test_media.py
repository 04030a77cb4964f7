"""Media types beside JSON, for saved models."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pyarrow as pa
import pytest

from modelport.fronts.negotiation import rank
from tests.fronts.models import TRACK
from tests.fronts.service import assert_error, open_service

ARROW, MSGPACK, NPY = "application/vnd.apache.arrow.stream", "application/msgpack", "application/x-npy"


def stream(rows: list[dict[str, Any]]) -> bytes:
    """An Arrow stream of them."""
    table = pa.Table.from_pylist(rows)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def npy(lists: Any) -> bytes:
    """A file of these numbers."""
    file = io.BytesIO()
    np.save(file, np.array(lists, "float32"))
    return file.getvalue()


async def ask(client: httpx.AsyncClient, body: bytes, kind: str, accept: str = "*/*") -> httpx.Response:
    """One body in this media type."""
    return await client.post("/predict", content=body, headers={"content-type": kind, "accept": accept})


async def test_messagepack_is_answered_as_json_is(track: httpx.AsyncClient) -> None:
    as_json = (await track.post("/predict", json=[TRACK, TRACK])).json()
    answer = await ask(track, msgspec.msgpack.encode([TRACK, TRACK]), MSGPACK, MSGPACK)
    assert answer.headers["content-type"] == MSGPACK
    assert msgspec.msgpack.decode(answer.content) == as_json


async def test_the_rows_of_a_table_are_records(track: httpx.AsyncClient) -> None:
    as_json = (await track.post("/predict", json=[TRACK, TRACK])).json()
    answer = await ask(track, stream([TRACK, TRACK]), ARROW)
    assert answer.json() == as_json
    table = pa.ipc.open_stream((await ask(track, stream([TRACK, TRACK]), ARROW, ARROW)).content).read_all()
    assert table.num_rows == 2
    assert table.column("prediction").to_pylist() == [one["prediction"] for one in as_json]


async def test_the_rules_of_json_hold_for_every_media_type(track: httpx.AsyncClient) -> None:
    wrong = {**TRACK, "tempo": "fast"}
    detail = assert_error(await track.post("/predict", json=[wrong]), 422)
    assert assert_error(await ask(track, msgspec.msgpack.encode([wrong]), MSGPACK), 422) == detail
    assert assert_error(await ask(track, stream([wrong]), ARROW), 422) == detail


async def test_what_is_no_number_is_refused_in_every_media_type(track: httpx.AsyncClient) -> None:
    wrong = {**TRACK, "tempo": float("nan")}
    assert_error(await ask(track, msgspec.msgpack.encode(wrong), MSGPACK), 400, ["number_not_finite"])
    assert_error(await ask(track, stream([wrong]), ARROW), 422, ["number_not_finite"])


async def test_a_tensor_goes_in_and_out_as_a_file(fake: Callable[..., Path]) -> None:
    async with open_service(fake("vector")) as client:
        assert (await ask(client, npy([1.0, 2.0]), NPY)).json() == {"twice": [2.0, 4.0]}
        answer = await ask(client, npy([[1.0, 2.0], [3.0, 0.1]]), NPY, NPY)
        array = np.load(io.BytesIO(answer.content))
        assert np.array_equal(array, np.array([[2, 4], [6, 0.2]], "float32"))
        assert_error(await ask(client, npy([1.0, 2.0, 3.0]), NPY), 422, ["tensor_shape"])
        assert_error(await ask(client, npy(1.0), NPY), 422, ["array_shape"])
        for damaged in (b"(" * 5000, b"{" * 9000, npy([1.0, 2.0])[10:-16].replace(b"(2,)", b"(True, 2)")):
            body = b"\x93NUMPY\x01\x00" + len(damaged).to_bytes(2, "little") + damaged + bytes(16)
            assert_error(await ask(client, body, NPY), 422, ["npy_invalid"])


async def test_what_is_not_read_or_not_written_is_refused_with_what_is(track: httpx.AsyncClient) -> None:
    detail = assert_error(await ask(track, b"a,b", "text/csv"), 415, ["unsupported_media_type"])
    assert f"{MSGPACK}, {ARROW} are read" in detail[0]["hint"]
    response = await track.post("/predict", json=TRACK, headers={"accept": "text/csv"})
    assert "application/json" in assert_error(response, 406, ["not_acceptable"])[0]["hint"]


OFFERS = [b"application/json", b"application/msgpack", b"application/x-npy"]


@pytest.mark.parametrize(
    ("accept", "first"),
    [
        (b"*/*", b"application/json"),
        (b"application/x-npy;q=0.9, application/msgpack", b"application/msgpack"),
        (b"application/x-msgpack", b"application/msgpack"),
        (b"application/json;q=0, */*", b"application/msgpack"),
        (b"application/x-npy, */*", b"application/x-npy"),
        (b"APPLICATION/X-NPY;q=1.0", b"application/x-npy"),
        (b"text/html", None),
        (b"application/json;q=x", None),
        (b";;,,", None),
    ],
)
def test_the_offer_that_is_accepted_most_comes_first(accept: bytes, first: bytes | None) -> None:
    assert next(iter(rank(accept, OFFERS)), None) == first
