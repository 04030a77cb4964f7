"""Images and files that come from anywhere: good ones are read, others refused by what they claim."""

from __future__ import annotations

import io
import zlib
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image as pillow

from modelport import Image
from modelport.codecs.arrow import arrow_to_json, read_arrow
from modelport.codecs.hints import settle
from modelport.codecs.images import PendingImage
from modelport.codecs.npy import read_npy, write_npy
from modelport.codecs.typed import TypedBody, read_body_type
from modelport.errors import BodyTooLarge, ConfigError, InvalidInput, UnsupportedMedia


def picture(mode: str = "RGB", size: tuple[int, int] = (4, 3), kind: str = "PNG", **options: Any) -> bytes:
    """A file of one colour; with an alpha, of none."""
    colour = {"RGB": (10, 20, 30), "RGBA": (0, 0, 0, 0), "LA": (0, 0), "L": 7, "I;16": 256}[mode]
    file = io.BytesIO()
    pillow.new(mode, size, colour).save(file, kind, **options)  # type: ignore[arg-type]
    return file.getvalue()


def huge() -> bytes:
    """A few bytes that say they are 900 million pixels."""
    head = b"IHDR" + (30_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    chunks = [head, b"IDAT" + zlib.compress(bytes(5000)), b"IEND"]
    sized = [len(c[4:]).to_bytes(4, "big") + c + zlib.crc32(c).to_bytes(4, "big") for c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(sized)


def body_of(declared: Image) -> TypedBody:
    """How a function with this image reads its body."""

    def predict(image: Any) -> int:
        return 0

    predict.__annotations__["image"] = Annotated[np.ndarray, declared]
    return read_body_type(predict, False, None, "app.py:3")


def test_an_image_that_waits_is_no_larger_than_its_file() -> None:
    content = picture(size=(500, 500))
    (waiting,), _ = body_of(Image()).take(content)
    assert isinstance(waiting, PendingImage)
    assert waiting.content is content
    assert settle(waiting).shape == (500, 500, 3)


@pytest.mark.parametrize(
    ("content", "declared", "shape", "corner"),
    [
        (picture(), Image(), (3, 4, 3), [10, 20, 30]),
        (picture("RGBA"), Image(), (3, 4, 3), [255, 255, 255]),
        (picture("RGBA"), Image(background=(1, 2, 3)), (3, 4, 3), [1, 2, 3]),
        (picture("RGBA"), Image(mode="RGBA"), (3, 4, 4), [0, 0, 0, 0]),
        (picture("LA"), Image(mode="L"), (3, 4), 255),
        (picture("I;16"), Image(mode="L"), (3, 4), 1),
        (picture(), Image(size=(2, 5)), (5, 2, 3), [10, 20, 30]),
        (picture(kind="GIF"), Image(formats=("gif", "jpg")), (3, 4, 3), [10, 20, 30]),
    ],
)
def test_an_image_comes_as_it_is_declared(content: bytes, declared: Image, shape: Any, corner: Any) -> None:
    (waiting,), _ = body_of(declared).take(content)
    array = settle(waiting)
    assert (array.shape, array.dtype) == (shape, np.uint8)
    assert array[0, 0].tolist() == corner


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_upright(orientation: int) -> None:
    exif = pillow.Exif()
    exif[0x0112] = orientation
    (waiting,), _ = body_of(Image()).take(picture(size=(40, 30), kind="JPEG", exif=exif))
    assert settle(waiting).shape[:2] == ((30, 40) if orientation < 5 else (40, 30))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (huge(), BodyTooLarge),
        (picture(size=(20, 20)), BodyTooLarge),
        (picture(kind="GIF"), UnsupportedMedia),
        (b"hello", UnsupportedMedia),
        (b"", UnsupportedMedia),
    ],
)
def test_a_bad_image_is_refused_by_its_head(content: bytes, error: type[InvalidInput]) -> None:
    with pytest.raises(error) as caught:
        body_of(Image(max_pixels=399)).take(content)
    assert type(caught.value) is error


def test_a_damaged_image_is_refused_when_it_is_decoded() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8)
    file = io.BytesIO()
    pillow.fromarray(noise).save(file, "PNG")
    (waiting,), _ = body_of(Image()).take(file.getvalue()[:2000])
    with pytest.raises(InvalidInput, match="damaged"):
        settle(waiting)


@pytest.mark.parametrize(
    "options", [{"formats": ("SVG",)}, {"formats": ()}, {"mode": "CMYK"}, {"max_pixels": 0}, {"size": (1,)}]
)
def test_an_image_that_is_declared_wrongly_names_its_line(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"test_files\.py:\d+: Image"):
        Image(**options)


# -- files of arrays and tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)), np.array([1], ">i2"), np.array(True)],
)
def test_an_array_comes_back_as_it_was(array: Any) -> None:
    again = read_npy(write_npy(array))
    assert np.array_equal(again, array)
    assert again.shape == array.shape


@pytest.mark.parametrize("cut", range(0, 136, 5))
def test_a_file_that_is_cut_is_refused(cut: int) -> None:
    with pytest.raises(InvalidInput):
        read_npy(write_npy(np.arange(2.0))[:cut])


def test_a_head_that_claims_a_trillion_numbers_is_refused_unallocated() -> None:
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    body = b"\x93NUMPY\x01\x00" + (119 - 1).to_bytes(2, "little") + head.ljust(117) + b"\n"
    with pytest.raises(InvalidInput, match="The head says 8,000,000,000,000 bytes"):
        read_npy(body)


def stream(table: Any, **options: Any) -> bytes:
    """An Arrow stream of it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def test_a_stream_with_any_byte_changed_is_read_or_refused() -> None:
    body = stream(pa.table({"a": [1, None], "b": ["x", "yy"], "c": pa.array(["u", "v"]).dictionary_encode()}))
    for place in range(0, len(body), 3):
        changed = bytearray(body)
        changed[place] ^= 0xFF
        try:
            read_arrow(bytes(changed)).to_pylist()
        except (InvalidInput, UnicodeDecodeError):
            continue


@pytest.mark.parametrize(
    ("table", "options", "error"),
    [
        (pa.table({"a": pa.nulls(10**9)}), {}, BodyTooLarge),
        (pa.table({"a": pa.array(np.zeros(8_000_000, bool))}), {}, BodyTooLarge),
        (pa.table({"a": pa.array(["x"], pa.string_view())}), {}, InvalidInput),
        (pa.table({"a": [1]}), {"compression": "zstd"}, InvalidInput),
        (pa.table({"a": pa.array(["x"]).dictionary_encode()}), {"compression": "lz4"}, InvalidInput),
        (pa.table({"a": [float("nan")]}), {}, InvalidInput),
    ],
    ids=["null", "bits", "view", "zstd", "lz4", "nan"],
)
def test_a_table_that_would_unfold_is_refused(table: Any, options: Any, error: type[InvalidInput]) -> None:
    with pytest.raises(InvalidInput) as caught:
        arrow_to_json(stream(table, **options))
    assert type(caught.value) is error
