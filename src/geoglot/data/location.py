"""Where benchmark datasets lie: one folder with one folder per dataset inside."""

from __future__ import annotations

import os
from pathlib import Path

from geoglot.core.errors import DataError

VARIABLE = "GEOGLOT_DATA"


def data_root(root: str | Path | None = None) -> Path:
    """The folder that holds the datasets: the argument, else the variable ``GEOGLOT_DATA``.

    Raises:
        DataError: Neither is given, or the folder does not exist.

    Example:
        >>> data_root("/no/such/folder")
        Traceback (most recent call last):
        geoglot.core.errors.DataError: /no/such/folder: is not a folder. Remedy: give the folder that holds one folder\
 per dataset, with --data-root or the variable GEOGLOT_DATA.
    """
    remedy = f"give the folder that holds one folder per dataset, with --data-root or the variable {VARIABLE}"
    named = root if root is not None else os.environ.get(VARIABLE)
    if not named:
        raise DataError("data folder", cause="is not given", remedy=remedy)
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise DataError(named, cause="is not a folder", remedy=remedy)
    return folder


def dataset_folder(name: str, root: str | Path | None, *, expected: str) -> Path:
    """The folder of one dataset.

    Args:
        name: The dataset's folder name, e.g. ``rsicd``.
        root: As for :func:`data_root`.
        expected: What should lie there, for the error message.

    Raises:
        DataError: The folder is absent.
    """
    folder = data_root(root) / name
    if not folder.is_dir():
        raise DataError(folder, cause="is absent", remedy=f"put the dataset there: {expected}")
    return folder
