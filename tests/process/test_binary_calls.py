"""Calls between models whose bodies are no JSON by nature: arrays, tables, images and bytes cross as what they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image as pillow

import modelport
from modelport.assembly.answers import typed_carrier
from modelport.service import ModelSpec
from tests.process.engine import Served, serve, write_app

APP = """
    from typing import Annotated
    import numpy as np
    import pandas as pd
    import modelport
    from numpy.typing import NDArray
    from PIL import Image

    Grid = Annotated[np.ndarray, modelport.Array("float32", (None, 3))]

    @service.model("double", parallel=4)
    def double(grid: Grid) -> NDArray[np.float32]:
        return grid * 2

    @service.model("older")
    def older(people: Annotated[pd.DataFrame, modelport.Columns(name=str, age=int)]) -> pd.DataFrame:
        return people.assign(age=people.age + 1)

    @service.model("corner")
    def corner(picture: Annotated[np.ndarray, modelport.Image()]) -> list[int]:
        return picture[0, 0].tolist()

    @service.model("backwards")
    def backwards(content: bytes) -> bytes:
        return content[::-1]

    @service.model("ask")
    async def ask(what: str) -> list[str]:
        grid = np.full((500, 3), np.float32(0.1))
        if what == "arrays":
            answer = await service["double"](grid)
            answer[0, 0] = 0
            return [str(answer.dtype), str(answer.shape), str((answer[1:] == grid[1:] * 2).all())]
        if what == "batch":
            answers = await service["double"]([grid.tolist(), grid[:2].tolist()])
            return [str(a.shape) for a in answers]
        if what == "tables":
            answer = await service["older"](pd.DataFrame({"name": ["Ann", "Bo"], "age": [1, 2]}))
            return [type(answer).__name__, answer.to_csv(index=False)]
        if what == "images":
            picture = np.zeros((4, 5, 3), np.uint8)
            picture[0, 0] = (9, 8, 7)
            return [str(await service["corner"](picture)), str(await service["corner"](Image.fromarray(picture)))]
        if what == "bytes":
            return [repr(await service["backwards"](b"\\x00\\xff\\xfe"))]
        wrong = {"axes": lambda: service["double"](grid[0]), "sizes": lambda: service["double"](grid[:, :2]),
                 "columns": lambda: service["older"](pd.DataFrame({"name": ["Ann"]})),
                 "text": lambda: service["corner"](b"no image")}
        try:
            await wrong[what]()
        except modelport.InvalidInput as error:
            return [error.model, error.problems[0].type, error.problems[0].message]
        return []

    @service.model("plain")
    def plain(n: int) -> str:
        return str(service["double"].sync(np.ones((n, 3), np.float32)).sum())
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One process for each model."""
    app = write_app(tmp_path_factory.mktemp("binary"), APP)
    with serve(app, "--workers", "1", "--standby", "off") as running:
        yield running


@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        ("arrays", ["float32", "(500, 3)", "True"]),
        ("batch", ["(500, 3)", "(2, 3)"]),
        ("tables", ["DataFrame", "name,age\nAnn,2\nBo,3\n"]),
        ("images", ["[9, 8, 7]", "[9, 8, 7]"]),
        ("bytes", [repr(b"\xfe\xff\x00")]),
    ],
)
def test_what_a_model_gives_another_arrives_and_comes_back_as_what_it_is(
    served: Served, what: str, wanted: list[str]
) -> None:
    answer = served.predict({"what": what}, "ask")
    assert (answer.status, answer.json) == (200, wanted)


@pytest.mark.parametrize(
    ("what", "model", "said"),
    [
        ("axes", "double", "axes"),
        ("sizes", "double", "2"),
        ("columns", "older", "age"),
        ("text", "corner", "no image"),
    ],
)
def test_what_does_not_fit_is_refused_as_it_is_over_http(served: Served, what: str, model: str, said: str) -> None:
    named, _, message = served.predict({"what": what}, "ask").json
    assert named == model
    assert said in message


def test_a_plain_function_sends_arrays_too(served: Served) -> None:
    assert served.predict({"n": 5}, "plain").json == "30.0"


def grid(grid: Annotated[np.ndarray, modelport.Array("float32", (None, 3))]) -> NDArray[np.float32]:
    """A model."""
    return grid


def table(people: pd.DataFrame) -> pd.DataFrame:
    """A model."""
    return people


def image(picture: pillow.Image) -> float:
    """A model."""
    return float(picture.width)


def content(content: bytes) -> bytes:
    """A model."""
    return content


def song(tempo: float) -> float:
    """A model."""
    return tempo


FRAME = pd.DataFrame({"tempo": [1.0, None]})


@pytest.mark.parametrize(
    ("function", "record", "media", "accept"),
    [
        (grid, np.ones((2, 3)), b"application/x-npy", b"application/x-npy"),
        (grid, np.ones((4, 2, 3)), b"application/json", b""),
        (grid, [[1.0, 2.0, 3.0]], b"application/json", b"application/x-npy"),
        (table, FRAME, b"application/vnd.apache.arrow.stream", b"application/vnd.apache.arrow.stream"),
        (table, [{"tempo": 1.0}], b"application/json", b"application/vnd.apache.arrow.stream"),
        (image, pillow.new("RGB", (2, 2)), b"application/octet-stream", b""),
        (content, memoryview(b"ab"), b"application/octet-stream", b"application/octet-stream"),
        (song, {"tempo": 1.0}, b"application/json", b""),
    ],
)
def test_a_record_crosses_in_the_media_type_that_its_body_has_by_nature(
    function: Any, record: Any, media: bytes, accept: bytes
) -> None:
    sent = typed_carrier(ModelSpec("m", function), binary=True).send(record)
    assert sent[1] == media
    assert sent[2].partition(b",")[0] == accept


def test_a_frame_for_a_model_of_records_is_a_batch_of_them() -> None:
    body, media, _ = typed_carrier(ModelSpec("m", song), binary=True).send(FRAME)
    assert (json.loads(body), media) == ([{"tempo": 1.0}, {"tempo": None}], b"application/json")


def test_a_model_of_the_same_process_gets_json() -> None:
    _, media, accept = typed_carrier(ModelSpec("m", grid), binary=False).send(np.ones((2, 3)))
    assert (media, accept) == (b"application/json", b"")
