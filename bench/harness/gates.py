"""Gates: a promise about a measured number, and whether the run kept it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from bench.harness.samples import Summary

Summaries = Mapping[str, Summary]


@dataclass(frozen=True)
class Gate:
    """A number that must be at least, or at most, a limit; the aim is what we would like and does not fail a run."""

    title: str
    measure: Callable[[Summaries], float]
    relation: Literal["at least", "at most"]
    limit: float
    unit: str
    aim: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What a gate said about a run; no value means that the run left out a contestant it needs."""

    gate: Gate
    value: float | None

    @property
    def missed(self) -> bool:
        """Say whether the promise was measured and not kept."""
        return self.value is not None and not self._holds(self.gate.limit)

    @property
    def aim_missed(self) -> bool:
        """Say whether the promise was kept and the aim beyond it was not reached."""
        if self.value is None or self.gate.aim is None or self.missed:
            return False
        return not self._holds(self.gate.aim)

    @property
    def word(self) -> str:
        """Return the verdict in a word."""
        if self.value is None:
            return "not measured"
        return "MISS" if self.missed else "pass"

    def _holds(self, limit: float) -> bool:
        assert self.value is not None
        return self.value >= limit if self.gate.relation == "at least" else self.value <= limit


def judge(gates: list[Gate], summaries: Summaries) -> list[Verdict]:
    """Hold every gate against the medians of a run."""
    verdicts = []
    for gate in gates:
        try:
            verdicts.append(Verdict(gate, gate.measure(summaries)))
        except KeyError:  # a contestant or a number of connections was left out of this run
            verdicts.append(Verdict(gate, None))
    return verdicts


def throughput_gate(ours: str, theirs: str, connections: int, *, at_least: float, aim: float | None = None) -> Gate:
    """Return a gate on how many times the requests per second of another contestant we answer."""
    return Gate(
        title=f"requests/s at {connections} connections, {ours} over {theirs}",
        measure=lambda s: s[ours].at[connections].requests_per_s / s[theirs].at[connections].requests_per_s,
        relation="at least",
        limit=at_least,
        unit="×",
        aim=aim,
    )


def p50_gate(ours: str, theirs: str, connections: int, *, at_most: float) -> Gate:
    """Return a gate on our median latency as a multiple of another contestant's."""
    return Gate(
        title=f"p50 at {connections} connection{'s' * (connections > 1)}, {ours} over {theirs}",
        measure=lambda s: s[ours].at[connections].p50_ms / s[theirs].at[connections].p50_ms,
        relation="at most",
        limit=at_most,
        unit="×",
    )


def first_answer_gate(ours: str, *, at_most_s: float) -> Gate:
    """Return a gate on the time from launch to the first right answer."""
    return Gate(f"first right answer, {ours}", lambda s: s[ours].first_answer_s, "at most", at_most_s, " s")


def memory_gate(ours: str, *, at_most_mb: float) -> Gate:
    """Return a gate on memory, idle or loaded, whichever is more; in MB of 10^6 bytes, the stricter reading."""
    return Gate(
        title=f"PSS, idle or loaded, {ours}",
        measure=lambda s: max(s[ours].pss_idle_mib, s[ours].pss_loaded_mib) * 1.048576,
        relation="at most",
        limit=at_most_mb,
        unit=" MB",
    )
