"""From words on the command line to a hashing run: recipe, features from a cache, training, evaluation."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from geoglot.core import registry
from geoglot.core.errors import DataError, UsageError
from geoglot.data.captioned import load_dataset
from geoglot.engine.hashing.data import CAPTIONS_PER_IMAGE, FeatureSet, Floats, load_features
from geoglot.engine.hashing.evaluation import evaluate_runs, write_hashing_result
from geoglot.engine.hashing.features import run_features
from geoglot.engine.hashing.training import PACKAGE, HashingRecipe, train_hasher


def hashing_recipe(method: str, dataset: str, changes: Mapping[str, Any]) -> HashingRecipe:
    """A method's published training on a dataset, after changes.

    Args:
        method: File name under ``geoglot.methods.hashing``.
        dataset: Name of a captioned dataset.
        changes: Fields of :class:`HashingRecipe` that differ; ``config`` changes the fields named in it alone.

    Raises:
        UsageError: There is no such method, or a field is unknown.

    Example:
        >>> recipe = hashing_recipe("chnr", "ucm", {"epochs": 20, "config": {"bits": 16}})
        >>> recipe.epochs, recipe.clean_share, recipe.adversary_decoupled, recipe.config
        (20, 0.3, True, {'bits': 16})
    """
    module = registry.load(PACKAGE, method)
    chosen = {**module.RECIPE_DEFAULTS, **changes, "method": method, "dataset": dataset}
    if isinstance(chosen.get("clean_share"), Mapping):
        shares = chosen["clean_share"]
        chosen["clean_share"] = shares.get(dataset, min(shares.values()))
    _refuse_unknown(chosen, HashingRecipe, "recipe")
    _refuse_unknown(chosen.get("config", {}), module.Config, f"method {method}")
    return HashingRecipe(**chosen)


def _refuse_unknown(given: Mapping[str, Any], kind: Any, subject: str) -> None:
    known = [field.name for field in fields(kind)]
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        cause = f"has no setting {unknown!r}"
        raise UsageError(subject, cause=cause, remedy=f"choose from {', '.join(known)}")


def dataset_features(
    dataset: str, *, run: Path, data_root: Path | None = None, cache: Path | None = None, side: int = 144
) -> FeatureSet:
    """Frozen features of a dataset from a run's two towers, made once and kept.

    Args:
        dataset: Name of a captioned dataset.
        run: Folder of a finished geoglot-compact training.
        data_root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.
        cache: Folder that keeps features; ``None`` makes them anew.
        side: Side in pixels at which images are encoded.

    Raises:
        DataError: The run or the dataset is absent.
    """
    if cache is None:
        return run_features(run, dataset, data_root=data_root, side=side)
    weights = run / "checkpoint.safetensors"
    if not weights.is_file():
        raise DataError(run, cause="is not a finished run", remedy="give the folder that 'geoglot train' wrote")
    key = hashlib.sha256(weights.read_bytes()).hexdigest()[:12]
    path = cache / f"hashing-{dataset}-{side}-{key}.npz"
    if not path.is_file():
        run_features(run, dataset, data_root=data_root, side=side).save(path)
    return load_features(path)


def own_features(
    dataset: str,
    images: Path,
    texts: Path,
    *,
    image_views: Path | None = None,
    data_root: Path | None = None,
    trained_on: str = "unknown",
) -> FeatureSet:
    """Features that the user brings, such as ImageNet and BERT ones, with the classes and splits of a dataset.

    Rows follow the dataset's splits one after the other (train, val, test), each in its listing's order.

    Args:
        dataset: Name of a captioned dataset.
        images: ``.npy`` of shape (N, D_image).
        texts: ``.npy`` of shape (N, 5, D_text), or (5 N, D_text) with the captions of an image in a row.
        image_views: ``.npy`` of shape (N, D_image); the images themselves where there is none.
        data_root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.
        trained_on: Comma-separated names such as ``rsicd train``, or ``nothing here``; goes into the record.

    Raises:
        DataError: A file is absent, damaged, or of another shape than the dataset asks for.
    """
    source = load_dataset(dataset)
    records = [record for split in source.SPLITS for record in source.records(split, data_root)]
    names = sorted({str(record.category) for record in records})
    count = len(records)
    vectors = _array(images, (count,))
    captions = _array(texts, (count, CAPTIONS_PER_IMAGE), flat=True)
    return FeatureSet(
        dataset=dataset,
        source={"image": images.name, "text": texts.name, "trained on": trained_on},
        splits=np.array([record.split for record in records]),
        categories=np.array([names.index(str(record.category)) for record in records]),
        category_names=tuple(names),
        images=vectors,
        image_views=vectors if image_views is None else _array(image_views, (count,)),
        sentences={"en": captions},
        sentence_of_caption=np.arange(count * CAPTIONS_PER_IMAGE).reshape(count, CAPTIONS_PER_IMAGE),
    )


def _array(path: Path, rows: tuple[int, ...], *, flat: bool = False) -> Floats:
    """A real array of shape (*rows, D), as (rows, D); with ``flat``, the rows may already be one axis."""
    try:
        with path.open("rb") as stream:
            array = np.load(stream, allow_pickle=False)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        remedy = "give a .npy file of real numbers"
        raise DataError(path, cause=f"cannot be read ({error})", remedy=remedy) from error
    if not isinstance(array, np.ndarray):
        raise DataError(path, cause="holds several arrays", remedy="give a .npy file of one array")
    total = int(np.prod(rows))
    fitting = array.shape[:-1] == rows or (flat and array.shape[:-1] == (total,))
    if not fitting or not np.issubdtype(array.dtype, np.floating):
        cause = f"is {array.dtype} of shape {array.shape}"
        raise DataError(path, cause=cause, remedy=f"give real numbers of shape ({', '.join(map(str, rows))}, width)")
    return np.ascontiguousarray(array.reshape(total, -1), dtype=np.float32)


def train_hashing(
    method: str,
    features: FeatureSet,
    changes: Mapping[str, Any],
    folder: Path,
    *,
    bits: int | None = None,
    log: Callable[[dict[str, Any]], None] = lambda _: None,
) -> Path:
    """Train a hashing method on features by its published recipe, after changes. Returns the run's folder.

    Raises:
        UsageError: There is no such method, a setting is unknown, or the folder holds a run.
    """
    recipe = hashing_recipe(method, features.dataset, changes)
    if bits is not None:
        recipe = dataclasses.replace(recipe, config={**recipe.config, "bits": bits})
    return train_hasher(recipe, features, folder, log=log)


def evaluate_hashing(runs: Sequence[Path], results: Path | None = None) -> tuple[dict[str, Any], Path | None]:
    """The record of runs of one method on one dataset, and the result file where a folder is given.

    Raises:
        UsageError: No run, or runs that do not belong together.
        DataError: A folder is no finished run of a hashing method.
    """
    record = evaluate_runs(runs)
    return record, write_hashing_result(record, results) if results is not None else None
