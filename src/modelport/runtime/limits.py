"""Limits of the operating system that a server meets long before the machine does."""

from __future__ import annotations

from contextlib import suppress

DESCRIPTORS = 1_048_576
"""More open files than this are of no use, where no limit is set at all."""


def raise_descriptor_limit() -> None:
    """Let this process and its children open as many files as the system allows; shells often say 1,024.

    Each connection is one, so a thousand idle callers would lock everybody else out.
    """
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
