"""The parts of the report: each reads the results and says what stands in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from modelport.compare.cases import LOAD, PREDICT, WORK
from modelport.compare.charts import Bar, Curve, bar_chart, curve_chart, legend
from modelport.compare.claims import checked
from modelport.compare.contestants import OURS
from modelport.compare.costs import HEADROOM, RATE, costs
from modelport.compare.figures import amount, milliseconds, times
from modelport.compare.findings import (
    MIB,
    SHARES,
    Capacity,
    Contest,
    Latency,
    capacities,
    contests,
    idle_bytes,
    latencies,
    loaded_bytes,
    names,
    start_s,
)
from modelport.compare.intervals import Interval
from modelport.compare.results import Measurement, Observation, Results
from modelport.compare.tables import brackets, table
from modelport.compare.verdict import losses

Plot = tuple[str, list[Curve]]
"""What is plotted, and the curve of each contestant."""

MOST_LOSSES = 40
END = 0.99
"""A rate above this part of what the generator sends on time was bounded by it."""

ARRAYS = (
    "FastAPI with a thread pool, Litestar and BlackSheep read such bodies with msgspec and write them with orjson, as experts do; "
    "Flask uses orjson for both, as its JSON provider, but for the one with a single worker. That one, and FastAPI with def or "
    "async def, are as their documentation begins."
)
REMARKS = {
    "wait": "Handlers that are async wait on the event loop, as many of them as ask: those of Modelport, of FastAPI with async def "
    "or a thread pool, and of Litestar and BlackSheep. All others wait in their slots.",
    "hold-gil": "Threads of one process take turns at it, and so do handlers on an event loop: who has several processes answers "
    "more, at the memory of each. These are Flask with sync workers, and Modelport as an application under Uvicorn, which takes "
    "part only here. modelport serve runs a function in one process, whatever --workers says, and does no better than one of them.",
    "release-gil": "Everybody works on as many of these at once as there are slots: who has more of them answers more.",
    "array-in": ARRAYS,
    "vectors-out": ARRAYS,
}
"""What decides a case beside the framework itself."""


def speed(results: Results) -> str:
    """Capacity bars of each case, and their table."""
    charts = [_case_speed(results, str(case["name"]), str(case["title"])) for case in results.cases]
    if not any(charts):
        return ""
    return (
        "<h2>Capacity</h2><p>As fast as each one goes: every connection asks again when it has its answer. ≥: the load generator "
        "had no more to give.</p>"
        f'<div class="plots">{"".join(charts)}</div>'
    )


def _case_speed(results: Results, case: str, case_title: str) -> str:
    ranked = capacities(results, case)
    if not ranked:
        return ""
    bars = [Bar(results.title(c.contestant), c.per_s, f"{_rate(c)}/s", results.is_ours(c.contestant)) for c in ranked]
    title = f"Requests per second, {case_title}"
    rows = [
        [
            results.title(c.contestant),
            _rate(c),
            _span(c.per_s) if c.answers else "–",
            f"{c.cpu_s_per_1000:.3g}" if c.answers else "–",
            f"{c.errors:,}",
        ]
        for c in ranked
    ]
    header = ["contestant", "requests/s", "95 % interval", "CPU seconds per 1,000", "errors"]
    ours = {results.title(c.contestant) for c in ranked if results.is_ours(c.contestant)}
    remark = f"<p>{escape(REMARKS[case])}</p>" if case in REMARKS else ""
    more = f"<details><summary>Intervals, processor time, errors</summary>{table(header, rows, ours)}</details>"
    return f"<div><h3>{escape(title)}</h3>{bar_chart(bars, title)}{remark}{more}</div>"


def _rate(capacity: Capacity) -> str:
    """Right answers in a second; 0 where there was none at all, which the numbers have as half a one."""
    if not capacity.answers:
        return "0"
    return f"{'≥ ' if capacity.bounded else ''}{amount(capacity.per_s.value)}"


def latency(results: Results) -> str:
    """Latency over the arrival rate."""
    parts, untold = [], []
    for case in results.cases:
        found = latencies(results, case["name"])
        (_, middle), (_, high) = plotted = _percentile_plots(results, found)
        charts = [
            _latency_chart(word, str(case["title"]), curves)
            for word, curves in plotted
            if any(curve.points for curve in curves)
        ]
        if charts:
            lines = legend(_drawn(middle, high)) if len(_rates(middle)) > 1 else ""
            parts.append(f'<div class="plots">{"".join(charts)}</div>{lines}{_latency_table(results, found)}')
        elif any(found.values()):
            untold.append(str(case["title"]))
    if untold:
        parts.append(
            f"<p>Not told, as too few requests arrived or the generator was late: {escape(', '.join(untold))}.</p>"
        )
    if not parts:
        return ""
    parts += [f"<p>{escape(line)}</p>" for line in _ends_of_rates(results)]
    return (
        "<h2>Latency</h2><p>Requests arrive at their own times, the same for everybody, whether or not the server keeps up. "
        "Latency counts from the time a request was meant to be sent. A line ends where its server cannot follow, or where the "
        "generator was late itself.</p>" + "".join(parts)
    )


def _percentile_plots(results: Results, found: dict[str, list[Latency]]) -> tuple[Plot, Plot]:
    """The middle, and the highest percentile up to p99 that is told of everybody."""
    middle, high, top = (_curves(results, found, which) for which in (0, 1, 2))
    everybody = {curve.label for curve in middle if curve.points}
    if everybody <= {curve.label for curve in top if curve.points}:
        return ("Half of the answers", middle), ("99 % of the answers", top)
    return ("Half of the answers", middle), ("95 % of the answers", high)


def _latency_chart(word: str, case_title: str, curves: Sequence[Curve]) -> str:
    """Lines over the arrival rate; bars where there is but one."""
    rates = _rates(curves)
    if len(rates) > 1:
        drawn, title = curve_chart(curves, f"{word} over the arrival rate", "requests/s that arrive", "ms"), word
    else:
        told = sorted(((curve.points[0][1], curve) for curve in curves if curve.points), key=lambda pair: pair[0])
        title = f"{word} at {amount(rates[0])} requests/s"
        bars = [Bar(c.label, Interval(ms, None, None, 1), milliseconds(ms), c.ours) for ms, c in told]
        drawn = bar_chart(bars, title)
    return f"<div><h3>{escape(f'{title}, {case_title}')}</h3>{drawn}</div>"


def _rates(curves: Sequence[Curve]) -> list[float]:
    """The arrival rates at which anything is told."""
    return sorted({rate for curve in curves for rate, _ in curve.points})


def _drawn(*plots: Sequence[Curve]) -> list[Curve]:
    """Whose line is in one of the plots."""
    seen = {curve.label for curves in plots for curve in curves if curve.points}
    return [curve for curve in plots[0] if curve.label in seen]


def _ends_of_rates(results: Results) -> list[str]:
    """Where the generator and not the fastest contestant decides which rate is the highest."""
    most, rates = results.about.get("most_sent_per_s", {}), results.about.get("rates", {})
    ended = [
        f"{case['title']} {amount(most[case['name']])}/s"
        for case in results.cases
        if case["kind"] == LOAD
        and case["name"] in most
        and max(rates.get(case["name"], [0])) > END * most[case["name"]]
    ]
    if not ended:
        return []
    return [
        "The highest rate is not what the fastest can do, but half of what the generator, which is written in Python, can ask for "
        f"at most: {'; '.join(ended)}. Where it was late even so, latencies are marked with ≤, and no line is drawn to them."
    ]


def losing(results: Results) -> str:
    """Every number in which another was better, and every request that was not answered."""
    found = contests(results, OURS)
    lost = losses(found)
    if not found:
        return ""
    head, wrong = "<h2>Where Modelport is behind</h2>", _without_answer(results)
    if not lost:
        return f"{head}<p>In no number of this run.</p>{wrong}"
    numbers = dict.fromkeys(c.what for c in lost)
    rows = [_lost_row(results, [c for c in lost if c.what == what]) for what in numbers]
    header = ["number", "best", "Modelport", "that one", "better by (95 % interval)", "shown", "better, too"]
    more = table(header, rows[MOST_LOSSES:], text_from=6)
    rest = (
        f"<details><summary>And {len(rows) - MOST_LOSSES} more</summary>{more}</details>" if rows[MOST_LOSSES:] else ""
    )
    return f"{head}{_more_slots(results, lost)}{table(header, rows[:MOST_LOSSES], text_from=6)}{rest}{wrong}"


def _lost_row(results: Results, lost: Sequence[Contest]) -> list[str]:
    """One number: who is better in it the most, and who is, too."""
    first = lost[0]
    shown = "yes" if first.word == "lost" else "one round"
    others = "; ".join(f"{results.title(c.other)}: {c.theirs}" for c in lost[1:])
    return [first.what, results.title(first.other), first.ours, first.theirs, _factor(first.ratio), shown, others]


def _factor(ratio: Interval) -> str:
    """By how much the other is better."""
    factor = f"{times(1 / ratio.value)} ×"
    if ratio.low is None or ratio.high is None:
        return factor
    return f"{factor} ({times(1 / ratio.high)} to {times(1 / ratio.low)})"


def _more_slots(results: Results, lost: Sequence[Contest]) -> str:
    """Those of the others who state more slots than are equal for all."""
    slots = int(results.about["plan"]["slots"])
    stated = {c["name"]: str(c["slots"]).partition(":")[0] for c in results.contestants}
    more = [
        f"{results.title(name)} may work on {stated[name]} requests at once, others on {slots}: what it is better in may come from "
        "that."
        for name in dict.fromkeys(c.other for c in lost)
        if stated[name].isdigit() and int(stated[name]) > slots
    ]
    return "".join(f"<p>{escape(line)}</p>" for line in more)


def _without_answer(results: Results) -> str:
    """Where Modelport did not answer rightly, whether or not others did."""
    told = []
    for case in results.cases:
        mine = [m for m in results.measurements if m.contestant == OURS and m.case == case["name"]]
        told += [
            _unanswered_of(str(case["title"]), rate, [m for m in mine if m.rate == rate])
            for rate in dict.fromkeys(m.rate for m in mine if m.errors)
        ]
    return f"<p>Requests that Modelport did not answer rightly: {escape('; '.join(told))}.</p>" if told else ""


def _unanswered_of(title: str, rate: float | None, samples: Sequence[Measurement]) -> str:
    """How many of them, and how many of these it refused."""
    errors, busy = sum(m.errors for m in samples), sum(m.refused.get("503", 0) for m in samples)
    at = "as fast as it goes" if rate is None else f"at {amount(rate)} requests/s"
    refused = f" ({busy:,} of these refused with 503)" if busy else ""
    return f"{title} {at}: {errors:,} of {sum(m.answers for m in samples) + errors:,}{refused}"


def memory(results: Results) -> str:
    """Start-up and memory."""
    rows, bars = [], []
    for name in names(results):
        start, idle, loaded = start_s(results, name), idle_bytes(results, name), loaded_bytes(results, name)
        if start is None or idle is None:
            continue
        title = results.title(name)
        rows.append(
            [
                title,
                f"{start.value:.2f}",
                _span(start, "{:.2f}".format),
                f"{idle.value / MIB:,.0f}",
                "–" if loaded is None else f"{loaded.value / MIB:,.0f}",
            ]
        )
        bars.append(Bar(title, _scaled(idle, MIB), f"{idle.value / MIB:,.0f} MiB", results.is_ours(name)))
    if not rows:
        return ""
    header = ["contestant", "first answer, s", "95 % interval", "PSS idle, MiB", "PSS under load, MiB"]
    ours = {results.title(name) for name in names(results) if results.is_ours(name)}
    chart = bar_chart(sorted(bars, key=lambda b: b.value.value), "Memory after the start")
    return (
        "<h2>Start and memory</h2><p>Memory is PSS over all processes: what several share counts once.</p>"
        f'<div class="plots"><div><h3>Memory after the start</h3>{chart}</div><div>{table(header, rows, ours)}</div></div>'
    )


def conduct(results: Results) -> str:
    """Invalid bodies: a 4xx is right, a 5xx is not, and a 200 answers what nobody asked, or tolerates it."""
    if not results.conduct:
        return ""
    titles = list(dict.fromkeys(title for found in results.conduct.values() for title in found))
    rows = [
        [results.title(name), *(str(found.get(title) or "nothing") for title in titles)]
        for name, found in results.conduct.items()
    ]
    ours = {results.title(name) for name in results.conduct if results.is_ours(name)}
    return (
        "<h2>Invalid input</h2><p>The status of the answer. 4xx tells the client; 5xx is a fault of the server; 200 is an answer "
        f"to something that was not asked.</p>{table(['contestant', *titles], rows, ours)}"
    )


def claims_table(results: Results) -> str:
    """What is claimed, and what was measured."""
    rows = [[c.claim, c.word, c.found] for c in checked(results)]
    return f"<h2>Claims checked</h2>{table(['claim', 'here', 'measured'], rows, text_from=1)}"


def cost_table(results: Results, price: float | None) -> str:
    """Cores, instances and money."""
    parts = []
    for case in results.cases:
        found = costs(results, case, price) if case["app"] == PREDICT else []
        if not found:
            continue
        header = ["contestant", "predictions/s per core", "core-seconds per million", f"machines for {RATE:,.0f}/s"]
        header += [f"per million, at {price:g} an hour"] if price is not None else []
        rows = [
            [
                results.title(c.contestant),
                f"{c.per_core_s:,.0f}",
                f"{c.cpu_s_per_million:,.0f}",
                f"{c.instances:,}",
                *([f"{c.money_per_million:.4g}"] if c.money_per_million is not None else []),
            ]
            for c in found
        ]
        ours = {results.title(c.contestant) for c in found if results.is_ours(c.contestant)}
        parts.append(f"<h3>{escape(case['title'])}</h3>{table(header, rows, ours)}")
    if not parts:
        return ""
    asked = (
        ""
        if price is not None
        else " Give --price, what an hour of such a machine costs, and the table tells money, too."
    )
    said = (
        f"Machines like this one, all of their {results.about['machine']['cores']} cores used to {HEADROOM:.0%} of what was "
        f"measured, scaled from {len(results.about['plan']['cores']['server'])} measured.{asked}"
    )
    return f"<h2>Costs</h2><p>{escape(said)}</p>{''.join(parts)}"


def lineup(results: Results) -> str:
    """Who took part, how each was started, and where its code is."""
    rows = "".join(
        f'<tr><td><a href="{escape(c["folder"])}/">{escape(c["title"])}</a></td><td class="text">{escape(c["setup"])}</td>'
        f'<td class="text">{escape(c["slots"])}</td><td class="text"><code>{escape(_program(c["command"]))}</code></td>'
        f'<td class="text">{_code(results, c)}</td></tr>'
        for c in results.contestants
    )
    heads = "".join(f'<th class="text">{word}</th>' for word in ("set up", "requests at once", "started as", "code"))
    return (
        "<h2>Contestants</h2><p>Each folder holds the code that ran and a <code>start.sh</code>. Edit it, and measure "
        "again with <code>--keep-code</code>: without it, all code is written anew.</p>"
        f'<div class="wide"><table><tr><th>contestant</th>{heads}</tr>{rows}</table></div>'
    )


def _code(results: Results, contestant: dict[str, Any]) -> str:
    """Links to its files: folders are no pages where the report is published."""
    work = {case["name"] for case in results.cases if case["app"] == WORK}
    works = any(s.contestant == contestant["name"] and s.case in work for s in _samples(results))
    predicts = any(s.contestant == contestant["name"] for s in results.starts)
    files = [
        *(() if contestant["ours"] else ("app.py", "model.py")),
        *(("start.sh",) if predicts or not works else ()),
        *(("work.py", "tasks.py", "start_work.sh") if works else ()),
    ]
    folder = escape(contestant["folder"])
    edited = contestant.get("edited", {})
    links = (f'<a href="{folder}/{file}">{file}</a>{" (edited)" if file in edited else ""}' for file in files)
    return ", ".join(links)


def _samples(results: Results) -> list[Measurement | Observation]:
    return [*results.measurements, *results.observations]


def _curves(results: Results, found: dict[str, list[Latency]], which: int) -> list[Curve]:
    """Without the points at which the generator was late itself."""
    return [
        Curve(
            results.title(name),
            [
                (point.rate, told * 1000)
                for point in points
                if (told := point.percentiles[which]) is not None and not point.late
            ],
            results.is_ours(name),
            number,
        )
        for number, (name, points) in enumerate(found.items())
    ]


def _latency_table(results: Results, found: dict[str, list[Latency]]) -> str:
    header = ["contestant", "arrive/s", *(f"p{share * 100:g} ms" for share in SHARES), "requests", "errors"]
    rows, ours = [], set()
    for name, points in found.items():
        for point in points:
            pairs = zip(point.percentiles, point.spans, strict=True)
            told = [_told(value, span, late=point.late) for value, span in pairs]
            rows.append([results.title(name), amount(point.rate), *told, f"{point.requests:,}", f"{point.errors:,}"])
        if results.is_ours(name):
            ours.add(results.title(name))
    spans = [span for points in found.values() for point in points if not point.late for span in point.spans]
    return (
        f"<details><summary>All latencies</summary>{table(header, rows, ours)}"
        "<p>–: too few requests to tell. ≤: the generator was late itself, so the server was quicker. Errors count as the "
        f"longest. {brackets(spans)}</p></details>"
    )


def _told(value: float | None, span: Interval | None, *, late: bool) -> str:
    """In milliseconds."""
    if value is None:
        return "–"
    if late or span is None or span.low is None or span.high is None:
        return f"{'≤ ' if late else ''}{_ms(value)}"
    return f"{_ms(value)}\u00a0({_ms(span.low)}\u00a0to\u00a0{_ms(span.high)})"


def _ms(seconds: float) -> str:
    return milliseconds(seconds * 1000).removesuffix(" ms")


def _span(value: Interval, form: Callable[[float], str] = amount) -> str:
    if value.low is None or value.high is None:
        return "–"
    return f"{form(value.low)} to {form(value.high)}"


def _scaled(value: Interval, by: float) -> Interval:
    low, high = (None if edge is None else edge / by for edge in (value.low, value.high))
    return Interval(value.value / by, low, high, value.rounds)


def _program(command: Sequence[str]) -> str:
    """Without folders, which are the machine's."""
    return " ".join(word.rsplit("/", 1)[-1] for word in command)
