"""How what code gives to another model crosses to it: in the media type that its body has by nature, and JSON where it has none."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

from modelport.codecs.answers import CannotWrite, tensor_array
from modelport.codecs.arrays import Array
from modelport.codecs.arrow import arrow_to_frame, write_arrow
from modelport.codecs.hints import Whole, marker_of
from modelport.codecs.images import LazyImage
from modelport.codecs.json import encode_record
from modelport.codecs.media import ARROW, JSON, NPY, OCTETS, is_installed
from modelport.codecs.npy import read_npy, write_npy
from modelport.codecs.tables import Columns
from modelport.codecs.typed import TypedBody

Send = Callable[[Any], tuple[bytes, bytes]]
"""From a record to a body and its media type. Raises TypeError for what is no data."""
LOSSLESS = ("PNG", "TIFF", "BMP", "WEBP", "JPEG")


def send_json(record: Any) -> tuple[bytes, bytes]:
    """As any model takes it."""
    return encode_record(record), JSON


def compile_sender(typed: TypedBody) -> Send:
    """For a model in Python, by the type of its body."""
    binary = _binary(typed.whole)
    if binary is None:
        return send_json

    def send(record: Any) -> tuple[bytes, bytes]:
        written = binary(record)
        return send_json(record) if written is None else written

    return send


def _binary(whole: Whole | type[bytes] | None) -> Callable[[Any], tuple[bytes, bytes] | None] | None:
    """Gives None for a record that JSON is left to, such as a list of bodies, or what does not fit and is refused there."""
    if isinstance(whole, Array):
        depth = whole.list_depth if whole.shape is not None else None
        return lambda record: _write_array(record, depth)
    if isinstance(whole, Columns) and is_installed("pyarrow"):
        return _write_table
    if isinstance(whole, LazyImage):
        formats = whole.image.formats
        return lambda record: _write_image(record, formats)
    return _write_bytes if whole is bytes else None


def _write_array(record: Any, depth: int | None) -> tuple[bytes, bytes] | None:
    """An array with one axis more than the body is a batch of them."""
    array = tensor_array(record) if hasattr(record, "detach") else record
    if not hasattr(array, "__array_interface__") or (depth is not None and array.ndim != depth):
        return None
    try:
        return write_npy(array), NPY
    except CannotWrite:
        return None


def _write_table(record: Any) -> tuple[bytes, bytes] | None:
    is_table = hasattr(record, "columns") and (hasattr(record, "iloc") or hasattr(record, "to_arrow"))
    if not is_table and type(record).__module__.partition(".")[0] != "pyarrow":
        return None
    try:
        return write_arrow(record), ARROW
    except CannotWrite as error:
        raise TypeError(str(error)) from None


def _write_bytes(record: Any) -> tuple[bytes, bytes] | None:
    return (bytes(record), OCTETS) if isinstance(record, (bytes, bytearray, memoryview)) else None


def _write_image(record: Any, formats: tuple[str, ...]) -> tuple[bytes, bytes] | None:
    """A file goes as it is. A decoded image becomes one, without loss where the model reads such files."""
    if isinstance(record, (bytes, bytearray, memoryview)):
        return bytes(record), OCTETS
    if hasattr(record, "__array_interface__") and not hasattr(record, "save"):
        from PIL import Image as pillow

        record = pillow.fromarray(record)
    if not hasattr(record, "save"):
        return None
    file = BytesIO()
    record.save(file, next(name for name in LOSSLESS if name in formats), **_quick(formats))
    return file.getvalue(), OCTETS


def _quick(formats: tuple[str, ...]) -> dict[str, Any]:
    """It crosses a socket of this machine: time counts, size does not."""
    if "PNG" in formats:
        return {"compress_level": 1}
    return {"lossless": True} if "TIFF" not in formats and "BMP" not in formats and "WEBP" in formats else {}


# -- answers ---------------------------------------------------------------------------------------------------------


def accepted(typed: TypedBody) -> bytes:
    """What its answer is wanted as; empty where that is JSON."""
    kind = None if typed.answer is None else typed.answer._type
    if isinstance(marker_of(kind), Array):
        return NPY
    if kind is bytes:
        return OCTETS
    return ARROW if typed.answers_frame and is_installed("pyarrow") else b""


def read_binary(media: bytes, answer: bytes) -> Any:
    """An answer in another media type than JSON. Its model has held it against its annotation."""
    if media == NPY:
        return read_npy(answer).copy()  # the numbers belong to whoever asked, who may write to them
    return arrow_to_frame(answer) if media == ARROW else answer
