"""NumPy's own file format. Never pickled objects; and nothing is allocated before the head and the length agree."""

from __future__ import annotations

from io import BytesIO
from math import prod
from typing import Any

from modelport.codecs.answers import CannotWrite, tensor_array
from modelport.codecs.problems import invalid_body

MAX_HEAD = 10_000
MAX_AXES = 32
MAX_LENGTH = 2**63 - 1
HINT = "write the file with numpy.save(file, array, allow_pickle=False)"


def read_npy(body: bytes) -> Any:
    """The array of a file. Raises InvalidInput."""
    file = BytesIO(body)
    try:
        shape, fortran, dtype = _read_head(file)
    except Exception as error:  # NumPy reads it with Python's own parser and tokenizer, which fail in many ways
        raise invalid_body("npy_invalid", f"The body is no .npy file: {_first_line(error)}", HINT) from None
    return _read_data(body[file.tell() :], shape, fortran, dtype)


def _read_head(file: BytesIO) -> tuple[tuple[int, ...], bool, Any]:
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} is not read")
    read_head = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read_head(file, max_header_size=MAX_HEAD)
    if any(type(n) is not int or not 0 <= n <= MAX_LENGTH for n in shape):  # True is an int to NumPy's check
        raise ValueError(f"its shape {str(shape)[:80]} is not made of whole numbers from 0 on")
    if len(shape) > MAX_AXES:
        raise ValueError(f"its shape has {len(shape)} axes; at most {MAX_AXES} are read")
    if type(fortran) is not bool:
        raise ValueError(f"its fortran_order {str(fortran)[:80]} is neither True nor False")
    return shape, fortran, dtype


def _read_data(data: bytes, shape: tuple[int, ...], fortran: bool, dtype: Any) -> Any:
    import numpy as np

    if dtype.kind not in "biuf" or dtype.itemsize > 8 or dtype.subdtype is not None:
        hint = "send an array of plain numbers or booleans of at most 64 bits"
        raise invalid_body("npy_type", f"An array of {dtype} is not read", hint)
    wanted = prod(shape) * dtype.itemsize
    if wanted != len(data):
        message = f"The head says {wanted:,} bytes of numbers, {len(data):,} came"
        raise invalid_body("npy_invalid", message, HINT)
    flat = np.frombuffer(data, np.uint8) != 0 if dtype.kind == "b" else np.frombuffer(data, dtype)
    try:  # other bytes than 0 and 1 are booleans to nobody
        return flat.reshape(shape, order="F" if fortran else "C")
    except (ValueError, OverflowError) as error:  # no numbers, in a shape too large for an address
        raise invalid_body("npy_invalid", f"The body is no .npy file: {_first_line(error)}", HINT) from None


def write_npy(value: Any) -> bytes:
    """A file of an array, or of what is one: a tensor, nested lists of numbers. Raises CannotWrite."""
    import numpy as np

    try:
        array = np.asarray(tensor_array(value) if hasattr(value, "detach") else value)
    except ValueError:
        raise CannotWrite("its lists differ in length") from None
    if array.dtype.kind not in "biuf":
        raise CannotWrite(f"it is {_article(type(value).__name__)}, not an array of numbers")
    file = BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def count_npy(answer: bytes) -> int:
    """How many numbers of a file that we wrote are NaN or infinite."""
    import numpy as np

    array = read_npy(answer)
    return int(array.size - np.isfinite(array).sum()) if array.dtype.kind == "f" else 0


def join_npy(parts: list[bytes]) -> bytes:
    """One array of the arrays of a batch. Raises CannotWrite where they differ in shape."""
    import numpy as np

    arrays = [read_npy(part) for part in parts]
    if len({array.shape for array in arrays}) > 1:
        raise CannotWrite("the arrays of the batch differ in shape")
    return write_npy(np.stack(arrays))


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0][:200]
