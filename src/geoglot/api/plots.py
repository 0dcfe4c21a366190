"""Plots as inline SVG: lines, bars and a matrix of numbers. Pure functions: numbers in, text out.

Colours are classes of the page's style sheet, so that a plot follows light, dark and print. Nothing is told by colour
alone: every series has a mark of its own shape, and the page puts the numbers in a table below.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from geoglot.api.printable import in_html, printable
from geoglot.core.errors import UsageError

STYLES = 8
"""Colours and marks there are; the ninth series looks like the first."""
_WIDE, _HIGH = 640.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 14.0, 12.0, 44.0
_LETTER = 6.4
_LONGEST_NAME = 30
_FEW_POINTS = 40


@dataclass(frozen=True, kw_only=True)
class Line:
    """One series of a line plot.

    Attributes:
        name: What it is.
        x: Finite numbers, ascending.
        y: As many finite numbers.
        style: Colour and mark, from 0 on.
        dashed: Whether the line is broken.
        spread: Half the height of a bar through each point, such as a standard deviation; empty for none.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    style: int = 0
    dashed: bool = False
    spread: Sequence[float] = ()


@dataclass(frozen=True, kw_only=True)
class Bars:
    """One series of a bar plot: a number per category, ``None`` where there is none."""

    name: str
    values: Sequence[float | None]
    style: int = 0


def line_plot(
    lines: Sequence[Line],
    *,
    identity: str,
    title: str,
    across: str,
    upward: str,
    logarithmic: bool = False,
    bounds: tuple[float, float] | None = None,
) -> str:
    """Lines over a common axis.

    Args:
        lines: At least one point in all.
        identity: Unique on the page; letters, digits and hyphens.
        title: Told to those who cannot see the plot.
        across: Name of the horizontal axis.
        upward: Name of the vertical one.
        logarithmic: Whether the vertical axis is; then all y are positive.
        bounds: Ends of the vertical axis, where they are given by what is shown (0 and 100 percent).

    Raises:
        UsageError: There is no point, a number is not finite, or one is not positive on a logarithmic axis.

    Example:
        >>> plot = line_plot([Line(name="a", x=[1, 2], y=[3, 4])], identity="p", title="t", across="x", upward="y")
        >>> plot.startswith('<svg class="plot" role="img"'), plot.count("<polyline")
        (True, 1)
    """
    columns = [float(value) for line in lines for value in line.x]
    edges = [float(edge) for line in lines for edge in _edges(line)]
    _check_finite(title, [*columns, *edges])
    if logarithmic and min(edges) <= 0:
        raise UsageError(title, cause="has a number that no logarithmic axis can show", remedy="plot it linearly")
    ticks = log_ticks(min(edges), max(edges)) if logarithmic else nice_ticks(*(bounds or (min(edges), max(edges))))
    low, high = ticks[0], ticks[-1]
    if not logarithmic:
        low, high = min(low, *edges), max(high, *edges)
    left, right = min(columns), max(columns)

    def at_x(value: float) -> float:
        share = (value - left) / (right - left) if right > left else 0.5
        return _LEFT + 8 + share * (_WIDE - _LEFT - _RIGHT - 16)

    def at_y(value: float) -> float:
        if logarithmic:
            share = (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
        else:
            share = (value - low) / (high - low)
        return _HIGH - _BOTTOM - share * (_HIGH - _TOP - _BOTTOM)

    parts = [
        f'<path class="grid" d="M{_LEFT:.1f} {at_y(tick):.1f}H{_WIDE - _RIGHT:.1f}"/>'
        f'<text class="tick" text-anchor="end" x="{_LEFT - 6:.1f}" y="{at_y(tick) + 4:.1f}">{_number(tick)}</text>'
        for tick in ticks
    ]
    parts += [
        f'<text class="tick" text-anchor="middle" x="{at_x(tick):.1f}" y="{_HIGH - _BOTTOM + 17:.1f}">'
        f"{_number(tick)}</text>"
        for tick in _column_ticks(columns)
    ]
    parts.append(
        f'<text class="axis" text-anchor="middle" x="{(_LEFT + _WIDE - _RIGHT) / 2:.1f}" y="{_HIGH - 6:.1f}">'
        f"{in_html(across)}</text>"
        f'<text class="axis" text-anchor="middle" transform="translate(13 {(_TOP + _HIGH - _BOTTOM) / 2:.1f}) '
        f'rotate(-90)">{in_html(upward)}</text>'
    )
    for line in lines:
        points = [(at_x(x), at_y(y)) for x, y in zip(line.x, line.y, strict=True)]
        broken = " dashed" if line.dashed else ""
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<g class="s{line.style % STYLES}"><title>{in_html(line.name)}</title>')
        parts += [
            f'<path class="spread" d="M{at_x(x):.1f} {at_y(y - d):.1f}V{at_y(y + d):.1f}"/>'
            for x, y, d in zip(line.x, line.y, line.spread, strict=False)
        ]
        parts.append(f'<polyline class="line{broken}" points="{joined}"/>')
        shown = points if len(points) <= _FEW_POINTS else [points[0], points[-1]]
        parts += [mark(line.style, x, y) for x, y in shown]
        parts.append("</g>")
    return _svg(identity, title, _WIDE, _HIGH, "".join(parts))


def bar_plot(
    categories: Sequence[str],
    series: Sequence[Bars],
    *,
    identity: str,
    title: str,
    across: str,
    top: float = 100.0,
) -> str:
    """Horizontal bars from 0 to ``top``, one group per category, one bar per series.

    Raises:
        UsageError: There is no category or no series, or a number is not finite.

    Example:
        >>> plot = bar_plot(["sea"], [Bars(name="a", values=[50])], identity="p", title="t", across="mAP")
        >>> ">50.0</text>" in plot
        True
    """
    _check_finite(title, [float(value) for bars in series for value in bars.values if value is not None] or [math.nan])
    height, gap = (13.0, 7.0) if len(series) == 1 else (12.0, 9.0)
    left = 16 + _LETTER * max(min(len(name), _LONGEST_NAME) for name in categories)
    wide = _WIDE - left - 44
    group = height * len(series) + gap
    bottom = _TOP + group * len(categories)
    parts = [
        f'<path class="grid" d="M{left + wide * tick / top:.1f} {_TOP:.1f}V{bottom:.1f}"/>'
        f'<text class="tick" text-anchor="middle" x="{left + wide * tick / top:.1f}" y="{bottom + 16:.1f}">'
        f"{_number(tick)}</text>"
        for tick in nice_ticks(0, top)
    ]
    middle = left + wide / 2
    parts.append(
        f'<text class="axis" text-anchor="middle" x="{middle:.1f}" y="{bottom + 36:.1f}">{in_html(across)}</text>'
    )
    for row, name in enumerate(categories):
        y = _TOP + row * group + gap / 2
        label = y + height * len(series) / 2 + 4
        parts.append(f'<text class="name" text-anchor="end" x="{left - 8:.1f}" y="{label:.1f}">{_short(name)}</text>')
        for number, bars in enumerate(series):
            value, edge = bars.values[row], y + number * height
            if value is None:
                parts.append(f'<text class="tick" x="{left + 4:.1f}" y="{edge + height - 1.5:.1f}">none</text>')
                continue
            end = left + wide * min(max(value, 0.0), top) / top
            parts.append(
                f'<g class="s{bars.style % STYLES}"><title>{in_html(bars.name)}, {in_html(name)}: {value:.1f}</title>'
                f'<rect class="fill" x="{left:.1f}" y="{edge:.1f}" width="{end - left:.1f}" height="{height - 2:.1f}"/>'
                f"{mark(bars.style, end, edge + height / 2 - 1, size=0.8) if len(series) > 1 else ''}</g>"
                f'<text class="tick" x="{end + 8:.1f}" y="{edge + height / 2 + 2.8:.1f}">{value:.1f}</text>'
            )
    return _svg(identity, title, _WIDE, bottom + 44, "".join(parts))


def matrix_plot(
    names: Sequence[str], values: Sequence[Sequence[float]], *, identity: str, title: str, down: str, across: str
) -> str:
    """A square matrix of percentages, each cell with its number; cells under 0.05 show a dot.

    Raises:
        UsageError: There is no row, or a number is not finite.

    Example:
        >>> plot = matrix_plot(["sea"], [[100.0]], identity="p", title="t", down="query", across="found")
        >>> ">100</text>" in plot
        True
    """
    _check_finite(title, [float(value) for row in values for value in row] or [math.nan])
    cell = 31.0
    label = 16 + _LETTER * max(min(len(name), _LONGEST_NAME) for name in names)
    slope = label * 0.8
    left, top = label + 18, slope + 22
    side = cell * len(names)
    parts = []
    for row, name in enumerate(names):
        middle = top + (row + 0.5) * cell
        parts.append(
            f'<text class="name" text-anchor="end" x="{left - 6:.1f}" y="{middle + 4:.1f}">{_short(name)}</text>'
        )
        at = left + (row + 0.5) * cell
        parts.append(
            f'<text class="name" transform="translate({at:.1f} {top - 7:.1f}) rotate(-55)">{_short(name)}</text>'
        )
        for column, value in enumerate(values[row]):
            x, y = left + column * cell, top + row * cell
            dark = " over" if value >= 65 else ""
            shade = min(max(value / 100, 0.0), 1.0) ** 0.6
            parts.append(
                f"<g><title>{in_html(name)} to {in_html(names[column])}: {value:.2f}</title>"
                f'<rect class="cell" x="{x:.1f}" y="{y:.1f}" width="{cell - 1:.1f}" height="{cell - 1:.1f}" '
                f'style="fill-opacity:{shade:.3f}"/>'
                f'<text class="value{dark}" text-anchor="middle" x="{x + cell / 2 - 0.5:.1f}" '
                f'y="{y + cell / 2 + 3.2:.1f}">{_cell_number(value)}</text></g>'
            )
    parts.append(
        f'<text class="axis" text-anchor="middle" x="{left + side / 2:.1f}" y="13">{in_html(across)}</text>'
        f'<text class="axis" text-anchor="middle" transform="translate(12 {top + side / 2:.1f}) rotate(-90)">'
        f"{in_html(down)}</text>"
    )
    return _svg(identity, title, left + side + slope * 0.75, top + side + 6, "".join(parts), kind="plot matrix")


def legend(entries: Sequence[tuple[str, int, bool]]) -> str:
    """What a line or a bar stands for: name, style, whether the line is broken."""
    rows = []
    for name, style, dashed in entries:
        line = f'<path class="line{" dashed" if dashed else ""}" d="M1 7H33"/>'
        key = f'<g class="s{style % STYLES}">{line}{mark(style, 17, 7)}</g>'
        rows.append(f'<li><svg class="key" viewBox="0 0 34 14" aria-hidden="true">{key}</svg>{in_html(name)}</li>')
    return f'<ul class="legend">{"".join(rows)}</ul>'


def mark(style: int, x: float, y: float, *, size: float = 1.0) -> str:
    """The mark of a style at a place: circle, square, triangle, diamond, cross, plus, triangle down, ring."""
    shapes = (
        "M-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0 -7.2 0z",
        "M-3.4 -3.4h6.8v6.8h-6.8z",
        "M0 -4.4L4.2 3.2H-4.2z",
        "M0 -4.8L4.4 0L0 4.8L-4.4 0z",
        "M-3.6 -3.6L3.6 3.6M-3.6 3.6L3.6 -3.6",
        "M-4.6 0H4.6M0 -4.6V4.6",
        "M0 4.4L4.2 -3.2H-4.2z",
        "M-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0 -7.2 0z",
    )
    number = style % STYLES
    kind = "mark open" if number in (4, 5, 7) else "mark"
    scale = f" scale({size:g})" if size != 1.0 else ""
    return f'<path class="{kind}" transform="translate({x:.1f} {y:.1f}){scale}" d="{shapes[number]}"/>'


def nice_ticks(low: float, high: float, *, about: int = 5) -> list[float]:
    """Round numbers that cover a range, in even steps.

    Example:
        >>> nice_ticks(0, 100), nice_ticks(0.013, 0.041)
        ([0.0, 20.0, 40.0, 60.0, 80.0, 100.0], [0.01, 0.02, 0.03, 0.04, 0.05])
        >>> nice_ticks(3, 3)
        [2.0, 3.0, 4.0]
    """
    if high - low < 1e-290:  # nothing, or so little that its share is no number any more
        # Beside a number of the order of 1e16, one more or less is the same number.
        low, high = low - max(1.0, abs(low) / 1e6), high + max(1.0, abs(high) / 1e6)
        about = 2
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = max(0, -math.floor(math.log10(step)))
    return [round(number * step, digits) for number in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers on a logarithmic axis, from below a range of positive numbers to above it.

    Example:
        >>> log_ticks(0.004, 0.09), log_ticks(1, 1)
        ([0.002, 0.005, 0.01, 0.02, 0.05, 0.1], [0.5, 1.0, 2.0])
        >>> log_ticks(0.0004, 90)
        [0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0]
    """
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    factors = (1,) if math.log10(high / low) > 3 else (1, 2, 5)
    steps = [float(f"{factor}e{decade}") for decade in decades for factor in factors]
    first = max(number for number, step in enumerate(steps) if step < low * 0.999)
    last = min(number for number, step in enumerate(steps) if step > high * 1.001)
    return steps[first : last + 1]


def _column_ticks(columns: Sequence[float]) -> list[float]:
    """Numbers below the horizontal axis: the points' own where they are few, round ones within them else."""
    own = sorted(set(columns))
    if len(own) <= 8:
        return own
    return [tick for tick in nice_ticks(own[0], own[-1], about=8) if own[0] <= tick <= own[-1]]


def _edges(line: Line) -> list[float]:
    if not line.spread:
        return list(line.y)
    return [y + way * d for y, d in zip(line.y, line.spread, strict=True) for way in (-1, 1)]


def _check_finite(title: str, numbers: Sequence[float]) -> None:
    if not numbers or not all(math.isfinite(number) for number in numbers):
        raise UsageError(title, cause="has nothing to show, or a number that is not finite", remedy="leave it out")


def _number(value: float) -> str:
    """A tick as people write it: 0.02, 20, 1,000."""
    if value == 0:
        return "0"
    if abs(value) >= 1e6 or abs(value) < 1e-4:
        return f"{value:.3g}"
    return f"{value:,.10g}"


def _cell_number(value: float) -> str:
    if value < 0.05:
        return "·"
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}"


def _short(name: str) -> str:
    shown = printable(name)
    return escape(shown if len(shown) <= _LONGEST_NAME else shown[: _LONGEST_NAME - 1] + "…")


def _svg(identity: str, title: str, wide: float, high: float, inside: str, *, kind: str = "plot") -> str:
    return (
        f'<svg class="{kind}" role="img" aria-labelledby="{identity}-title" viewBox="0 0 {wide:.0f} {high:.0f}">'
        f'<title id="{identity}-title">{in_html(title)}</title>{inside}</svg>'
    )
