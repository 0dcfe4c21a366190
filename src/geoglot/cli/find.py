"""``geoglot find``: search an archive, look into the hit scenes, outline what is found."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoglot.api.find import Finding

GROUP = "Your archive"
SUMMARY = "Search an archive and outline what is found: one command, one map layer."
EXAMPLES = """
  geoglot find "storage tanks by a river" --archive town.archive --segment -o tanks.gpkg
  geoglot find "ملاعب تنس" --archive town.archive --segment -o courts.geojson --report courts.html
  geoglot find "piscine" --archive town.archive --segment --bbox 5.0,43.2,5.6,43.6 -o pools.parquet
  geoglot find "an airport" --archive town.archive             # only which scenes, and where in them
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import add_output_options
    from geoglot.cli.segment import add_shape_options
    from geoglot.text.language import LANGUAGES

    parser.add_argument("phrase", help="what to find, in a language that the models know")
    parser.add_argument("--archive", "-a", required=True, metavar="DIR", type=Path, help="archive to search")
    parser.add_argument("--segment", action="store_true", help="outline what is found, as polygons")
    parser.add_argument("-k", type=int, default=50, metavar="N", help="hits that are followed (default: 50)")
    parser.add_argument("--every-hit", action="store_true", help="follow hits that are no better than chance, too")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write one HTML page with pictures")
    add_output_options(parser)
    parser.add_argument("--language", choices=LANGUAGES, metavar="CODE", help="language of the phrase: en, ar, fr, it")
    filters = parser.add_argument_group("filters (applied during the search)")
    filters.add_argument("--bbox", metavar="W,S,E,N", help="only places in this box, in degrees")
    filters.add_argument("--polygon", type=Path, metavar="FILE", help="only places in the polygon of this GeoJSON file")
    filters.add_argument("--after", metavar="DATE", help="only tiles taken at or after this date")
    filters.add_argument("--before", metavar="DATE", help="only tiles taken before this date")
    filters.add_argument("--source", action="append", metavar="GLOB", help="only these files; may be repeated")
    add_shape_options(parser)
    parser.add_argument("--model", metavar="NAME", help="model that the archive was indexed with")
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress")


def run(options: argparse.Namespace) -> int:
    """Search, locate, segment, write."""
    from geoglot.api.archive import Archive
    from geoglot.api.find import find
    from geoglot.api.printable import printable
    from geoglot.cli._command import DONE, FAILED, PARTLY, require, warn
    from geoglot.cli._output import choose_format
    from geoglot.cli._progress import progress_display
    from geoglot.cli.search import area_of
    from geoglot.cli.segment import shape_options

    require(options.k >= 1, f"-k {options.k}", cause="asks for no hits", remedy="give a number from 1 on")
    choose_format(options.format, options.output, terminal=True)  # a wrong -o is told before the work
    with (
        Archive.open(options.archive, model=options.model) as archive,
        progress_display("finding", quiet=options.quiet) as report,
    ):
        finding = find(
            archive,
            options.phrase,
            k=options.k,
            segment=options.segment,
            segmenter=options.segmenter,
            every_hit=options.every_hit,
            language=options.language,
            within=area_of(options),
            after=options.after,
            before=options.before,
            source=options.source,
            progress=report,
            **(shape_options(options) if options.segment else {}),
        )
    for error in finding.failed:
        warn(f"error: {printable(str(error))}")
    notes = [note for one in finding.segmentations for note in one.all_notes]
    for note in (*finding.notes, *dict.fromkeys(notes)):
        warn(f"note: {printable(note)}.")
    if options.report is not None:
        finding.report(options.report)
    left_out = _show(finding, options)
    if finding.failed and not finding.segmentations:
        return FAILED
    return PARTLY if finding.failed or left_out else DONE


def _show(finding: Finding, options: argparse.Namespace) -> int:
    """Write or show regions, or, where none were asked for, hits and scenes; how many scenes had to be left out."""
    import sys

    from geoglot.cli._output import choose_format, show_answer, show_facts, show_records
    from geoglot.cli.segment import show_regions

    chosen = choose_format(options.format, options.output, terminal=sys.stdout.isatty())
    if options.segment:
        left_out = show_regions(finding.segmentations, asked=options.format, output=options.output)
        if options.output is not None and chosen in ("gpkg", "geojson", "geoparquet"):
            show_facts(finding.as_record(), asked=None)
        return left_out
    if options.output is not None or chosen == "geojson":
        show_answer(finding.answer, asked=options.format, output=options.output)
        return 0
    records = [
        {
            "source": scene.source,
            "hits": len(scene.hits),
            "score": round(scene.hits[0].score, 6),
            "band": scene.hits[0].band.value,
            "windows": [list(window) for window in scene.areas],
        }
        for scene in finding.scenes
    ]
    show_records(records, asked=chosen, columns=["source", "hits", "score", "band"])
    return 0
