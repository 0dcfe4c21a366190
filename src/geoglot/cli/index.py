"""``geoglot index``: read folders of imagery into an archive."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoglot.api.printable import printable
from geoglot.cli._command import DONE, FAILED, PARTLY, require, warn
from geoglot.core.errors import UsageError

if TYPE_CHECKING:
    from geoglot.api.archive import Archive
    from geoglot.api.captioner import Captioner
    from geoglot.archive.captioning import CaptioningReport
    from geoglot.archive.ingest import IngestReport
    from geoglot.archive.places import PlacesReport

GROUP = "Your archive"
SUMMARY = "Read folders of imagery into an archive; new and changed files only."
EXAMPLES = """
  geoglot index imagery/ --archive town.archive
  geoglot index scene.tif photos/ --archive town.archive --jobs 2
  geoglot index landsat/ --archive coast.archive --bands 4,3,2 --levels 3 --overlap 0.5
  geoglot index flights/ --archive town.archive --time-from '_(\\d{8})_'
  geoglot index imagery/ --archive hashed.archive --model runs/duch/bundle
  geoglot index imagery/ --archive large.archive --codes binary:128
  geoglot index imagery/ --archive town.archive --caption --language all
  geoglot index imagery/ --archive town.archive --places
  geoglot index catalogue/collection.json --archive town.archive   # STAC: its local files, times and footprints
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli._output import RECORD_FORMATS, add_output_options

    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="files, folders (read recursively) and STAC catalogues (.json)",
    )
    parser.add_argument(
        "--archive", "-a", required=True, type=Path, metavar="DIR", help="archive; made if it does not exist"
    )
    parser.add_argument(
        "--tile", type=int, default=256, metavar="PX", help="side of a tile of a scene, in pixels (default: 256)"
    )
    parser.add_argument(
        "--overlap",
        type=float,
        default=0.25,
        metavar="SHARE",
        help="overlap of neighbouring tiles, 0 to 0.9 (default: 0.25)",
    )
    parser.add_argument(
        "--levels", type=int, default=1, metavar="N", help="number of resolutions, each half of the last (default: 1)"
    )
    parser.add_argument(
        "--bands", type=band_numbers, metavar="R,G,B", help="band numbers for red, green, blue (default: automatic)"
    )
    parser.add_argument(
        "--time-from",
        metavar="REGEX",
        help="pattern with a group that holds the date in the file name, where the file tells none",
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="number of decoding processes (default: 1)")
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="model bundle, by name or folder (default: compact, of an archive that exists its own)",
    )
    parser.add_argument(
        "--codes",
        metavar="KIND",
        help="of a new archive: float16 (default, exact) or binary[:BITS], BITS / 8 bytes per tile to be searched",
    )
    add_caption_options(parser.add_argument_group("captions"), "--captioner")
    parser.add_argument(
        "--places", action="store_true", help="also write vectors of places, so that a second view finds its place"
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress")
    add_output_options(parser, RECORD_FORMATS)


def run(options: argparse.Namespace) -> int:
    """Index and tell what was done."""
    import sys

    from geoglot.api.selection import existing_paths
    from geoglot.cli._output import choose_format, show_facts, size_text
    from geoglot.cli._progress import progress_display

    given = [name for name in ("language", "captioner") if getattr(options, name) is not None]
    require(
        options.caption or not given,
        f"--{''.join(given[:1])}",
        cause="is for captions, which are not asked for",
        remedy="add --caption, or leave it out",
    )
    captioner = loaded_captioner(options) if options.caption else None
    paths = existing_paths(options.paths)  # a slip of the pen must not leave an empty archive behind
    with open_or_create(options.archive, options.model, options.codes) as archive:
        with progress_display("indexing", quiet=options.quiet) as report:
            done = archive.index(
                paths,
                tile=options.tile,
                overlap=options.overlap,
                levels=options.levels,
                bands=options.bands,
                time_from=options.time_from,
                jobs=options.jobs,
                progress=lambda state: report(state.files_done, state.files_total, f"files, {state.rows:,} tiles"),
            )
        told = None if captioner is None else caption_tiles(archive, captioner, options)
        places = place_tiles(archive, options) if options.places else None
        record = summary(done, archive.info())
    if told is not None:
        record |= {"new_captions": told.captions, "without_caption": told.without, "not_captioned": len(told.failed)}
    if places is not None:
        record |= {"new_place_vectors": places.tiles, "not_placed": len(places.failed)}
    if choose_format(options.format, None, terminal=sys.stdout.isatty()) == "table":
        record["archive_bytes"] = size_text(record["archive_bytes"])
    show_facts(record, asked=options.format)
    code = tell_failures(done, options.archive)
    failed = [report for report in (told, places) if report is not None and report.failed]
    return PARTLY if failed and code == DONE else code


def add_caption_options(group: argparse._ArgumentGroup, name: str) -> None:
    """Options of ``index --caption``."""
    from geoglot.text.language import LANGUAGES

    group.add_argument("--caption", action="store_true", help="also write captions of tiles that have none")
    group.add_argument(
        "--language",
        choices=(*LANGUAGES, "all"),
        metavar="CODE",
        help="language of the captions: en, ar, fr, it or all (default: en)",
    )
    group.add_argument(name, metavar="NAME", help="captioner, by name or folder (default: captioner)")


def loaded_captioner(options: argparse.Namespace) -> Captioner:
    """The captioner, before anything is done: a slip of the pen is told at once."""
    from geoglot.api.captioner import Captioner

    captioner = Captioner(options.captioner or "captioner")
    captioner.asked(options.language)
    return captioner


def caption_tiles(archive: Archive, captioner: Captioner, options: argparse.Namespace) -> CaptioningReport:
    """Write the captions that an archive lacks, with progress, and tell what could not be read."""
    from geoglot.cli._progress import progress_display

    with progress_display("captioning", quiet=options.quiet) as report:
        told = archive.caption(
            captioner.bundle,
            language=options.language,
            bands=options.bands,
            source=getattr(options, "source", None),
            progress=lambda state: report(state.tiles_done, state.tiles_total, "tiles"),
        )
    if told.failed:
        more = f" {len(told.failed) - 1:,} more files failed." if len(told.failed) > 1 else ""
        warn(f"error: {printable(str(told.failed[0]))}{more}")
    return told


def place_tiles(archive: Archive, options: argparse.Namespace) -> PlacesReport:
    """Write the vectors of places that an archive lacks, with progress, and tell what could not be read."""
    from geoglot.cli._progress import progress_display

    with progress_display("looking at places", quiet=options.quiet) as report:
        done = archive.index_places(
            bands=options.bands, progress=lambda state: report(state.tiles_done, state.tiles_total, "tiles")
        )
    if done.failed:
        more = f" {len(done.failed) - 1:,} more files failed." if len(done.failed) > 1 else ""
        warn(f"error: {printable(str(done.failed[0]))}{more}")
    return done


def summary(done: IngestReport, info: Mapping[str, Any]) -> dict[str, Any]:
    """What an index run did, in a few numbers."""
    return {
        "indexed": done.indexed,
        "unchanged": done.unchanged,
        "known_bytes": done.known_bytes,
        "failed": len(done.failed),
        "gone": len(done.gone),
        "repaired": len(done.repaired),
        "new_tiles": done.rows_added,
        "tiles_per_second": round(done.rows_added / done.seconds, 1) if done.seconds > 0 else 0.0,
        "seconds": round(done.seconds, 2),
        "tiles": info["tiles"],
        "archive_bytes": info["bytes"],
    }


def tell_failures(done: IngestReport, archive: Path) -> int:
    """Point to the errors, and say in the exit code whether all, some or no files could be used."""
    if not done.failed:
        return DONE
    first = printable(str(done.failed[0]))
    more = f" {len(done.failed) - 1:,} more files failed." if len(done.failed) > 1 else ""
    warn(f"error: {first}{more}")
    warn(f"the cause and remedy of each failure are in {printable(str(archive / 'errors.jsonl'))}.")
    return PARTLY if done.indexed or done.unchanged or done.known_bytes else FAILED


def open_or_create(path: Path, model: str | None, codes: str | None) -> Archive:
    """Open an archive for writing; make it where there is none.

    Raises:
        UsageError: There is one, and it holds its vectors in another way than is asked for.
    """
    from geoglot.api.archive import Archive, codes_for

    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return Archive.create(path, model=model, codes=codes)
    archive = Archive.open(path, model=model, read_only=False)
    held = archive.store.identity.codes
    if codes is not None and codes_for(archive.encoder, codes) != held:
        archive.close()
        cause = f"is not how {path} holds its vectors, which is {held}"
        raise UsageError(f"--codes {codes}", cause=cause, remedy="leave the option out, or make a new archive")
    return archive


def band_numbers(written: str) -> tuple[int, ...]:
    """Read ``4,3,2``.

    Example:
        >>> band_numbers("4,3,2")
        (4, 3, 2)
    """
    try:
        numbers = tuple(int(part) for part in written.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3) or min(numbers) < 1:
        raise UsageError(
            f"--bands {written}", cause="is not a choice of bands", remedy="give one or three numbers such as 4,3,2"
        )
    return numbers
