"""Bodies of models in Python in other media types than JSON: which there are for a function, and how each is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modelport.codecs.arrays import Array
from modelport.codecs.arrow import arrow_to_columns, arrow_to_frame
from modelport.codecs.hints import is_file, marker_of
from modelport.codecs.images import LazyImage
from modelport.codecs.media import ARROW, FORM, NPY, OCTETS, is_installed
from modelport.codecs.npy import read_npy
from modelport.codecs.tables import Columns
from modelport.codecs.typed import TypedBody
from modelport.errors import MissingExtra

ReadMedia = Callable[[bytes, bytes], tuple[list[Any], bool]]
"""Takes a body and its content type; raises InvalidInput."""


def compile_readers(body: TypedBody) -> dict[bytes, ReadMedia]:
    """By media type. Raises MissingExtra where images are declared and nothing is installed that opens them."""
    if any(isinstance(marker_of(p.hint), LazyImage) for p in body.parameters) and not is_installed("PIL"):
        raise MissingExtra("an image as input", "images")
    readers: dict[bytes, ReadMedia] = {}
    whole = body.whole
    if isinstance(whole, Array):
        readers[NPY] = lambda content, _: body.take(read_npy(content))
    elif isinstance(whole, Columns) and is_installed("pyarrow"):
        read_table = arrow_to_columns if whole.columns else arrow_to_frame
        readers[ARROW] = lambda content, _: body.take(read_table(content))
    elif isinstance(whole, LazyImage):
        names = [name.encode() for name in whole.image.media_types]
        readers.update({name: lambda content, _: body.take(content) for name in (*names, OCTETS)})
    elif whole is bytes:
        readers[OCTETS] = lambda content, _: body.take(content)
    if any(is_file(p.hint) for p in body.parameters) and is_installed("python_multipart"):
        from modelport.codecs.forms import FormReader

        readers[FORM] = FormReader(body).read
    return readers
