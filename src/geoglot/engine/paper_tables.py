"""Published tables with our own rows beside them: the same columns, and what each row started from."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from geoglot.core.errors import UsageError
from geoglot.data.published import TABLE_IV, PublishedRanking, PublishedRow, published
from geoglot.data.published_segmentation import TABLE_IV as COSTS
from geoglot.engine.captioning.tables import jtts_tables
from geoglot.engine.matching.tables import residual_dyad_tables
from geoglot.engine.saved_predictions import Predictions, load_predictions
from geoglot.engine.segmentation.tables import lgce_tables
from geoglot.engine.tables import Row, read_results
from geoglot.metrics.ranking import CUTOFFS
from geoglot.metrics.scores import CosineScores

RECALLS: Final = tuple(f"{way} R@{k}" for way in ("i2t", "t2i") for k in CUTOFFS)
DATASETS: Final = ("rsicd", "rsitmd", "ucm")
TABLE_II: Final = (
    ("vse_plus_plus", "VSE++"),
    ("scan", "SCAN i2t"),
    ("mtfn", "MTFN"),
    ("amfmn", "AMFMN-fusion"),
    ("lw_mcr", "LW-MCR-b"),
    ("lw_mcr", "LW-MCR-d"),
    ("lw_mcr", "LW-MCR-u"),
    ("multilanguage", "Multilanguage Transformer"),
)
"""Method and published row, in the order of the paper; on RSITMD its AMFMN row is the one of AMFMN-sim."""
REGIMES: Final = ("single", "multiple")
LANGUAGES: Final = ("en", "ar", "fr", "it")
RANKS_SHOWN: Final = (1, 2, 3, 4, 5, 10)


def tables_of(paper: str, results: Path, run: Path | None = None) -> dict[str, list[Row]]:
    """Tables by title.

    Raises:
        UsageError: There are no tables of this paper; the message suggests the nearest.
        DataError: A result cannot be read.
    """
    if paper not in PAPERS:
        near = difflib.get_close_matches(paper, PAPERS, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(PAPERS)}"
        raise UsageError(paper, cause="has no tables here", remedy=remedy)
    return PAPERS[paper](results, run)


def _multilanguage(results: Path, run: Path | None) -> dict[str, list[Row]]:
    measured = Measured(results)
    return {
        "Table II: English": [row for dataset in DATASETS for row in _table_two(measured, dataset)],
        "Table III: one language or four in training": [
            row for dataset in DATASETS for regime in REGIMES for row in _table_three(measured, dataset, regime)
        ],
        "Table IV: ranks of single queries": [row for ranking in TABLE_IV for row in _table_four(ranking, run)],
    }


def _residual_dyad(results: Path, run: Path | None) -> dict[str, list[Row]]:
    """Means of retrieval alone: no table of this paper needs a run."""
    return residual_dyad_tables(read_results(results, "matching"))


def _jtts(results: Path, run: Path | None) -> dict[str, list[Row]]:
    """Means over test images alone: no table of this paper needs a run."""
    return jtts_tables(read_results(results, "captioning"))


def _lgce(results: Path, run: Path | None) -> dict[str, list[Row]]:
    """Means over test masks, and costs that are counted here: no table of this paper needs a run."""
    return lgce_tables(read_results(results, "segmentation"), _lgce_costs())


def _lgce_costs() -> dict[str, dict[str, float]]:
    """Our counts in the convention of the paper, by its rows; none where torch is not installed."""
    try:
        from geoglot.engine.cost import method_cost
    except ModuleNotFoundError:
        return {}
    found = {row.name: method_cost(row.method, row.variant or None) for row in COSTS}
    return {
        name: {
            "gigaflops": cost.reported_flops / 1e9,
            "parameters": cost.parameters / 1e6,
            "gigamacs": cost.reported_macs / 1e9,
        }
        for name, cost in found.items()
    }


PAPERS: Final[dict[str, Callable[[Path, Path | None], dict[str, list[Row]]]]] = {
    "multilanguage": _multilanguage,
    "residual-dyad": _residual_dyad,
    "jtts": _jtts,
    "lgce": _lgce,
}
"""Tables by paper: results folder and, where a table shows single queries, a run."""


class Measured:
    """What the results folder holds about methods of the gallery.

    Args:
        results: Results folder.
    """

    def __init__(self, results: Path) -> None:
        self.runs = [record for record in read_results(results, "retrieval") if "run" in record]
        self.race = read_results(results, "leaderboard")

    def rows(self, method: str, dataset: str, language: str, *, regime: str | None = None) -> list[Row]:
        """Rows of a method on a test split; with a regime only those trained on one language, or on several."""
        found = []
        for record in self.race:
            if (record["method"], record["dataset"]) == (method, dataset) and language in record["languages"]:
                trained = record["protocol"]["languages_trained"]
                if _fits(regime, trained):
                    cells = _cells(record["languages"][language]["plain"], "mean")
                    found.append({**_ours("ours, same start", trained), **cells})
        for record in self.runs:
            run = record["run"]
            right = (run["method"], record["dataset"], record["protocol"]["split"]) == (method, dataset, "test")
            if right and language in record["languages"] and _fits(regime, run["languages"]):
                cells = _cells(record["languages"][language]["plain"], "value")
                found.append({**_ours(f"ours, {record['model']['id']}", run["languages"]), **cells})
        return found


def _fits(regime: str | None, trained: Sequence[str]) -> bool:
    return regime is None or (len(trained) > 1) == (regime == "multiple")


def _ours(words: str, trained: Sequence[str]) -> Row:
    return {"row": words, "start": "from scratch", "trained on": ",".join(trained)}


def _cells(figures: Mapping[str, Any], key: str) -> Row:
    ways = (("i2t", "image_to_text"), ("t2i", "text_to_image"))
    cells = {f"{short} R@{k}": f"{figures[way][f'R@{k}'][key]:.2f}" for short, way in ways for k in CUTOFFS}
    return {**cells, "mR": f"{figures['mR'][key]:.2f}"}


def _published_cells(row: PublishedRow) -> Row:
    cells = {name: f"{value:.2f}" for name, value in zip(RECALLS, row.recall, strict=True)}
    return {**cells, "mR": f"{row.mean_recall:.2f}"}


def _block(head: Row, theirs: PublishedRow | None, ours: Sequence[Row]) -> list[Row]:
    """A published row and ours below it; where nothing was measured, one row of empty cells."""
    empty = dict.fromkeys(("row", "start", "trained on", *RECALLS, "mR"), "")
    rows = []
    if theirs is not None:
        words = {"row": "published", "start": theirs.start, "trained on": _regime_words(theirs)}
        rows.append({**head, **empty, **words, **_published_cells(theirs)})
    return rows + [{**head, **empty, **row} for row in ours or [{"row": "ours"}]]


def _regime_words(row: PublishedRow) -> str:
    return row.language if row.regime == "single" else ",".join(LANGUAGES)


def _table_two(measured: Measured, dataset: str) -> list[Row]:
    rows = []
    for method, title in TABLE_II:
        printed = "AMFMN-sim" if (title, dataset) == ("AMFMN-fusion", "rsitmd") else title
        theirs = next((r for r in published(method, dataset, language="en") if r.title == printed), None)
        rows += _block({"dataset": dataset, "approach": printed}, theirs, measured.rows(method, dataset, "en"))
    return rows


def _table_three(measured: Measured, dataset: str, regime: str) -> list[Row]:
    rows = []
    for language in LANGUAGES:
        found = published("multilanguage", dataset, language=language)
        theirs = next((row for row in found if row.regime == regime), None)
        head = {"dataset": dataset, "regime": regime, "language": language}
        rows += _block(head, theirs, measured.rows("multilanguage", dataset, language, regime=regime))
    return rows


def _table_four(ranking: PublishedRanking, run: Path | None) -> list[Row]:
    head = {"dataset": ranking.dataset, "language": ranking.language, "wanted": ranking.wanted}
    theirs = {f"rank {k}": name for k, name in zip(RANKS_SHOWN, ranking.found, strict=True)}
    file = None if run is None else run / f"predictions-{ranking.dataset}-test.npz"
    ours = {"row": "ours", "rank": ""} | {f"rank {k}": "" for k in RANKS_SHOWN}
    if file is not None and file.is_file():
        ours |= first_caption_ranking(load_predictions(file), ranking.wanted, ranking.language)
    return [{**head, "row": "published", "rank": str(ranking.rank), **theirs}, {**head, **ours}]


def first_caption_ranking(predictions: Predictions, wanted: str, language: str) -> Row:
    """Rank of an image for the first of its own captions, and the images found; empty where either is absent."""
    if wanted not in predictions.image_ids or language not in predictions.texts:
        return {}
    texts, image = predictions.texts[language], predictions.image_ids.index(wanted)
    text = texts.text_of_caption[np.flatnonzero(texts.image_of_caption == image)[0]]
    if texts.scores is not None:
        scores = texts.scores[:, text]
    else:
        scores = CosineScores(texts.vectors[text : text + 1], predictions.image_vectors)[slice(0, 1)][0]
    order = np.argsort(-scores, kind="stable")
    place = int(np.flatnonzero(order == image)[0]) + 1
    shown = {f"rank {k}": predictions.image_ids[order[k - 1]] for k in RANKS_SHOWN if k <= len(order)}
    return {"rank": str(place), **shown}
