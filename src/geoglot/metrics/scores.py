"""Score matrices: blocks of rows on demand, and the refusal of numbers that cannot be ranked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import GeoglotError


class ScoreRows(Protocol):
    """A score matrix that is asked for blocks of rows: a NumPy array, or :class:`CosineScores`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(queries, items)."""

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        """The block of those rows, (rows, items)."""


@dataclass(frozen=True, eq=False)
class CosineScores:
    """Dot products of rows, computed block by block when asked for.

    Products are formed in double precision and rounded to float32. Without this, the last bit of a dot product
    depends on its place in the matrix (how the linear algebra library blocks its loops), and equal pairs would
    stop being equal: ties would be broken by rounding noise, and a chunked run would differ from a whole one.

    Args:
        queries: Unit rows, float, (Q, D).
        items: Unit rows, float, (N, D).

    Raises:
        GeoglotError: A vector holds NaN or infinity, or the shapes do not fit.

    Example:
        >>> scores = CosineScores(np.eye(2), np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]))
        >>> scores.shape, scores[slice(0, 1)].tolist()
        ((2, 3), [[1.0, 0.0, 0.6000000238418579]])
    """

    queries: NDArray[Any]
    items: NDArray[Any]

    def __post_init__(self) -> None:
        if self.queries.ndim != 2 or self.items.ndim != 2 or self.queries.shape[1] != self.items.shape[1]:
            raise GeoglotError(
                "embeddings",
                cause=f"have shapes {self.queries.shape} and {self.items.shape}, not (Q, D) and (N, D)",
                remedy="encode both with the same model",
            )
        refuse_non_finite(self.queries, "query vectors")
        refuse_non_finite(self.items, "item vectors")
        for name in ("queries", "items"):  # converted once, not for every block
            object.__setattr__(self, name, getattr(self, name).astype(np.float64))

    @property
    def shape(self) -> tuple[int, ...]:
        """(Q, N)."""
        return len(self.queries), len(self.items)

    @property
    def T(self) -> CosineScores:  # noqa: N802 (the name NumPy uses)
        """The same scores with queries and items exchanged."""
        return CosineScores(self.items, self.queries)

    def __getitem__(self, rows: slice, /) -> NDArray[np.float32]:
        block: NDArray[np.float64] = self.queries[rows] @ self.items.T
        return block.astype(np.float32)


def refuse_non_finite(values: NDArray[Any], subject: str, *, first_row: int = 0) -> None:
    """Raise an error that names the first NaN or infinite cell, if there is one.

    Args:
        values: Numbers of any shape.
        subject: What the message calls them.
        first_row: Added to the row index in the message, for a block of a larger array.

    Raises:
        GeoglotError: Some value is not finite, or the values are no real numbers.

    Example:
        >>> refuse_non_finite(np.array([[0.0, 1.0], [np.nan, 2.0]]), "scores")
        Traceback (most recent call last):
        geoglot.core.errors.GeoglotError: scores[1, 0]: is nan. Remedy: look for a failed encoder or a division by zero.
    """
    if values.dtype.kind not in "fiu":
        raise GeoglotError(subject, cause=f"are {values.dtype}, not real numbers", remedy="pass floats or integers")
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return
    cell = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
    named = ", ".join(str(i) for i in (cell[0] + first_row, *cell[1:]))
    raise GeoglotError(
        f"{subject}[{named}]", cause=f"is {values[cell]}", remedy="look for a failed encoder or a division by zero"
    )
