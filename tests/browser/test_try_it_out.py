"""“Try it out” for bodies that are no JSON by nature: an upload with typed options, an image, an array."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as pillow

from tests.browser.visits import Visit
from tests.process.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload, Locator

APP = """
from typing import Annotated
import numpy as np
from pydantic import BaseModel, Field
import modelport
from modelport import Service

service = Service("pictures")

class Options(BaseModel):
    top: int = Field(3, ge=1, le=5, description="how many labels")
    language: str = "en"

@service.model("upload")
def upload(picture: Annotated[np.ndarray, modelport.Image()], options: Options, note: str = "none") -> dict[str, object]:
    seen = {"shape": picture.shape, "corner": picture[0, 0].tolist()}
    return {**seen, "top": options.top, "language": options.language, "note": note}

@service.model("picture")
def picture(picture: Annotated[np.ndarray, modelport.Image()]) -> list[int]:
    return [*picture.shape, *picture[0, 0].tolist()]

@service.model("grid", example=[[1, 2, 3]])
def grid(grid: Annotated[np.ndarray, modelport.Array("float32", (None, 3))]) -> list[float]:
    return grid.sum(axis=0).tolist()
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the service is."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "app.py").write_text(APP)
    with Server.start(Path("app.py"), "--workers", 1, "--standby", "off", folder=folder) as server:
        yield server.url


def png() -> FilePayload:
    """A file for a picker: two by four pixels."""
    file = io.BytesIO()
    pillow.new("RGB", (4, 2), (9, 8, 7)).save(file, "PNG")
    return {"name": "picture.png", "mimeType": "image/png", "buffer": file.getvalue()}


def npy() -> FilePayload:
    """The same of an array."""
    file = io.BytesIO()
    np.save(file, np.array([[1, 2, 3], [4, 5, 6]], np.float32))
    return {"name": "grid.npy", "mimeType": "application/octet-stream", "buffer": file.getvalue()}


def unfold(visit: Visit, url: str, model: str, media: str) -> Locator:
    """Open the operation of a model, with its body in a media type."""
    visit.open(f"{url}/docs")
    block = visit.page.locator(".opblock-post", has_text=f"/models/{model}/predict").first
    block.locator(".opblock-summary-control").click()
    chosen = block.locator(".opblock-section-request-body select").first
    chosen.select_option(media)
    return block


def execute(block: Locator) -> tuple[int, Any]:
    """Send it: status and answer as the page shows them."""
    block.locator(".execute").click()
    answer = block.locator(".live-responses-table tr.response")
    answer.wait_for()
    status = int(answer.locator(".response-col_status").inner_text().split()[0])
    return status, json.loads(answer.locator("code").first.inner_text())


def test_an_upload_goes_with_typed_options(visit: Visit, pictures: str) -> None:
    block = unfold(visit, pictures, "upload", "multipart/form-data")
    block.locator("input[type=file]").set_input_files(png())
    block.locator("textarea").first.fill('{"top": 5, "language": "de"}')
    status, answer = execute(block)
    assert (status, answer) == (
        200,
        {"shape": [2, 4, 3], "corner": [9, 8, 7], "top": 5, "language": "de", "note": "none"},
    )
    assert visit.outside() == []


def test_options_that_are_wrong_are_named_with_their_place(visit: Visit, pictures: str) -> None:
    block = unfold(visit, pictures, "upload", "multipart/form-data")
    block.locator("input[type=file]").set_input_files(png())
    block.locator("textarea").first.fill('{"top": 9}')
    status, answer = execute(block)
    assert status == 422
    assert answer["detail"][0]["loc"] == ["body", "options", "top"]


def test_an_image_is_sent_as_the_file_that_it_is(visit: Visit, pictures: str) -> None:
    block = unfold(visit, pictures, "picture", "image/png")
    block.locator("input[type=file]").set_input_files(png())
    assert execute(block) == (200, [2, 4, 3, 9, 8, 7])


def test_an_array_is_sent_as_json_that_is_filled_in(visit: Visit, pictures: str) -> None:
    block = unfold(visit, pictures, "grid", "application/json")
    assert execute(block) == (200, [1.0, 2.0, 3.0])


def test_an_array_is_sent_as_a_file_of_numpy(visit: Visit, pictures: str) -> None:
    block = unfold(visit, pictures, "grid", "application/x-npy")
    block.locator("input[type=file]").set_input_files(npy())
    assert execute(block) == (200, [5.0, 7.0, 9.0])
    assert visit.outside() == []
