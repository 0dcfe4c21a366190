"""``geoglot data refer`` and ``geoglot data phrases``: image-phrase-mask triplets, and what is in them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that only these two actions have."""
    add = parser.add_argument
    add("--labels", type=Path, metavar="PATH", help="refer: class raster of the image, or a folder of them")
    add("--instances", type=Path, metavar="PATH", help="refer: raster of object numbers, or a folder of them")
    add("--gsd", type=float, metavar="METRES", help="refer: size of a pixel, where the image does not tell")
    add("--crop", type=int, metavar="PIXELS", help="refer: side of the crops (default: 512; 1200 for SkyScapes)")
    add("--stride", type=int, metavar="PIXELS", help="refer: from one crop to the next (default: half a crop)")
    add("--side", type=int, metavar="PIXELS", help="refer: crops are made smaller to this (default: 512)")
    add("--scenes", type=int, metavar="N", help="refer scenes, render: how many to generate (default: 100, 80)")
    add("--language", metavar="CODE", help="phrases: en, ar, fr or it (default: en)")
    add("--cloud", type=Path, metavar="FILE", help="phrases: draw a word cloud (PNG)")
    add("--histogram", type=Path, metavar="FILE", help="phrases: draw which share of its image a mask covers (PNG)")


def refer(options: argparse.Namespace) -> int:
    """Build a folder of triplets."""
    from geoglot.api.referring import build_referring
    from geoglot.cli._command import DONE, require, warn
    from geoglot.cli._output import show_records
    from geoglot.cli._progress import progress_display

    source = options.target
    require(source is not None, "refer", cause="needs a source", remedy="name dubai, skyscapes, scenes or an image")
    require(options.out is not None, "--out", cause="is missing", remedy="name the folder to write")
    with progress_display("building", quiet=options.quiet) as shown:
        about = build_referring(
            source,
            options.out,
            labels=options.labels,
            classes=options.classes,
            instances=options.instances,
            root=options.data_root,
            gsd_m=options.gsd,
            split=options.split,
            crop=options.crop,
            stride=options.stride,
            side=options.side,
            scenes=options.scenes,
            seed=options.seed or 0,
            progress=lambda done, total: shown(done, total, "crops"),
        )
    warn(f"wrote {sum(about['triplets'].values()):,} triplets to {options.out}.")
    show_records(_counts(about), asked=options.format, title="Triplets")
    return DONE


def _counts(about: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = [
        {"what": f"{kind}, {split}", "number": about[kind][split]}
        for kind in ("scenes", "triplets")
        for split in about[kind]
    ]
    return rows + [{"what": f"left out: {reason}", "number": count} for reason, count in about["dropped"].items()]


def phrases(options: argparse.Namespace) -> int:
    """What is in a referring dataset."""
    from geoglot.api.referring import describe_referring
    from geoglot.api.referring_pictures import write_mask_histogram, write_word_cloud
    from geoglot.cli._command import DONE, require, warn
    from geoglot.cli._output import show_records

    name = options.target
    require(name is not None, "phrases", cause="needs a dataset", remedy="name dubai, refsegrs, rrsis_d or a folder")
    language = options.language or "en"
    statistics = describe_referring(name, options.data_root, language=language, masks=options.histogram is not None)
    if options.cloud is not None:
        write_word_cloud(statistics.parts, options.cloud)
        warn(f"wrote {options.cloud}.")
    if options.histogram is not None:
        write_mask_histogram(statistics.mask_shares, options.histogram)
        warn(f"wrote {options.histogram}.")
    show_records(statistics.as_rows(), asked=options.format, title=f"Phrases of {name}")
    return DONE
