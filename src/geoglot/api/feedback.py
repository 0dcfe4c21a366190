"""Relevance feedback: tiles marked right or wrong turn a query, by a small linear model over their vectors.

Marked vectors are taken relative to the archive's mean vector, so that what all its places have in common says
nothing. A ridge regression with the marks as targets (+1 right, -1 wrong; both kinds weigh alike together) gives a
direction; the query moves along it, further the more marks there are. With few marks and a strong ridge nothing is
overturned by one slip of the hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from geoglot.api.query import combine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RIDGE: Final = 1.0
"""Strength of the ridge, in units of one marked vector of length one."""
HALF_TRUST: Final = 3
"""After so many marks they count half as much as the query; after many, as much."""


def turned(
    query: NDArray[np.float32],
    right: NDArray[np.float32],
    wrong: NDArray[np.float32],
    middle: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The query after feedback.

    Args:
        query: (D,) float32 unit vector.
        right: (R, D) float32 unit rows of tiles that show what is wanted; may be empty.
        wrong: (W, D) float32 unit rows of tiles that do not; may be empty.
        middle: (D,) float32, the mean vector of the archive.

    Returns:
        (D,) float32 of length one; the query itself where nothing is marked, or the marks say nothing.

    Example:
        >>> import numpy as np
        >>> query, right = np.array([1.0, 0.0], np.float32), np.array([[0.6, 0.8]], np.float32)
        >>> none = np.zeros((0, 2), np.float32)
        >>> moved = turned(query, right, none, np.zeros(2, np.float32))
        >>> bool(moved @ right[0] > query @ right[0])
        True
    """
    import numpy as np

    direction = _direction(right, wrong, middle)
    if direction is None:
        return query
    marks = len(right) + len(wrong)
    return combine(np.stack([query, direction]), [1.0, marks / (marks + HALF_TRUST)])


def _direction(
    right: NDArray[np.float32], wrong: NDArray[np.float32], middle: NDArray[np.float32]
) -> NDArray[np.float32] | None:
    """The ridge regression's unit normal, or ``None`` where there is none."""
    import numpy as np

    rows = np.concatenate([right, wrong]).astype(np.float64) - middle
    if not len(rows):
        return None
    targets = np.concatenate([np.ones(len(right)), -np.ones(len(wrong))])
    # Each kind weighs as one together: ten wrong marks do not drown a right one.
    weight = np.concatenate([np.full(len(some), 1.0 / len(some)) if len(some) else [] for some in (right, wrong)])
    # The dual form: as many unknowns as marks, few. d = X' a with (X X' + RIDGE C^-1) a = y.
    solved = np.linalg.solve(rows @ rows.T + RIDGE * np.diag(1.0 / weight), targets)
    direction = solved @ rows
    length = float(np.linalg.norm(direction))
    return None if length < 1e-9 else np.asarray(direction / length, dtype=np.float32)
