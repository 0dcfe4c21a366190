"""``geoglot segment``: from phrases to polygons."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoglot.api.segmenter import Segmentation

GROUP = "Your archive"
SUMMARY = "Find what a phrase names in scenes and photos, as polygons and masks."
EXAMPLES = """
  geoglot segment scene.tif "buildings along the road" -o buildings.gpkg
  geoglot segment scene.tif "the three largest buildings" --mask mask.tif -o largest.geojson
  geoglot segment scene.tif "الطريق" --phrase "les bâtiments" --phrase "acqua" -o found.gpkg
  geoglot segment scenes/ "water" -o water.gpkg            # one layer for all scenes of one system
  geoglot segment scene.tif "north-eastern building" --no-holes --simplify 0.5 -o building.gpkg
  geoglot segment photo.jpg "a swimming pool" --format jsonl
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import FORMATS, add_output_options
    from geoglot.text.language import LANGUAGES

    parser.add_argument(
        "words", nargs="+", metavar="SCENE ... PHRASE", help="scenes, photos and folders of them; the phrase last"
    )
    parser.add_argument("--phrase", action="append", metavar="PHRASE", help="one more phrase; may be repeated")
    parser.add_argument("--mask", type=Path, metavar="FILE", help="write a mask (COG); a folder for several scenes")
    add_output_options(parser, FORMATS)
    parser.add_argument("--language", choices=LANGUAGES, metavar="CODE", help="language of the phrases: en, ar, fr, it")
    add_shape_options(parser)
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress")


def add_shape_options(parser: argparse.ArgumentParser) -> None:
    """Options that ``segment`` and ``find`` share: what counts, how it is drawn, how scenes are read."""
    shape = parser.add_argument_group("regions")
    shape.add_argument(
        "--threshold", type=float, metavar="P", help="pixels from this probability on (default: the model's)"
    )
    shape.add_argument(
        "--blur", type=float, metavar="N", help="blur of the probabilities, in cells of 4 pixels (default: the model's)"
    )
    shape.add_argument(
        "--least-peak", type=float, default=0.0, metavar="P", help="regions that are this sure somewhere (default: all)"
    )
    shape.add_argument(
        "--smallest", type=float, default=0.0, metavar="M2", help="regions from this many square metres on"
    )
    shape.add_argument("--no-holes", action="store_true", help="fill holes")
    shape.add_argument("--simplify", type=float, default=0.0, metavar="M", help="outlines may be off by so many metres")
    shape.add_argument(
        "--no-positions", action="store_true", help="give position words to the model instead of taking them as rules"
    )
    scenes = parser.add_argument_group("scenes")
    scenes.add_argument("--gsd", type=float, metavar="M", help="metres per pixel to work at (default: the model's)")
    scenes.add_argument("--scale", type=float, metavar="N", help="instead: pixels of the scene per pixel worked on")
    scenes.add_argument(
        "--overlap", type=float, default=0.25, metavar="SHARE", help="overlap of windows, 0 to 0.75 (default: 0.25)"
    )
    scenes.add_argument("--bands", metavar="R,G,B", help="band numbers (default: automatic)")
    scenes.add_argument(
        "--tile", type=int, default=1024, metavar="PX", help="side of working blocks; changes no result (default: 1024)"
    )
    scenes.add_argument("--work", type=Path, metavar="DIR", help="folder for unfinished work (default: the cache)")
    scenes.add_argument(
        "--segmenter", default="segmenter", metavar="NAME", help="segmenter, by name or folder (default: segmenter)"
    )


def shape_options(options: argparse.Namespace) -> dict[str, object]:
    """What :func:`add_shape_options` took, as the API wants it."""
    from geoglot.cli._command import numbers

    return {
        "threshold": options.threshold,
        "blur": options.blur,
        "least_peak": options.least_peak,
        "smallest_m2": options.smallest,
        "holes": not options.no_holes,
        "simplify_m": options.simplify,
        "positions": not options.no_positions,
        "gsd_m": options.gsd,
        "scale": options.scale,
        "overlap": options.overlap,
        "bands": numbers("--bands", options.bands),
        "tile": options.tile,
        "work": options.work,
    }


def run(options: argparse.Namespace) -> int:
    """Segment, write, say what is to be said."""
    from geoglot.api.printable import printable
    from geoglot.api.segmenter import Segmenter
    from geoglot.cli._command import DONE, FAILED, PARTLY, warn
    from geoglot.cli._output import choose_format, show_facts
    from geoglot.cli._progress import progress_display
    from geoglot.core.errors import GeoglotError

    paths, phrases = scenes_and_phrases(options.words, options.phrase)
    several = len(paths) > 1 or Path(paths[0]).is_dir()
    folder = _is_folder(options.output)
    if not folder:
        choose_format(options.format, options.output, terminal=True)  # a wrong -o is told before the work
    segmenter = Segmenter(options.segmenter)
    found: list[Segmentation] = []
    failed = 0
    with progress_display("segmenting", quiet=options.quiet) as report:
        every = segmenter.segment_all(
            paths,
            phrases,
            language=options.language,
            mask=_mask_names(options.mask, several=several),
            progress=report,
            **shape_options(options),
        )
        for one in every:
            if isinstance(one, GeoglotError):
                failed += 1
                warn(f"error: {printable(str(one))}")
                continue
            if folder:
                one.save(_in_folder(options.output, Path(one.source), f".{_suffix(options.format)}"))
            found.append(one)
            for note in one.all_notes:
                warn(f"note: {printable(f'{one.source}: {note}' if several else note)}.")
    if not found:
        return FAILED
    if not folder:
        failed += show_regions(found, asked=options.format, output=options.output)
    if options.output is not None:
        for one in found:
            show_facts(one.as_record(), asked=None)
    return PARTLY if failed else DONE


def scenes_and_phrases(words: Sequence[str], more: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Which words are files, and which are phrases.

    The last word is a phrase, unless phrases are given by option and it is a file.

    Raises:
        UsageError: There is no file, or no phrase.
    """
    from geoglot.cli._command import require

    phrases = list(more or ())
    paths = list(words)
    if not phrases or not Path(paths[-1]).exists():
        phrases.insert(0, paths.pop())
    require(bool(paths), "segment", cause="needs a scene and a phrase", remedy="write SCENE, then the phrase in quotes")
    return paths, phrases


def show_regions(found: Sequence[Segmentation], *, asked: str | None, output: Path | None) -> int:
    """Write regions to a file, or show them; how many scenes had to be left out."""
    import sys

    from geoglot.api.segmentation_files import save_all, together
    from geoglot.api.segmenter import regions_to_geojson
    from geoglot.cli._command import warn
    from geoglot.cli._output import as_json, choose_format, show_records

    chosen = choose_format(asked, output, terminal=sys.stdout.isatty())
    if output is not None and chosen in ("gpkg", "geojson", "geoparquet"):
        left_out = save_all(found, output, format=chosen)
    else:
        regions, crs, left_out = together(found)
        records = [region.as_record() for region in regions]
        if chosen == "geojson":
            print(as_json(regions_to_geojson(regions, crs)))
        elif output is not None:
            output.write_text("".join(as_json(record) + "\n" for record in records), encoding="utf-8")
        else:
            show_records(records, asked=chosen, columns=["phrase", "score", "area_m2", "pixels", "window", "source"])
    for source in left_out:
        warn(f"{source}: has no place on Earth, so its regions are not among the others; give it a file of its own.")
    return len(left_out)


def _is_folder(output: Path | None) -> bool:
    return output is not None and (output.is_dir() or (not output.suffix and not output.is_file()))


def _suffix(asked: str | None) -> str:
    return {"geojson": "geojson", "geoparquet": "parquet"}.get(asked or "", "gpkg")


def _in_folder(folder: Path, source: Path, suffix: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{source.name}{suffix}"


def _mask_names(mask: Path | None, *, several: bool) -> Callable[[Path], Path | None]:
    """The name of each scene's mask."""
    if mask is None:
        return lambda path: None
    if not several and not mask.is_dir():
        return lambda path: mask
    return lambda path: _in_folder(mask, path, ".mask.tif")
