"""``geoglot caption``: say in words what photos and scenes show."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geoglot.api.captioner import FileCaptions

GROUP = "Your archive"
SUMMARY = "Say in words what photos and scenes show, in one language or several."
EXAMPLES = """
  geoglot caption harbour.jpg
  geoglot caption photos/ scene.tif --language fr
  geoglot caption scene.tif --language all -o captions.parquet
  geoglot caption photos/ --format jsonl | jq .caption
  geoglot caption --archive town.archive --language all     # tiles that have none yet
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.text.language import LANGUAGES

    parser.add_argument("paths", nargs="*", type=Path, metavar="FILE", help="photos, scenes, and folders of them")
    parser.add_argument(
        "--archive", "-a", type=Path, metavar="DIR", help="instead of files: write captions into this archive"
    )
    parser.add_argument(
        "--source", action="append", metavar="GLOB", help="of the archive only these files; may be repeated"
    )
    parser.add_argument(
        "--language",
        choices=(*LANGUAGES, "all"),
        metavar="CODE",
        help="language of the captions: en, ar, fr, it or all (default: en)",
    )
    parser.add_argument(
        "--model", default="captioner", metavar="NAME", help="captioner, by name or folder (default: captioner)"
    )
    parser.add_argument(
        "--beam", type=int, metavar="N", help="captions followed at once, 1 is the fastest (default: the model's)"
    )
    scenes = parser.add_argument_group("scenes")
    scenes.add_argument("--tile", type=int, default=256, metavar="PX", help="side of a tile (default: 256)")
    scenes.add_argument(
        "--overlap", type=float, default=0.0, metavar="SHARE", help="overlap of neighbours, 0 to 0.9 (default: 0)"
    )
    scenes.add_argument("--levels", type=int, default=1, metavar="N", help="number of resolutions (default: 1)")
    scenes.add_argument("--bands", metavar="R,G,B", help="band numbers (default: automatic)")
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress")
    parser.add_argument(
        "--format",
        choices=("table", "jsonl", "geoparquet"),
        help="output format (default: table on a terminal, jsonl in a pipe, else by the suffix of -o)",
    )
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="write to FILE instead of standard output")


def run(options: argparse.Namespace) -> int:
    """Caption files and show, or caption what an archive holds."""
    from geoglot.cli._command import require

    require(
        bool(options.paths) != (options.archive is not None),
        "caption",
        cause="needs files or an archive, and not both",
        remedy="give FILE ..., or --archive DIR",
    )
    if options.archive is not None:
        return _caption_archive(options)
    require(options.source is None, "--source", cause="is for archives", remedy="add --archive DIR, or leave it out")
    return _caption_files(options)


def _caption_archive(options: argparse.Namespace) -> int:
    """Write the captions that an archive lacks and say how many there are."""
    from geoglot.api.archive import Archive
    from geoglot.cli._command import DONE, FAILED, PARTLY, numbers, require
    from geoglot.cli._output import show_facts
    from geoglot.cli.index import caption_tiles, loaded_captioner

    unused = {"-o": options.output, "--beam": options.beam}
    given = [name for name, value in unused.items() if value is not None]
    require(not given, "".join(given[:1]), cause="is for files", remedy="leave it out")
    require(options.format != "geoparquet", "--format geoparquet", cause="is for files", remedy="leave it out")
    options.captioner, options.bands = options.model, numbers("--bands", options.bands)
    captioner = loaded_captioner(options)
    with Archive.open(options.archive, read_only=False) as archive:
        told = caption_tiles(archive, captioner, options)
        record = {
            "tiles": told.tiles,
            "captions": told.captions,
            "without": told.without,
            "unchanged": told.unchanged,
            "failed": len(told.failed),
            "tiles_per_second": round(told.tiles / told.seconds, 1) if told.seconds > 0 else 0.0,
            "seconds": round(told.seconds, 2),
            "in_archive": archive.info().get("captions", {}),
        }
    show_facts(record, asked=options.format)
    if not told.failed:
        return DONE
    return PARTLY if told.tiles or told.unchanged else FAILED


def _caption_files(options: argparse.Namespace) -> int:
    """Caption, show, tell what could not be read."""
    import sys

    from geoglot.api.captioner import Captioner, write_captions
    from geoglot.api.printable import printable
    from geoglot.cli._command import DONE, FAILED, PARTLY, numbers, require, warn
    from geoglot.cli._output import choose_format
    from geoglot.cli._progress import progress_display
    from geoglot.core.errors import SourceError

    chosen = choose_format(options.format, options.output, terminal=sys.stdout.isatty())
    known = chosen in ("table", "jsonl", "geoparquet")
    require(known, str(options.output), cause="is no file for captions", remedy="name it .parquet, .jsonl or .txt")
    require(
        options.beam is None or options.beam >= 1, f"--beam {options.beam}", cause="is none", remedy="give 1 or more"
    )
    captioner = Captioner(options.model, beam=options.beam)
    languages = captioner.asked(options.language)
    found: list[FileCaptions] = []
    failed = 0
    with progress_display("captioning", quiet=options.quiet) as report, _opened(options.output, chosen) as file:
        stream = captioner.caption_all(
            options.paths,
            language=languages,
            tile=options.tile,
            overlap=options.overlap,
            levels=options.levels,
            bands=numbers("--bands", options.bands),
            progress=lambda done, total, tiles: report(done, total, f"files, {tiles:,} tiles"),
        )
        for one in stream:
            if isinstance(one, SourceError):
                failed += 1
                warn(f"error: {printable(str(one))}")
                continue
            found.append(one)
            if chosen == "jsonl":
                _write_lines(one, languages, file)
                found[-1:] = [_without_captions(one)]
    if chosen == "geoparquet":
        write_captions(found, options.output)
    elif chosen == "table":
        _show_table(found, languages, options.output)
    if not failed:
        return DONE
    return PARTLY if found else FAILED


def _without_captions(one: FileCaptions) -> FileCaptions:
    """A file whose captions have been written: only that it was read counts from here on."""
    from dataclasses import replace

    return replace(one, captions=())


def _opened(output: Path | None, chosen: str) -> Any:
    """Where JSON Lines go."""
    import contextlib
    import sys

    if chosen != "jsonl" or output is None:
        return contextlib.nullcontext(sys.stdout)
    return output.open("w", encoding="utf-8", errors="backslashreplace")


def _write_lines(one: FileCaptions, languages: Sequence[str], file: Any) -> None:
    """A line per tile and language; for a scene also one per language that sums it up."""
    from geoglot.cli._output import as_json

    for caption in one.captions:
        print(as_json(caption.as_record()), file=file)
    if one.kind == "scene":
        for language in languages:
            print(as_json(one.summary(language)), file=file)
    file.flush()


def _show_table(found: Sequence[FileCaptions], languages: Sequence[str], output: Path | None) -> None:
    """A row per tile and language; below it a few lines for each scene."""
    import sys

    from geoglot.cli._output import console, new_table, plain_text, short_path

    table = new_table()
    for name in ("file", "where", "caption", "sure", "seen"):
        table.add_column(name, justify="right" if name == "sure" else "left", overflow="fold")
    for one in found:
        for caption in one.captions:
            window = caption.tile.window
            where = "" if caption.kind == "photo" else f"column {window.column}, row {window.row}"
            told = plain_text(caption.text) if caption.text else plain_text(f"none: {caption.reason}", "dim")
            seen = ", ".join(name for name, _ in caption.attributes[:6])
            sure = f"{caption.confidence:.2f}" if caption.text else ""
            table.add_row(plain_text(short_path(one.source)), where, told, sure, plain_text(seen))
    with output.open("w", encoding="utf-8") if output is not None else _opened(None, "table") as file:
        shown = console(file or sys.stdout)
        shown.print(table)
        for one in found:
            if one.kind == "scene":
                for language in languages:
                    shown.print(plain_text(_in_a_few_lines(one.summary(language))))


def _in_a_few_lines(summary: Mapping[str, Any]) -> str:
    """A scene's summary for people."""
    from geoglot.cli._output import short_path

    lines = [f"{short_path(summary['source'])}: {summary['captioned']:,} of {summary['tiles']:,} tiles have a caption"]
    if summary["without"]:
        lines.append("  without: " + ", ".join(f"{count:,} {reason}" for reason, count in summary["without"].items()))
    if summary["attributes"]:
        seen = list(summary["attributes"].items())[:10]
        lines.append("  seen: " + ", ".join(f"{name} ({count:,})" for name, count in seen))
    lines += [f"  {count:,} x {text}" for text, count in summary["captions"]]
    return "\n".join(lines)
