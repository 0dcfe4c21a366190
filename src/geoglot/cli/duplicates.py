"""``geoglot duplicates``: tiles and files of an archive that hold the same picture."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geoglot.api.duplicates import Duplicates, DuplicateTile

GROUP = "Your archive"
SUMMARY = "List near-duplicate tiles and files of an archive, with their places."
EXAMPLES = """
  geoglot duplicates town.archive
  geoglot duplicates town.archive --scenes
  geoglot duplicates town.archive -o copies.geojson
  geoglot duplicates town.archive --source "*/2021/*" --at-least 0.95 --format jsonl
"""
FORMATS = ("table", "jsonl", "geojson")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    parser.add_argument("archive", type=Path, metavar="ARCHIVE", help="archive to look through; it is not changed")
    parser.add_argument(
        "--scenes", action="store_true", help="list pairs of files and how much they share, instead of groups of tiles"
    )
    parser.add_argument(
        "--at-least",
        type=float,
        default=0.9,
        metavar="COS",
        help="least similarity of the vectors of copies; lower finds stronger changes, and is slower (default: 0.9)",
    )
    parser.add_argument(
        "--source", action="append", metavar="GLOB", help="only these files: a path or a pattern; may be repeated"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="decoding processes (default: 1)")
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress")
    parser.add_argument(
        "--format", choices=FORMATS, help="output format (default: table on a terminal, jsonl in a pipe, else by -o)"
    )
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="write to FILE instead of standard output")


def run(options: argparse.Namespace) -> int:
    """Look, list, tell what could not be read."""
    from geoglot.api.archive import Archive
    from geoglot.api.duplicates import find_duplicates
    from geoglot.cli._command import DONE, PARTLY, require, warn
    from geoglot.cli._output import choose_format
    from geoglot.cli._progress import progress_display

    chosen = choose_format(options.format, options.output, terminal=sys.stdout.isatty())
    remedy = f"choose {', '.join(FORMATS)}"
    require(chosen in FORMATS, f"--format {chosen}", cause="is not for duplicates", remedy=remedy)
    as_map = options.scenes and chosen == "geojson"
    require(not as_map, "--scenes", cause="has no places of its own", remedy="leave it out for geojson")
    with (
        Archive.open(options.archive) as archive,
        progress_display("looking for duplicates", quiet=options.quiet) as shown,
    ):
        found = find_duplicates(
            archive,
            at_least=options.at_least,
            source=options.source,
            jobs=options.jobs,
            progress=lambda doing, done, total: shown(done, total, f"tiles, {doing}"),
        )
    if options.output is None:
        _write(found, chosen, scenes=options.scenes, file=sys.stdout)
    else:
        with options.output.open("w", encoding="utf-8", errors="backslashreplace") as file:
            _write(found, chosen, scenes=options.scenes, file=file)
    if found.unread:
        warn(f"{found.unread:,} of {found.candidates:,} tiles could not be read again, and were left out.")
    return PARTLY if found.unread else DONE


def _write(found: Duplicates, chosen: str, *, scenes: bool, file: Any) -> None:
    from geoglot.cli._output import as_json

    if chosen == "geojson":
        print(as_json(found.to_geojson()), file=file)
    elif chosen == "jsonl":
        for one in found.scenes if scenes else found.groups:
            print(as_json(one.as_record()), file=file)
    elif scenes:
        _scene_table(found, file)
    else:
        _group_table(found, file)


def _group_table(found: Duplicates, file: Any) -> None:
    from geoglot.cli._output import console, new_table, plain_text

    table = new_table("Duplicates")
    for name in ("group", "kind", "agreement", "where", "place", "file"):
        table.add_column(name, justify="right" if name == "group" else "left", overflow="fold")
    for number, group in enumerate(found.groups, 1):
        for place, member in enumerate(group.members):
            head = (str(number), group.kind, f"{group.agreement:.2f}") if place == 0 else ("", "", "")
            table.add_row(*head, *_where(member), plain_text(member.source))
    shown = console(file)
    if found.groups:
        shown.print(table)
    exact = sum(group.kind == "exact" for group in found.groups)
    near = len(found.groups) - exact
    tiles = sum(len(group.members) for group in found.groups if group.kind == "near")
    words = f"{exact:,} groups of files with the same bytes, {near:,} groups of {tiles:,} near-duplicate tiles"
    shown.print(plain_text(f"{words}, among {found.tiles:,} tiles"))


def _where(member: DuplicateTile) -> tuple[str, str]:
    from geoglot.cli._output import place_name

    if member.tile is None:
        return "whole file", ""
    window = member.tile.window
    return f"column {window.column}, row {window.row}", place_name(member.tile.bounds)


def _scene_table(found: Duplicates, file: Any) -> None:
    from geoglot.cli._output import console, new_table, plain_text

    table = new_table("Files that share tiles")
    for name in ("share", "tiles", "file", "has them in common with"):
        table.add_column(name, justify="right" if name in ("share", "tiles") else "left", overflow="fold")
    for pair in found.scenes:
        share = "same bytes" if pair.exact else f"{pair.share:.0%}"
        table.add_row(
            share, f"{pair.shared:,} of {pair.first_tiles:,}", plain_text(pair.first), plain_text(pair.second)
        )
    shown = console(file)
    if found.scenes:
        shown.print(table)
    shown.print(plain_text(f"{len(found.scenes):,} pairs of files share tiles, among {found.tiles:,} tiles"))
