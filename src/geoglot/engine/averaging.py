"""The mean of several runs' weights, which often generalises better than any of them (Wortsman et al. 2022, ICML).

The runs must share a history (one started from the other's weights): unrelated runs have unrelated hidden units. Heads
that only training uses (``TRAINING_ONLY`` of the method) fit the data of one run, and are the last run's.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from geoglot.core import registry
from geoglot.core.errors import DataError
from geoglot.engine import checkpoint
from geoglot.engine.composition import PACKAGE

_CHECKPOINT = "checkpoint.safetensors"


def average_runs(runs: Sequence[Path], out: Path) -> Path:
    """Write a run folder whose weights are the mean of other runs'; recipe and tokenizer are the last one's.

    Args:
        runs: Folders of finished runs of one method, at least one.
        out: Folder to write.

    Returns:
        ``out``, which ``geoglot export`` and ``geoglot evaluate --run`` take as any run.

    Raises:
        DataError: A run has no checkpoint, or another set of tensors or shapes than the first.
    """
    every = [checkpoint.load(run / _CHECKPOINT) for run in runs]
    heads = _training_only(runs[-1])
    kept = {name: tensor for name, tensor in every[-1].items() if name.startswith(heads)}
    every = [{n: t for n, t in tensors.items() if not n.startswith(heads)} for tensors in every]
    first = every[0]
    for run, tensors in zip(runs, every, strict=True):
        unlike = [name for name in first.keys() | tensors.keys() if _shape(first, name) != _shape(tensors, name)]
        if unlike:
            cause = f"does not fit {runs[0]} ({sorted(unlike)[0]})"
            raise DataError(run, cause=cause, remedy="average runs of one method and one set of data")
    out.mkdir(parents=True, exist_ok=True)
    for file in sorted(runs[-1].iterdir()):
        if file.is_file() and file.name not in (_CHECKPOINT, "state.safetensors", "metrics.jsonl"):
            shutil.copyfile(file, out / file.name)
    mean = {
        name: torch.stack([tensors[name] for tensors in every]).mean(0) if tensor.is_floating_point() else tensor
        for name, tensor in first.items()
    }
    checkpoint.save({**mean, **kept}, out / _CHECKPOINT, metadata={"mean_of": ", ".join(run.name for run in runs)})
    return out


def _training_only(run: Path) -> tuple[str, ...]:
    """Beginnings of the names of tensors that a trained model does not need."""
    recipe = run / "recipe.json"
    if not recipe.is_file():
        return ()
    method = json.loads(recipe.read_text(encoding="utf-8")).get("method")
    if method not in registry.names(PACKAGE):  # a run of another task
        return ()
    return tuple(getattr(registry.load(PACKAGE, method), "TRAINING_ONLY", ()))


def _shape(tensors: Mapping[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(tensors[name].shape) if name in tensors else None
