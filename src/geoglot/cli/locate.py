"""``geoglot locate``: map where in a scene something is."""

from __future__ import annotations

import argparse
from pathlib import Path

GROUP = "Your archive"
SUMMARY = "Map where in a scene something is, from words or a picture."
EXAMPLES = """
  geoglot locate scene.tif "storage tanks" -o heat.tif
  geoglot locate scene.tif "ملاعب تنس" --archive town.archive -o heat.tif    # uses the archive's vectors
  geoglot locate scene.tif --like court.png -k 20
  geoglot locate scene.tif "un port avec des bateaux" --levels 2 -o heat.tif
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import RECORD_FORMATS, add_output_options

    parser.add_argument("scene", type=Path, metavar="SCENE", help="scene or photo to look into")
    parser.add_argument("text", nargs="?", help="what to look for, in a language that the model knows")
    parser.add_argument(
        "--like", action="append", type=Path, metavar="PICTURE", help="example picture; may be repeated"
    )
    parser.add_argument(
        "--archive", "-a", type=Path, metavar="DIR", help="archive whose vectors of the scene are used again"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the map as a GeoTIFF (COG)")
    parser.add_argument("-k", type=int, default=5, metavar="N", help="number of places to name (default: 5)")
    parser.add_argument("--levels", type=int, default=3, metavar="N", help="number of resolutions (default: 3)")
    parser.add_argument(
        "--tile", type=int, default=256, metavar="PX", help="side of a part; an archive's own where it has the scene"
    )
    parser.add_argument(
        "--overlap", type=float, default=0.5, metavar="SHARE", help="overlap of parts, 0 to 0.75 (default: 0.5)"
    )
    parser.add_argument("--bands", metavar="R,G,B", help="band numbers (default: automatic)")
    parser.add_argument("--model", metavar="NAME", help="model (default: compact, or the archive's)")
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress")
    add_output_options(parser, RECORD_FORMATS)


def run(options: argparse.Namespace) -> int:
    """Make the map, write it, name the best places."""
    from geoglot.api.locate import locate
    from geoglot.cli._command import DONE, numbers, require, warn
    from geoglot.cli._output import show_records
    from geoglot.cli._progress import progress_display

    suffix = ".tif" if options.output is None else options.output.suffix.lower()
    require(suffix in (".tif", ".tiff"), str(options.output), cause="is no file for a map", remedy="name it .tif")
    with progress_display("locating", quiet=options.quiet) as report:
        heat = locate(
            options.scene,
            options.text,
            like=options.like,
            archive=options.archive,
            model=options.model,
            levels=options.levels,
            tile=options.tile,
            overlap=options.overlap,
            bands=numbers("--bands", options.bands),
            k=options.k,
            progress=report,
        )
    if options.output is not None:
        heat.save(options.output)
    for note in heat.notes:
        warn(f"note: {note}.")
    show_records(
        [{"source": heat.source, "query": heat.query, **place.as_record()} for place in heat.places],
        asked=options.format,
        title=heat.query,
        columns=["rank", "score", "window", "longitude", "latitude"],
    )
    return DONE
