"""The parts of the report: each reads the results and says what stands in them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from modelport.compare.cases import MEMORY, PREDICT
from modelport.compare.charts import Bar, Curve, bar_chart, curve_chart, legend
from modelport.compare.claims import checked
from modelport.compare.contestants import OURS
from modelport.compare.costs import HEADROOM, RATE, costs
from modelport.compare.figures import milliseconds
from modelport.compare.findings import (
    SHARES,
    Latency,
    at_once,
    capacities,
    contests,
    idle_bytes,
    latencies,
    loaded_bytes,
    names,
    start_s,
    utilisation,
)
from modelport.compare.forecast import in_words
from modelport.compare.intervals import Interval
from modelport.compare.memory import ROUNDS
from modelport.compare.results import Results
from modelport.compare.tables import table
from modelport.compare.verdict import losses

MIB = 2**20
MOST_LOSSES = 40
BUSY_GENERATOR, IDLE_SERVER = 0.9, 0.85
LATE_S = 0.01
MORE_SLOTS = 1.15
"""From so many times its slots on, a contestant is said to have more."""


def speed(results: Results) -> str:
    """Capacity bars of each case, and their table."""
    charts = []
    for case in results.cases:
        ranked = capacities(results, case["name"])
        if not ranked:
            continue
        bars = [
            Bar(results.title(c.contestant), c.per_s, f"{c.per_s.value:,.0f}/s", results.is_ours(c.contestant))
            for c in ranked
        ]
        title = f"Requests per second, {case['title']}"
        rows = [
            [
                results.title(c.contestant),
                f"{c.per_s.value:,.0f}",
                _span(c.per_s, 1, "{:,.0f}"),
                f"{c.cpu_s_per_1000:.3g}",
                f"{c.errors:,}",
            ]
            for c in ranked
        ]
        header = ["contestant", "requests/s", "95 % interval", "CPU seconds per 1,000", "errors"]
        ours = {results.title(c.contestant) for c in ranked if results.is_ours(c.contestant)}
        charts.append(f"<div><h3>{escape(title)}</h3>{bar_chart(bars, title)}{table(header, rows, ours)}</div>")
    if not charts:
        return ""
    return (
        "<h2>Capacity</h2><p>As fast as each one goes: every connection asks again when it has its answer.</p>"
        f'<div class="plots">{"".join(charts)}</div>'
    )


def latency(results: Results) -> str:
    """Latency over the arrival rate."""
    parts = []
    for case in results.cases:
        found = latencies(results, case["name"])
        middle = _curves(results, found, 0)
        if not any(curve.points for curve in middle):
            continue
        high = _curves(results, found, 2)
        charts = [
            f"<div><h3>{word}, {escape(case['title'])}</h3>"
            f"{curve_chart(curves, f'{word} over the arrival rate', 'requests/s that arrive', 'ms')}</div>"
            for word, curves in (("Half of the answers", middle), ("99 % of the answers", high))
            if any(curve.points for curve in curves)
        ]
        parts.append(f'<div class="plots">{"".join(charts)}</div>{legend(middle)}{_latency_table(results, found)}')
    if not parts:
        return ""
    return (
        "<h2>Latency</h2><p>Requests arrive at their own times, the same for everybody, whether or not the server keeps up. "
        "Latency counts from the time a request was meant to be sent. A line ends where its server cannot follow.</p>"
        + "".join(parts)
    )


def losing(results: Results) -> str:
    """Every number in which another was better."""
    found = contests(results, OURS)
    lost = losses(found)
    if not found:
        return ""
    if not lost:
        return "<h2>Where Modelport is behind</h2><p>In no number of this run.</p>"
    rows = [
        [c.what, results.title(c.other), c.ours, c.theirs, f"{1 / c.ratio.value:.2f} ×", _sure(c.word)] for c in lost
    ]
    header = ["number", "better", "Modelport", "the other", "better by", "shown"]
    more = table(header, rows[MOST_LOSSES:])
    rest = (
        f"<details><summary>And {len(rows) - MOST_LOSSES} more</summary>{more}</details>" if rows[MOST_LOSSES:] else ""
    )
    return f"<h2>Where Modelport is behind</h2>{table(header, rows[:MOST_LOSSES])}{rest}"


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
                _span(start, 1, "{:.2f}"),
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
        header += ["per million"] if price is not None else []
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
        f'<td class="text">{escape(c["slots"])}</td><td class="text"><code>{escape(_program(c["command"]))}</code></td></tr>'
        for c in results.contestants
    )
    heads = "".join(f'<th class="text">{word}</th>' for word in ("set up", "requests at once", "started as"))
    return (
        "<h2>Contestants</h2><p>Each folder holds the code that ran and a <code>start.sh</code>; edit it, and measure again.</p>"
        f'<div class="wide"><table><tr><th>contestant</th>{heads}</tr>{rows}</table></div>'
    )


def method(results: Results) -> str:
    """How it was measured, in the words of the plan."""
    plan, cores = results.about["plan"], results.about["plan"]["cores"]
    lines = [
        f"Server and all its processes: core {', '.join(map(str, cores['server']))}. Load generator: core {cores['load']}.",
        f"{plan['rounds']} rounds. In each, every contestant is started alone, asked for its first answer, warmed up for "
        f"{plan['warm_up_s']:g} s, loaded for {plan['capacity_s']:g} s, and loaded at each arrival rate for "
        f"{plan['latency_s']:g} s. The order rotates from round to round.",
        f"Capacity: {results.about['generator']}, closed loop. Latency: the bundled generator (Python), open loop; arrival "
        "times are drawn with a fixed seed, exponential pauses, the same for everybody.",
        *_more_method(results),
        "Before anything is timed, all answers are compared after parsing: equal, numbers within 1e-5.",
        "Intervals are Student's t on the logarithms over rounds; ratios are paired by round. A percentile is told only where at "
        "least ten answers lie above it, over all rounds.",
        f"The model's form in Modelport: {results.about['model']['form']}. All others call the library that it was saved with.",
        "Modelport runs from the installation of this command, all others in environments of their own.",
        *(f"{key}: {value}" for key, value in results.about["machine"].items()),
    ]
    return f"<h2>How it was measured</h2><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _more_method(results: Results) -> list[str]:
    """What holds for some runs only."""
    lines = []
    if any(case["kind"] == MEMORY for case in results.cases):
        lines.append(f"Memory against concurrency: starts of their own, in at most {ROUNDS} rounds.")
    if "took_s" in results.about:
        lines.append(f"It took {in_words(results.about['took_s'])}.")
    if results.about.get("resumed"):
        lines.append(
            f"The run was interrupted and gone on with, {results.about['resumed']} times; a start is never made of two parts."
        )
    return lines


def doubts(results: Results) -> list[str]:
    """What the samples themselves say against the run."""
    found = []
    most = utilisation(results)
    if most is not None and most < IDLE_SERVER:
        found.append(
            f"No contestant got more than {most:.0%} of its cores in the closed loop: something else was computing on them, and "
            "all numbers are lower than they should be."
        )
    busy = [m.contestant for m in results.measurements if (m.generator_busy or 0) > BUSY_GENERATOR]
    busy += [o.contestant for o in results.observations if o.values.get("busy", 0) > BUSY_GENERATOR]
    found += [
        f"{results.title(name)} was faster than the load generator: its capacity is at least what is told."
        for name in dict.fromkeys(busy)
    ]
    found += [_other_slots(results, c) for c in results.contestants]
    late = dict.fromkeys(o.contestant for o in results.observations if o.values.get("lag_s", 0.0) > LATE_S)
    found += [
        f"The load generator was late itself beside {results.title(name)} in a case that is no plain load."
        for name in late
    ]
    if results.starts and max(start.round for start in results.starts) == 0:
        found.append("Of a single round no interval can be told.")
    return [doubt for doubt in found if doubt]


def _other_slots(results: Results, contestant: dict[str, str]) -> str:
    """Equal slots are what makes a comparison fair: whoever states them must not have more."""
    slots = int(results.about["plan"]["slots"])
    seen = at_once(results, contestant["name"]) if contestant["slots"].startswith(f"{slots}:") else None
    if seen is None or seen <= MORE_SLOTS * slots:
        return ""
    return (
        f"{contestant['title']} worked on {seen:.1f} requests at once and not on the {slots} that are stated: what it is better in "
        "may come from that."
    )


def _curves(results: Results, found: dict[str, list[Latency]], which: int) -> list[Curve]:
    """Only answers of runs without errors, whose generator was on time."""
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
    header = ["contestant", "arrive/s", *(f"p{share * 100:g} ms" for share in SHARES), "answers", "errors"]
    rows, ours = [], set()
    for name, points in found.items():
        for point in points:
            told = [_told(value, late=point.late) for value in point.percentiles]
            rows.append([results.title(name), f"{point.rate:,.0f}", *told, f"{point.answers:,}", f"{point.errors:,}"])
        if results.is_ours(name):
            ours.add(results.title(name))
    return (
        f"<details><summary>All latencies</summary>{table(header, rows, ours)}"
        "<p>–: too few answers to tell. ≤: the generator was late itself, so the server was quicker.</p></details>"
    )


def _told(value: float | None, *, late: bool) -> str:
    return "–" if value is None else f"{'≤ ' if late else ''}{milliseconds(value * 1000).removesuffix(' ms')}"


def _span(value: Interval, scale: float, form: str) -> str:
    if value.low is None or value.high is None:
        return "–"
    return f"{form.format(value.low / scale)} to {form.format(value.high / scale)}"


def _scaled(value: Interval, by: float) -> Interval:
    low, high = (None if edge is None else edge / by for edge in (value.low, value.high))
    return Interval(value.value / by, low, high, value.rounds)


def _sure(word: str) -> str:
    return "yes" if word == "lost" else "one round"


def _program(command: Sequence[str]) -> str:
    """Without folders, which are the machine's."""
    return " ".join(word.rsplit("/", 1)[-1] for word in command)
