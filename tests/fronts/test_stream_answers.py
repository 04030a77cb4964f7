"""Models that answer item by item, as one application: what the document says of them, and how each kind of item is written."""

from __future__ import annotations

import importlib
import json
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Annotated, Any

import httpx
import numpy as np
import pytest
from fastapi import HTTPException
from numpy.typing import NDArray
from openapi_spec_validator import OpenAPIV31SpecValidator

import modelport
from modelport.codecs.stream_forms import FORMS, JSONL, NDJSON, SSE
from modelport.fronts.stream_offers import form_of
from modelport.service import Service
from tests.fronts.service import until_state

jsonschema = importlib.import_module("jsonschema")
service = Service("streams")


@service.model("rows", example={"count": 2})
def rows(count: int) -> Iterator[NDArray[np.float32]]:
    """Arrays, with what is no number in them."""
    for row in range(count):
        yield np.array([0.1, row, np.nan], "float32")


@service.model("moments", example={"year": 1959})
async def moments(year: int) -> AsyncIterator[datetime]:
    """Datetimes."""
    yield datetime(year, 8, 17)


@service.model("refusing")
def refusing(status: int, items: int) -> Iterator[int]:
    """Raises with a status."""
    yield from range(items)
    raise HTTPException(status, "refused")


@service.model("once")
def once(status: int) -> int:
    """The same, of a model that answers once."""
    raise HTTPException(status, {"why": "refused"})


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Asks the service, in this process."""
    transport = httpx.ASGITransport(app=modelport.app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as asking:
        await until_state(asking, "ready")
        yield asking


async def ask(client: httpx.AsyncClient, model: str, body: Any, accept: str = "*/*") -> httpx.Response:
    """A POST."""
    return await client.post(f"/models/{model}/predict", json=body, headers={"accept": accept})


async def test_the_document_stays_valid_and_tells_the_type_of_an_item(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    OpenAPIV31SpecValidator(document).validate()
    operation = document["paths"]["/models/moments/predict"]["post"]
    content = operation["responses"]["200"]["content"]
    assert list(content) == ["application/x-ndjson", "text/event-stream", "application/jsonl"]
    (item,) = {json.dumps(each["x-itemSchema"]) for each in content.values()}
    lines = (await ask(client, "moments", {"year": 1959})).text.splitlines()
    schema = {**json.loads(item), "components": document["components"]}
    for line in lines:
        jsonschema.validate(json.loads(line), schema)
    assert lines == ['"1959-08-17T00:00:00"']
    assert "several" not in operation["requestBody"]["content"]["application/json"]["examples"]


async def test_the_description_of_a_model_tells_that_it_streams(client: httpx.AsyncClient) -> None:
    assert (await client.get("/models/rows")).json()["streams"] is True
    assert "streams" not in (await client.get("/models/once")).json()


async def test_items_are_written_as_answers_are(client: httpx.AsyncClient) -> None:
    answer = await ask(client, "rows", {"count": 2})
    assert answer.text == "[0.1,0.0,null]\n[0.1,1.0,null]\n"
    events = (await ask(client, "rows", {"count": 1}, "text/event-stream")).text
    assert events == 'data: [0.1,0.0,null]\n\nevent: end\ndata: {"items":1}\n\n'


@pytest.mark.parametrize("status", [401, 403, 404, 409, 429, 500, 503])
async def test_an_exception_with_a_status_has_it_before_the_first_item(client: httpx.AsyncClient, status: int) -> None:
    answer = await ask(client, "refusing", {"status": status, "items": 0}, "text/event-stream")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["detail"][0]["msg"] == "refused"


@pytest.mark.parametrize("status", [403, 503])
async def test_an_exception_with_a_status_has_it_where_a_model_answers_once(
    client: httpx.AsyncClient, status: int
) -> None:
    answer = await ask(client, "once", {"status": status})
    assert answer.status_code == status
    (problem,) = answer.json()["detail"]
    assert (problem["type"], problem["msg"]) == ("http_exception", "{'why': 'refused'}")


@pytest.mark.parametrize("status", [200, 302, 99, 1000])
async def test_an_exception_whose_status_is_no_error_is_a_500(client: httpx.AsyncClient, status: int) -> None:
    assert (await ask(client, "once", {"status": status})).status_code == 500


async def test_a_list_of_bodies_is_refused(client: httpx.AsyncClient) -> None:
    answer = await ask(client, "moments", [{"year": 1959}])
    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, "stream_of_list")


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, NDJSON),
        (b"text/event-stream", SSE),
        (b"text/event-stream, */*;q=0.1", SSE),
        (b"application/jsonl", JSONL),
        (b"text/*", SSE),
        (b"application/json, text/event-stream;q=0.9", NDJSON),
        (b"application/json;q=0.1, text/event-stream", SSE),
    ],
)
def test_accept_decides_the_form(accept: bytes | None, media: bytes) -> None:
    assert form_of(accept).media == media


@pytest.mark.parametrize("form", FORMS.values(), ids=lambda form: form.media.decode())
def test_no_form_lets_an_error_be_taken_for_an_item(form: Any) -> None:
    error = form.error(503, b'{"detail":[]}')
    item = form.item(b'{"detail":[]}')
    assert error != item or form.media == b"application/json"  # which code reads, that is told of the status
    assert b"\n" not in error.rstrip(b"\n") or form.media == SSE


def failing(count: int) -> Iterator[int]:
    """Fails at once."""
    raise ValueError("no model is here")
    yield count


def endless(count: int) -> Iterator[int]:
    """Never ends."""
    while True:
        yield count


@pytest.mark.parametrize(
    ("function", "example", "state"),
    [(failing, {"count": 1}, "failed"), (endless, {"count": 1}, "ready"), (endless, {"count": "x"}, "failed")],
)
async def test_the_example_is_tried_by_its_first_item(function: Any, example: Any, state: str) -> None:
    own = Service("own")
    own.model("m", example=example)(function)
    transport = httpx.ASGITransport(app=modelport.app(own))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as asking:
        await until_state(asking, state)


Wrong = Annotated[int, "an annotation"]


def test_a_stream_in_batches_ends_the_start() -> None:
    own = Service("own")

    @own.model("m", batch=True)
    def batched(xs: list[int]) -> Iterator[Wrong]:
        yield from xs

    with pytest.raises(modelport.SetupError, match=r"test_stream_answers\.py:\d+: batch=True and a stream exclude"):
        modelport.app(own)
