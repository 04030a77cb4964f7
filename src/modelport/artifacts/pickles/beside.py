"""Arrays of joblib before 0.10, which wrote each to a file beside the pickle: read from there, and from nowhere else."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from modelport.artifacts.companions import is_companion
from modelport.artifacts.pickles.arrays import check_array_state
from modelport.artifacts.pickles.permit import Permit, Refused, class_of
from modelport.artifacts.pickles.stream import FREE_BYTES, MOST_RATIO, ZFILE, ZFILE_HEAD, Stream
from modelport.errors import ArtifactError

_SUBCLASSES = (np.ndarray, np.memmap, np.matrix)


class ArrayBeside:
    """What joblib pickled in an array's place. The array is in a file of NumPy's format."""

    filename: str
    subclass: Any = None

    def read(self, path: Path, nested: Callable[[Stream], Any]) -> Any:
        """The array; `nested` unpickles one of objects, which stands as a pickle behind the file's head."""
        array = read_array(place_beside(path, self.filename), nested)
        cls = class_of(self.subclass, np.ndarray) if isinstance(self.subclass, Permit) else np.ndarray
        if cls not in _SUBCLASSES:
            raise Refused(cls.__name__, "is no array that joblib writes to a file")
        return array.view(cls) if cls is np.matrix else array


class PackedArrayBeside:
    """The same for packed files: the array's own state with its bytes left out, which are in the file."""

    filename: str
    init_args: Any = None
    state: Any = None

    def read(self, path: Path, _: Callable[[Stream], Any]) -> Any:
        """The array."""
        place = place_beside(path, self.filename)
        state = (*(self.state or ()), unpack_array(place))
        try:
            check_array_state(np.zeros(0), state)
        except Refused as error:
            raise ArtifactError(f"{place} does not fit {path.name}: {error}; copy both again") from None
        array = np.zeros(0, np.int8)
        array.__setstate__(state)
        return array


def place_beside(path: Path, name: Any) -> Path:
    """A companion of a model file by its name. Raises ArtifactError where it is missing, called otherwise, or leads elsewhere."""
    if not isinstance(name, str) or not path.name or not is_companion(path, name):
        raise ArtifactError(
            f"{path} was saved by joblib older than 0.10, with an array in a file called {str(name)[:100]!r} beside it: these are "
            f"called {path.name}_01.npy and so on; give the model its old name, {_old_name(str(name))!r}, or save it again"
        )
    place = path.parent / name
    if not place.is_file():
        raise ArtifactError(
            f"{path} was saved by joblib older than 0.10, with its arrays in files beside it, and {name} is missing: "
            "copy it into the same folder"
        )
    if place.resolve().parent not in (path.parent.resolve(), path.resolve().parent):
        raise ArtifactError(f"{place} is a link to another folder, and is not followed: put the file itself there")
    return place


def read_array(place: Path, nested: Callable[[Stream], Any]) -> Any:
    """The array in a file of NumPy's format; `nested` unpickles one of objects, which stands as a pickle behind the file's head.

    Raises ArtifactError where it is damaged, and what `nested` raises.
    """
    with place.open("rb") as file:
        stream = Stream(file, place.stat().st_size, packed=False)
        try:
            shape, fortran, dtype = _read_head(stream, place)
            if not dtype.hasobject:
                return _read_numbers(stream, shape, fortran, dtype)
        except (EOFError, ValueError) as error:
            why = str(error)[:100] or "it ends too early"
            raise ArtifactError(f"{place} is damaged: {why}; copy it again") from None
        return nested(stream)


def _old_name(name: str) -> str:
    return name.rpartition("_")[0][:100] or name[:100]


def _read_head(stream: Stream, place: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)  # type: ignore[arg-type]
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)  # type: ignore[arg-type]
    if not all(n >= 0 for n in shape):
        raise ArtifactError(f"{place} is damaged: an array of {shape}")
    return shape, fortran, dtype


def _read_numbers(stream: Stream, shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any]) -> Any:
    size = math.prod(shape) * dtype.itemsize
    stream.claim(size)
    data = np.empty(size, np.uint8)
    if stream.fill(data) != size:
        raise EOFError
    array = data.view(dtype) if size else np.empty(math.prod(shape), dtype)
    array = array.reshape(shape[::-1]).T if fortran else array.reshape(shape)
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def unpack_array(place: Path) -> bytes:
    """The bytes of a packed array, never more than its head says, nor than a file of its size may hold.

    Raises ArtifactError where it is damaged.
    """
    data = place.read_bytes()
    if not data.startswith(ZFILE):
        raise ArtifactError(f"{place} is no packed array of joblib")
    start = ZFILE_HEAD + (data[ZFILE_HEAD : ZFILE_HEAD + 1] == b" ")
    try:
        size = int(data[len(ZFILE) : ZFILE_HEAD], 16)
        if size > max(FREE_BYTES, len(data) * MOST_RATIO):
            raise ArtifactError(
                f"{place} unpacks to {size:,} bytes, as archive bombs do: save the model again, without compression"
            )
        unpacked = zlib.decompressobj().decompress(data[start:], size + 1)
    except (ValueError, zlib.error) as error:
        raise ArtifactError(f"{place} is damaged: {str(error)[:100]}; copy it again") from None
    if len(unpacked) != size:
        raise ArtifactError(f"{place} is damaged: it unpacks to another size than it says; copy it again")
    return unpacked
