"""``geoglot data``: look after benchmark datasets."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

GROUP = "Models and methods"
SUMMARY = "Check datasets, find leaks, make captions, triplets and rendered pictures."
EXAMPLES = """
  geoglot data check rsicd
  geoglot data leaks --data rsicd,ucm --out results
  geoglot data masks-to-boxes masks/ --classes classes.json --images images/ --ignore land -o boxes.json
  geoglot data boxes-to-captions boxes.json -o dataset.json
  geoglot data refer scene.tif --labels classes.tif --classes classes.csv --out triplets
  geoglot data refer dubai --out triplets
  geoglot data render --out datasets/rendered
  geoglot data phrases triplets --cloud cloud.png --histogram shares.png
"""
ACTIONS = ("check", "leaks", "boxes-to-captions", "masks-to-boxes", "refer", "render", "phrases")
# Which options an action heeds; the others are an error there.
_HEEDS = {
    "check": {"data", "data_root", "format"},
    "leaks": {"data", "splits", "distance", "symmetries", "pairs", "data_root", "out", "format"},
    "boxes-to-captions": {"name", "split", "seed", "output"},
    "masks-to-boxes": {"classes", "images", "ignore", "least_pixels", "output"},
    "refer": {
        *(
            "data_root",
            "out",
            "labels",
            "classes",
            "instances",
            "gsd",
            "split",
            "crop",
            "stride",
            "side",
            "scenes",
            "seed",
            "format",
        )
    },
    "render": {"out", "scenes"},
    "phrases": {"data_root", "language", "cloud", "histogram", "format"},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from geoglot.cli import _refer
    from geoglot.cli._output import RECORD_FORMATS, add_output_options

    add = parser.add_argument
    add("action", choices=ACTIONS, metavar="ACTION", help=f"one of {', '.join(ACTIONS)}")
    add(
        "target",
        nargs="?",
        metavar="TARGET",
        help="a dataset (check, phrases), a JSON file (boxes), a folder (masks), what to make triplets of (refer)",
    )
    add("--data", metavar="NAMES", help="check, leaks: datasets, such as rsicd,ucm")
    add("--data-root", type=Path, metavar="DIR", help="folder with one folder per dataset (default: $GEOGLOT_DATA)")
    add("--splits", metavar="NAMES", help="leaks: splits to compare (default: train,val,test)")
    add("--distance", type=int, metavar="BITS", help="leaks: hashes differ in fewer bits (default: 12)")
    add("--symmetries", action="store_true", help="leaks: find turned and mirrored copies, too")
    add("--pairs", action="store_true", help="leaks: show the pairs, not their numbers")
    add("--out", type=Path, metavar="DIR", help="refer, render: folder to write; leaks: results folder")
    add("--name", metavar="NAME", help="boxes-to-captions: name of the dataset that is made (default: boxes)")
    add("--split", metavar="NAME", help="boxes-to-captions, refer: split of all images")
    add("--seed", type=int, metavar="N", help="boxes-to-captions: of the choice of words; refer scenes: of the scenes")
    add("--classes", type=Path, metavar="FILE", help='masks-to-boxes, refer: class names, {"0": "water", "1": "land"}')
    add("--images", type=Path, metavar="DIR", help="masks-to-boxes: the images, whose names are written")
    add("--ignore", metavar="NAMES", help="masks-to-boxes: classes without boxes, such as land,unlabeled")
    add("--least-pixels", type=int, metavar="N", help="masks-to-boxes: leave out smaller parts (default: 1)")
    _refer.add_arguments(parser)
    add("-o", "--output", type=Path, metavar="FILE", help="boxes, masks: write to FILE instead of standard output")
    add("--quiet", "-q", action="store_true", help="no progress")
    add_output_options(parser, RECORD_FORMATS)


def run(options: argparse.Namespace) -> int:
    """Do the action."""
    from geoglot.cli._command import require

    given = {name for name, value in vars(options).items() if value not in (None, False)}
    stray = sorted(given - _HEEDS[options.action] - {"action", "target", "quiet"})
    name = f"--{stray[0].replace('_', '-')}" if stray else ""
    require(not stray, name, cause=f"means nothing to {options.action}", remedy="leave it out")
    from geoglot.cli import _refer

    actions = {
        "check": _check,
        "leaks": _leaks,
        "boxes-to-captions": _captions,
        "masks-to-boxes": _boxes,
        "refer": _refer.refer,
        "render": _render,
        "phrases": _refer.phrases,
    }
    return actions[options.action](options)


def _check(options: argparse.Namespace) -> int:
    from geoglot.api.datasets import check_dataset
    from geoglot.cli._command import DONE, FAILED, require, warn
    from geoglot.cli._output import choose_format, show_records

    require(
        (options.target is None) != (options.data is None),
        "data check",
        cause="needs a dataset",
        remedy="name one, such as 'geoglot data check rsicd'",
    )
    names = [options.target] if options.target else _words(options.data)
    records = [{"dataset": name, **record} for name in names for record in check_dataset(name, options.data_root)]
    if choose_format(options.format, None, terminal=sys.stdout.isatty()) == "jsonl":
        show_records(records, asked="jsonl")
    else:
        for name in names:
            show_records(_by_split([r for r in records if r["dataset"] == name]), asked="table", title=name)
    faults = [(record, fault) for record in records for fault in record["faults"]]
    for record, fault in faults:
        warn(f"{record['dataset']}, {record['split']}: {fault}.")
    return FAILED if faults else DONE


def _by_split(records: list[dict[str, Any]]) -> list[dict[str, str]]:
    """A row per count and a column per split: there are more counts than a terminal has room for."""
    rows = [
        {"what": key.replace("_", " ")} | {r["split"]: _plain(r[key]) for r in records}
        for key in records[0]
        if key not in ("dataset", "split", "faults", "languages")
    ]
    for language in dict.fromkeys(code for record in records for code in record["languages"]):
        shown = {r["split"]: f"{r['languages'].get(language, 0):.2f} %" for r in records}
        rows.append({"what": f"captions in {language}"} | shown)
    return rows


def _plain(value: int | bool) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else f"{value:,}"


def _leaks(options: argparse.Namespace) -> int:
    from geoglot.api.datasets import find_leaks, write_leaks
    from geoglot.cli._command import DONE, require, warn
    from geoglot.cli._output import show_records
    from geoglot.cli._progress import progress_display

    require(options.target is None, str(options.target), cause="is not expected", remedy="name datasets with --data")
    require(bool(options.data), "--data", cause="is missing", remedy="name datasets, such as --data rsicd,ucm")
    bounds = {} if options.distance is None else {"below": options.distance}
    with progress_display("reading", quiet=options.quiet) as shown:
        leaks = find_leaks(
            _words(options.data),
            _words(options.splits or "train,val,test"),
            options.data_root,
            symmetries=options.symmetries,
            progress=lambda done, total: shown(done, total, "images"),
            **bounds,
        )
    rows: list[Mapping[str, Any]] = list(leaks.summary())
    if options.pairs:
        rows = [
            {**pair, "first": "/".join(pair["first"]), "second": "/".join(pair["second"])}
            for pair in leaks.as_record()["pairs"]
        ]
    if options.out is not None:  # before anything is shown: the reader of a pipe may leave early
        warn(f"wrote {write_leaks(leaks, options.out)}.")
    show_records(rows, asked=options.format, title="Near-duplicate images")
    return DONE


def _captions(options: argparse.Namespace) -> int:
    from geoglot.api.datasets import boxes_to_captions
    from geoglot.cli._command import DONE, require, warn

    require(options.target is not None, "boxes-to-captions", cause="needs a file", remedy="name a JSON file with boxes")
    record, left_out = boxes_to_captions(
        options.target, name=options.name or "boxes", split=options.split or "train", seed=options.seed or 0
    )
    _write(record, options.output)
    without = f"; {len(left_out):,} without a box left out" if left_out else ""
    warn(f"{5 * len(record['images']):,} captions for {len(record['images']):,} images{without}.")
    return DONE


def _boxes(options: argparse.Namespace) -> int:
    from geoglot.api.datasets import masks_to_boxes
    from geoglot.cli._command import DONE, require, warn
    from geoglot.cli._progress import progress_display

    require(options.target is not None, "masks-to-boxes", cause="needs a folder", remedy="name a folder with masks")
    require(options.classes is not None, "--classes", cause="is missing", remedy="name a JSON file with class names")
    with progress_display("reading", quiet=options.quiet) as shown:
        record = masks_to_boxes(
            options.target,
            options.classes,
            ignore=_words(options.ignore or ""),
            least_pixels=1 if options.least_pixels is None else options.least_pixels,
            images=options.images,
            progress=lambda done, total: shown(done, total, "masks"),
        )
    _write(record, options.output)
    warn(f"{len(record['annotations']):,} boxes in {len(record['images']):,} masks.")
    return DONE


def _render(options: argparse.Namespace) -> int:
    from geoglot.api.datasets import render_dataset
    from geoglot.cli._command import DONE, require, warn
    from geoglot.cli._progress import progress_display

    require(options.target is None, str(options.target), cause="is not expected", remedy="name a folder with --out")
    require(options.out is not None, "--out", cause="is missing", remedy="name the folder to write")
    with progress_display("rendering", quiet=options.quiet) as shown:
        manifest = render_dataset(
            options.out, scenes=options.scenes, progress=lambda done, total: shown(done, total, "pictures")
        )
    warn(f"wrote {manifest}.")
    return DONE


def _write(record: Mapping[str, Any], output: Path | None) -> None:
    """The record as JSON, to a file that appears whole or not at all, or to standard output."""
    from geoglot.cli._output import as_json
    from geoglot.core.runs import write_json

    if output is None:
        print(as_json(record))
    else:
        write_json(output, record)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
