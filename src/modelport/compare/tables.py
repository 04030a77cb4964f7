"""Tables of the report: text cells, wide ones scroll by themselves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from modelport.compare.intervals import Interval, confidence_between


def brackets(latencies: Iterable[Interval | None], others: Iterable[Interval | None] = ()) -> str:
    """What stands in brackets beside these numbers of a table; of rounds the fewest are told. Nothing where there are none."""
    rounds = sorted({span.rounds for span in latencies if span is not None and span.low is not None})
    told = []
    if rounds:
        surely = math.floor(100 * confidence_between(rounds[0]))
        told.append(
            "In brackets beside latencies: the lowest and the highest of the rounds, where each of them has requests enough; of "
            f"{rounds[0]}{' or more' * (len(rounds) > 1)} rounds these two hold the median with {surely} % confidence."
        )
    if any(span is not None and span.low is not None for span in others):
        told.append(f"In brackets{' beside other numbers' * bool(rounds)}: the 95 % interval over the rounds.")
    return " ".join(told)


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], ours: set[str] | None = None, text_from: int = 99
) -> str:
    """The first column flush left, and those from `text_from` on."""
    heads = "".join(f"<th{_kind(n, text_from)}>{escape(word)}</th>" for n, word in enumerate(header))
    lines = "".join(
        f"<tr{' class=ours' if ours and row[0] in ours else ''}>"
        + "".join(f"<td{_kind(n, text_from)}>{escape(cell)}</td>" for n, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{heads}</tr>{lines}</table></div>'


def _kind(column: int, text_from: int) -> str:
    return ' class="text"' if column >= text_from else ""
