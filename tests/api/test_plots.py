"""Plots: where things stand, by hand; what cannot be shown is refused; nothing is told by colour alone."""

from __future__ import annotations

import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_reader import Reader

from geoglot.api.plots import (
    STYLES,
    Bars,
    Line,
    bar_plot,
    legend,
    line_plot,
    log_ticks,
    mark,
    matrix_plot,
    nice_ticks,
)
from geoglot.core.errors import UsageError

WORDS = {"identity": "p", "title": "t", "across": "x", "upward": "y"}


def points(plot: str) -> list[list[tuple[float, float]]]:
    lines = re.findall(r'<polyline class="line[^"]*" points="([^"]*)"', plot)
    return [[tuple(map(float, pair.split(","))) for pair in line.split()] for line in lines]


def test_a_line_stands_where_its_numbers_are() -> None:
    plot = line_plot([Line(name="a", x=[1, 2, 3], y=[0, 50, 100])], **WORDS, bounds=(0, 100))
    # The axes run from x = 58 + 8 to 640 - 14 - 8 and from y = 300 - 44 up to 12.
    assert points(plot) == [[(66.0, 256.0), (342.0, 134.0), (618.0, 12.0)]]
    Reader(plot)


def test_a_logarithmic_axis_puts_equal_factors_at_equal_distances() -> None:
    [[(_, a), (_, b), (_, c)]] = points(
        line_plot([Line(name="a", x=[1, 2, 3], y=[1, 10, 100])], **WORDS, logarithmic=True)
    )
    assert a - b == pytest.approx(b - c, abs=0.11)
    with pytest.raises(UsageError, match="no logarithmic axis"):
        line_plot([Line(name="a", x=[1], y=[0.0])], **WORDS, logarithmic=True)


def test_one_point_and_equal_points_are_shown() -> None:
    assert points(line_plot([Line(name="a", x=[5], y=[2])], **WORDS)) == [[(342.0, 134.0)]]
    assert points(line_plot([Line(name="a", x=[5], y=[2])], **WORDS, logarithmic=True))[0][0][0] == 342.0
    flat = points(line_plot([Line(name="a", x=[1, 2], y=[7, 7])], **WORDS))[0]
    assert flat[0][1] == flat[1][1]


def test_a_spread_reaches_as_far_as_it_says() -> None:
    plot = line_plot([Line(name="a", x=[1, 2], y=[50, 50], spread=[10, 0])], **WORDS, bounds=(0, 100))
    # 244 units for 100: 40 is at 256 - 97.6, 60 at 256 - 146.4.
    assert 'class="spread" d="M66.0 158.4V109.6"' in plot


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_no_plot_takes_what_is_no_number(bad: float) -> None:
    for draw in (
        lambda: line_plot([Line(name="a", x=[1, 2], y=[1, bad])], **WORDS),
        lambda: line_plot([Line(name="a", x=[1, bad], y=[1, 2])], **WORDS),
        lambda: line_plot([Line(name="a", x=[1], y=[2], spread=[bad])], **WORDS),
        lambda: bar_plot(["c"], [Bars(name="a", values=[bad])], identity="p", title="t", across="x"),
        lambda: matrix_plot(["c"], [[bad]], identity="p", title="t", down="d", across="x"),
    ):
        with pytest.raises(UsageError, match="not finite"):
            draw()
    with pytest.raises(UsageError, match="nothing to show"):
        line_plot([], **WORDS)


def test_bars_are_as_long_as_their_numbers() -> None:
    plot = bar_plot(
        ["ab"],
        [Bars(name="a", values=[25]), Bars(name="b", values=[100], style=1)],
        identity="p",
        title="t",
        across="x",
    )
    widths = [float(width) for width in re.findall(r'class="fill"[^>]* width="([\d.]+)"', plot)]
    assert widths[1] == pytest.approx(4 * widths[0], abs=0.3)
    assert ">25.0</text>" in plot
    none = bar_plot(["a", "b"], [Bars(name="a", values=[None, 3])], identity="p", title="t", across="x")
    assert ">none</text>" in none
    assert none.count('class="fill"') == 1
    Reader(plot)


def test_a_matrix_shows_every_number() -> None:
    plot = matrix_plot(["sea", "land"], [[99.2, 0.8], [0.04, 100]], identity="p", title="t", down="d", across="x")
    numbers = re.findall(r'<text class="value[^"]*"[^>]*>([^<]*)<', plot)
    assert numbers == ["99.2", "0.8", "·", "100"]
    assert "land to sea: 0.04" in plot
    Reader(plot)


def test_every_style_has_a_mark_of_its_own_and_the_title_is_told() -> None:
    shapes = {mark(style, 0, 0) for style in range(STYLES)}
    assert len(shapes) == STYLES
    plot = line_plot([Line(name="<a>", x=[1], y=[2], style=3, dashed=True)], **{**WORDS, "title": 'Loss of "x" & <y>'})
    assert 'role="img" aria-labelledby="p-title"' in plot
    assert '<title id="p-title">Loss of &quot;x&quot; &amp; &lt;y&gt;</title>' in plot
    assert "<title>&lt;a&gt;</title>" in plot
    assert "&lt;a&gt;" in legend([("<a>", 3, True)])


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_ticks_cover_the_range_in_even_steps(low: float, span: float) -> None:
    ticks = nice_ticks(low, low + span)
    assert ticks[0] <= low + 1e-6 * max(1, abs(low), span)
    assert ticks[-1] >= low + span - 1e-6 * max(1, abs(low), span)
    assert 2 <= len(ticks) <= 12
    steps = [b - a for a, b in itertools.pairwise(ticks)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-3, abs=1e-6)


@given(st.floats(1e-9, 1e9), st.floats(1, 1e6))
def test_logarithmic_ticks_cover_the_range(low: float, factor: float) -> None:
    ticks = log_ticks(low, low * factor)
    assert ticks[0] < low
    assert ticks[-1] > low * factor
    assert ticks == sorted(ticks)
