"""The parts of the report about the run itself: how it was measured, and what its samples say against it."""

from __future__ import annotations

from html import escape
from statistics import median
from typing import Any

from modelport.compare.cases import MEMORY
from modelport.compare.figures import is_no_overload
from modelport.compare.findings import BUSY_GENERATOR, at_once, capacities, utilisation
from modelport.compare.forecast import in_words
from modelport.compare.generators import BUNDLED
from modelport.compare.memory import ROUNDS
from modelport.compare.results import Results

IDLE_SERVER = 0.85
LATE_S = 0.01
MORE_SLOTS = 1.15
"""From so many times its slots on, a contestant is said to have more."""


def method(results: Results) -> str:
    """How it was measured, in the words of the plan."""
    plan, cores = results.about["plan"], results.about["plan"]["cores"]
    lines = [
        f"Server and all its processes: core {', '.join(map(str, cores['server']))}. Load generator: core {cores['load']}.",
        f"{plan['rounds']} round{'s' * (plan['rounds'] > 1)}. In each, every contestant is started alone, asked for its first "
        f"answer, warmed up for {_closed_s(results, 'warm_up_s'):g} s, loaded as fast as it goes for "
        f"{_closed_s(results, 'capacity_s'):g} s, and at each arrival rate for {plan['latency_s']:g} s. The order rotates from "
        "round to round.",
        f"Capacity: {results.about['generator']}, closed loop. Latency: the bundled generator (Python), open loop; arrival "
        "times are drawn with a fixed seed, exponential pauses, the same for everybody. Where few requests arrive in a second, for "
        "longer: so long that their percentiles can be told.",
        *_turns(results),
        *_headroom(results),
        *_more_method(results),
        "Before anything is timed, all answers are compared after parsing: equal, numbers within 1e-5.",
        "Intervals are Student's t on the logarithms over rounds, but for those of latencies, which are the lowest and the highest "
        "round. A percentile is told only where at least ten answers lie above it, over all rounds; to be compared, in each. A "
        "table of latencies tells the percentile of all answers; where two contestants are compared, it is the mean over the "
        "rounds, and ratios are paired by round.",
        f"The model's form in Modelport: {results.about['model']['form']}. All others call the library that it was saved with, "
        "unless their title says otherwise.",
        "Modelport runs from the installation of this command, all others in environments of their own.",
        *(f"{key}: {value}" for key, value in results.about["machine"].items()),
    ]
    return f"<h2>How it was measured</h2><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _turns(results: Results) -> list[str]:
    """How capacity is measured where it is slots and not speed that decide."""
    if not any(case.get("task_s") for case in results.cases):
        return []
    return [
        "Capacity, where a function takes 50 ms: the bundled generator, without a warm-up, for as long as two turns take at least "
        "(in a turn every caller has one answer). What passes between two answers to the same caller is counted, so that neither "
        "the beginning nor answers that come in waves make it larger or smaller."
    ]


def _closed_s(results: Results, planned: str) -> float:
    """How long a closed loop took: other generators than the bundled one know whole seconds only."""
    seconds = float(results.about["plan"][planned])
    return seconds if results.about["generator"] == BUNDLED else max(1, round(seconds))


def _headroom(results: Results) -> list[str]:
    """How far the generator itself was from its end."""
    busy = [m.generator_busy for m in results.measurements if m.generator_busy is not None]
    if not busy:
        return []
    return [
        f"In the closed loops the generator computed for {median(busy):.0%} of its time in the median, {max(busy):.0%} at most. "
        f"Where it was more than {BUSY_GENERATOR:.0%}, a capacity is marked with ≥."
    ]


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
    found += _bounded(results)
    found += _silent(results)
    found += _not_overloaded(results)
    found += [_other_slots(results, c) for c in results.contestants]
    found += [
        f"{results.title(c['name'])}: {', '.join(c['edited'])} was edited, and is not what this command writes."
        for c in results.contestants
        if c.get("edited")
    ]
    late = dict.fromkeys(o.contestant for o in results.observations if o.values.get("lag_s", 0.0) > LATE_S)
    found += [
        f"The load generator was late itself beside {results.title(name)} in a case that is no plain load."
        for name in late
    ]
    if results.starts and max(start.round for start in results.starts) == 0:
        found.append("Of a single round no interval can be told.")
    return [doubt for doubt in found if doubt]


def _bounded(results: Results) -> list[str]:
    """Who was faster than the generator, and in which cases."""
    busy = [(m.contestant, m.case) for m in results.measurements if (m.generator_busy or 0) > BUSY_GENERATOR]
    busy += [(o.contestant, o.case) for o in results.observations if o.values.get("busy", 0) > BUSY_GENERATOR]
    titles = {case["name"]: str(case["title"]) for case in results.cases}
    found = []
    for name in dict.fromkeys(name for name, _ in busy):
        cases = dict.fromkeys(titles.get(case, case) for whose, case in busy if whose == name)
        found.append(
            f"{results.title(name)} was faster than the load generator: its capacity is at least what is told of "
            f"{'; '.join(cases)}."
        )
    return found


def _silent(results: Results) -> list[str]:
    """Who answered nobody: with so many callers at once, even the first may wait for longer than a load lasts."""
    found = []
    for case in results.cases:
        silent = [results.title(c.contestant) for c in capacities(results, case["name"]) if not c.answers]
        if silent:
            found.append(
                f"{'; '.join(silent)}: not one of {case['connections']} callers at once had an answer before the load ended, in "
                f"the case of {case['title']}. Longer loads (--seconds) may tell more; the claims leave this out."
            )
    return found


def _not_overloaded(results: Results) -> list[str]:
    """Whose capacity was measured too low, so that twice of it was not too much."""
    names = dict.fromkeys(o.contestant for o in results.observations if is_no_overload(o))
    titles = "; ".join(results.title(name) for name in names)
    if not names:
        return []
    return [
        f"{titles}: with twice the capacity that was measured just before, nearly every request was answered in time, so the "
        "capacity is larger and this was no overload. Such rounds are left out."
    ]


def _other_slots(results: Results, contestant: dict[str, Any]) -> str:
    """Equal slots are what makes a comparison fair: whoever states them must not have more."""
    slots = int(results.about["plan"]["slots"])
    seen = at_once(results, contestant["name"]) if contestant["slots"].startswith(f"{slots}:") else None
    if seen is None or seen <= MORE_SLOTS * slots:
        return ""
    return (
        f"{results.title(contestant['name'])} worked on {seen:.1f} requests at once and not on the {slots} that are stated: what "
        "it is better in may come from that."
    )
