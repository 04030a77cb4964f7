"""What a call is recognised by when its process dies under it."""

from __future__ import annotations

from hashlib import blake2b

from modelport.kernel.frames import Body

LARGE = 64 * 1024
"""Bodies above this are folded before they are hashed: hashing five megabytes takes longer than to receive them."""

ROW = 4096


def digest(body: Body) -> bytes:
    """Eight bytes of the whole body. The holder, the workers and the supervisor must come to the same ones."""
    body = bytes(body)
    return blake2b(body if len(body) <= LARGE else _folded(body), digest_size=8).digest()


def _folded(body: bytes) -> bytes:
    """The sums of all columns and of all rows of the body, seen as a table of 64-bit numbers, and what is left over.

    A change anywhere changes one of each, and so does a change of order. Whoever makes two bodies alike on purpose gains
    that one of them is refused, after he has ended the process with the other, twice.
    """
    import numpy as np  # not at the top: a worker needs it only after a process has died of a large body

    rows = len(body) // ROW
    table = np.frombuffer(body, "<u8", rows * ROW // 8).reshape(rows, ROW // 8)
    sums: bytes = table.sum(axis=0, dtype="<u8").tobytes() + table.sum(axis=1, dtype="<u8").tobytes()
    return sums + body[rows * ROW :] + len(body).to_bytes(8, "little")
