"""Three sentences that follow from the numbers, whoever they favour."""

from __future__ import annotations

from modelport.compare.contestants import OURS
from modelport.compare.figures import FIGURES, Figure, amount, milliseconds, times, told
from modelport.compare.findings import SHARES, Contest, capacities, contests, latencies, names
from modelport.compare.results import Results


def sentences(results: Results) -> list[str]:
    """Capacity, latency, and what was lost; in place of what was not measured, another case."""
    if not names(results):
        return ["Nothing was measured before the run ended."]
    compared = contests(results, OURS)
    found = [*_capacity(results, compared), *_latency(results)]
    return [*found, *_figures(results)[: 2 - len(found)], _losses(results, compared)]


def losses(found: list[Contest]) -> list[Contest]:
    """Where another was better, the clearest first; what is equal but for the rounding of floats stays in its order."""
    return sorted((c for c in found if c.word in ("lost", "behind")), key=lambda c: round(c.ratio.value, 9))


def _capacity(results: Results, compared: list[Contest]) -> list[str]:
    """Both numbers, and their ratio, are of the rounds that both have."""
    for case in results.cases:
        ranked = capacities(results, str(case["name"]))
        ours = next((c for c in ranked if c.contestant == OURS), None)
        best = next((c for c in ranked if not results.is_ours(c.contestant)), None)
        if ours is None or best is None:
            continue
        what = f"requests per second, {case['title']}"
        versus = next((c for c in compared if c.other == best.contestant and c.what == what), None)
        if versus is None:
            continue
        mine, theirs = (text.removesuffix("/s") for text in (versus.ours, versus.theirs))
        mine, theirs = f"{_least(ours.bounded)}{mine}", f"{_least(best.bounded)}{theirs}"
        head = f"Modelport answered {mine} requests per second on {case['title']}, {results.title(best.contestant)} {theirs}"
        return [f"{head}, the most of the others: {_ratio_words(versus, ours.bounded, best.bounded)}"]
    return []


def _least(bounded: bool) -> str:
    """Where the load generator had no more to give."""
    return "at least " if bounded else ""


def _ratio_words(contest: Contest, ours_bounded: bool, theirs_bounded: bool) -> str:
    ratio = contest.ratio
    bound = {(True, False): "at least ", (False, True): "at most "}.get((ours_bounded, theirs_bounded), "")
    if ratio.low is None or ratio.high is None:
        return f"{bound}{times(ratio.value)} times as many, from a single round, which tells no interval."
    span = f"{bound}{times(ratio.value)} times as many (95 % interval {times(ratio.low)} to {times(ratio.high)})"
    return f"{span}." if contest.word != "even" else f"{span}, which is no difference that can be shown."


def _latency(results: Results) -> list[str]:
    """At the lowest rate, which all of them reach; everybody at the percentile that is told of ours."""
    for case in results.cases:
        lowest = {name: points[0] for name, points in latencies(results, str(case["name"])).items() if points}
        ours = lowest.get(OURS)
        if ours is None or ours.tail is None:
            continue
        share, mine = ours.tail
        rivals = {
            name: theirs
            for name, point in lowest.items()
            if not results.is_ours(name)
            and point.rate == ours.rate
            and (theirs := point.percentiles[SHARES.index(share)]) is not None
        }
        if not rivals:
            continue
        best = min(rivals, key=rivals.__getitem__)
        return [
            f"At {amount(ours.rate)} requests per second that arrive whether or not it keeps up, {share * 100:g} % of the answers "
            f"of Modelport came within {_within(mine, ours.late)}, those of {results.title(best)}, the quickest of the others, "
            f"within {_within(rivals[best], lowest[best].late)}."
        ]
    return []


def _within(seconds: float, late: bool) -> str:
    doubt = " (the generator itself was late: take it as an upper bound)" if late else ""
    return f"{milliseconds(seconds * 1000)}{doubt}"


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


def _losses(results: Results, compared: list[Contest]) -> str:
    lost = losses(compared)
    if not compared:
        return "Nothing was measured of Modelport and another contestant both, so nothing can be said of who is better."
    ahead = sum(c.word in ("won", "ahead") for c in compared)
    even = len(compared) - ahead - len(lost)
    undecided = f"; in {even} no difference can be shown" if even else ""
    head = (
        f"Of {len(compared):,} numbers that were compared one by one, Modelport was ahead in {ahead:,} and behind in "
    )
    if not lost:
        return f"{head}none{undecided}."
    worst = lost[0]
    return (
        f"{head}{len(lost):,}, the most in {worst.what}: {worst.ours} against {worst.theirs} of {results.title(worst.other)}"
        f"{undecided}."
    )
