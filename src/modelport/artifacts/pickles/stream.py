"""The bytes of a pickle: a file as it is, or unpacked while it is read, never more of them than is reasonable."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from modelport.errors import ArtifactError

FREE_BYTES = 64 * 2**20
MOST_RATIO = 100
"""Models pack to a third or a tenth. Past `FREE_BYTES`, what unpacks to more than this many times its size is a bomb."""

ZFILE, ZFILE_HEAD = b"ZF", 21
"""How packed files of joblib before 0.10 start, and where their data does: behind the size, as 19 digits; 20 under Python 2."""

LZ4 = b"\x04\x22\x4d\x18"
CHUNK = 2**20


class UnpacksTooFar(Exception):
    """A compressed file holds more than a file of its size may."""


class Stream:
    """Reads in order, and refuses to hand out or set aside more than `limit` bytes in all."""

    def __init__(self, file: BinaryIO, limit: int, packed: bool, path: Path | None = None) -> None:
        self._file = file
        self.path = path
        self._left = limit
        self._packed = packed

    def claim(self, size: int) -> None:
        """Take `size` bytes off the limit, before memory is set aside for them."""
        if size < 0 or size > self._left:
            raise UnpacksTooFar if self._packed else EOFError
        self._left -= size

    def read(self, size: int) -> bytes:
        """At most `size` bytes."""
        self.claim(size)
        return self._file.read(size)

    def read_some(self, size: int) -> bytes:
        """At most `size` bytes, and no more than the limit leaves."""
        return self.read(min(size, self._left))

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as far as the file goes."""
        self.claim(len(buffer))
        return self.fill(buffer)

    def fill(self, buffer: Any) -> int:
        """The same for what has been claimed already."""
        return cast(io.BufferedReader, self._file).readinto(buffer)

    def readline(self) -> bytes:
        """Up to a line's end."""
        line = self._file.readline(self._left + 1)
        self.claim(len(line))
        return line


@contextmanager
def open_stream(path: Path) -> Iterator[Stream]:
    """A file's content, unpacked where its first bytes say that it is packed. Raises ArtifactError for what is no pickle."""
    size = path.stat().st_size
    with ExitStack() as opened:
        file = opened.enter_context(path.open("rb"))
        head = file.peek(8)
        for magic, reason in _NO_PICKLES.items():
            if head.startswith(magic):
                raise ArtifactError(f"{path} {reason}")
        unpack = next((unpack for magic, unpack in _UNPACKERS.items() if head.startswith(magic)), None)
        if unpack is None:
            yield Stream(file, size, False, path)
        else:
            unpacked = opened.enter_context(io.BufferedReader(unpack(file)))
            yield Stream(cast(BinaryIO, unpacked), max(FREE_BYTES, size * MOST_RATIO), True, path)


_NO_PICKLES = {
    b"PK\x03\x04": "is a zip archive, not a pickle: give it the suffix of what it holds, such as .pt or .skops",
    b"\x93NUMPY": "is a NumPy array, not a model: save what fit returned",
}


class _Zlib(io.RawIOBase):
    """Zlib without a file format around it, which the standard library has no reader for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inflate = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._file.read(2**16)
            data = self._inflate.decompress(packed, len(buffer))
            if data or not packed:
                buffer[: len(data)] = data
                return len(data)
        return 0


def _zfile(file: BinaryIO) -> _Zlib:
    head = file.read(ZFILE_HEAD)
    if len(head) == ZFILE_HEAD and cast(io.BufferedReader, file).peek(1)[:1] == b" ":
        file.read(1)
    return _Zlib(file)


def _lz4(file: BinaryIO) -> Any:
    try:
        from lz4.frame import LZ4FrameFile
    except ModuleNotFoundError:
        raise ArtifactError(f"{file.name} is packed with LZ4: run  pip install lz4") from None
    return LZ4FrameFile(file)


_UNPACKERS: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x78": _Zlib,
    ZFILE: _zfile,
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
    b"\x5d\x00": lzma.LZMAFile,
    LZ4: _lz4,
}


def needs_library(head: bytes) -> bool:
    """Whether a file that starts so is unpacked by a library of its own, which no interpreter brings along."""
    return head.startswith(LZ4)


def read_unpacked(path: Path) -> bytes:
    """All that a packed file holds. Raises ArtifactError, or UnpacksTooFar."""
    with open_stream(path) as stream:
        data = b"".join(iter(lambda: stream.read_some(CHUNK), b""))
        stream.read(1)  # at the limit nothing is handed out, which looks like the end
    return data


def packing_of(head: bytes) -> str:
    """What a file that starts so is packed with, in a word; empty for one that is not."""
    return next((name for magic, name in _PACKINGS.items() if head.startswith(magic)), "")


_PACKINGS = {
    b"\x78": "zlib",
    ZFILE: "zlib by joblib before 0.10",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x5d\x00": "lzma",
    LZ4: "LZ4",
}
