"""Where a model runs, decided by rule from what is known when it is loaded, and the reason that the banner prints."""

from __future__ import annotations

from dataclasses import dataclass

from modelport.kernel.ports import Cost

INLINE_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Placement:
    """An executor kind with its limits. `max_rows` bounds one batch, so that probes are answered between batches."""

    executor: str
    reason: str
    max_rows: int
    queue_rows: int


def place(cost: Cost) -> Placement:
    """Compiled and small runs on the loop; everything else in a thread of its own."""
    if cost.compiled and cost.bytes <= INLINE_BYTES:
        return Placement("inline", f"compiled and {size_text(cost.bytes)}: cheaper than handing it over", 256, 16_384)
    if cost.compiled:
        reason = f"compiled, but {size_text(cost.bytes)} is over {size_text(INLINE_BYTES)}: a thread keeps probes quick"
    else:
        reason = "a model of its library, not compiled: a thread of its own, one batch at a time, keeps probes quick"
    return Placement("thread", reason, 1024, 16_384)


def size_text(size: int) -> str:
    """Bytes for people."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"
