"""Captions per second of a captioner bundle, beside the same captioner in torch, on two threads.

    GEOGLOT_DATA=... python -m benchmarks.captions --run runs/jtts --out results/bench/captions.json

The peer is the run itself: backbone and decoder in float32, torch with as many threads, the same batches and the same
loop. Both get pictures that are in memory; what decoding of files adds is measured by ``geoglot caption`` on the files.
The figures of the two are taken in turn, several times, and the best of each is kept: the machine has other work.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "2")

import numpy as np
import torch
from numpy.typing import NDArray

from geoglot.core.runs import environment, write_json
from geoglot.engine import composition
from geoglot.engine.captioning.data import read_split
from geoglot.engine.captioning.export import export_captioner
from geoglot.engine.captioning.running import TrainedCaptioner, load_captioner
from geoglot.engine.pairs import load_pictures
from geoglot.models import captioner as bundles
from geoglot.nn.decoding import write_captions
from geoglot.text.caption_decoding import Writing

THREADS = 2
TOGETHER = bundles.PICTURES_TOGETHER


def in_torch(trained: TrainedCaptioner) -> Callable[[NDArray[np.uint8], Writing], list[str]]:
    """Captions by the run, in the batches of the bundle."""
    backbone = composition.load_backbone(trained.recipe.backbone, trained.recipe.backbone_weights).eval()

    @torch.no_grad()
    def caption(pixels: NDArray[np.uint8], writing: Writing) -> list[str]:
        found = []
        for start in range(0, len(pixels), TOGETHER):
            some = torch.from_numpy(pixels[start : start + TOGETHER]).permute(0, 3, 1, 2).float() / 255
            maps = backbone(some)[-1]
            written, _ = write_captions(trained.model, maps, torch.zeros(len(some), dtype=torch.int64), writing)
            found += [trained.vocabulary.decode(tokens) for tokens in written.tokens]
        return found

    return caption


def in_bundle(bundle: bundles.CaptionerBundle) -> Callable[[NDArray[np.uint8], Writing], list[str]]:
    """Captions by the bundle, attributes included."""

    def caption(pixels: NDArray[np.uint8], writing: Writing) -> list[str]:
        sentences, _ = bundle.captions(bundle.maps(pixels), bundle.languages[0], writing)
        return [sentence.text for sentence in sentences]

    return caption


def measured(
    ways: dict[str, Callable[[NDArray[np.uint8], Writing], list[str]]],
    pictures: NDArray[np.uint8],
    writing: Writing,
    rounds: int,
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Pictures per second of each way, in turn, and what each said."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    said: dict[str, list[str]] = {}
    for caption in ways.values():
        caption(pictures[:TOGETHER], writing)
    for _ in range(rounds):
        for name, caption in ways.items():
            begun = time.perf_counter(), time.process_time()
            said[name] = caption(pictures, writing)
            spent[name].append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
    figures = {}
    for name, times in spent.items():
        wall, processor = (min(column) for column in zip(*times, strict=True))
        figures[name] = {
            "captions_per_second": round(len(pictures) / wall, 2),
            "processor_ms_per_caption": round(1e3 * processor / len(pictures), 2),
            "captions_per_second_of_every_round": [round(len(pictures) / one, 2) for one, _ in times],
        }
    return figures, said


def on_files(bundle: Path, paths: list[Path]) -> dict[str, Any]:
    """``geoglot caption`` as a user runs it, start of the program and decoding of the files included."""
    command = [sys.executable, "-m", "geoglot.cli.main", "caption", *map(str, paths), "--model", str(bundle), "-q"]
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - begun
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        "files": len(lines),
        "captioned": sum(line["caption"] is not None for line in lines),
        "seconds": round(seconds, 2),
        "captions_per_second": round(len(lines) / seconds, 2),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="run of a captioning method")
    parser.add_argument("--bundle", type=Path, help="its bundle; made where it is not given")
    parser.add_argument("--pictures", type=int, default=210, help="of the test split (default: 210)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("results/bench/captions.json"))
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    trained = load_captioner(options.run)
    records = read_split(trained.recipe, "test").records[: options.pictures]
    paths = [record.path for record in records]
    pictures = load_pictures(paths, trained.recipe.side)
    with tempfile.TemporaryDirectory() as folder:
        made = options.bundle or export_captioner(options.run, out=Path(folder) / "bundle")
        bundle = bundles.load_captioner(made, threads=THREADS)
        ways = {"bundle, ONNX Runtime": in_bundle(bundle), "the same run, torch float32": in_torch(trained)}
        length = bundle.writing.max_length
        table: dict[str, Any] = {}
        for name, writing in {
            "greedy": Writing(max_length=length),
            "beam of 3": Writing(way="beam", beam=3, max_length=length),
        }.items():
            figures, said = measured(ways, pictures, writing, options.rounds)
            first, second = said.values()
            same = [a == b for a, b in zip(first, second, strict=True)]
            words = [len(text.split()) for text in first]
            table[name] = {
                **figures,
                "same_caption_percent": round(100 * float(np.mean(same)), 1),
                "words_per_caption": round(float(np.mean(words)), 1),
            }
        files = on_files(made, paths)
        about = {"id": bundle.id, "bytes": bundle.size_bytes, "side": bundle.side, "card": bundle.card}
    result = {
        "what": "captions per second, one language, pictures in memory unless said otherwise",
        "pictures": len(pictures),
        "dataset": list(trained.recipe.datasets),
        "threads": THREADS,
        "batch": TOGETHER,
        "peer": "the same run in torch; no captioner of another name runs without weights that are not ours to fetch",
        "ways": table,
        "geoglot caption on files, start included": files,
        "bundle": about,
        "method": trained.recipe.method,
        "parameters_of_the_decoder": sum(parameter.numel() for parameter in trained.model.parameters()),
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "environment": environment(),
    }
    write_json(options.out, result)
    print(json.dumps(result["ways"], indent=1))


if __name__ == "__main__":
    main()
