"""How fast captions are measured, beside the public evaluation (pycocoevalcap): BLEU, ROUGE-L and CIDEr-D.

    GEOGLOT_DATA=... python -m benchmarks.caption_measures --peer PYTHON

The references are the five captions of every image of the RSICD test split; the hypothesis of an image is a training
caption of its class, drawn with a seed. ``--peer`` is a Python that has pycocoevalcap and numpy; both sides then
measure the same captions in processes of their own. The peer is timed with its tokenizer, a Java program, and without;
this side always with its own. Times and figures are written, no captions.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from geoglot.core.runs import environment, write_json
from geoglot.data.captioned import load_dataset
from geoglot.metrics.caption import caption_measures
from geoglot.text.ptb import caption_words

PEER = """
import json, resource, sys, time
from importlib.metadata import version
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

content = json.load(open(sys.argv[1]))
wrap = lambda table: {key: [{"caption": text} for text in texts] for key, texts in table.items()}

def clock():
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter(), time.process_time() + child.ru_utime + child.ru_stime

runs = []
for _ in range(int(sys.argv[2])):
    begun = clock()
    references = PTBTokenizer().tokenize(wrap(content["references"]))
    hypotheses = PTBTokenizer().tokenize(wrap(content["hypotheses"]))
    tokenised = clock()
    blue = Bleu(4).compute_score(references, hypotheses, verbose=0)[0]
    rouge = Rouge().compute_score(references, hypotheses)[0]
    cider = Cider().compute_score(references, hypotheses)[0]
    ended = clock()
    runs.append({"tokenizer": [b - a for a, b in zip(begun, tokenised)],
                 "measures": [b - a for a, b in zip(tokenised, ended)]})
figures = dict(zip(["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider"], [*blue, rouge, cider]))
figures = {name: float(value) for name, value in figures.items()}
print(json.dumps({"version": version("pycocoevalcap"), "figures": figures, "runs": runs}))
"""


def corpus(seed: int) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Hypotheses and references by the number of the image."""
    dataset = load_dataset("rsicd")
    drawn = random.Random(seed)
    of_class: dict[str | None, list[str]] = {}
    for record in dataset.records("train"):
        of_class.setdefault(record.category, []).extend(record.captions)
    records = dataset.records("test")
    references = {str(row): list(record.captions) for row, record in enumerate(records)}
    hypotheses = {str(row): drawn.choice(of_class[record.category]) for row, record in enumerate(records)}
    return hypotheses, references


def own(hypotheses: dict[str, str], references: dict[str, list[str]], runs: int) -> dict[str, Any]:
    """Seconds of this side, tokenizer included, and its figures."""
    spent = []
    for _ in range(runs):
        begun = time.perf_counter(), time.process_time()
        measures = caption_measures(hypotheses, references, tokenise=caption_words)
        spent.append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
    return {"seconds": summary(spent), "figures": measures.figures()}


def peer(python: Path, hypotheses: dict[str, str], references: dict[str, list[str]], runs: int) -> dict[str, Any]:
    """Seconds of the public evaluation with and without its tokenizer, and its figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "captions.json"
        content = {"references": references, "hypotheses": {key: [text] for key, text in hypotheses.items()}}
        path.write_text(json.dumps(content), encoding="utf-8")
        command = [str(python), "-c", PEER, str(path), str(runs)]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    measures = [run["measures"] for run in answer["runs"]]
    both = [[a + b for a, b in zip(run["measures"], run["tokenizer"], strict=True)] for run in answer["runs"]]
    return {
        "version": answer["version"],
        "seconds": summary(measures),
        "seconds_with_tokenizer": summary(both),
        "figures": answer["figures"],
    }


def summary(spent: Sequence[Sequence[float]]) -> dict[str, float]:
    """Of (wall, processor) seconds of runs: the fastest wall, which other load disturbs least, and both medians."""
    wall, processor = zip(*spent, strict=True)
    return {
        "wall_fastest": round(min(wall), 4),
        "wall_median": round(statistics.median(wall), 4),
        "processor_median": round(statistics.median(processor), 4),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, metavar="PYTHON", help="a Python with pycocoevalcap and numpy")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("results/bench/caption_measures.json"))
    options = parser.parse_args()
    hypotheses, references = corpus(options.seed)
    own(hypotheses, references, 1)  # the first call loads and warms
    ours = own(hypotheses, references, options.runs)
    result: dict[str, Any] = {
        "what": "BLEU-1..4, ROUGE-L and CIDEr-D of RSICD test captions; own side with its tokenizer",
        "images": len(hypotheses),
        "references": sum(map(len, references.values())),
        "runs": options.runs,
        "geoglot": ours,
        "environment": environment(),
    }
    if options.peer:
        theirs = peer(options.peer, hypotheses, references, options.runs)
        difference = max(abs(ours["figures"][name] - value) for name, value in theirs["figures"].items())
        result["pycocoevalcap"] = theirs
        result["largest_difference"] = difference
        for kind in ("seconds", "seconds_with_tokenizer"):
            ratios = {clock: round(value / ours["seconds"][clock], 1) for clock, value in theirs[kind].items()}
            result[kind.replace("seconds", "times_faster")] = ratios
            print(kind, ratios)
        print(f"largest difference {difference:.1e}")
    write_json(options.out, result)


if __name__ == "__main__":
    main()
