"""``geoglot export``: turn a trained run into a model bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

GROUP = "Models and methods"
SUMMARY = "Turn a trained run into a model bundle that archives can use."
EXAMPLES = """
  geoglot export runs/compact
  geoglot export runs/compact --out bundles/mine
  geoglot export runs/vse_plus_plus --float --no-mirror
  geoglot export runs/duch-64 --features runs/compact
  geoglot export runs/scan --out bundles/scan     # then: geoglot search ... --rerank bundles/scan
  geoglot export runs/dyad --out bundles/dyad     # then: geoglot match A B --model bundles/dyad
  geoglot export runs/jtts --out bundles/jtts     # then: geoglot caption FILE --model bundles/jtts
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument(
        "--data-root", type=Path, metavar="DIR", help="folder with one folder per dataset (default: $GEOGLOT_DATA)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the bundle (default: RUN/bundle)")
    parser.add_argument(
        "--features", type=Path, metavar="RUN", help="for a hasher: the run whose towers made its features"
    )
    parser.add_argument("--name", metavar="ID", help="identifier of the bundle (default: the method's name and -1)")
    parser.add_argument("--side", type=int, metavar="PX", help="side of the model's input (default: the recipe's)")
    parser.add_argument("--float", action="store_true", help="keep the image network in float32 instead of 8 bits")
    parser.add_argument(
        "--no-mirror", action="store_true", help="do not average a picture with its mirror image: half the work"
    )
    parser.add_argument("--any-size", action="store_true", help="of a captioner: allow more than 25 MB")


def run(options: argparse.Namespace) -> int:
    """Export and tell where the bundle is."""
    from geoglot.cli._command import DONE, needs_torch, require

    with needs_torch():
        from geoglot.engine.bundling import export_run
        from geoglot.engine.captioning.export import export_captioner, is_captioning_run
        from geoglot.engine.matching.export import export_matcher, is_matching_run
        from geoglot.engine.phrase_map.export import export_segmenter, is_early_fusion_run, is_segmenter_run
    out = options.out or options.run / "bundle"
    kind = "captioner" if is_captioning_run(options.run) else "matcher" if is_matching_run(options.run) else ""
    kind = "segmenter" if is_segmenter_run(options.run) else kind
    require(
        not is_early_fusion_run(options.run),
        str(options.run),
        cause="is of a segmentation method that reads words and pixels together, which archives do not run",
        remedy="export a run of 'geoglot train segmenter'",
    )
    if kind:
        unused = {"--side": options.side, "--features": options.features, "--no-mirror": options.no_mirror}
        given = [name for name, value in unused.items() if value]
        require(not given, "".join(given[:1]), cause=f"is not for a {kind}", remedy="leave it out")
    require(
        kind == "captioner" or not options.any_size, "--any-size", cause="is for a captioner", remedy="leave it out"
    )
    if kind == "captioner":
        made = export_captioner(
            options.run,
            out=out,
            data_root=options.data_root,
            quantised=not options.float,
            any_size=options.any_size,
            name=options.name,
        )
        print(made)
        return DONE
    if kind in ("matcher", "segmenter"):
        exporter = export_matcher if kind == "matcher" else export_segmenter
        print(
            exporter(options.run, out=out, data_root=options.data_root, quantised=not options.float, name=options.name)
        )
        return DONE
    made = export_run(
        options.run,
        out=out,
        data_root=options.data_root,
        side=options.side,
        mirrored=not options.no_mirror,
        quantised=not options.float,
        name=options.name,
        features=options.features,
    )
    print(made)
    return DONE
