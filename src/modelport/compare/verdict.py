"""Three sentences that follow from the numbers, whoever they favour."""

from __future__ import annotations

from modelport.compare.contestants import OURS
from modelport.compare.figures import FIGURES, Figure, milliseconds, told
from modelport.compare.findings import Contest, capacities, contests, latencies, names
from modelport.compare.results import Results


def sentences(results: Results) -> list[str]:
    """Capacity, latency, and what was lost; in place of what was not measured, another case."""
    if not names(results):
        return ["Nothing was measured before the run ended."]
    found = [*_capacity(results), *_latency(results)]
    return [*found, *_figures(results)[: 2 - len(found)], _losses(results)]


def losses(found: list[Contest]) -> list[Contest]:
    """Where another was better, the clearest first."""
    return sorted((c for c in found if c.word in ("lost", "behind")), key=lambda c: c.ratio.value)


def _capacity(results: Results) -> list[str]:
    for case in results.cases:
        ranked = capacities(results, str(case["name"]))
        ours = next((c for c in ranked if c.contestant == OURS), None)
        best = next((c for c in ranked if not results.is_ours(c.contestant)), None)
        if ours is None or best is None:
            continue
        found = [c for c in contests(results, OURS) if c.other == best.contestant and c.what.startswith("requests")]
        if not found:
            continue
        versus = found[0]
        title = results.title(best.contestant)
        amount = f"{ours.per_s.value:,.0f} requests per second on {case['title']}, {title} {best.per_s.value:,.0f}"
        head = f"Modelport answered {amount}, the most of the others: "
        return [head + _ratio_words(versus)]
    return []


def _ratio_words(contest: Contest) -> str:
    ratio = contest.ratio
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.2f} times as many, from a single round, which tells no interval."
    span = f"{ratio.value:.2f} times as many (95 % interval {ratio.low:.2f} to {ratio.high:.2f})"
    return f"{span}." if contest.word != "even" else f"{span}, which is no difference that can be shown."


def _latency(results: Results) -> list[str]:
    """At the lowest rate, which all of them reach."""
    for case in results.cases:
        found = {name: points[0] for name, points in latencies(results, str(case["name"])).items() if points}
        ours = found.pop(OURS, None)
        told = {
            name: point.tail
            for name, point in found.items()
            if not results.is_ours(name) and ours is not None and point.rate == ours.rate
        }
        rivals = {name: tail for name, tail in told.items() if tail is not None}
        if ours is None or ours.tail is None or not rivals:
            continue
        share, mine = ours.tail
        best = min(rivals, key=lambda name: rivals[name][1])
        word = f"{share * 100:g} % of the answers"
        late = " (the generator itself was late: take it as an upper bound)" if ours.late else ""
        return [
            f"At {ours.rate:,.0f} requests per second that arrive whether or not it keeps up, {word} of Modelport came within "
            f"{milliseconds(mine * 1000)}{late}, those of {results.title(best)}, the quickest of the others, within "
            f"{milliseconds(rivals[best][1] * 1000)}."
        ]
    return []


def _figures(results: Results) -> list[str]:
    """The first judged number of each case that has some."""
    found = []
    for case in (str(case["name"]) for case in results.cases):
        judged = [figure for figure in FIGURES if figure.case == case and figure.more_is_better is not None]
        words = (_figure(results, figure) for figure in judged)
        found += [word for word in words if word][:1]
    return found


def _figure(results: Results, figure: Figure) -> str:
    """Ours beside the best of the others; nothing where one of them is missing."""
    values = {name: told(results, figure, name) for name in names(results)}
    others = {name: one.value for name, one in values.items() if one is not None and not results.is_ours(name)}
    ours = values.get(OURS)
    if ours is None or not others:
        return ""
    best = (max if figure.more_is_better else min)(others, key=lambda name: others[name])
    title = next(str(case["title"]) for case in results.cases if case["name"] == figure.case)
    mine, theirs = figure.form(ours.value), figure.form(others[best])
    return (
        f"{title[0].upper()}{title[1:]}, {figure.title}: {mine} with Modelport, {theirs} with {results.title(best)}, "
        "the best of the others."
    )


def _losses(results: Results) -> str:
    found = contests(results, OURS)
    lost = losses(found)
    if not found:
        return "Nothing was measured of Modelport and another contestant both, so nothing can be said of who is better."
    if not lost:
        return f"Of {len(found)} numbers that were compared one by one, Modelport was behind in none."
    worst = lost[0]
    return (
        f"Of {len(found)} numbers that were compared one by one, Modelport was behind in {len(lost)}, the most in {worst.what}: "
        f"{worst.ours} against {worst.theirs} of {results.title(worst.other)}."
    )
