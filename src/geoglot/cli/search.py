"""``geoglot search``: find places by words, by example pictures, or by both."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoglot.api.saved_query import SavedQuery
    from geoglot.api.selection import Area

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
  geoglot search "an airport" --archive town.archive --save-query airport.json
  geoglot search --query airport.json --archive other.archive
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import add_output_options
    from geoglot.text.language import LANGUAGES

    parser.add_argument("text", nargs="?", help="what to look for, in a language that the model knows")
    parser.add_argument("--archive", "-a", required=True, metavar="DIR", type=Path, help="archive to search")
    parser.add_argument("-k", type=int, metavar="N", help="number of hits (default: 10)")
    parser.add_argument(
        "--query", type=Path, metavar="FILE", help="ask what a saved query asks, instead of all other terms and filters"
    )
    parser.add_argument("--save-query", type=Path, metavar="FILE", help="also save what is asked, for --query")
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
    terms.add_argument(
        "--right", action="append", metavar="ID", help="a tile that shows what is wanted (its id); may be repeated"
    )
    terms.add_argument("--wrong", action="append", metavar="ID", help="a tile that does not; may be repeated")
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
    filters.add_argument(
        "--gsd", metavar="LEAST,GREATEST", help="only tiles of this ground sample distance, metres per pixel"
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

    require(
        options.k is None or options.k >= 1,
        f"-k {options.k}",
        cause="asks for no hits",
        remedy="give a number from 1 on",
    )
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
    asked = _asked(options)
    with Archive.open(options.archive, model=options.model) as archive:
        answer = asked.ask(archive)
    if options.save_query is not None:
        asked.save(options.save_query)
    for note in answer.notes:
        warn(f"note: {note}.")
    show_answer(answer, asked=options.format, output=options.output)
    return DONE


def _asked(options: argparse.Namespace) -> SavedQuery:
    """The question, from a file or from the command line."""
    from geoglot.api.area import parse_bbox, read_polygon
    from geoglot.api.query import build_query
    from geoglot.api.saved_query import SavedQuery
    from geoglot.cli._command import require

    terms = (options.text, options.like, options.unlike, options.term)
    said = any(given is not None for given in terms)
    if options.query is not None:
        require(not said, "--query with other terms", cause="asks two things", remedy="give one of them")
        saved = SavedQuery.load(options.query)
        return saved if options.k is None else replace(saved, k=options.k)
    return SavedQuery(
        terms=build_query(options.text, like=options.like, unlike=options.unlike, terms=options.term).terms
        if said
        else (),
        language=options.language,
        words=options.words,
        within=None if options.bbox is None else parse_bbox(options.bbox),
        polygon=None if options.polygon is None else read_polygon(options.polygon),
        after=options.after,
        before=options.before,
        sources=tuple(options.source or ()),
        gsd=None if options.gsd is None else _range(options.gsd),
        right=tuple(options.right or ()),
        wrong=tuple(options.wrong or ()),
        k=10 if options.k is None else options.k,
        rerank=options.rerank,
        candidates=options.candidates,
        collapse=not options.all,
    )


def _range(written: str) -> tuple[float, float]:
    from geoglot.core.errors import UsageError

    try:
        least, greatest = (float(part) for part in written.split(","))
    except ValueError as error:
        remedy = "write LEAST,GREATEST in metres per pixel"
        raise UsageError(f"--gsd {written}", cause="is no range", remedy=remedy) from error
    return least, greatest


def area_of(options: argparse.Namespace) -> Area | None:
    """The box or the polygon that a search is limited to."""
    from geoglot.api.area import parse_bbox, read_polygon

    if options.bbox is not None:
        return parse_bbox(options.bbox)
    return read_polygon(options.polygon) if options.polygon is not None else None
