"""From what was measured to what is asked of a cluster: memory, processor time, and how patient its probes are. Pure arithmetic."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from modelport.config import ServeOptions
from modelport.deploy.measure import Measured

MIB = 2**20
SPARE_FACTOR = 1.4
SPARE_BYTES = 32 * MIB
SPARE_BODY = 1.25
"""Some bytes of a body are read before it is refused."""
STEP_BYTES = 32 * MIB
LEAST_BYTES = 128 * MIB
SLOWER = 10.0
"""A cluster's node may be busy, its disk cold and its processor throttled while it starts: this much slower than here."""
LEAST_START_S = 30
LAST_WORDS_S = 3.0
"""Before its time is up, the service stops waiting for answers and tells whoever still waits."""
SPARE_STOP_S = 5
MOST_WAITING_ROWS = 64
"""Of one replica, before another is wanted: about two batches of the small models that most are."""
LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
"""What Kubernetes takes for the value of a label. A model may be called otherwise."""
LONGEST_WAIT_S = 1.0
"""What they may have to wait for, where that many take longer than this."""
LEAST_SLOW_S, MOST_SLOW_S, SLOWER_CALL = 1.0, 60.0, 2.0
"""A call is slow that takes twice as long as the slowest that was measured. Histograms know no more than 100 s."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What one replica is given, and for how long it is waited for. Times in whole seconds."""

    memory_mib: int
    cpu_millis: int
    start_s: int
    """After which a replica that does not answer at all is started anew."""
    pre_stop_s: int
    stop_s: int
    """What the service itself takes at most, from SIGTERM to its end."""
    termination_s: int
    """After which it is killed: longer than the two before it."""
    workers: int = 1
    waiting_rows: tuple[tuple[str, int], ...] = (("", MOST_WAITING_ROWS),)
    """That wait or run in one replica when another is wanted: of each model, or of all of them together without a name."""
    queue_bytes: int = 18 * MIB
    """Of bodies, that may wait for a model before calls are refused."""
    inline: bool = False
    """Whether models run where calls are read, so that the processor is what runs out."""
    slow_s: float = LEAST_SLOW_S
    """What the 99th percentile of the calls should stay below."""

    @property
    def memory(self) -> str:
        """As Kubernetes writes it."""
        return f"{self.memory_mib}Mi"

    @property
    def cpu(self) -> str:
        """As Kubernetes writes it."""
        return f"{self.cpu_millis}m"

    @property
    def environment(self) -> dict[str, str]:
        """The options of the service that these numbers are true for."""
        return {
            "MODELPORT_WORKERS": str(self.workers),
            "MODELPORT_STOP_TIMEOUT": f"{self.stop_s}s",
            "MODELPORT_QUEUE_BYTES": str(self.queue_bytes),
        }


@dataclass(frozen=True, slots=True)
class Patience:
    """Of the service, as it is configured: times in seconds, and how much may wait."""

    pre_stop_s: int
    stop_s: float
    """From SIGTERM to the end, at the latest."""
    drain_s: float = 1.0
    """How long it goes on accepting after SIGTERM."""
    longest_s: float = 0.0
    """What a call may take that keeps to the default deadline."""
    queue_rows: int = 2048
    """How many may wait for a model before calls are refused."""
    queue_bytes: int = 256 * MIB
    """How many bytes of bodies may."""
    max_body: int = 16 * MIB
    """The largest body, in bytes."""


def resources(measured: Measured, patience: Patience) -> Resources:
    """Requests and limits.

    Memory is the most that was seen, and what a burst, a reload and a day of fragmentation may add, or the bodies that may wait;
    where nobody has said how many, one of the largest and some small ones, since 256 MiB of them would need gigabytes. A processor
    for each worker and each model in a process of its own, so that their threads, which are counted from the limit, have where to
    run. The end is put off until the call that came last has had all the time that it may take.
    """
    queue_bytes = _queue_bytes(patience)
    bodies = queue_bytes * measured.body_factor * SPARE_BODY
    spare = max(measured.peak_bytes * (SPARE_FACTOR - 1), bodies)
    wanted = max(LEAST_BYTES, measured.peak_bytes + spare + SPARE_BYTES)
    last_call_s = patience.drain_s + max(patience.longest_s, measured.call_s) + LAST_WORDS_S
    stop_s = math.ceil(max(patience.stop_s, last_call_s))
    return Resources(
        memory_mib=math.ceil(wanted / STEP_BYTES) * STEP_BYTES // MIB,
        cpu_millis=1000 * (measured.workers + measured.own_processes),
        start_s=max(LEAST_START_S, math.ceil(measured.start_s * SLOWER)),
        pre_stop_s=patience.pre_stop_s,
        stop_s=stop_s,
        termination_s=patience.pre_stop_s + stop_s + SPARE_STOP_S,
        workers=measured.workers,
        waiting_rows=_waiting_rows(measured, patience),
        inline=measured.inline_models > 0,
        queue_bytes=queue_bytes,
        slow_s=min(MOST_SLOW_S, max(LEAST_SLOW_S, math.ceil(measured.call_s * SLOWER_CALL))),
    )


def _queue_bytes(patience: Patience) -> int:
    """Of bodies: the largest, and an eighth of it; more where the user says so."""
    usual = ServeOptions().queue_bytes
    return patience.queue_bytes if patience.queue_bytes != usual else min(usual, patience.max_body * 9 // 8)


def _waiting_rows(measured: Measured, patience: Patience) -> tuple[tuple[str, int], ...]:
    """Of each model on its own: what waits for a slow one is nothing to a fast one."""
    each = {name: _waiting_rows_of(rate, patience) for name, rate in measured.rows_per_s.items()}
    if len(each) > 1 and all(map(LABEL.fullmatch, each)):
        return tuple(each.items())
    return (("", min(each.values(), default=_waiting_rows_of(None, patience))),)


def _waiting_rows_of(rows_per_s: float | None, patience: Patience) -> int:
    """What one replica works off in a second, or in a quarter of the deadline; less than the rows at which it refuses calls.

    A model that takes a second for a row refuses calls by their deadline long before as many wait as a fast one has in a batch.
    """
    most = min(MOST_WAITING_ROWS, patience.queue_rows // 2)
    if rows_per_s is not None:
        wait_s = min(LONGEST_WAIT_S, patience.longest_s / 4) if patience.longest_s else LONGEST_WAIT_S
        most = min(most, int(rows_per_s * wait_s))
    return max(1, most)
