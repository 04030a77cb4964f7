"""From what was measured to what is asked of a cluster: memory, processor time, and how patient its probes are. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass

from modelport.deploy.measure import Measured

MIB = 2**20
SPARE_FACTOR = 1.4
SPARE_BYTES = 32 * MIB
STEP_BYTES = 32 * MIB
LEAST_BYTES = 128 * MIB
SLOWER = 10.0
"""A cluster's node may be busy, its disk cold and its processor throttled while it starts: this much slower than here."""
LEAST_START_S = 30
LAST_WORDS_S = 3.0
"""Before its time is up, the service stops waiting for answers and tells whoever still waits."""
SPARE_STOP_S = 5


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
        return {"MODELPORT_WORKERS": str(self.workers), "MODELPORT_STOP_TIMEOUT": f"{self.stop_s}s"}


@dataclass(frozen=True, slots=True)
class Patience:
    """Of the service, as it is configured: seconds."""

    pre_stop_s: int
    stop_s: float
    """From SIGTERM to the end, at the latest."""
    drain_s: float = 1.0
    """How long it goes on accepting after SIGTERM."""
    longest_s: float = 0.0
    """What a call may take that keeps to the default deadline."""


def resources(measured: Measured, patience: Patience) -> Resources:
    """Requests and limits.

    Memory is the most that was seen, and what a burst, a reload and a day of fragmentation may add. A processor for each worker and
    each model in a process of its own, so that their threads, which are counted from the limit, have where to run. The end is
    put off until the call that came last has had all the time that it may take.
    """
    wanted = max(LEAST_BYTES, measured.peak_bytes * SPARE_FACTOR + SPARE_BYTES)
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
    )
