"""Which failures of a conversion may pass by themselves: for want of memory or room, say, and not because of the model."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

_NUMBERS = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO),
        *(errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT),
        *(errno.EACCES, errno.EPERM, errno.ENOENT),
    }
)
"""Of system calls that the same file can get past another time."""

_NAMES = frozenset(
    {"ResourceExhaustedError", "AbortedError", "CancelledError", "DeadlineExceededError", "UnavailableError"}
)
"""Errors of TensorFlow, which is not imported to tell."""

_WORDS = re.compile(
    r"RESOURCE_EXHAUSTED|\bOOM\b|out of memory|bad.?alloc|cannot allocate memory|failed to allocate|no space left"
    r"|disk quota exceeded|too many open files",
    re.IGNORECASE,
)
"""What libraries say in errors that are of no class of their own."""


def may_pass(error: BaseException) -> bool:
    """Whether the same model may be converted another time: that, or whatever led to it, was for want of something."""
    return any(_is_passing(each) for each in _chain(error))


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, MemoryError | KeyboardInterrupt | TimeoutError):
        return True
    if isinstance(error, OSError) and error.errno in _NUMBERS:
        return True
    return any(each.__name__ in _NAMES for each in type(error).__mro__) or _WORDS.search(str(error)) is not None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ if error.__cause__ is not None else error.__context__
