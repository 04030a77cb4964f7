"""What the service counts, for Prometheus and for people. Rendered in whichever process is asked, from the board of all.

The Prometheus library is imported at the first scrape: a process that nobody scrapes does without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import accumulate
from time import monotonic
from typing import TYPE_CHECKING, Any

from modelport.kernel.meters import OUTCOMES, SHED_REASONS, Board, Histogram, ModelReading, ProcessReading
from modelport.observe.memory import memory_bytes

if TYPE_CHECKING:
    from prometheus_client.core import Metric

Model = Mapping[str, Any]
"""What is known of a model beside its figures: `name`, `index`, `state`, `ready`, `version`, `executor`."""

Readings = Sequence[tuple[str, ModelReading]]
"""The figures of each model, by name."""


def metrics_text(board: Board, models: Sequence[Model]) -> bytes:
    """The body of `GET /metrics`."""
    from prometheus_client import generate_latest

    return generate_latest(_Collector(board, models))


class _Collector:
    """What the library's own renderer asks for its metrics."""

    def __init__(self, board: Board, models: Sequence[Model]) -> None:
        self.board = board
        self.models = models

    def collect(self) -> Iterator[Metric]:
        readings = [(str(model["name"]), self.board.read_model(model["index"])) for model in self.models]
        yield from _counters(readings)
        yield from _histograms(readings)
        yield from _model_gauges(readings, self.models)
        yield from _process_metrics(self.board)


def _counters(readings: Readings) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily

    requests = CounterMetricFamily("modelport_requests", "Requests by how they ended", labels=["model", "outcome"])
    shed = CounterMetricFamily("modelport_shed", "Requests refused at the door", labels=["model", "reason"])
    items = CounterMetricFamily("modelport_stream_items", "Items of streams that were sent", labels=["model"])
    for name, figures in readings:
        for outcome, count in zip(OUTCOMES, figures.requests, strict=True):
            requests.add_metric([name, outcome], count)
        for reason, count in zip(SHED_REASONS, figures.shed, strict=True):
            shed.add_metric([name, reason], count)
        items.add_metric([name], figures.items)
    yield from (requests, shed, items)


HISTOGRAMS: dict[str, tuple[str, Callable[[ModelReading], Histogram]]] = {
    "modelport_request_seconds": ("From the first byte of a request to its answer", lambda r: r.request_seconds),
    "modelport_queue_seconds": ("How long calls waited for the model", lambda r: r.queue_seconds),
    "modelport_batch_rows": ("Records in a batch", lambda r: r.batch_rows),
    "modelport_model_seconds": ("How long the model took for a batch", lambda r: r.model_seconds),
}


def _histograms(readings: Readings) -> Iterator[Metric]:
    from prometheus_client.core import HistogramMetricFamily

    for metric, (about, pick) in HISTOGRAMS.items():
        family = HistogramMetricFamily(metric, about, labels=["model"])
        for name, figures in readings:
            histogram = pick(figures)
            family.add_metric([name], _cumulative(histogram), histogram.total)
        yield family


def _cumulative(histogram: Histogram) -> list[tuple[str, float]]:
    bounds = [*map(str, histogram.bounds), "+Inf"]
    return list(zip(bounds, accumulate(histogram.counts), strict=True))


def _model_gauges(readings: Readings, models: Sequence[Model]) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    waiting = GaugeMetricFamily("modelport_waiting_rows", "Records that wait or run", labels=["model"])
    held = GaugeMetricFamily("modelport_waiting_bytes", "Bodies of the calls that wait or run", labels=["model"])
    running = GaugeMetricFamily("modelport_running_batches", "Batches that run", labels=["model"])
    for name, figures in readings:
        waiting.add_metric([name], figures.waiting_rows)
        held.add_metric([name], figures.waiting_bytes)
        running.add_metric([name], figures.running_batches)
    yield waiting
    yield held
    yield running
    yield GaugeMetricFamily("modelport_models", "Models that are served", value=len(models))
    ready = sum(bool(model["ready"]) for model in models)
    yield GaugeMetricFamily("modelport_models_ready", "Models that can answer", value=ready)


def _process_metrics(board: Board) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    restarts = CounterMetricFamily("modelport_restarts", "Processes replaced after they died", labels=["process"])
    for role, count in board.restarts().items():
        restarts.add_metric([role], count)
    about = "Proportional set size of a process; resident size where the system does not tell it"
    memory = GaugeMetricFamily("modelport_process_memory_bytes", about, labels=["process", "pid"])
    for process in board.processes():
        size = memory_bytes(process.pid)
        if size is not None:
            memory.add_metric([process.role, str(process.pid)], size)
    info = GaugeMetricFamily("modelport_info", "Always 1", labels=["version"])
    info.add_metric([own_version()], 1)
    yield from (restarts, memory, info)


@cache
def own_version() -> str:
    """The installed version of this package."""
    from importlib.metadata import PackageNotFoundError, version  # for whoever is scraped, not for whoever starts

    try:
        return version("modelport")
    except PackageNotFoundError:
        return "unknown"


# -- for people ----------------------------------------------------------------------------------------------------


def status_document(board: Board, models: Sequence[Model]) -> dict[str, Any]:
    """The body of `GET /status`. Quantiles are estimates from the buckets of the histograms."""
    now = monotonic()
    names = {model["index"]: model["name"] for model in models}
    processes = board.processes()
    return {
        "version": own_version(),
        "uptime_seconds": round(now - min(process.started for process in processes), 1),
        "models": [_describe_model(model, board.read_model(model["index"])) for model in models],
        "restarts": board.restarts(),
        "processes": [_describe_process(process, names, now) for process in processes],
    }


def _describe_model(model: Model, figures: ModelReading) -> dict[str, Any]:
    return {
        **{key: model[key] for key in ("name", "state", "version", "executor")},
        "waiting_rows": figures.waiting_rows,
        "waiting_bytes": figures.waiting_bytes,
        "running_batches": figures.running_batches,
        "requests": dict(zip(OUTCOMES, map(int, figures.requests), strict=True)),
        "shed": dict(zip(SHED_REASONS, map(int, figures.shed), strict=True)),
        "stream_items": int(figures.items),
        "batches": figures.batch_rows.observations,
        "mean_batch_rows": _short(figures.batch_rows.mean),
        "request_seconds": _quantiles(figures.request_seconds),
        "queue_seconds": _quantiles(figures.queue_seconds),
        "model_seconds": _quantiles(figures.model_seconds),
        "restarts": figures.restarts,
    }


def _quantiles(histogram: Histogram) -> dict[str, float | None]:
    return {"p50": _short(histogram.quantile(0.5)), "p99": _short(histogram.quantile(0.99))}


def _short(value: float | None) -> float | None:
    """Three digits: more would pretend to know."""
    return None if value is None else float(f"{value:.3g}")


def _describe_process(process: ProcessReading, names: Mapping[int, str], now: float) -> dict[str, Any]:
    described = {
        "pid": process.pid,
        "role": process.role,
        "memory_bytes": memory_bytes(process.pid),
        "uptime_seconds": round(now - process.started, 1),
    }
    return described if process.model is None else {**described, "model": names.get(process.model)}
