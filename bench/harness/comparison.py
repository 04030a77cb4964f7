"""Tables that put servers beside each other, and the list of what we are not best at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.harness.samples import Summary
from bench.harness.tables import Table


@dataclass(frozen=True)
class Metric:
    """A column that can be won or lost."""

    title: str
    value: Callable[[Summary], float]
    unit: str
    more_is_better: bool = False

    def beats(self, one: Summary, other: Summary) -> bool:
        """Say whether one contestant is better than another at this."""
        if self.more_is_better:
            return self.value(one) > self.value(other)
        return self.value(one) < self.value(other)

    def text(self, summary: Summary) -> str:
        """Return the value with its unit."""
        return f"{number(self.value(summary))}{self.unit}"


def number(value: float) -> str:
    """Return a number with three significant digits, or more where more stand before the point."""
    if abs(value) >= 100 or value == 0:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def speed_table(summaries: Mapping[str, Summary], connections: int, baseline: str) -> Table:
    """Return throughput and latency of everybody at one number of connections, the fastest first."""
    header = ["contestant", "requests/s", "lowest to highest", f"× {baseline}", "p50 ms", "p99 ms"]
    ranked = sorted(summaries.values(), key=lambda s: -s.at[connections].requests_per_s)
    rows = [_speed_row(summary, connections, summaries.get(baseline)) for summary in ranked]
    return Table(f"{connections} connection{'s' * (connections > 1)}", header, rows)


def _speed_row(summary: Summary, connections: int, baseline: Summary | None) -> list[str]:
    at = summary.at[connections]
    low, high = at.requests_per_s_range
    times = f"{at.requests_per_s / baseline.at[connections].requests_per_s:.2f}" if baseline else "–"
    return [
        summary.contestant,
        f"{at.requests_per_s:,.0f}",
        f"{low:,.0f}–{high:,.0f}",
        times,
        number(at.p50_ms),
        number(at.p99_ms),
    ]


def start_table(summaries: Mapping[str, Summary]) -> Table:
    """Return start-up time and memory of everybody, the quickest to answer first."""
    header = ["contestant", "first right answer s", "PSS idle MiB", "PSS loaded MiB", "starts"]
    ranked = sorted(summaries.values(), key=lambda s: s.first_answer_s)
    rows = [
        [s.contestant, number(s.first_answer_s), number(s.pss_idle_mib), number(s.pss_loaded_mib), str(s.starts)]
        for s in ranked
    ]
    return Table("Start and memory", header, rows)


def losses(summaries: Mapping[str, Summary], ours: str, rivals: Sequence[str]) -> list[str]:
    """Return one sentence for each measured number in which somebody is better than us."""
    own = summaries.get(ours)
    present = [summaries[name] for name in rivals if name in summaries]
    if own is None or not present:
        return []
    return [sentence for metric in _metrics(own) if (sentence := _loss(metric, own, present))]


def _loss(metric: Metric, own: Summary, rivals: Sequence[Summary]) -> str:
    better = [f"{rival.contestant} {metric.text(rival)}" for rival in rivals if metric.beats(rival, own)]
    return f"{metric.title}: {', '.join(better)}; {own.contestant} {metric.text(own)}" if better else ""


def _metrics(own: Summary) -> list[Metric]:
    loaded = [metric for connections in own.at for metric in _load_metrics(connections)]
    return [
        *loaded,
        Metric("First right answer", lambda s: s.first_answer_s, " s"),
        Metric("PSS idle", lambda s: s.pss_idle_mib, " MiB"),
        Metric("PSS loaded", lambda s: s.pss_loaded_mib, " MiB"),
    ]


def _load_metrics(connections: int) -> list[Metric]:
    where = f"at {connections} connection{'s' * (connections > 1)}"
    return [
        Metric(f"Requests/s {where}", lambda s: s.at[connections].requests_per_s, "", more_is_better=True),
        Metric(f"p50 {where}", lambda s: s.at[connections].p50_ms, " ms"),
        Metric(f"p99 {where}", lambda s: s.at[connections].p99_ms, " ms"),
    ]
