"""How results are shown: a table for people, JSON Lines for programs, a file for a map."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO, cast

from geoglot.api.answer import SUFFIXES, Answer
from geoglot.api.printable import printable
from geoglot.cli._command import require
from geoglot.core.errors import UsageError
from geoglot.core.records import Band, Bounds, Hit

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

Format = Literal["table", "jsonl", "geojson", "gpkg", "geoparquet"]
FORMATS: tuple[Format, ...] = ("table", "jsonl", "geojson", "gpkg", "geoparquet")
RECORD_FORMATS: tuple[Format, ...] = ("table", "jsonl")
_TEXT_SUFFIXES: dict[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "table"}
_BAND_STYLES = {Band.LIKELY: "bold green", Band.UNCERTAIN: "yellow", Band.BACKGROUND: "dim"}
NO_LIKELY_MATCH = "no likely match"


def add_output_options(parser: argparse.ArgumentParser, formats: Sequence[Format] = FORMATS) -> None:
    """Add ``--format`` and, where files make sense, ``-o``."""
    parser.add_argument(
        "--format",
        choices=formats,
        help="output format (default: table on a terminal, jsonl in a pipe, else by the suffix of -o)",
    )
    if formats is FORMATS:
        parser.add_argument(
            "-o", "--output", metavar="FILE", type=Path, help="write to FILE instead of standard output"
        )


def choose_format(asked: str | None, output: Path | None, *, terminal: bool) -> Format:
    """The format that was asked for, else the one of the file's suffix, else the one that suits the reader.

    Example:
        >>> choose_format(None, Path("hits.gpkg"), terminal=True), choose_format(None, None, terminal=False)
        ('gpkg', 'jsonl')

    Raises:
        UsageError: The suffix is unknown, or a binary format would go to standard output.
    """
    if asked is not None:
        binary = asked in ("gpkg", "geoparquet")
        require(not (binary and output is None), f"--format {asked}", cause="needs a file", remedy="add -o FILE")
        return cast(Format, asked)
    if output is None:
        return "table" if terminal else "jsonl"
    known: Mapping[str, Format] = {**_TEXT_SUFFIXES, **SUFFIXES}
    found = known.get(output.suffix.lower())
    if found is None:
        raise UsageError(output, cause="has no known suffix", remedy=f"name it {', '.join(known)}, or add --format")
    return found


def show_answer(answer: Answer, *, asked: str | None, output: Path | None) -> None:
    """Show or write the hits of one query; says plainly when nothing is likely."""
    chosen = choose_format(asked, output, terminal=sys.stdout.isatty())
    if chosen in ("gpkg", "geoparquet") or (chosen == "geojson" and output is not None):
        answer.save(cast(Path, output), format=chosen)
    elif chosen == "geojson":
        print(as_json(answer.to_geojson()))
    elif output is None:
        _write_hits(answer, chosen, sys.stdout)
    else:
        with output.open("w", encoding="utf-8", errors="backslashreplace") as file:
            _write_hits(answer, chosen, file)
    if not answer.likely and not (chosen == "table" and output is None):
        print(f"geoglot: {printable(answer.query.label)}: {verdict(answer)}", file=sys.stderr)


def verdict(answer: Answer) -> str:
    """What the answer says as a whole, in a sentence."""
    if not answer.hits:
        return f"{NO_LIKELY_MATCH}: nothing in the archive passes the filters."
    if not answer.likely and answer.uncertain:
        return f"{NO_LIKELY_MATCH}: those called uncertain may be it or may not, look before you trust them."
    if not answer.likely:
        return f"{NO_LIKELY_MATCH}: the places listed are only the nearest, no better than chance finds."
    likely = sum(hit.band is Band.LIKELY for hit in answer.hits)
    return f"{likely} of {len(answer.hits)} hits are likely matches."


def show_records(
    records: Iterable[Mapping[str, Any]], *, asked: str | None, title: str = "", columns: Sequence[str] | None = None
) -> None:
    """Show flat records: a table on a terminal, JSON Lines in a pipe.

    Args:
        records: One mapping per row.
        asked: Format that the user asked for.
        title: Above the table.
        columns: Those that fit a terminal; JSON Lines hold everything. Default all.
    """
    if choose_format(asked, None, terminal=sys.stdout.isatty()) == "jsonl":
        for record in records:
            print(as_json(record), flush=False)
        return
    rows = list(records)
    table = new_table(title)
    shown = list(columns or dict.fromkeys(key for row in rows for key in row))
    for column in shown:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(printable(_as_cell(row.get(column))) for column in shown))
    console().print(table)


def show_facts(record: Mapping[str, Any], *, asked: str | None, title: str = "") -> None:
    """Show one record: a name and a value per line on a terminal, one JSON line in a pipe."""
    if choose_format(asked, None, terminal=sys.stdout.isatty()) == "jsonl":
        print(as_json(record))
        return
    table = new_table(title, header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in record.items():
        table.add_row(name.replace("_", " "), plain_text(_as_cell(value)))
    console().print(table)


def as_json(value: object) -> str:
    """One line of JSON; letters of all scripts stay readable where the stream can carry them."""
    unicode_ok = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "") == "utf8"
    return json.dumps(value, ensure_ascii=not unicode_ok, allow_nan=False, default=str)


def hit_record(hit: Hit, answer: Answer) -> dict[str, Any]:
    """A hit as a JSON line: its own fields, its footprint, and what was asked."""
    return {
        **hit.as_record(),
        "footprint": footprint_of(hit),
        "query": answer.query.label,
        "language": answer.query.language,
        "likely_match": answer.likely,
    }


def footprint_of(hit: Hit) -> dict[str, Any] | None:
    """The footprint as a GeoJSON geometry, or ``None`` when the tile is unlocated."""
    if hit.tile.footprint is None:
        return None
    import shapely

    return dict(shapely.geometry.mapping(shapely.from_wkb(hit.tile.footprint)))


def place_of(hit: Hit) -> str:
    """Centre of the footprint in degrees, for people.

    Example:
        >>> from geoglot.core.records import Bounds, Tile, Window
        >>> tile = Tile(window=Window(0, 0, 256, 256), bounds=Bounds(11.0, 43.0, 11.5, 43.5))
        >>> place_of(Hit(rank=1, score=0.3, band=Band.LIKELY, id="0", source="a.tif", tile=tile))
        '43.2500° N, 11.2500° E'
    """
    return place_name(hit.tile.bounds)


def place_name(bounds: Bounds | None) -> str:
    """Centre of a box in degrees, for people."""
    if bounds is None:
        return "unlocated"
    east = bounds.east + 360 if bounds.crosses_antimeridian else bounds.east
    longitude = ((bounds.west + east) / 2 + 180) % 360 - 180
    latitude = (bounds.south + bounds.north) / 2
    return (
        f"{abs(latitude):.4f}° {'N' if latitude >= 0 else 'S'}, {abs(longitude):.4f}° {'E' if longitude >= 0 else 'W'}"
    )


def console(file: TextIO | None = None) -> Console:
    """A console for data (standard output) that leaves user text as it is."""
    from rich.console import Console

    return Console(file=file or sys.stdout, highlight=False, markup=False, emoji=False)


def new_table(title: str = "", *, header: bool = True) -> Table:
    """An empty table in the house style."""
    from rich import box
    from rich.table import Table

    return Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_header=header,
    )


def size_text(number: float) -> str:
    """A number of bytes for people.

    Example:
        >>> size_text(512), size_text(29_360_128)
        ('512 B', '29.4 MB')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= factor:
            return f"{number / factor:.1f} {unit}"
    return f"{number:.0f} B"


def _write_hits(answer: Answer, chosen: Format, file: TextIO) -> None:
    if chosen == "jsonl":
        for hit in answer:
            print(as_json(hit_record(hit, answer)), file=file)
        return
    table = new_table(printable(answer.query.label))
    captioned = any(hit.caption is not None for hit in answer)
    for name in ("#", "score", "how sure", "where", "place", "time", "file", *["caption"] * captioned):
        table.add_column(name, justify="right" if name in ("#", "score") else "left", overflow="fold")
    for hit in answer:
        window = hit.tile.window
        merged = f" (+{hit.merged - 1} overlapping)" if hit.merged > 1 else ""
        table.add_row(
            str(hit.rank),
            f"{hit.score:.3f}",
            plain_text(hit.band.value, _BAND_STYLES[hit.band]),
            f"column {window.column}, row {window.row}{merged}{', same place' if hit.same_place else ''}",
            place_of(hit),
            f"{hit.tile.time:%Y-%m-%d}" if hit.tile.time else "",
            plain_text(short_path(hit.source)),
            *[plain_text(hit.caption or "")] * captioned,
        )
    shown = console(file)
    if answer.hits:
        shown.print(table)
    shown.print(plain_text(verdict(answer), "" if answer.likely else "bold yellow"))


def plain_text(words: str, style: str = "") -> Text:
    """Words from outside as they are: no markup, control characters made visible."""
    from rich.text import Text

    return Text(printable(words), style=style)


def short_path(path: str) -> str:
    """The path as seen from here, where that is shorter."""
    try:
        seen = os.path.relpath(path)
    except ValueError:
        return path  # another drive
    return seen if len(seen) < len(path) else path


def _as_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {_as_cell(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_as_cell(item) for item in value)
    return str(value)
