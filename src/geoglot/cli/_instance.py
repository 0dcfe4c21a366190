"""The part of ``geoglot evaluate`` and ``geoglot train`` that is about finding a place by a second view of it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def add_evaluation_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that only ``geoglot evaluate instance`` has."""
    group = parser.add_argument_group("instance: a second view of a place as the query")
    group.add_argument("--severities", metavar="NAMES", help="easy,medium,hard,turned,covered (default: all); or kinds")
    group.add_argument("--place", default="place", metavar="NAME", help="place bundle, by name or folder")
    group.add_argument("--candidates", type=int, default=200, metavar="N", help="how many are looked at again")
    group.add_argument("--at-most", type=int, metavar="N", help="ask for so many images only")
    group.add_argument(
        "--queries", type=Path, metavar="DIR", help="your own second views, named as the gallery's files"
    )
    group.add_argument("--gallery", type=Path, metavar="DIR", help="pictures that --queries are views of")


def evaluate(options: argparse.Namespace) -> int:
    """Measure, show one line per severity and way of ranking, write the result file where asked."""
    import sys

    from geoglot.api.instance import evaluate_instance, evaluate_pairs
    from geoglot.cli._command import DONE, require, warn
    from geoglot.cli._output import as_json, choose_format, show_records
    from geoglot.cli._progress import progress_display
    from geoglot.data.second_views import KINDS, SEVERITIES

    remedy = "give both folders, or neither"
    both = (options.queries is None) == (options.gallery is None)
    require(both, "--queries and --gallery", cause="go together", remedy=remedy)
    require(options.candidates >= 1, "--candidates", cause="leaves nothing to look at", remedy="give 1 or more")
    asked = KINDS if options.severities == "kinds" else SEVERITIES
    named = options.severities if options.severities not in (None, "kinds") else ",".join(asked)
    names = [word.strip() for word in named.split(",") if word.strip()]
    with progress_display("reading", quiet=options.quiet) as shown:

        def progress(done: int, total: int) -> None:
            shown(done, total, "pictures")

        if options.queries is not None:
            report = evaluate_pairs(
                options.queries,
                options.gallery,
                options.model,
                options.out,
                place=options.place,
                candidates=options.candidates,
                progress=progress,
            )
        else:
            report = evaluate_instance(
                options.model,
                options.data or "rsicd",
                options.split,
                options.data_root,
                options.out,
                place=options.place,
                severities=names,
                candidates=options.candidates,
                at_most=options.at_most,
                progress=progress,
            )
    if choose_format(options.format, None, terminal=sys.stdout.isatty()) == "jsonl":
        print(as_json(dict(report.record)))
    else:
        title = f"{report.record['model']['id']} on {report.record['dataset']}: a second view finds its place"
        show_records(_rows(report.record["severities"]), asked="table", title=title)
    if report.path is not None:
        warn(f"wrote {report.path}.")
    return DONE


def _rows(severities: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """One row per severity and way of ranking."""
    for severity, level in severities.items():
        for way in ("embedding_alone", "with_second_look", "place_vectors_alone", "with_place_vectors"):
            if way not in level:
                continue
            figures = level[way]
            low, high = figures["R@1"]["interval"]
            row = {"view": severity, "ranked by": way.replace("_", " ")}
            row |= {name: f"{figures[name]['value']:.2f}" for name in ("R@1", "R@5", "R@10")}
            yield row | {"95 % of R@1": f"{low:.2f} to {high:.2f}", "MRR": f"{figures['MRR']['value']:.4f}"}


def train(options: argparse.Namespace, settings: Mapping[str, Any]) -> int:
    """Train the place network on an image network and write its bundle; every epoch's figures are one JSON line.

    Args:
        options: Of ``geoglot train``.
        settings: ``--set`` words as values, fields of :class:`geoglot.engine.place.training.PlaceRecipe`.
    """
    from geoglot.cli._command import DONE, needs_torch, require, warn
    from geoglot.cli._output import as_json
    from geoglot.cli._progress import progress_display

    remedy = "give a run of geoglot-compact"
    require(options.backbone_weights is not None, "--backbone-weights", cause="is missing", remedy=remedy)
    with needs_torch():
        from geoglot.engine.place.product import train_place
        from geoglot.engine.place.training import place_recipe
    named = {"epochs": options.epochs, "batch": options.batch, "side": options.side, "seed": options.seed}
    named |= {"learning_rate": options.learning_rate, **settings}
    recipe = place_recipe({name: value for name, value in named.items() if value is not None})
    folder = options.out or Path("bundles") / "place"

    def log(record: dict[str, Any]) -> None:
        if not options.quiet:
            print(as_json(record), flush=True)

    with progress_display("drawing views", quiet=options.quiet) as shown:
        train_place(
            Path(options.backbone_weights),
            folder,
            datasets=tuple(word.strip() for word in (options.data or "rsicd,ucm").split(",")),
            data_root=options.data_root,
            recipe=recipe,
            log=log,
            progress=lambda done, total: shown(done, total, "pictures"),
        )
    warn(f"the bundle is in {folder}. Next: geoglot evaluate instance --place {folder}")
    return DONE
