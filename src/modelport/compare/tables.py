"""Tables of the report: text cells, wide ones scroll by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from modelport.compare.intervals import confidence_between


def brackets(rounds: int) -> str:
    """What stands in brackets beside latencies; nothing does with a single round."""
    if rounds < 2:
        return ""
    surely = f"{confidence_between(rounds):.0%}".replace("%", " %")
    return (
        f"In brackets: the lowest and the highest of the rounds, where each of them has requests enough; of {rounds} rounds "
        f"these two hold the median with {surely} confidence."
    )


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
