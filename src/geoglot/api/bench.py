"""Evaluate a model on a benchmark: predict, save the predictions, compute the figures from the saved file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoglot.core.errors import BundleError
from geoglot.core.runs import create_run
from geoglot.data.captioned import load_dataset
from geoglot.data.near_duplicates import Leaks, read_leaks
from geoglot.engine.clean import evaluate_clean
from geoglot.engine.evaluation import Report, evaluate_retrieval_file, write_result
from geoglot.engine.prediction import predict
from geoglot.engine.saved_predictions import load_predictions, save_predictions
from geoglot.metrics.ranking import Ties

if TYPE_CHECKING:
    from geoglot.models.encoder import Encoder

__all__ = ["Report", "evaluate_confidence", "evaluate_retrieval", "evaluate_run", "paper_tables"]


def evaluate_retrieval(
    model: str | Path | Encoder = "compact",
    data: str = "rsicd",
    split: str = "test",
    languages: Sequence[str] = ("en", "ar", "fr", "it"),
    root: str | Path | None = None,
    out: str | Path | None = None,
    *,
    runs: str | Path | None = None,
    leaks: str | Path | None = None,
    ties: Ties = "stable",
    resamples: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Image-text retrieval figures of a model on a dataset, per language, with intervals.

    Args:
        model: Name of a shipped bundle, a bundle folder, or an encoder.
        data: Name of a dataset: ``rsicd``, ``ucm`` or that of a plug-in.
        split: ``train``, ``val`` or ``test``.
        languages: Two-letter codes.
        root: Folder that holds the datasets; ``None`` asks the variable ``GEOGLOT_DATA``.
        out: Results folder, gets ``retrieval/<model>-<dataset>.json``; ``None`` writes no result.
        runs: Where to keep the run folder with ``predictions.npz``; ``None`` keeps none.
        leaks: File that ``geoglot data leaks`` wrote; the record then has a part ``clean`` as well, with the figures
            without the images that are also in a training or validation split.
        ties: Who goes first among equal scores.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
        progress: Called with (images done, images in all).

    Returns:
        The report; ``report.record`` is what the result file holds.

    Raises:
        BundleError: There is no such model, or it gives vectors that make no sense.
        DataError: The dataset is absent or damaged.
        UsageError: Unknown dataset, split or language.

    Example:
        With the datasets in place, ``evaluate_retrieval("compact", "ucm").mean_recall("fr")`` is the mR in French.
        A slip in a name is caught before anything is loaded:

        >>> evaluate_retrieval("compact", "rsicdd")
        Traceback (most recent call last):
        geoglot.core.errors.UsageError: rsicdd: is not in geoglot.data. Remedy: did you mean 'rsicd'?.
    """
    load_dataset(data)
    known = _leaks(leaks, data, split)
    encoder = _load(model) if isinstance(model, str | Path) else model
    predictions = predict(encoder, data, split=split, languages=languages, root=root, progress=progress)
    recipe = {"task": "retrieval", "model": encoder.id, "data": data, "split": split, "languages": list(languages)}
    with tempfile.TemporaryDirectory() as temporary:
        parent = Path(temporary if runs is None else runs)
        path = create_run(parent, f"{encoder.id}-{data}-{split}", recipe=recipe).path / "predictions.npz"
        save_predictions(predictions, path)
        record = _evaluated(path, known, ties, resamples, seed)
    return Report(record=record, path=None if out is None else write_result(record, Path(out)))


def evaluate_run(
    run: str | Path,
    data: str = "rsicd",
    split: str = "test",
    languages: Sequence[str] = ("en", "ar", "fr", "it"),
    root: str | Path | None = None,
    out: str | Path | None = None,
    *,
    cache: str | Path | None = None,
    leaks: str | Path | None = None,
    ties: Ties = "stable",
    resamples: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Image-text retrieval figures of a training run of any method, as :func:`evaluate_retrieval` gives of a bundle.

    The predictions stay in the run, as ``predictions-<data>-<split>.npz``.

    Args:
        run: Folder that ``geoglot train`` wrote.
        data: Name of a dataset.
        split: ``train``, ``val`` or ``test``.
        languages: Two-letter codes.
        root: Folder that holds the datasets; ``None`` asks the variable ``GEOGLOT_DATA``.
        out: Results folder, gets ``retrieval/<run>-<dataset>.json``; ``None`` writes no result.
        cache: Where stage maps of a frozen backbone are kept; ``None`` computes them and keeps none.
        leaks: File that ``geoglot data leaks`` wrote; the record then has a part ``clean`` as well, with the figures
            without the images that are also in a training or validation split.
        ties: Who goes first among equal scores.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
        progress: Called with (images done, images in all) while stage maps are computed.

    Raises:
        DataError: The folder is no finished run, or the dataset is absent or damaged.
        UsageError: Unknown dataset, split or language.
    """
    from geoglot.engine.run_prediction import predict_run
    from geoglot.engine.trained import load_trained

    load_dataset(data)
    known = _leaks(leaks, data, split)
    trained = load_trained(Path(run))
    predictions = predict_run(
        trained,
        data,
        split=split,
        languages=languages,
        root=root,
        cache_folder=None if cache is None else Path(cache),
        progress=progress or (lambda done, total: None),
    )
    path = Path(run) / f"predictions-{data}-{split}.npz"
    save_predictions(predictions, path)
    record = _evaluated(path, known, ties, resamples, seed)
    return Report(record=record, path=None if out is None else write_result(record, Path(out)))


def evaluate_confidence(
    model: str | Path = "compact",
    data: str = "rsicd",
    split: str = "test",
    languages: Sequence[str] = ("en", "ar", "fr", "it"),
    root: str | Path | None = None,
    out: str | Path | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Whether "likely" can be trusted: every class asked for with it in the archive and with it taken out.

    Args:
        model: Name of a shipped bundle or a bundle folder; its own thresholds are used.
        data: Name of a dataset with categories.
        split: ``train``, ``val`` or ``test``; the thresholds were set on ``val``.
        languages: Two-letter codes.
        root: Folder that holds the datasets; ``None`` asks the variable ``GEOGLOT_DATA``.
        out: Results folder, gets ``confidence/<model>-<dataset>.json``; ``None`` writes no result.
        progress: Called with (images done, images in all).

    Raises:
        BundleError: There is no such model, or it has no thresholds.
        DataError: The dataset is absent or damaged.
        UsageError: Unknown dataset, split or language.
    """
    from geoglot.data.category_phrases import SAME_PLACES
    from geoglot.engine.presence import evaluate_presence, twins
    from geoglot.metrics.confidence import DECIDING_ROWS, decide
    from geoglot.models.bundle import load_bundle
    from geoglot.models.expansion import expanded

    load_dataset(data)
    bundle = load_bundle(model)
    likely_at = bundle.manifest.get("confidence", {}).get("text", {}).get("likely")
    if likely_at is None:
        raise BundleError(bundle.id, cause="has no confidence thresholds", remedy="export it with a current geoglot")
    record = evaluate_presence(
        predict(bundle, data, split=split, languages=languages, root=root, progress=progress),
        lambda query, gallery: decide(query, gallery, bundle.neutral),
        likely_at=float(likely_at),
        decision=f"mean over the best {DECIDING_ROWS} rows of score plus lead over other captions",
        expansion=None if bundle.kind == "hasher" else lambda queries: expanded(queries, bundle.neutral),
        removed_with=twins(SAME_PLACES.get(data, ())),
    )
    return Report(record=record, path=None if out is None else write_result(record, Path(out)))


def paper_tables(
    paper: str, results: str | Path = "results", *, run: str | Path | None = None
) -> dict[str, list[dict[str, str]]]:
    """A paper's tables, each published row beside the rows that were measured here; empty cells were not measured.

    Args:
        paper: ``multilanguage`` or ``residual-dyad``.
        results: Results folder.
        run: Training run with ``predictions-<data>-test.npz``, from which ranks of single queries are read.

    Raises:
        UsageError: There are no tables of this paper.
        DataError: A result cannot be read.
    """
    from geoglot.engine.paper_tables import tables_of

    return tables_of(paper, Path(results), None if run is None else Path(run))


def _load(model: str | Path) -> Encoder:
    from geoglot.models.bundle import load_bundle

    return load_bundle(model)


def _leaks(path: str | Path | None, data: str, split: str) -> Leaks | None:
    """What was found by ``geoglot data leaks``, once it is known to be about this split: before anything is encoded."""
    if path is None:
        return None
    leaks = read_leaks(path)
    leaks.leaking(data, split)
    return leaks


def _evaluated(path: Path, leaks: Leaks | None, ties: Ties, resamples: int, seed: int) -> dict[str, Any]:
    """The record of saved predictions, with clean figures where leaks are known."""
    if leaks is None:
        return evaluate_retrieval_file(path, ties=ties, resamples=resamples, seed=seed)
    return evaluate_clean(load_predictions(path), leaks, ties=ties, resamples=resamples, seed=seed)
