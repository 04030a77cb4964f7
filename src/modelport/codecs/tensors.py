"""Files of arrays for saved models that take and give one tensor, by way of JSON."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import msgspec
import orjson

from modelport.codecs.npy import read_npy, write_npy
from modelport.codecs.problems import invalid_body
from modelport.kernel.signature import Field

MOST_EMPTY = 1000
"""Lists without a number in one body."""


def npy_reader(field: Field) -> Callable[[bytes], bytes]:
    """A function from a file to the records of a model with this one input. One axis more than a record has is a batch."""
    axes = len(field.shape)

    def read(body: bytes) -> bytes:
        import numpy as np

        array = read_npy(body)
        if array.ndim not in (axes, axes + 1):
            message = f"The array has {array.ndim} axes; one record has {axes}, a batch {axes + 1}"
            raise invalid_body("array_shape", message, f"send the shape {list(field.shape)}, or several in one array")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise invalid_body("number_not_finite", "The array holds NaN or infinity", "replace what is missing")
        if _claims_lists(array.shape):
            message = f"The array holds no number in a shape of {array.shape}"
            raise invalid_body("array_shape", message, f"send the shape {list(field.shape)}, or several in one array")
        batch = array if array.ndim > axes else array[None]
        lists = [msgspec.Raw(_write(record)) for record in batch]
        records = [{field.name: record} for record in lists]
        return msgspec.json.encode(records if array.ndim > axes else records[0])

    return read


def _claims_lists(shape: tuple[int, ...]) -> bool:
    """Whether an array without a number, which costs its sender nothing, would become very many empty lists."""
    return 0 in shape and prod(shape[: shape.index(0)]) > MOST_EMPTY


def _write(record: object) -> bytes:
    import numpy as np

    array = np.asarray(record)
    if array.ndim == 0:
        return msgspec.json.encode(array.item())
    plain = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("=")))
    return orjson.dumps(plain, option=orjson.OPT_SERIALIZE_NUMPY)


def json_to_npy(answer: bytes, name: str, dtype: str) -> bytes:
    """The one output of a model as a file; null, which was NaN or infinite, becomes NaN. Raises CannotWrite."""
    import numpy as np

    from modelport.codecs.answers import CannotWrite

    value = msgspec.json.decode(answer)
    records = value if isinstance(value, list) else [value]
    if any(name not in record for record in records):
        raise CannotWrite("a record of the batch failed")
    try:
        array = np.array([record[name] for record in records], dtype=dtype)
    except (TypeError, ValueError):
        raise CannotWrite("the outputs of the batch differ in shape") from None
    return write_npy(array if isinstance(value, list) else array[0])
