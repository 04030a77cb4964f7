"""Tables that read the same on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A title, a header and rows of text; the first column is flush left, numbers are flush right."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def plain(self) -> str:
        """Return the table for a terminal."""
        lines = [self.header, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.header))]
        rule = "  ".join("-" * width for width in widths)
        head, *body = (self._aligned(line, widths) for line in lines)
        return "\n".join([self.title, "", head, rule, *body])

    def markdown(self) -> str:
        """Return the table for a Markdown page, under a heading of its own."""
        rule = ["---", *("---:" for _ in self.header[1:])]
        lines = [self.header, rule, *self.rows]
        return "\n".join([f"## {self.title}", "", *(f"| {' | '.join(line)} |" for line in lines)])

    @staticmethod
    def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
        first, *rest = zip(line, widths, strict=True)
        return "  ".join([first[0].ljust(first[1]), *(text.rjust(width) for text, width in rest)])
