"""Whether an archive can tell that it does not have what was asked for.

Every scene class is asked for twice: in the whole gallery, and in the gallery without the images of this class. The
decision under test gives one number per query and gallery; it separates the two cases well if the numbers of the
first are above those of the second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import GeoglotError, UsageError
from geoglot.engine.saved_predictions import Predictions
from geoglot.metrics.intervals import percentile_interval
from geoglot.metrics.precision import auc, mean_average_precision
from geoglot.metrics.scores import refuse_non_finite

Decision = Callable[[NDArray[np.float32], NDArray[np.float32]], float]
Expansion = Callable[[NDArray[np.float32]], NDArray[np.float32]]
DECIMALS = 4


@dataclass(frozen=True, kw_only=True)
class PresenceTrial:
    """One phrase, asked with its class in the gallery and with it taken out.

    Attributes:
        category: The class asked for.
        phrase: Which of its phrases, from 0.
        present: Decision value with the class in the gallery.
        absent: Decision value without it.
    """

    category: str
    phrase: int
    present: float
    absent: float


def presence_trials(
    gallery: NDArray[np.float32],
    categories: Sequence[str],
    queries: Mapping[str, NDArray[np.float32]],
    confidence: Decision,
    *,
    removed_with: Mapping[str, Sequence[str]] | None = None,
) -> list[PresenceTrial]:
    """Ask for every class, with it and without it.

    Args:
        gallery: float32 unit rows, (N, D).
        categories: Class of every row, (N,); no empty ones.
        queries: Per class float32 unit rows, (P, D): its phrases. Classes without images are left out.
        confidence: From (query (D,), gallery rows (M, D)) to a number, higher for "it is there".
        removed_with: Further classes that are taken out together with a class, because they show the same thing.

    Raises:
        GeoglotError: An image has no class, a vector or a decision value is not finite, no class can be asked for,
            or nothing would be left in the gallery.

    Example:
        >>> gallery = np.eye(3, dtype=np.float32)
        >>> best = lambda query, rows: float((rows @ query).max())
        >>> presence_trials(gallery, ["a", "b", "c"], {"a": gallery[:1]}, best)
        [PresenceTrial(category='a', phrase=0, present=1.0, absent=0.0)]
    """
    refuse_non_finite(gallery, "image vectors")
    of_image = np.array(categories, dtype=np.str_)
    if of_image.shape != (len(gallery),) or (of_image == "").any():
        cause = "do not name a class for every image"
        raise GeoglotError("categories", cause=cause, remedy="use a dataset layout that tells the classes")
    trials = []
    for category, phrases in queries.items():
        if not (of_image == category).any():
            continue
        refuse_non_finite(phrases, f"phrase vectors of {category}")
        gone = [category, *(removed_with or {}).get(category, ())]
        rest = gallery[~np.isin(of_image, gone)]
        if len(rest) == 0:
            raise GeoglotError(category, cause="is the whole gallery", remedy="take at least two classes")
        for number, query in enumerate(phrases):
            values = float(confidence(query, gallery)), float(confidence(query, rest))
            if not np.isfinite(values).all():
                cause = f"gives the decision values {values}"
                raise GeoglotError(f"{category}, phrase {number}", cause=cause, remedy="check the decision function")
            trials.append(PresenceTrial(category=category, phrase=number, present=values[0], absent=values[1]))
    if not trials:
        raise GeoglotError("queries", cause="name no class of the gallery", remedy="check the class names")
    return trials


def presence_figures(
    trials: Sequence[PresenceTrial], *, likely_at: float, resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """How well one threshold separates the two cases.

    A query is answered "likely" where its value is at least ``likely_at``, else "no likely match". The AUC compares
    all present values with all absent ones, across classes, because one threshold serves all queries. Its interval
    resamples classes, each with all its phrases and both its values.

    Args:
        trials: From :func:`presence_trials`.
        likely_at: The threshold; to be chosen on another split than the one reported.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Example:
        >>> values = [("a", 3, 1), ("b", 2, 2)]
        >>> trials = [PresenceTrial(category=c, phrase=0, present=p, absent=a) for c, p, a in values]
        >>> figures = presence_figures(trials, likely_at=2)
        >>> figures["auc"]["value"], figures["absent_called_likely_percent"], figures["present_called_absent_percent"]
        (0.875, 50.0, 0.0)
    """
    if not trials or resamples < 1:
        raise UsageError(
            "trials", cause="are empty, or never resampled", remedy="pass trials and at least one resample"
        )
    present = np.array([trial.present for trial in trials])
    absent = np.array([trial.absent for trial in trials])
    names = sorted({trial.category for trial in trials})
    rows_of = [np.flatnonzero([trial.category == name for trial in trials]) for name in names]
    generator = np.random.default_rng(seed)
    resampled = []
    for _ in range(resamples):
        rows = np.concatenate([rows_of[i] for i in generator.integers(0, len(names), len(names))])
        resampled.append(auc(present[rows], absent[rows]))
    return {
        "classes": len(names),
        "queries": len(trials),
        "auc": {
            "value": round(auc(present, absent), DECIMALS),
            "interval": [round(bound, DECIMALS) for bound in percentile_interval(resampled)],
        },
        "absent_called_likely_percent": round(100 * float(np.mean(absent >= likely_at)), DECIMALS),
        "present_called_absent_percent": round(100 * float(np.mean(present < likely_at)), DECIMALS),
        "trials": [
            {
                "category": trial.category,
                "phrase": trial.phrase,
                "present": round(trial.present, 6),
                "absent": round(trial.absent, 6),
            }
            for trial in trials
        ],
    }


def evaluate_presence(
    predictions: Predictions,
    confidence: Decision,
    *,
    likely_at: float,
    decision: str,
    expansion: Expansion | None = None,
    removed_with: Mapping[str, Sequence[str]] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """The experiment on saved predictions, per language; a record for ``results/confidence/``.

    Beside the decision it tells how well the phrases rank the images of their classes (mean average precision), as
    they are asked and, where they are expanded first, plain.

    Args:
        predictions: With image categories and phrase vectors.
        confidence: The decision under test.
        likely_at: Its threshold.
        decision: What the decision is, in words, for the record.
        expansion: What a search does with the vectors of questions first, (P, D) -> (P, D).
        removed_with: As for :func:`presence_trials`; written into the record.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        GeoglotError: As :func:`presence_trials`, or the predictions hold no phrases.
    """
    header = predictions.header
    languages = {}
    for language, vectors in predictions.phrases.items():
        plain = dict(zip(predictions.phrase_categories, vectors, strict=True))
        asked = plain if expansion is None else {name: expansion(phrases) for name, phrases in plain.items()}
        gallery, categories = predictions.image_vectors, predictions.image_categories
        trials = presence_trials(gallery, categories, asked, confidence, removed_with=removed_with)
        languages[language] = {
            **presence_figures(trials, likely_at=likely_at, resamples=resamples, seed=seed),
            "mean_average_precision": round(phrase_precision(gallery, categories, asked), DECIMALS),
        }
        if expansion is not None:
            found = round(phrase_precision(gallery, categories, plain), DECIMALS)
            languages[language]["mean_average_precision_without_expansion"] = found
    if not languages:
        remedy = "write phrases for its classes in geoglot.data.category_phrases"
        raise GeoglotError(header["dataset"], cause="has no query phrases", remedy=remedy)
    return {
        "task": "confidence",
        "model": dict(header["model"]),
        "dataset": header["dataset"],
        "languages": languages,
        "protocol": {
            "split": header["split"],
            "images": len(predictions.image_vectors),
            "image_side": header["image_side"],
            "decision": decision,
            "questions": "plain" if expansion is None else "moved towards known sentences that say nearly the same",
            "likely_at": likely_at,
            "removed_with": {name: sorted(others) for name, others in (removed_with or {}).items()},
            "auc": "all present values against all absent ones, equal values count one half",
            "interval": {"method": "percentile bootstrap over classes", "level": 0.95, "resamples": resamples},
            "seeds": {"bootstrap": seed},
        },
        "environment": header["environment"],
        "dates": {"predicted": header["date"], "evaluated": datetime.now(UTC).strftime("%Y-%m-%d")},
    }


def phrase_precision(
    gallery: NDArray[np.float32], categories: Sequence[str], queries: Mapping[str, NDArray[np.float32]]
) -> float:
    """Mean average precision of phrases that ask for the images of their class, in [0, 1].

    Args:
        gallery: float32 unit rows, (N, D).
        categories: Class of every row, (N,).
        queries: Per class float32 unit rows, (P, D); classes without images are left out.

    Example:
        >>> gallery = np.eye(3, dtype=np.float32)
        >>> phrase_precision(gallery, ["a", "b", "a"], {"a": gallery[:1]})  # a at places 1 and 3: (1/1 + 2/3) / 2
        0.8333333333333333
    """
    of_image = np.array(categories, dtype=np.str_)
    rankings = [
        (of_image == category)[np.argsort(-(gallery @ query), kind="stable")]
        for category, phrases in queries.items()
        if (of_image == category).any()
        for query in phrases
    ]
    return mean_average_precision(rankings)


def twins(groups: Sequence[frozenset[str]]) -> dict[str, tuple[str, ...]]:
    """For ``removed_with``: every class of a group is taken out together with the others of its group.

    Example:
        >>> twins([frozenset({"playground", "playfields"})])["playground"]
        ('playfields',)
    """
    return {name: tuple(sorted(group - {name})) for group in groups for name in sorted(group)}
