"""Plots as inline SVG: no script, no font, no request; readable at the width of a phone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from modelport.compare.intervals import Interval

WIDTH, ROW, FONT = 480, 40, 14
LEFT, RIGHT, TOP, BOTTOM, HEIGHT = 56, 12, 10, 40, 300
COLOURS = 8


@dataclass(frozen=True)
class Bar:
    """One line of a bar chart."""

    label: str
    value: Interval
    text: str
    ours: bool


@dataclass(frozen=True)
class Curve:
    """One contestant's line: points of x and y."""

    label: str
    points: Sequence[tuple[float, float]]
    ours: bool
    number: int


def bar_chart(bars: Sequence[Bar], title: str) -> str:
    """Bars from zero, with whiskers for intervals."""
    most = max((bar.value.high or bar.value.value for bar in bars), default=1.0) or 1.0
    scale = (WIDTH - 8) / most
    lines = []
    for row, bar in enumerate(bars):
        y = row * ROW
        kind = "ours" if bar.ours else "theirs"
        lines.append(f'<text x="0" y="{y + 15}" class="{kind}-label">{escape(bar.label)}</text>')
        lines.append(f'<text x="{WIDTH}" y="{y + 15}" text-anchor="end">{escape(bar.text)}</text>')
        lines.append(f'<rect x="0" y="{y + 20}" width="{bar.value.value * scale:.1f}" height="12" class="{kind}"/>')
        if bar.value.low is not None and bar.value.high is not None:
            low, high, middle = bar.value.low * scale, bar.value.high * scale, y + 26
            path = f"M{low:.1f} {middle - 5}v10M{low:.1f} {middle}H{high:.1f}M{high:.1f} {middle - 5}v10"
            lines.append(f'<path d="{path}" class="whisker"/>')
    return _svg(title, len(bars) * ROW, lines)


def curve_chart(curves: Sequence[Curve], title: str, x_title: str, y_title: str) -> str:
    """Lines on two logarithmic axes."""
    points = [point for curve in curves for point in curve.points if min(point) > 0]
    if not points:
        return ""
    x_axis, y_axis = (
        _Axis([x for x, _ in points], LEFT, WIDTH - RIGHT),
        _Axis([y for _, y in points], HEIGHT - BOTTOM, TOP),
    )
    lines = [*_grid(x_axis, y_axis)]
    lines.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">{escape(x_title)}</text>')
    lines.append(f'<text x="{LEFT + 6}" y="{TOP + 12}">{escape(y_title)}</text>')
    for curve in sorted(curves, key=lambda c: c.ours):
        kind = _kind(curve)
        places = [(x_axis.place(x), y_axis.place(y)) for x, y in curve.points if min(x, y) > 0]
        if not places:
            continue
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        lines.append(f'<path d="{path}" class="line {kind}"><title>{escape(curve.label)}</title></path>')
        lines += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" class="dot {kind}"/>' for x, y in places]
    return _svg(title, HEIGHT, lines)


def legend(curves: Sequence[Curve]) -> str:
    """Which line is whose."""
    items = [
        f'<li><svg viewBox="0 0 28 10" width="28" height="10" aria-hidden="true"><path d="M0 5H28" class="line {_kind(curve)}"/>'
        f"</svg>{escape(curve.label)}</li>"
        for curve in curves
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def _kind(curve: Curve) -> str:
    """Its classes: whoever has the colour of an earlier one is dashed otherwise, with hollow points."""
    if curve.ours:
        return "ours"
    turn, colour = divmod(curve.number, COLOURS)
    return f"c{colour} r{turn}" if turn else f"c{colour}"


class _Axis:
    """Places of values on a logarithmic scale."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        self.low, self.high = math.log10(min(values)), math.log10(max(values))
        if self.high - self.low < 0.3:
            self.low, self.high = self.low - 0.15, self.high + 0.15
        margin = (self.high - self.low) * 0.04
        self.low, self.high = self.low - margin, self.high + margin
        self.begin, self.end = begin, end

    def place(self, value: float) -> float:
        """Where a value lies."""
        return self.begin + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Round numbers: powers of ten, and between them more where there is room."""
        span = self.high - self.low
        steps = (1, 2, 3, 4, 6, 8) if span < 0.9 else (1, 2, 5) if span < 2.2 else (1,)
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        found = [step * 10.0**power for power in powers for step in steps]
        return [value for value in found if self.low <= math.log10(value) <= self.high]


def _grid(x_axis: _Axis, y_axis: _Axis) -> list[str]:
    lines = []
    for value in x_axis.ticks():
        x = x_axis.place(value)
        lines.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" class="grid"/>')
        lines.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{_short(value)}</text>')
    for value in y_axis.ticks():
        y = y_axis.place(value)
        lines.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" class="grid"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{y + 5:.1f}" text-anchor="end">{_short(value)}</text>')
    return lines


def _short(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def _svg(title: str, height: float, lines: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" class="plot" font-size="{FONT}"><title>{escape(title)}</title>'
        f"{''.join(lines)}</svg>"
    )
