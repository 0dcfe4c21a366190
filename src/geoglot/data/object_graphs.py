"""Graphs of detected objects, one per image, as a detector's owner hands them over.

One ``.npz`` file with three arrays: ``names`` (text, (N,), file names of images), ``nodes`` (float, (N, K, F), what
each of K object categories is like in the image) and ``adjacency`` (float, (N, K, K), how the categories are joined).
Nothing in it is unpickled.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError, GeoglotError
from geoglot.metrics.scores import refuse_non_finite

ARRAYS = ("names", "nodes", "adjacency")


@dataclass(frozen=True, kw_only=True, eq=False)
class ObjectGraphs:
    """Graphs by image name.

    Attributes:
        rows: Position of each image in the arrays.
        nodes: (N, K, F) float32.
        adjacency: (N, K, K) float32.
    """

    rows: dict[str, int]
    nodes: NDArray[np.float32]
    adjacency: NDArray[np.float32]

    def of(self, names: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Nodes and adjacency of those images, in their order. -> (B, K, F), (B, K, K).

        Raises:
            DataError: An image has no graph.
        """
        missing = [name for name in names if name not in self.rows]
        if missing:
            cause = f"has no object graph, as {len(missing)} of {len(names)} images"
            raise DataError(missing[0], cause=cause, remedy="run the detector on every image of the set")
        rows = [self.rows[name] for name in names]
        return self.nodes[rows], self.adjacency[rows]


def read_object_graphs(path: Path, *, nodes: int = 20) -> ObjectGraphs:
    """The graphs of a ``.npz`` file.

    Args:
        path: The file.
        nodes: K and F that the method is made for.

    Raises:
        DataError: The file is absent, no ``.npz``, without one of its arrays, of another shape, with a name twice, or
            with numbers that are not finite.
    """
    arrays = _arrays(path)
    count = len(arrays["names"])
    for name in ("nodes", "adjacency"):
        if arrays[name].shape != (count, nodes, nodes):
            cause = f"holds {name} of shape {arrays[name].shape}, not {(count, nodes, nodes)}"
            raise DataError(path, cause=cause, remedy=f"write {nodes} categories with {nodes} numbers each per image")
        try:
            refuse_non_finite(arrays[name], name)
        except GeoglotError as error:
            raise DataError(path, cause=f"holds {error.subject}, which {error.cause}", remedy=error.remedy) from error
    listed = [str(name) for name in arrays["names"].tolist()]
    rows = {name: row for row, name in enumerate(listed)}
    if len(rows) < count:
        twice = next(name for row, name in enumerate(listed) if rows[name] != row)
        raise DataError(path, cause=f"names {twice} twice", remedy="write every image once")
    return ObjectGraphs(
        rows=rows, nodes=arrays["nodes"].astype(np.float32), adjacency=arrays["adjacency"].astype(np.float32)
    )


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        # Opened here: a file that is no archive would stay open in NumPy's hands.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in ARRAYS}
    except FileNotFoundError as error:
        raise DataError(
            path, cause="does not exist", remedy="give the file that the detector's graphs are in"
        ) from error
    except KeyError as error:
        missing = [name for name in ARRAYS if name not in _names(path)]
        cause = f"holds no array {missing[0]}"
        raise DataError(path, cause=cause, remedy=f"write {', '.join(ARRAYS)}") from error
    except (ValueError, OSError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        remedy = "write numpy.savez(path, names=..., nodes=..., adjacency=...) without Python objects"
        raise DataError(path, cause="is no .npz file of plain arrays", remedy=remedy) from error


def _names(path: Path) -> list[str]:
    with np.load(path, allow_pickle=False) as archive:
        return list(archive.files)
