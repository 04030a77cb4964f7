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


INLINE_ROWS, OTHER_ROWS = 256, 1024


def place(cost: Cost, wanted: str = "auto") -> Placement:
    """Compiled and small runs on the loop; everything else in a process of its own, which all HTTP workers share.

    `wanted`: what the user said instead. Where there is no supervisor to start a process (under a foreign server), a
    thread of the worker stands in.
    """
    if wanted != "auto":
        return Placement(wanted, "as configured", INLINE_ROWS if wanted == "inline" else OTHER_ROWS)
    if cost.compiled and cost.reads_text:
        return Placement("process", "compiled, but texts may be long: probes answer while one is read", OTHER_ROWS)
    if cost.compiled and cost.bytes <= INLINE_BYTES:
        return Placement("inline", f"compiled and {size_text(cost.bytes)}: cheaper than handing it over", INLINE_ROWS)
    if cost.compiled:
        size, bound = size_text(cost.bytes), size_text(INLINE_BYTES)
        return Placement("process", f"compiled, but {size} is over {bound}: one copy for all workers", OTHER_ROWS)
    return Placement(
        "process", "run by its own library: one copy for all workers, and probes answer whatever it does", OTHER_ROWS
    )


def size_text(size: int) -> str:
    """Bytes for people."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"
