"""``geoglot search``: find places by words, by example pictures, or by both."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoglot.api.archive import Area

GROUP = "Your archive"
SUMMARY = "Find places by describing them or by showing an example."
EXAMPLES = """
  geoglot search "many planes beside the terminal" --archive town.archive -k 20
  geoglot search "ملاعب تنس" --archive town.archive
  geoglot search --like court.png --unlike car-park.png --archive town.archive
  geoglot search --term "airport:1" --term "snow:-0.5" --archive town.archive
  geoglot search "réservoirs" --archive town.archive --bbox 5.0,43.2,5.6,43.6 --after 2021
  geoglot search "porto" --archive town.archive -o hits.gpkg
  geoglot search "a stadium by a river" --archive town.archive --rerank reciprocal
  geoglot search "two white planes" --archive town.archive --rerank bundles/scan --candidates 50
  geoglot search --like court.png --archive town.archive --rerank dyad
  geoglot search --words "tennis court" --archive town.archive       # where captions say so
  geoglot search --like court.png --words "ملعب تنس" --archive town.archive
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import add_output_options
    from geoglot.text.language import LANGUAGES

    parser.add_argument("text", nargs="?", help="what to look for, in a language that the model knows")
    parser.add_argument("--archive", "-a", required=True, metavar="DIR", type=Path, help="archive to search")
    parser.add_argument("-k", type=int, default=10, metavar="N", help="number of hits (default: 10)")
    terms = parser.add_argument_group("more terms")
    terms.add_argument("--like", action="append", type=Path, metavar="PICTURE", help="example picture; may be repeated")
    terms.add_argument(
        "--unlike",
        action="append",
        type=Path,
        metavar="PICTURE",
        help="picture to stay away from (weight -0.5); may be repeated",
    )
    terms.add_argument(
        "--term",
        action="append",
        metavar="WORDS:WEIGHT",
        help="words with a weight, negative for 'less of this'; may be repeated",
    )
    terms.add_argument(
        "--language",
        choices=LANGUAGES,
        metavar="CODE",
        help="language of the words, where the guess would be wrong: en, ar, fr, it",
    )
    terms.add_argument(
        "--words",
        metavar="WORDS",
        help="only tiles whose caption says these words, in any language of the captions; "
        "quotes keep words together, -word excludes; by themselves they are looked for, too",
    )
    filters = parser.add_argument_group("filters (applied during the search)")
    filters.add_argument(
        "--bbox", metavar="W,S,E,N", help="only places in this box, in degrees; W > E crosses 180 degrees"
    )
    filters.add_argument("--polygon", type=Path, metavar="FILE", help="only places in the polygon of this GeoJSON file")
    filters.add_argument(
        "--after", metavar="DATE", help="only tiles taken at or after this date (2021, 2021-06 or 2021-06-30)"
    )
    filters.add_argument("--before", metavar="DATE", help="only tiles taken before this date")
    filters.add_argument(
        "--source", action="append", metavar="GLOB", help="only these files: a path or a pattern; may be repeated"
    )
    second = parser.add_argument_group("a second look at the first candidates")
    second.add_argument(
        "--rerank",
        metavar="HOW",
        help="exact (restores the order of an archive of binary codes), reciprocal (how the words rank for each place "
        "among other captions), dyad or the folder of a matcher bundle (for --like: how sure each place is of the same "
        "kind as the picture), or the folder of a scorer bundle, which reads words and pixels together",
    )
    second.add_argument(
        "--candidates", type=int, default=100, metavar="N", help="how many are looked at again (default: 100)"
    )
    parser.add_argument(
        "--model", metavar="NAME", help="model that the archive was indexed with, where it is not found by itself"
    )
    parser.add_argument("--all", action="store_true", help="show overlapping tiles of one place as hits of their own")
    add_output_options(parser)


def run(options: argparse.Namespace) -> int:
    """Search and show."""
    from geoglot.api.archive import Archive
    from geoglot.cli._command import DONE, require, warn
    from geoglot.cli._output import choose_format, show_answer

    require(options.k >= 1, f"-k {options.k}", cause="asks for no hits", remedy="give a number from 1 on")
    require(
        options.bbox is None or options.polygon is None,
        "--bbox with --polygon",
        cause="asks for two areas at once",
        remedy="give one of them",
    )
    require(
        options.candidates >= 1,
        f"--candidates {options.candidates}",
        cause="leaves nothing to re-rank",
        remedy="give a number from 1 on",
    )
    choose_format(options.format, options.output, terminal=True)  # a wrong -o is told before the search, not after it
    with Archive.open(options.archive, model=options.model) as archive:
        answer = archive.search(
            options.text,
            like=options.like,
            unlike=options.unlike,
            terms=options.term,
            k=options.k,
            within=area_of(options),
            after=options.after,
            before=options.before,
            source=options.source,
            collapse=not options.all,
            language=options.language,
            rerank=options.rerank,
            candidates=options.candidates,
            words=options.words,
        )
    for note in answer.notes:
        warn(f"note: {note}.")
    show_answer(answer, asked=options.format, output=options.output)
    return DONE


def area_of(options: argparse.Namespace) -> Area | None:
    """The box or the polygon that a search is limited to."""
    from geoglot.api.area import parse_bbox, read_polygon

    if options.bbox is not None:
        return parse_bbox(options.bbox)
    return read_polygon(options.polygon) if options.polygon is not None else None
