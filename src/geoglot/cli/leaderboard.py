"""``geoglot leaderboard``: the race in which every method has the same start."""

from __future__ import annotations

import argparse
from pathlib import Path

GROUP = "Models and methods"
SUMMARY = "Train and compare methods from the same backbone, with the same budget."
EXAMPLES = """
  geoglot leaderboard --data-root datasets/ --backbone-weights runs/backbone --out results
  geoglot leaderboard --backbone-weights runs/backbone --methods scan,mtfn --datasets ucm --seeds 0 --out results
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    parser.add_argument(
        "--data-root", type=Path, metavar="DIR", help="folder with one folder per dataset (default: $GEOGLOT_DATA)"
    )
    parser.add_argument("--backbone", default="compact", metavar="NAME", help="backbone (default: compact)")
    parser.add_argument(
        "--backbone-weights", required=True, metavar="RUN", help="run folder or safetensors file with its weights"
    )
    parser.add_argument("--methods", metavar="NAMES", help="methods (default: all that start from a backbone)")
    parser.add_argument("--datasets", default="rsicd,ucm", metavar="NAMES", help="datasets (default: rsicd,ucm)")
    parser.add_argument("--seeds", default="0,1,2", metavar="NUMBERS", help="seeds (default: 0,1,2)")
    parser.add_argument("--epochs", type=int, metavar="N", help="epochs (default: 10 on rsicd, 30 on ucm)")
    parser.add_argument(
        "--learning-rates", default="0.001", metavar="RATES", help="peaks to choose from on val (default: 0.001)"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/leaderboard"), metavar="DIR", help="folder of the runs")
    parser.add_argument("--cache", type=Path, default=Path("features"), metavar="DIR", help="folder of cached features")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="results folder, gets leaderboard/*.json"
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="print nothing about single runs")


def run(options: argparse.Namespace) -> int:
    """Run what is missing; print the result files."""
    from geoglot.cli._command import DONE, needs_torch, warn
    from geoglot.cli._progress import progress_display

    with needs_torch():
        from geoglot.engine.leaderboard import EPOCHS, Places, Race, run_race

    datasets = _words(options.datasets)
    race = Race(
        backbone=options.backbone,
        backbone_weights=options.backbone_weights,
        datasets=tuple(datasets),
        seeds=tuple(map(int, _words(options.seeds, number=True))),
        learning_rates=tuple(map(float, _words(options.learning_rates, number=True))),
        epochs=EPOCHS if options.epochs is None else dict.fromkeys(datasets, options.epochs),
    )
    places = Places(data_root=options.data_root, runs=options.runs, cache=options.cache, results=options.out)
    with progress_display("caching features", quiet=options.quiet) as shown:
        written = run_race(
            race,
            places,
            methods=None if options.methods is None else _words(options.methods),
            say=(lambda text: None) if options.quiet else warn,
            progress=lambda done, total: shown(done, total, "images"),
        )
    for path in written:
        print(path)
    return DONE


def _words(text: str, *, number: bool = False) -> list[str]:
    from geoglot.cli._command import require

    found = [word.strip() for word in text.split(",") if word.strip()]
    require(bool(found), repr(text), cause="names nothing", remedy="write words with commas between")
    for word in found if number else ():
        plain = word.replace(".", "", 1).replace("e-", "", 1)
        require(plain.isdecimal(), word, cause="is no number", remedy="write numbers with commas between")
    return found
