"""The parts of the report about the cases that are no plain load: each with its table, and the plot of its main number."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from modelport.compare.cases import DEADLINE_S, LOAD, MEMORY, START
from modelport.compare.charts import Bar, Curve, bar_chart, curve_chart, legend
from modelport.compare.figures import MIB, Figure, figures_of, levels, told
from modelport.compare.findings import names
from modelport.compare.intervals import Interval
from modelport.compare.memory import IN_FLIGHT, LEVELS, OPEN, WORKERS
from modelport.compare.results import Results
from modelport.compare.stress import PATIENCE_S, SLOW_CLIENTS, SLOW_PAUSE_S
from modelport.compare.tables import brackets, table

WORDS = {
    "invalid": """{connections} connections send bodies that are no input, as fast as they are answered: broken JSON, a missing
field, a list or a word in place of a number. 4xx is right; 5xx is a fault of the server, and 2xx an answer to something
that nobody asked.""",
    "slow-clients": """{rate:,.0f} requests of one row arrive in a second, first alone, then beside {slow} clients that send their
request, or read their answer, one byte every {pause:g} s. Gunicorn's documentation asks for a proxy in front that takes such
clients in, for its sync workers above all; there is none here for anybody.""",
    "overload": """Requests for a model of 50 ms come twice as fast as the contestant answers them at its best. Each client
has a connection of its own, waits {deadline:g} s, says so in the header Request-Timeout, and hangs up then. Of these servers
only Modelport reads that header.""",
    "leaving-clients": """{staying} clients ask a model of 50 ms and wait for the answer. Then others come beside them, as many in a
second as the contestant can answer, and leave after {patience:g} ms. Whoever computes for these as well has less left for
those who wait.""",
}
"""How each case is measured."""

MAIN = {
    "invalid": ("refused_per_s",),
    "slow-clients": ("beside p99", "beside p95", "beside p50"),
    "overload": ("good_share",),
    "leaving-clients": ("beside_per_s",),
}
"""The number of each case that is plotted: the first that the samples bear."""


def hardships(results: Results) -> str:
    """Every such case but memory."""
    parts = [_part(results, case) for case in results.cases if case["kind"] not in (LOAD, START, MEMORY)]
    found = "".join(part for part in parts if part)
    return f"<h2>When things go wrong</h2>{found}" if found else ""


def memory(results: Results) -> str:
    """What workers, connections and requests weigh."""
    if not results.weights:
        return ""
    charts = [
        _levels_chart(results, WORKERS, "Memory by workers", "workers", "MiB"),
        _levels_chart(
            results, IN_FLIGHT, "Memory by requests in flight", "requests that wait", "MiB more than at rest"
        ),
    ]
    return (
        "<h2>Memory against concurrency</h2><p>PSS over all processes. Workers: the model as it is served, started with so many. "
        f"Open: up to {LEVELS[-1]:,} connections that have had an answer and ask nothing more. In flight: up to {LEVELS[-1]:,} "
        "requests at once that wait for an upstream; what a server has not taken in waits in the kernel and weighs nothing "
        "here, so the table says how many it had. A server of few slots holds most of what it has taken in a queue.</p>"
        f'<div class="plots">{"".join(charts)}</div>{legend(_everybody(results))}{_memory_table(results)}'
    )


def _part(results: Results, case: dict[str, Any]) -> str:
    measured = [name for name in names(results) if results.observed(name, case["name"])]
    if not measured:
        return ""
    figures = figures_of(case["name"])
    main, found = _main(results, case["name"], measured)
    ranked = sorted(
        ((name, value) for name, value in found.items() if value is not None),
        key=lambda pair: -pair[1].value if main.more_is_better else pair[1].value,
    )
    bars = [Bar(results.title(n), value, main.form(value.value), results.is_ours(n)) for n, value in ranked]
    order = [name for name, _ in ranked] + [name for name in measured if found[name] is None]
    title = f"{case['title'][0].upper()}{case['title'][1:]}"
    chart = f"<div><h4>{escape(main.title)}</h4>{bar_chart(bars, f'{title}: {main.title}')}</div>" if bars else ""
    return (
        f"<h3>{escape(title)}</h3><p>{escape(_words(results, case))}</p>"
        f'<div class="plots">{chart}</div>{_figure_table(results, figures, order)}'
    )


def _main(results: Results, case: str, measured: Sequence[str]) -> tuple[Figure, dict[str, Interval | None]]:
    """The number that is plotted, and what is told of it."""
    by_key = {figure.key: figure for figure in figures_of(case)}
    candidates = [by_key[key] for key in MAIN[case]]
    values = [{name: told(results, figure, name) for name in measured} for figure in candidates]
    return next(
        ((figure, found) for figure, found in zip(candidates, values, strict=True) if any(found.values())),
        (candidates[0], values[0]),
    )


def _words(results: Results, case: dict[str, Any]) -> str:
    """How the case is measured."""
    rates = [o.values["rate"] for o in results.observations if o.case == case["name"] and "rate" in o.values]
    return WORDS[case["name"]].format(
        connections=case["connections"],
        rate=rates[0] if rates else 0.0,
        slow=SLOW_CLIENTS,
        pause=SLOW_PAUSE_S,
        deadline=DEADLINE_S,
        staying=2 * int(results.about["plan"]["slots"]),
        patience=PATIENCE_S * 1000,
    )


def _figure_table(results: Results, figures: Sequence[Figure], order: Sequence[str]) -> str:
    rows = [
        [results.title(name), *(_cell(figure, told(results, figure, name)) for figure in figures)] for name in order
    ]
    ours = {results.title(name) for name in order if results.is_ours(name)}
    return table(["contestant", *(figure.title for figure in figures)], rows, ours) + _brackets(results, figures, order)


def _brackets(results: Results, figures: Sequence[Figure], order: Sequence[str]) -> str:
    """What stands in them beside the numbers of a table, as a paragraph."""
    judged = [figure for figure in figures if figure.more_is_better is not None]
    spans = {
        kind: [told(results, f, name) for f in judged if bool(f.latency) == kind for name in order]
        for kind in (True, False)
    }
    text = brackets(spans[True], spans[False])
    return f"<p>{escape(text)}</p>" if text else ""


def _cell(figure: Figure, value: Interval | None) -> str:
    """Numbers stay with their units; the interval may stand below."""
    if value is None:
        return "–"
    if value.low is None or value.high is None or figure.more_is_better is None:
        return _unbroken(figure.form(value.value))
    low, middle, high = (figure.form(number) for number in (value.low, value.value, value.high))
    return _unbroken(middle) if low == high else f"{_unbroken(middle)} {_unbroken(f'({low} to {high})')}"


def _unbroken(text: str) -> str:
    return text.replace(" ", "\u00a0")


def _memory_table(results: Results) -> str:
    figures = figures_of("memory")
    header = [
        *("contestant", *(figure.title for figure in figures)),
        *(f"kept open of {LEVELS[-1]:,}", f"taken in of {LEVELS[-1]:,}"),
    ]
    rows, ours = [], set()
    weighed = [name for name in names(results) if any(w.contestant == name for w in results.weights)]
    for name in weighed:
        held = [_held(results, name, what) for what in (OPEN, IN_FLIGHT)]
        rows.append([results.title(name), *(_cell(figure, told(results, figure, name)) for figure in figures), *held])
        if results.is_ours(name):
            ours.add(results.title(name))
    return table(header, rows, ours) + _brackets(results, figures, weighed)


def _held(results: Results, name: str, what: str) -> str:
    found = levels(results, name, what)
    return f"{found[-1][1]:,.0f}" if found and found[-1][0] == LEVELS[-1] else "–"


def _levels_chart(results: Results, what: str, title: str, x_title: str, y_title: str) -> str:
    drawn = curve_chart(_curves(results, what), title, x_title, y_title)
    return f"<div><h3>{escape(title)}</h3>{drawn}</div>" if drawn else ""


def _everybody(results: Results) -> list[Curve]:
    """One curve of each who is in one of the plots."""
    found = {curve.label: curve for what in (WORKERS, IN_FLIGHT) for curve in _curves(results, what)}
    return sorted(found.values(), key=lambda curve: curve.number)


def _curves(results: Results, what: str) -> list[Curve]:
    """Workers from nothing; everything else beyond what the server weighs at rest."""
    curves = []
    for number, name in enumerate(names(results)):
        found = levels(results, name, what)
        rest = 0.0 if what == WORKERS or not found else found[0][2]
        points = [(float(count), (pss - rest) / MIB) for count, _, pss in found if count]
        if points:
            curves.append(Curve(results.title(name), points, results.is_ours(name), number))
    return curves
