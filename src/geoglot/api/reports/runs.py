"""What pages of all tasks read from run folders: records, curves, and names of runs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from geoglot.core.errors import DataError, UsageError

REMEDY: Final = "train the run again, or give another"


def run_names(folders: Sequence[Path]) -> list[str]:
    """A name of its own for every run: of folders that are called the same, with the folder they lie in.

    Raises:
        UsageError: A folder is named twice.

    Example:
        >>> run_names([Path("/a/dyad"), Path("/b/dyad"), Path("/b/hog")])
        ['a/dyad', 'b/dyad', 'hog']
    """
    places = [folder.resolve() for folder in folders]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise UsageError(folders[number], cause="is named twice", remedy="name every run once")
    names = [place.name for place in places]
    return [
        name if names.count(name) == 1 else f"{place.parent.name}/{name}"
        for name, place in zip(names, places, strict=True)
    ]


def read_record(path: Path, *, needed: bool) -> Mapping[str, Any]:
    """A JSON record of a run folder; empty where it is missing and not needed.

    Raises:
        DataError: It is damaged, or missing and needed.
    """
    if not path.is_file():
        if needed:
            raise DataError(path.parent, cause=f"is not a finished run: it has no {path.name}", remedy=REMEDY)
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(path, cause=f"cannot be read ({type(error).__name__})", remedy=REMEDY) from error
    if not isinstance(values, dict):
        raise DataError(path, cause="holds no record", remedy=REMEDY)
    return values


def without_folders(value: Any) -> Any:
    """Paths of the machine as their last names, in settings too."""
    if isinstance(value, str):
        return Path(value).name if "/" in value else value
    if isinstance(value, dict):
        return {name: without_folders(one) for name, one in value.items()}
    return [without_folders(one) for one in value] if isinstance(value, list) else value


def points(found: Iterable[tuple[int, Any]]) -> tuple[tuple[int, float], ...]:
    """Epochs and values in the order of the epochs; an epoch that was trained twice counts as it was at last.

    Args:
        found: Epochs and values, ``None`` where an epoch has none.

    Raises:
        ValueError: A value is not finite.

    Example:
        >>> points([(2, 0.5), (1, 3), (3, None), (2, 0.25)])
        ((1, 3.0), (2, 0.25))
    """
    values = {epoch: float(value) for epoch, value in found if value is not None}
    if not all(map(math.isfinite, values.values())):
        raise ValueError("a value that is no number")
    return tuple(sorted(values.items()))
