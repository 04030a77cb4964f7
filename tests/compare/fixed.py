"""Results of a run that never was: what the report says of them is known beforehand."""

from __future__ import annotations

import dataclasses
from typing import Any

from modelport.compare.cases import CASES
from modelport.compare.histogram import Histogram
from modelport.compare.results import Measurement, Observation, Results, Start, Weight

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


def case(name: str = "one-row") -> dict[str, Any]:
    """As results.json describes one."""
    return dataclasses.asdict(next(case for case in CASES if case.name == name))


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


def everything(rates: dict[str, list[float]]) -> Results:
    """A run of all cases: the n-th contestant has n times the trouble of the first."""
    found = results(rates)
    found.cases = [dataclasses.asdict(case) for case in CASES]
    for times, name in enumerate(rates, 1):
        for number in range(len(rates[name])):
            found.observations += hardships(name, number, times)
            found.weights += weights(name, number, workers=100 * MIB, opened=8192 * times, held=16384 * times)
    return found


def hardships(name: str, number: int, times: float = 1.0) -> list[Observation]:
    """One round of every case that has figures of its own but memory."""
    shake = 1 + number / 100
    invalid = {
        "refused_per_s": 5000 / times * shake,
        "refused": 1 / times,
        "faults": 1 - 1 / times,
        **{"accepted": 0.0, "silent": 0.0, "cpu_s_per_1000": 0.2 * times * shake, "busy": 0.5},
    }
    slow = {"rate": 100.0, "answered": 1 / times, "slow_finished": 0.0, "slow_cut": 0.0, "lag_s": 0.0001}
    flood = {
        **{"capacity_per_s": 80.0, "good_per_s": 80 / times * shake, "good_share": 1 / times * shake},
        **{"refused": 0.5, "lost": 0.0, "lag_s": 0.0001},
    }
    leaving = {
        **{"alone_per_s": 80.0 * shake, "beside_per_s": 80 / times * shake, "runs_per_answer": times * shake},
        **{"computed_for_nobody": 1 - 1 / times, "left_per_s": 80.0},
    }
    slow_took = {"alone": latencies(0.002, 500), "beside": latencies(0.003 * times * shake, 500)}
    flood_took = {"good": latencies(0.2 * times * shake, 400), "refused": latencies(0.001, 400)}
    return [
        Observation(name, "invalid", number, invalid),
        Observation(name, "slow-clients", number, slow, slow_took),
        Observation(name, "overload", number, flood, flood_took),
        Observation(name, "leaving-clients", number, leaving),
    ]


def weights(name: str, number: int, *, workers: int, opened: int, held: int) -> list[Weight]:
    """One round of the case memory: what each worker, connection and request weighs, beyond 50 MiB."""
    rest, each = 50 * MIB, {"workers": workers, "open": opened, "in flight": held}
    counts = {"workers": (1, 2, 4), "open": (0, 64, 256, 1024), "in flight": (0, 64, 256, 1024)}
    return [
        Weight(name, number, what, count, count, rest + count * each[what]) for what in counts for count in counts[what]
    ]
