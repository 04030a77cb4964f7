"""The media types that are spoken beside JSON, by name."""

from __future__ import annotations

from importlib.util import find_spec

JSON = b"application/json"
MSGPACK = b"application/msgpack"
NPY = b"application/x-npy"
ARROW = b"application/vnd.apache.arrow.stream"
OCTETS = b"application/octet-stream"
FORM = b"multipart/form-data"
ALIASES = {
    b"application/x-msgpack": MSGPACK,
    b"application/vnd.msgpack": MSGPACK,
    b"application/npy": NPY,
    b"application/x-numpy": NPY,
}


def is_installed(package: str) -> bool:
    """Whether it could be imported; it is not."""
    try:
        return find_spec(package) is not None
    except ImportError:
        return False


def kind_of(content_type: bytes) -> bytes:
    """A media type without its parameters, under its first name."""
    kind = content_type.partition(b";")[0].strip().lower()
    return ALIASES.get(kind, kind)
