"""What pages about runs share: their frame, tables, framed figures, pictures, names of runs with their marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from geoglot.api.plots import STYLES, mark
from geoglot.api.printable import in_html
from geoglot.api.reports.overview_map import data_uri
from geoglot.core.errors import DataError
from geoglot.core.runs import whole_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLES = ("report.css", "run.css")


class Named(Protocol):
    """A run of any task."""

    @property
    def name(self) -> str:
        """What it is called on the page."""


class Comparison(Protocol):
    """A report of any task."""

    @property
    def compared(self) -> Sequence[Any]:
        """The runs that are plotted, in the order of their marks."""


def framed_page(
    *,
    title: str,
    facts: Mapping[str, str],
    lead: str,
    missing: Sequence[str],
    sections: Mapping[str, tuple[str, str]],
    styles: Sequence[str] = (),
) -> str:
    """A whole page: one file, no script, no address outside of it.

    Args:
        title: Plain text, as are facts, lead and missing.
        facts: What stands first, names and values.
        lead: How the run was measured, in words.
        missing: What could not be shown, one sentence each.
        sections: By anchor, the name of a section and its inside as HTML.
        styles: Style sheets of this package beside those of all reports.
    """
    jump = "".join(f'<a href="#{anchor}">{in_html(name)}</a>' for anchor, (name, _) in sections.items())
    body = "\n".join(
        f'<section class="sheet" id="{anchor}" aria-labelledby="{anchor}-head">\n'
        f'<h2 id="{anchor}-head">{in_html(name)}</h2>\n{inside}\n</section>'
        for anchor, (name, inside) in sections.items()
    )
    here = files("geoglot.api.reports")
    style = "".join(here.joinpath(name).read_text(encoding="utf-8") for name in (*_STYLES, *styles))
    told = "".join(f"<div><dt>{in_html(name)}</dt><dd>{in_html(value)}</dd></div>" for name, value in facts.items())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{in_html(title)}</title>
<style>
{style}</style>
</head>
<body>
<header class="top">
<div class="mark"><span>geoglot</span></div>
<h1>{in_html(title)}</h1>
<dl class="facts">{told}</dl>
<p class="lead">{in_html(lead)}</p>
{"".join(map(none, missing))}
</header>
<main>
<nav class="jump" aria-label="Sections">{jump}</nav>
{body}
</main>
<footer class="foot"><p>Made offline by geoglot.</p></footer>
</body>
</html>
"""


def save_page(page: str, path: str | Path) -> Path:
    """Write a page, whole or not at all, and return its path."""
    path = Path(path)
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def named(report: Comparison, run: Named) -> str:
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


def described(rows: Mapping[str, Any]) -> dict[str, str]:
    """Names and values as text; what is not there is unknown."""
    return {name: str(value) if value not in (None, "") else "unknown" for name, value in rows.items()}


def runs_described(report: Comparison, runs: Sequence[Named], rows: Sequence[Mapping[str, str]]) -> str:
    """What each run was asked for, and of further runs what differs from the first."""
    parts = []
    for run, told in zip(runs, rows, strict=True):
        if told is not rows[0]:
            told = {name: value for name, value in told.items() if value != rows[0].get(name)}
        cells = [[in_html(name), in_html(value)] for name, value in told.items()]
        inside = table((), cells, texts=(1,)) if cells else soft("The same in everything.")
        parts.append(f"<h3>{named(report, run)}</h3>{inside}")
    note = soft(f"Of all but {runs[0].name} only what differs from it.") if len(runs) > 1 else ""
    return note + "".join(parts)


def machine_words(machine: Mapping[str, Any]) -> str:
    """The machine of a run in one line."""
    if not machine:
        return "unknown: the run has no env.json"
    return (
        f"{machine.get('cpu')}, {machine.get('cores')} cores, {machine.get('memory_gib')} GiB, {machine.get('system')}"
    )


def software_words(machine: Mapping[str, Any]) -> str:
    """Versions in one line."""
    return pairs({"geoglot": machine.get("geoglot"), **(machine.get("versions") or {})})


def image(pictures: Mapping[str, bytes], item: str, told: str) -> str:
    """A picture as HTML, or its name where it is missing."""
    picture = pictures.get(item)
    if picture is None:
        return f'<span title="{in_html(told)}">{in_html(Path(item).name)}</span>'
    return f'<img src="{data_uri(picture)}" alt="{in_html(told)}" loading="lazy">'


def jpegs(items: Iterable[str], paths: Mapping[str, Path], side: int) -> tuple[dict[str, bytes], int]:
    """JPEGs by identifier, and how many could not be made."""
    from geoglot.api.pictures import as_jpeg
    from geoglot.engine.prediction import read_square

    found: dict[str, bytes] = {}
    unread = 0
    for item in items:
        try:
            found[item] = as_jpeg(read_square(paths[item], side))
        except (KeyError, DataError):
            unread += 1
    return found, unread


def png(pixels: NDArray[np.uint8]) -> bytes:
    """``(H, W, 3)`` uint8 RGB as a PNG."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return file.getvalue()
