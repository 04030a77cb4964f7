"""Bodies and answers of models in Python over HTTP: arrays, tables, images, forms, and the media types beside JSON."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from openapi_spec_validator import validate
from PIL import Image as pillow

from tests.process.engine import Served, serve, write_app

APP = """
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from modelport import Array, Columns, Image, Service

service = Service("bodies")


@service.model()
def double(x: Annotated[np.ndarray, Array("float32", (None, 2))]) -> NDArray[np.float32]:
    return x * 2


@service.model()
def people(table: Annotated[pd.DataFrame, Columns(age=int, weight=float | None)]):
    return table.assign(older=table.age + 1)


@dataclass
class Options:
    threshold: float = 0.5
    labels: tuple[str, ...] = ()


@service.model()
def look(picture: Annotated[np.ndarray, Image(max_pixels=10_000)], options: Options = Options(), top: int = 1):
    return {"shape": picture.shape, "corner": picture[0, 0], "threshold": options.threshold, "top": top}


@service.model()
async def corner(picture: Annotated[np.ndarray, Image(max_pixels=10_000)]) -> list[int]:
    return list(picture[0, 0])


@service.model()
def turn(content: bytes) -> bytes:
    return content[::-1]


@service.model()
def anything(x: float):
    class MyThing:
        pass

    return {"t": [MyThing()]} if x < 0 else {"p": np.float32(0.3), "bad": float("nan")}


@service.model()
def wrong(x: float) -> dict[str, float]:
    return {"score": "high"}
"""
pytestmark = pytest.mark.slow
NPY, ARROW, MSGPACK = "application/x-npy", "application/vnd.apache.arrow.stream", "application/msgpack"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """All of them in one service."""
    with serve(write_app(tmp_path_factory.mktemp("bodies"), APP), "--standby", "off", "--workers", "1") as running:
        yield running


def npy(array: Any) -> bytes:
    """A file of it."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def stream(table: pa.Table, **options: Any) -> bytes:
    """An Arrow stream of it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def picture(size: tuple[int, int] = (4, 3), mode: str = "RGB", kind: str = "PNG", **options: Any) -> bytes:
    """A file of one colour."""
    file = io.BytesIO()
    pillow.new(mode, size, {"RGB": (10, 20, 30), "RGBA": (0, 0, 0, 0)}[mode]).save(file, kind, **options)
    return file.getvalue()


def bomb() -> bytes:
    """A small PNG that says it is 30,000 pixels wide and high."""
    head = b"IHDR" + (30_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    chunks = [head, b"IDAT" + zlib.compress(bytes(50_000)), b"IEND"]
    sized = [len(c[4:]).to_bytes(4, "big") + c + zlib.crc32(c).to_bytes(4, "big") for c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(sized)


def form(*fields: tuple[str, bytes, str]) -> tuple[bytes, str]:
    """A form of files and values, and its content type."""
    parts = [
        f'--X\r\ncontent-disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"
        for name, content, more in fields
    ]
    return b"".join(parts) + b"--X--\r\n", "multipart/form-data; boundary=X"


FILE = '; filename="a.png"'


# -- arrays and tables --------------------------------------------------------------------------------------------


def test_an_array_goes_in_and_out_as_a_file(app: Served) -> None:
    answer = app.predict(npy(np.ones((3, 2))), "double", content_type=NPY, accept=NPY)
    assert (answer.status, answer.headers["content-type"]) == (200, NPY)
    array = np.load(io.BytesIO(answer.body))
    assert array.dtype == np.float32
    assert np.array_equal(array, np.full((3, 2), 2))


def test_a_batch_of_arrays_becomes_one_array(app: Served) -> None:
    answer = app.predict([[[1, 2]], [[3, 4]]], "double", accept=f"{NPY}, application/json;q=0.1")
    assert np.load(io.BytesIO(answer.body)).tolist() == [[[2, 4]], [[6, 8]]]


def test_a_table_goes_in_and_out_as_an_arrow_stream(app: Served) -> None:
    body = stream(pa.table({"age": [1, 2], "weight": pa.array([None, 2.5], pa.float32())}))
    answer = app.predict(body, "people", content_type=ARROW, accept=ARROW)
    assert answer.status == 200, answer.body
    assert pa.ipc.open_stream(answer.body).read_all().to_pylist() == [
        {"age": 1, "weight": None, "older": 2},
        {"age": 2, "weight": 2.5, "older": 3},
    ]


def test_messagepack_holds_what_json_would(app: Served) -> None:
    body = msgspec.msgpack.encode([{"age": 1, "weight": None}])
    answer = app.predict(body, "people", content_type=MSGPACK, accept=MSGPACK)
    assert answer.headers["content-type"] == MSGPACK
    assert msgspec.msgpack.decode(answer.body) == [{"age": 1, "weight": None, "older": 2}]


def test_numbers_that_are_none_are_null_and_counted(app: Served) -> None:
    answer = app.predict({"x": 1}, "anything")
    assert answer.body == b'{"p":0.3,"bad":null}'
    assert answer.headers["modelport-non-finite"] == "1"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (npy(np.ones((3, 3))), "array_shape"),
        (npy(np.array([[1j, 2]])), "npy_type"),
        (npy(np.array([[1, "a"]], dtype="U1")), "npy_type"),
        (npy(np.full((1, 2), np.nan)), "array_not_finite"),
        (npy(np.ones((3, 2)))[:-1], "npy_invalid"),
        (npy(np.ones((3, 2))).replace(b"(3, 2)", b"(9**9, 2)"), "npy_invalid"),
        (npy(np.ones((3, 2))).replace(b"(3, 2), }" + b" " * 9, b"(1000000000000,),}"), "npy_invalid"),
        (b"\x93NUMPY", "npy_invalid"),
        (b"\x93NUMPY\x01\x00\x88\x13" + b"(" * 5000, "npy_invalid"),
        (b"\x93NUMPY\x01\x00\x28\x23" + b"{" * 9000, "npy_invalid"),
        (npy(np.ones((3, 2))).replace(b"(3, 2), }  ", b"(True, 6),}"), "npy_invalid"),
        (b"", "npy_invalid"),
    ],
    ids=range(12),
)
def test_a_file_that_is_no_such_array_is_refused_before_anything_is_allocated(
    app: Served, body: bytes, kind: str
) -> None:
    answer = app.predict(body, "double", content_type=NPY)
    assert (answer.status, answer.json["detail"][0]["type"]) == (422, kind)


def test_pickled_objects_are_never_read(app: Served) -> None:
    file = io.BytesIO()
    np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    assert app.predict(file.getvalue(), "double", content_type=NPY).json["detail"][0]["type"] == "npy_type"


LONG = pa.DictionaryArray.from_arrays(pa.array(np.zeros(200_000, np.int8)), ["x" * 10_000])


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (stream(pa.table({"age": [1]})), 422, "table_columns"),
        (stream(pa.table({"age": pa.nulls(10**9)})), 413, "body_too_large"),
        (stream(pa.table({"age": pa.array([[None]])})), 422, "arrow_type"),
        (stream(pa.table({"age": [1], "weight": [1.0]}), compression="lz4"), 422, "arrow_compressed"),
        (stream(pa.table({"age": LONG})), 413, "body_too_large"),
        (stream(pa.table({"age": [1], "weight": [1.0]}))[:300], 422, "arrow_invalid"),
        (b"nothing", 422, "arrow_invalid"),
    ],
    ids=range(7),
)
def test_a_stream_that_is_no_such_table_is_refused(app: Served, body: bytes, status: int, kind: str) -> None:
    answer = app.predict(body, "people", content_type=ARROW)
    assert (answer.status, answer.json["detail"][0]["type"]) == (status, kind)


@pytest.mark.parametrize("body", [b"\xdd\xff\xff\xff\xff", b"\x91" * 5000, b"\xc1", b"", b"\xd4\x05\x00"])
def test_messagepack_that_is_none_is_refused(app: Served, body: bytes) -> None:
    assert app.predict(body, "people", content_type=MSGPACK).json["detail"][0]["type"] == "msgpack_invalid"


# -- negotiation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "came"),
    [
        ("text/html, application/xhtml+xml, */*;q=0.8", "application/json"),
        (f"{NPY};q=0.5, application/json", "application/json"),
        (f"application/json;q=0.5, {NPY}", NPY),
        (f"{NPY}, */*", NPY),
        ("application/*", "application/json"),
    ],
)
def test_weights_decide(app: Served, accept: str, came: str) -> None:
    assert app.predict([[1, 2]], "double", accept=accept).headers["content-type"] == came


def test_an_answer_without_the_wanted_form_is_written_in_the_next(app: Served) -> None:
    answer = app.predict({"x": 1}, "anything", accept=f"{NPY}, {MSGPACK};q=0.5")
    assert msgspec.msgpack.decode(answer.body) == {"p": 0.3, "bad": None}


def test_an_answer_without_any_wanted_form_is_refused_with_what_is_offered(app: Served) -> None:
    answer = app.predict([[1, 2]], "double", accept="image/png")
    assert (answer.status, answer.json["detail"][0]["type"]) == (406, "not_acceptable")
    assert NPY in answer.json["detail"][0]["hint"]
    late = app.predict({"x": 1}, "anything", accept=NPY)
    assert (late.status, late.json["detail"][0]["type"]) == (406, "not_acceptable")


def test_a_media_type_that_is_not_read_is_refused_with_those_that_are(app: Served) -> None:
    answer = app.predict(b"x", "double", content_type="text/csv")
    assert answer.status == 415
    assert f"application/json, {MSGPACK}, {NPY} are read" in answer.json["detail"][0]["hint"]


# -- bytes, images and forms --------------------------------------------------------------------------------------


def test_bytes_go_in_and_out_as_they_are(app: Served) -> None:
    octets = "application/octet-stream"
    assert app.predict(b"\0ab", "turn", content_type=octets, accept=octets).body == b"ba\0"
    assert app.predict(base64.b64encode(b"ab").decode(), "turn").json == base64.b64encode(b"ba").decode()


def test_a_good_image_is_an_upright_rgb_array_with_its_alpha_flattened(app: Served) -> None:
    exif = pillow.Exif()
    exif[0x0112] = 6
    turned = picture((40, 30), kind="JPEG", exif=exif)
    body, kind = form(("picture", turned, FILE))
    assert app.predict(body, "look", content_type=kind).json["shape"] == [40, 30, 3]
    assert app.predict(picture(mode="RGBA"), "corner", content_type="image/png").json == [255, 255, 255]
    assert app.predict(picture(), "corner", content_type="application/octet-stream").json == [10, 20, 30]
    assert app.predict(base64.b64encode(picture()).decode(), "corner").json == [10, 20, 30]


@pytest.mark.parametrize(
    ("file", "status", "kind"),
    [
        (bomb(), 413, "image_too_large"),
        (picture((200, 51)), 413, "image_too_large"),
        (b"hello", 415, "image_format"),
        (picture(kind="GIF"), 415, "image_format"),
        (picture((90, 90))[:120], 422, "image_damaged"),
        (b"", 415, "image_format"),
    ],
    ids=["bomb", "large", "text", "gif", "cut", "empty"],
)
def test_a_bad_image_is_refused(app: Served, file: bytes, status: int, kind: str) -> None:
    for model, (body, content_type) in {"corner": (file, "image/jpeg"), "look": form(("picture", file, FILE))}.items():
        answer = app.predict(body, model, content_type=content_type)
        assert (answer.status, answer.json["detail"][0]["type"]) == (status, kind)


def test_a_form_holds_a_file_and_options(app: Served) -> None:
    options = json.dumps({"threshold": 0.25}).encode()
    body, kind = form(("picture", picture(), FILE), ("options", options, ""), ("top", b"3", ""))
    answer = app.predict(body, "look", content_type=kind)
    assert answer.json == {"shape": [3, 4, 3], "corner": [10, 20, 30], "threshold": 0.25, "top": 3}


@pytest.mark.parametrize(
    ("fields", "loc", "kind"),
    [
        ([("top", b"x", "")], ["body", "top"], "int_parsing"),
        ([("options", b'{"threshold": "a"}', "")], ["body", "options", "threshold"], "float_type"),
        ([("topp", b"3", "")], ["body", "topp"], "extra_forbidden"),
        ([("top", b"3", ""), ("top", b"4", "")], ["body", "top"], "duplicate_key"),
    ],
)
def test_a_field_that_does_not_fit_is_named(app: Served, fields: list[Any], loc: list[str], kind: str) -> None:
    body, content_type = form(("picture", picture(), FILE), *fields)
    answer = app.predict(body, "look", content_type=content_type)
    assert answer.status == 422
    assert [(e["loc"], e["type"]) for e in answer.json["detail"]] == [(loc, kind)]


def test_a_form_without_its_file_or_its_end_is_refused(app: Served) -> None:
    body, content_type = form(("top", b"3", ""))
    assert app.predict(body, "look", content_type=content_type).json["detail"][0]["type"] == "missing"
    assert app.predict(body[:-6], "look", content_type=content_type).json["detail"][0]["type"] == "form_invalid"
    assert app.predict(body, "look", content_type="multipart/form-data").json["detail"][0]["type"] == "form_invalid"


# -- answers that are wrong ---------------------------------------------------------------------------------------


def test_a_wrong_answer_is_a_500_that_names_the_field_in_the_log_alone(app: Served) -> None:
    answer = app.predict({"x": 1}, "wrong")
    assert (answer.status, answer.json["detail"][0]["type"]) == (500, "wrong_answer")
    assert b"score" not in answer.body
    app.wait_for("result.score: Input should be a valid number, not 'high'")
    assert app.predict({"x": -1}, "anything").status == 500
    app.wait_for("result['t'][0] is a app.anything.<locals>.MyThing; return")


# -- the document -------------------------------------------------------------------------------------------------


def test_the_document_lists_every_media_type_and_offers_file_pickers(app: Served) -> None:
    document = app.get("/openapi.json").json
    validate(document)
    look = document["paths"]["/models/look/predict"]["post"]["requestBody"]["content"]
    assert set(look) >= {"application/json", "multipart/form-data", MSGPACK}
    fields = look["multipart/form-data"]["schema"]["properties"]
    assert fields["picture"] == {"type": "string", "format": "binary", "contentMediaType": "image/*"}
    assert fields["top"]["type"] == "integer"
    corner = document["paths"]["/models/corner/predict"]["post"]["requestBody"]["content"]
    assert corner["image/png"]["schema"] == {"type": "string", "format": "binary"}
    answers = document["paths"]["/models/double/predict"]["post"]["responses"]["200"]["content"]
    assert set(answers) >= {"application/json", NPY, MSGPACK}
