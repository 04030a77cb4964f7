"""Whether a file is a pickle, by its first bytes: suffixes such as `.model`, `.dat` or `.bst` say nothing."""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable
from typing import Any

from modelport.artifacts.pickles.stream import LZ4, ZFILE, ZFILE_HEAD

_BINARY = re.compile(rb"\x80[\x02-\x05][^\x8a]")
"""Protocols 2 to 5. A file of PyTorch starts with a long number, opcode 0x8a."""

_TEXT = re.compile(rb"c[A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n|[}\])]q\x00|\((i[\w.]+\n|[ld]p\d|c[A-Za-z_][\w.]*\n)")
"""Protocols 0 and 1: a global that is called, or a list, dict or instance."""

_UNPACKED = 64


def is_pickle(head: bytes) -> bool:
    """Whether these are the first bytes of a pickle or joblib file, packed ones included."""
    return _is_plain(head) or any(_is_plain(unpacked(head)) for unpacked in _unpackers(head))


def _is_plain(head: bytes) -> bool:
    return _BINARY.match(head) is not None or _TEXT.match(head) is not None


def _unpackers(head: bytes) -> list[Callable[[bytes], bytes]]:
    return [unpack for magic, unpack in _UNPACKERS.items() if head.startswith(magic)]


def _with(make: Callable[[], Any]) -> Callable[[bytes], bytes]:
    def unpack(head: bytes) -> bytes:
        try:
            return bytes(make().decompress(head, _UNPACKED))
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError):
            return b""

    return unpack


def _zfile(head: bytes) -> bytes:
    return _with(zlib.decompressobj)(head[ZFILE_HEAD:].lstrip(b" "))


def _lz4(head: bytes) -> bytes:
    """What a frame begins with, up to where something in it repeats. Read by hand: its library need not be here to tell."""
    flags = head[4] if len(head) > 4 else 0
    start = 7 + 8 * bool(flags & 8) + 4 * bool(flags & 1)  # the head may hold a size, a dictionary's number
    is_plain = bool(int.from_bytes(head[start : start + 4], "little") & 2**31)
    block = head[start + 4 :]
    if is_plain or not block:
        return block[:_UNPACKED]
    count, place = block[0] >> 4, 1
    while count >= 15 and place < len(block):  # each 255 says that more is to be added
        count, place = count + block[place], place + 1
        if block[place - 1] != 255:
            break
    return block[place : place + min(count, _UNPACKED)]


_UNPACKERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x78": _with(zlib.decompressobj),
    b"\x1f\x8b": _with(lambda: zlib.decompressobj(31)),
    b"BZh": _with(bz2.BZ2Decompressor),
    b"\xfd7zXZ": _with(lzma.LZMADecompressor),
    b"\x5d\x00": _with(lzma.LZMADecompressor),
    ZFILE: _zfile,
    LZ4: _lz4,
}
