"""What the sections of a matching report share: tables, framed figures, names of runs with their marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from geoglot.api.plots import STYLES, mark
from geoglot.api.printable import in_html

if TYPE_CHECKING:
    from geoglot.api.report_matching import MatchingReport
    from geoglot.api.report_matching_run import Gallery, MatchingRun

READINGS: Mapping[Gallery, str] = {"test": "Gallery: test images", "all": "Gallery: all images"}


def named(report: MatchingReport, run: MatchingRun) -> str:
    """A run's name as HTML, behind its mark where it is plotted."""
    if run not in report.compared:
        return in_html(run.name)
    style = report.compared.index(run)
    key = f'<svg class="mark-key" viewBox="-7 -7 14 14" aria-hidden="true">{mark(style, 0, 0)}</svg>'
    return f'<span class="s{style % STYLES}">{key}</span>{in_html(run.name)}'


def figure(caption: str, inside: str) -> str:
    """A framed figure with its caption above it; ``inside`` is HTML."""
    return f'<figure class="plotted"><figcaption>{in_html(caption)}</figcaption>{inside}</figure>'


def folded(inside: str) -> str:
    """Numbers that are there for copying, folded away."""
    return f'<details class="numbers"><summary>The numbers</summary>{inside}</details>'


def none(words: str) -> str:
    """A sentence in place of what is not there."""
    return f'<p class="none">{in_html(words)}</p>'


def soft(words: str) -> str:
    """A quiet paragraph."""
    return f'<p class="soft">{in_html(words)}</p>'


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "", texts: Sequence[int] = (), own: int = -1
) -> str:
    """A table.

    Args:
        head: A word per column, plain text; none for a table of names and values.
        rows: Cells as HTML, the first of each a row's name.
        caption: Above the table.
        texts: Columns that hold words, set left.
        own: Number of the row that is stressed.

    Example:
        >>> table(["run", "mAP"], [["a", "81"]])[:58]
        '<div class="scroll"><table><thead><tr><th scope="col">run<'
    """

    def cell(tag: str, column: int, inside: str, scope: str = "") -> str:
        kind = ' class="text"' if column in texts else ""
        return f"<{tag}{scope}{kind}>{inside}</{tag}>"

    def line(number: int, row: Sequence[str]) -> str:
        kind = ' class="own"' if number == own else ""
        name = cell("th", 0, row[0], ' scope="row"')
        return f"<tr{kind}>{name}{''.join(cell('td', column, row[column]) for column in range(1, len(row)))}</tr>"

    title = f"<caption>{in_html(caption)}</caption>" if caption else ""
    words = "".join(cell("th", column, in_html(word), ' scope="col"') for column, word in enumerate(head))
    top = f"<thead><tr>{words}</tr></thead>" if head else ""
    body = "".join(line(number, row) for number, row in enumerate(rows))
    return f'<div class="scroll"><table>{title}{top}<tbody>{body}</tbody></table></div>'


def pairs(values: Mapping[str, Any]) -> str:
    """Names and values in one line.

    Example:
        >>> pairs({"a": 1, "b": None})
        'a 1'
    """
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)
