"""The folder of a training run: its files, and what one may take from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from torch import nn

from geoglot.core.errors import DataError, UsageError
from geoglot.engine import checkpoint

RECIPE: Final = "recipe.json"
CONFIG: Final = "config.json"
ENVIRONMENT: Final = "env.json"
METRICS: Final = "metrics.jsonl"
STATE: Final = "state.safetensors"
CHECKPOINT: Final = "checkpoint.safetensors"
SUMMARY: Final = "summary.json"


def finished(folder: Path, is_same: Callable[[], bool], *, resume: bool) -> bool:
    """Whether a folder holds a finished run of the recipe at hand.

    Args:
        folder: The run's.
        is_same: Whether the recipe in the folder is the one at hand; asked only where a run was begun.
        resume: Whether to go on where an earlier call stopped.

    Raises:
        UsageError: It holds another recipe's run, or one that was begun and `resume` was not asked for.
    """
    begun = [name for name in (SUMMARY, STATE) if (folder / name).is_file()]
    if not begun:
        return False
    if not resume:
        raise UsageError(folder, cause="already holds a run", remedy="add --resume, or choose another --out")
    if not is_same():
        raise UsageError(folder, cause="holds the run of another recipe", remedy="choose another --out")
    return SUMMARY in begun


def read_fields(path: Path, folder: Path) -> dict[str, Any]:
    """A JSON record of a run.

    Raises:
        DataError: The file is absent or damaged.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(folder, cause="is not a training run", remedy="give the folder of a run") from error
    if not isinstance(fields, dict):
        raise DataError(path, cause="is damaged", remedy="train again")
    return fields


def read_summary(folder: Path) -> dict[str, Any]:
    """What a run says about itself; empty while it is not finished.

    Raises:
        DataError: The file is damaged.
    """
    return read_fields(folder / SUMMARY, folder) if (folder / SUMMARY).is_file() else {}


def load_checkpoint(model: nn.Module, folder: Path) -> None:
    """Give a model the weights of a run's best epoch so far.

    Raises:
        DataError: There are none yet, or they do not fit.
    """
    if not (folder / CHECKPOINT).is_file():
        raise DataError(folder, cause="has no weights yet", remedy="wait for its first epoch")
    try:
        model.load_state_dict(checkpoint.load(folder / CHECKPOINT))
    except RuntimeError as error:
        cause = f"does not fit its method ({str(error).strip().splitlines()[-1].strip()})"
        raise DataError(folder, cause=cause, remedy="train again") from error


def keep_lines(path: Path, is_kept: Callable[[dict[str, Any]], bool]) -> None:
    """Take out of a log what lies beyond the state that a run goes on from.

    Args:
        path: JSON Lines; an absent file becomes an empty one.
        is_kept: Whether a record stays. What follows a line that was cut off when a process died goes as well.
    """
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            record = json.loads(line)
        except ValueError:
            break
        if is_kept(record):
            kept.append(line + "\n")
    path.write_text("".join(kept), encoding="utf-8")


def append_line(path: Path, record: dict[str, Any]) -> None:
    """Add a record to a log of JSON Lines."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(record, sort_keys=True) + "\n")
