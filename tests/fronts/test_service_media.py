"""Forms, images, arrays, tables and bytes for models in Python, in a process that is not ours: as under our own server."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from PIL import Image as pillow

import modelport
from modelport import Array, Columns, Image, Service, testing
from tests.fronts.service import assert_error

ARROW, NPY, OCTETS = "application/vnd.apache.arrow.stream", "application/x-npy", "application/octet-stream"


@dataclass
class Options:
    """What comes beside a file."""

    threshold: float = 0.5


def declare() -> Service:
    """A model for each kind of body."""
    service = Service("media")

    @service.model("norm")
    def norm(x: Annotated[np.ndarray, Array("float32", (None, 2))]) -> NDArray[np.float32]:
        lengths: NDArray[np.float32] = np.sqrt((x**2).sum(axis=1))
        return lengths

    @service.model("adults")
    def adults(people: Annotated[pd.DataFrame, Columns(name=str, age=int)]) -> pd.DataFrame:
        return people[people.age >= 18]

    @service.model("size")
    async def size(content: bytes) -> int:
        return len(content)

    @service.model("back")
    def back(content: bytes) -> bytes:
        return content[::-1]

    @service.model("bright")
    def bright(photo: Annotated[np.ndarray, Image()], options: Options = Options(), channel: int = 0) -> bool:  # noqa: B008
        return bool(photo[:, :, channel].mean() / 255 > options.threshold)

    @service.model("rows")
    def rows(photo: Annotated[np.ndarray, Image()]) -> Iterator[int]:
        yield from (int(row.sum()) for row in photo)

    return service


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, when every model has loaded."""
    transport = httpx.ASGITransport(modelport.app(declare()))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as found:
        async with asyncio.timeout(20):
            while (await found.get("/readyz")).status_code != 200:
                await asyncio.to_thread(Path.cwd)  # the models load in threads
        yield found


def picture(value: int = 255) -> bytes:
    """A file of two rows and three columns."""
    file = io.BytesIO()
    pillow.new("RGB", (3, 2), (value, 0, 0)).save(file, "PNG")
    return file.getvalue()


def npy(lists: object) -> bytes:
    """A file of these numbers."""
    file = io.BytesIO()
    np.save(file, np.array(lists, "float32"))
    return file.getvalue()


async def send(api: httpx.AsyncClient, model: str, body: bytes, kind: str, accept: str = "*/*") -> httpx.Response:
    """One body in this media type."""
    headers = {"content-type": kind, "accept": accept}
    return await api.post(f"/models/{model}/predict", content=body, headers=headers)


async def test_an_array_goes_in_and_out_as_a_file(client: httpx.AsyncClient) -> None:
    assert (await send(client, "norm", npy([[3, 4], [6, 8]]), NPY)).json() == [5.0, 10.0]
    answer = await client.post("/models/norm/predict", json=[[3, 4]], headers={"accept": NPY})
    assert answer.headers["content-type"] == NPY
    assert np.load(io.BytesIO(answer.content)).tolist() == [5.0]
    assert_error(await send(client, "norm", npy([[1, 2, 3]]), NPY), 422, ["array_shape"])


async def test_a_table_goes_in_and_out_as_an_arrow_stream(client: httpx.AsyncClient) -> None:
    table = pa.table({"name": ["Ann", "Bob"], "age": [41, 12]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    answer = await send(client, "adults", bytes(sink.getvalue()), ARROW, ARROW)
    assert answer.headers["content-type"] == ARROW
    assert pa.ipc.open_stream(answer.content).read_all().to_pylist() == [{"name": "Ann", "age": 41}]


async def test_bytes_come_and_go_as_they_are(client: httpx.AsyncClient) -> None:
    assert (await send(client, "size", b"null \xff", OCTETS)).json() == 6
    answer = await send(client, "back", b"null", OCTETS, OCTETS)
    assert (answer.headers["content-type"], answer.content) == (OCTETS, b"llun")


async def test_a_form_with_a_file_and_options_is_read(client: httpx.AsyncClient) -> None:
    files = {"photo": ("a.png", picture())}
    answer = await client.post("/models/bright/predict", files=files, data={"options": '{"threshold": 0.9}'})
    assert (answer.status_code, answer.json()) == (200, True)
    wrong = await client.post("/models/bright/predict", files={"photo": ("a.jpg", b"text")}, data={"channel": "x"})
    assert_error(wrong, 422)
    assert [problem["loc"] for problem in wrong.json()["detail"]] == [["body", "channel"]]
    nothing = await client.post("/models/bright/predict", files={"photo": ("a.jpg", b"text")})
    assert_error(nothing, 415, ["image_format"])


async def test_a_picture_is_streamed_row_by_row(client: httpx.AsyncClient) -> None:
    answer = await send(client, "rows", picture(2), "image/png")
    assert answer.text.splitlines() == ["6", "6"]


async def test_the_document_lists_what_each_model_reads_and_writes(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    content = {name: paths[f"/models/{name}/predict"]["post"] for name in ("bright", "norm")}
    assert "multipart/form-data" in content["bright"]["requestBody"]["content"]
    assert NPY in content["norm"]["requestBody"]["content"]
    assert NPY in content["norm"]["responses"]["200"]["content"]


def test_the_client_for_tests_and_wsgi_hosts_take_forms_too() -> None:
    with testing.client(declare()) as api:
        answer = api.post("/models/bright/predict", files={"photo": ("a.png", picture(0))})
    assert (answer.status_code, answer.json()) == (200, False)
