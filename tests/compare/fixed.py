"""Results of a run that never was: what the report says of them is known beforehand."""

from __future__ import annotations

from typing import Any

from modelport.compare.histogram import Histogram
from modelport.compare.results import Measurement, Results, Start

MIB = 2**20
ALL = ("flask-naive", "flask", "fastapi", "modelport")


def results(
    rates: dict[str, list[float]], *, latency_ms: dict[str, float] | None = None, complete: bool = True
) -> Results:
    """A run in which each contestant answered so many requests per second in each round."""
    found = Results(about=about(), contestants=[contestant(name) for name in rates], cases=[case()], complete=complete)
    for name, per_round in rates.items():
        for number, per_s in enumerate(per_round):
            found.starts.append(Start(name, number, 1.0 + number / 100, (60 if name == "modelport" else 120) * MIB))
            found.measurements.append(measurement(name, number, None, round(per_s), []))
            took = (latency_ms or {}).get(name, 2.0) / 1000
            found.measurements.append(measurement(name, number, 100.0, 2000, latencies(took, 2000)))
    return found


def measurement(name: str, number: int, rate: float | None, answers: int, samples: list[list[int]]) -> Measurement:
    """One second of load."""
    return Measurement(
        contestant=name,
        case="one-row",
        round=number,
        connections=32,
        rate=rate,
        seconds=1.0,
        answers=answers,
        refused={},
        failures=0,
        unanswered=0,
        cpu_s=0.95,
        pss_bytes=100 * MIB,
        generator="wrk",
        latencies=samples,
    )


def latencies(seconds: float, count: int) -> list[list[int]]:
    """So many answers, all of which took the same."""
    histogram = Histogram()
    for _ in range(count):
        histogram.add(seconds)
    return histogram.plain()


def contestant(name: str) -> dict[str, Any]:
    """As results.json describes one."""
    return {
        "name": name,
        "title": name.capitalize(),
        "setup": "",
        "slots": "4",
        "ours": name.startswith("modelport"),
        "environment": "",
        "command": ["/usr/bin/server", "--port", "{port}"],
        "folder": f"contestants/{name}",
    }


def case() -> dict[str, Any]:
    """The one case."""
    return {"name": "one-row", "title": "one row", "rows": 1, "connections": 32, "app": "predict"}


def about() -> dict[str, Any]:
    """Everything else."""
    return {
        "command": "modelport compare <b>",
        "date": "2026-01-01 00:00 UTC",
        "modelport": "0",
        "model": {"name": "genre", "version": "abc", "form": "compiled", "rows": 1000, "inputs": 8},
        "machine": {"processor": "P", "cores": "2", "kernel": "K", "python": "3"},
        "generator": "wrk",
        "plan": {
            **{"rounds": 3, "warm_up_s": 1.0, "capacity_s": 1.0, "latency_s": 1.0, "rates": 1, "slots": 4},
            "cores": {"server": [0], "load": 1},
        },
        "versions": {"flask": {"flask": "3"}},
        "notes": [],
    }
