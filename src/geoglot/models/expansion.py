"""Query expansion: a question is moved towards the known sentences that say nearly the same.

A question is a few words, the model learnt from whole captions: "an airport" lies at the edge of what airports were
called in training. The mean of the sentences around it lies in the middle. Average query expansion (Chum et al.,
"Total Recall", ICCV 2007) does this with pictures that were found; here the neighbours are sentences that the bundle
carries, so the answer never depends on what an archive holds. A question without such neighbours stays as it is.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

ALIKE: Final = 0.8
"""Cosine from which a known sentence says nearly the same."""
NEAREST: Final = 20
"""How many known sentences count at most."""
SHARE: Final = 0.5
"""Weight of their mean beside the question itself."""


def expanded(queries: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each question plus :data:`SHARE` times the mean of its nearest known sentences, of length one.

    The constants were chosen on validation images: there questions by the names of classes gained, and whole captions
    lost nothing.

    Args:
        queries: (N, D) unit rows.
        known: (M, D) unit rows, M may be 0.

    Returns:
        (N, D) float32 unit rows; rows without a known sentence of cosine :data:`ALIKE` are the same as before.

    Example:
        >>> known = np.array([[0.8, 0.6], [-1.0, 0.0]], dtype=np.float32)
        >>> expanded(np.array([[1.0, 0.0], [0.0, -1.0]], dtype=np.float32), known).round(3)  # (1.4, 0.3) / 1.432
        array([[ 0.978,  0.21 ],
               [ 0.   , -1.   ]], dtype=float32)
    """
    if not len(known) or not len(queries):
        return queries
    likeness = queries @ known.T
    fewest = np.partition(likeness, -min(NEAREST, len(known)), axis=1)[:, -min(NEAREST, len(known)), None]
    near = (likeness >= np.maximum(fewest, ALIKE)).astype(np.float32)
    count = near.sum(axis=1, keepdims=True)
    moved = queries + SHARE * (near @ known) / np.maximum(count, 1)
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    return np.where(count > 0, moved, queries)
