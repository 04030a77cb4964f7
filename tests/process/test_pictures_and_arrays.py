"""What people send to models of pictures and of arrays, in real processes: odd files, large lists, wrong shapes, no NumPy."""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image as pillow

from tests.process.engine import Served, serve, write_app

APP = """
    from typing import Annotated
    import numpy as np
    import modelport
    from pydantic import BaseModel, Field

    class Options(BaseModel):
        top: int = Field(ge=1, le=5)

    @service.model("classify")
    def classify(picture: Annotated[np.ndarray, modelport.Image()], options: Options) -> dict[str, object]:
        corners = [picture[0, 0].tolist(), picture[0, -1].tolist()]
        return {"shape": picture.shape, "dtype": str(picture.dtype), "corners": corners, "top": options.top}

    @service.model("total")
    def total(grid: Annotated[np.ndarray, modelport.Array("float32", (None, 8))]) -> dict[str, object]:
        return {"dtype": str(grid.dtype), "shape": grid.shape, "sum": float(grid.sum(dtype="float64"))}

    @service.model("turn")
    def turn(content: bytes) -> bytes:
        return content[::-1]
"""
RED, BLUE = (255, 0, 0), (0, 0, 255)
BOUNDARY = "xyz"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Both models."""
    with serve(write_app(tmp_path_factory.mktemp("pictures"), APP), "--workers", "1", "--standby", "off") as running:
        yield running


def ask(served: Served, content: bytes, name: str = "a.png", options: str = '{"top": 3}') -> tuple[int, Any]:
    """Upload a file beside options, as a browser does."""
    parts = [
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="picture"; filename="{name}"\r\n'.encode(),
        b"content-type: application/octet-stream\r\n\r\n" + content + b"\r\n",
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="options"\r\n\r\n{options}\r\n'.encode(),
        f"--{BOUNDARY}--\r\n".encode(),
    ]
    answer = served.predict(b"".join(parts), "classify", content_type=f"multipart/form-data; boundary={BOUNDARY}")
    return answer.status, answer.json


def as_file(image: Any, kind: str, **options: Any) -> bytes:
    """The bytes of a picture."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def halves(width: int, height: int) -> Any:
    """Red on the left, blue on the right."""
    image = pillow.new("RGB", (width, height), BLUE)
    image.paste(RED, (0, 0, width // 2, height))
    return image


def bomb(side: int) -> bytes:
    """A PNG of some kilobytes that unfolds to a picture with sides so long."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side // 8 + 1)) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def memory_mib(served: Served) -> int:
    """The most that any process of the service has ever taken."""
    peaks = []
    for pid in served.children():
        status = Path(f"/proc/{pid}/status").read_text()
        peaks.append(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
    return max(peaks)


def test_a_picture_with_alpha_is_laid_on_white_beside_checked_options(served: Served) -> None:
    image = pillow.new("RGBA", (4, 2), (0, 0, 0, 0))
    image.putpixel((0, 0), (*RED, 255))
    status, answer = ask(served, as_file(image, "PNG"))
    assert status == 200
    assert answer == {"shape": [2, 4, 3], "dtype": "uint8", "corners": [list(RED), [255, 255, 255]], "top": 3}


def test_a_photograph_that_was_taken_upside_down_arrives_upright(served: Served) -> None:
    exif = pillow.Exif()
    exif[0x0112] = 3  # turned by half
    status, answer = ask(served, as_file(halves(64, 32), "JPEG", exif=exif, quality=95), "photo.jpg")
    assert (status, answer["shape"]) == (200, [32, 64, 3])
    left, right = answer["corners"]
    assert left[2] > 200 > 50 > left[0]
    assert right[0] > 200 > 50 > right[2]


def test_a_photograph_that_was_taken_sideways_has_its_sides_changed(served: Served) -> None:
    exif = pillow.Exif()
    exif[0x0112] = 6
    status, answer = ask(served, as_file(halves(64, 32), "JPEG", exif=exif), "photo.jpg")
    assert (status, answer["shape"]) == (200, [64, 32, 3])


def test_a_decompression_bomb_is_refused_by_its_head_and_costs_no_memory(served: Served) -> None:
    content = bomb(20_000)
    assert len(content) < 60_000
    assert ask(served, as_file(halves(8, 8), "PNG"))[0] == 200
    before = memory_mib(served)
    for _ in range(3):
        status, answer = ask(served, content)
        assert status == 413
        assert answer["detail"][0]["loc"] == ["body", "picture"]
        assert answer["detail"][0]["type"] == "image_too_large"
        assert "400000000 pixels" in answer["detail"][0]["msg"]
    assert memory_mib(served) - before < 20


def test_a_text_that_is_named_like_a_picture_is_refused_by_what_it_is(served: Served) -> None:
    status, answer = ask(served, b"I am a text", "holiday.jpg")
    assert (status, answer["detail"][0]["type"]) == (415, "image_format")
    assert "JPEG, PNG, WEBP are read" in answer["detail"][0]["msg"]


def test_a_picture_that_breaks_off_is_refused(served: Served) -> None:
    status, answer = ask(served, as_file(halves(300, 300), "PNG")[:-200])
    assert (status, answer["detail"][0]["type"]) == (422, "image_damaged")


def test_options_beside_a_picture_are_validated(served: Served) -> None:
    status, answer = ask(served, as_file(halves(8, 8), "PNG"), options='{"top": 9}')
    assert (status, answer["detail"][0]["loc"]) == (422, ["body", "options", "top"])


def test_a_megabyte_of_numbers_arrives_as_an_array_of_the_declared_type_however_it_is_sent(served: Served) -> None:
    array = np.arange(160_000, dtype=np.float32).reshape(-1, 8) / 7
    listed = json.dumps(array.tolist()).encode()
    assert len(listed) > 1_000_000
    file = io.BytesIO()
    np.save(file, array)
    wanted = {"dtype": "float32", "shape": [20_000, 8], "sum": float(array.sum(dtype="float64"))}
    json_type = "application/json"
    ways: list[tuple[bytes, dict[str, str]]] = [
        (listed, {"content_type": json_type}),
        (listed, {"content_type": f"{json_type}; charset=utf-8"}),
        (listed, {"content_type": json_type, "accept": "application/msgpack;q=0.5, application/json"}),
        (gzip.compress(listed, 1), {"content_type": json_type, "content_encoding": "gzip"}),
        (msgspec.msgpack.encode(array.tolist()), {"content_type": "application/msgpack"}),
        (file.getvalue(), {"content_type": "application/x-npy"}),
        (gzip.compress(file.getvalue(), 1), {"content_type": "application/x-npy", "content_encoding": "gzip"}),
    ]
    for body, headers in ways:
        answer = served.predict(body, "total", **headers)
        assert (answer.status, answer.json) == (200, wanted), headers


def test_megabytes_that_are_passed_on_in_their_packets_come_back_whole_and_in_order(served: Served) -> None:
    octets, msgpack = "application/octet-stream", "application/msgpack"
    content = np.random.default_rng(0).bytes(3_000_000)
    raw = served.predict(content, "turn", content_type=octets, accept=octets)
    assert (raw.status, raw.body == content[::-1]) == (200, True)
    listed = served.predict(content, "turn", content_type=octets)
    assert base64.b64decode(listed.json) == content[::-1]
    packed = served.predict(content, "turn", content_type=octets, accept=msgpack)
    assert base64.b64decode(msgspec.msgpack.decode(packed.body)) == content[::-1]


@pytest.mark.parametrize("media", ["application/json", "application/x-npy"])
def test_a_wrong_shape_is_told_by_axis_and_sizes(served: Served, media: str) -> None:
    array = np.ones((5, 7), np.float32)
    file = io.BytesIO()
    np.save(file, array)
    body = file.getvalue() if media.endswith("npy") else json.dumps(array.tolist()).encode()
    answer = served.predict(body, "total", content_type=media)
    assert answer.status == 422
    message = answer.json["detail"][0]["msg"]
    assert "Axis 1" in message
    assert "7" in message
    assert "8" in message


NO_NUMPY = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numpy", "pandas", "sklearn", "pyarrow", "onnxruntime"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""
PLAIN = """
    @service.model("length")
    def length(text: str) -> int:
        return len(text)

    @service.get("/hello")
    async def hello() -> str:
        try:
            import numpy
        except ModuleNotFoundError:
            return "Hello"
"""


def test_a_service_that_needs_no_numpy_starts_and_answers_where_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NO_NUMPY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    with serve(write_app(tmp_path, PLAIN), "--workers", "1", "--standby", "off") as served:
        assert served.predict({"text": "abc"}).json == 3
        assert served.predict([{"text": "abc"}, {"text": ""}]).json == [3, 0]
        assert served.get("/hello").json == "Hello"
        refused = served.predict(b"x", content_type="application/x-npy")
        assert (refused.status, refused.json["detail"][0]["type"]) == (415, "unsupported_media_type")
        for page in ("/openapi.json", "/docs", "/metrics", "/status", "/models/length"):
            assert served.get(page).status == 200
