"""How the scores of one question are spread over what it looked at: a histogram, and where the bands begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from geoglot.core.records import Band, Hit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BINS: Final = 40


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Scores of the tiles that pass a question's filters.

    Attributes:
        edges: Ends of the bins, one more than counts, ascending.
        counts: Tiles in each bin; estimated where not all were looked at.
        total: Tiles that pass the filters.
        exact: Whether every one of them was counted.
        likely: Least score of a hit that is likely; ``None`` where none is.
        uncertain: Least score of a hit that is likely or uncertain; ``None`` where none is.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    total: int
    exact: bool
    likely: float | None = None
    uncertain: float | None = None

    def as_record(self) -> dict[str, Any]:
        """The spread as JSON-ready values."""
        return {
            "edges": [round(edge, 6) for edge in self.edges],
            "counts": list(self.counts),
            "total": self.total,
            "exact": self.exact,
            "likely": self.likely,
            "uncertain": self.uncertain,
        }


def spread_of(scores: NDArray[np.float32], total: int, hits: Sequence[Hit]) -> Spread:
    """The spread of some scores, with the hits' own at its upper end.

    Args:
        scores: (M,) float32, of all or an even sample of the tiles that pass.
        total: How many pass.
        hits: Judged hits of the same question.

    Example:
        >>> import numpy as np
        >>> found = spread_of(np.array([0.0, 0.5, 1.0], np.float32), 6, ())
        >>> sum(found.counts), found.exact, len(found.edges)
        (6, False, 41)
    """
    import numpy as np

    least = {
        name: min((hit.score for hit in hits if hit.band in bands), default=None)
        for name, bands in (("likely", (Band.LIKELY,)), ("uncertain", (Band.LIKELY, Band.UNCERTAIN)))
    }
    if not len(scores):
        return Spread(edges=(), counts=(), total=total, exact=True, **least)
    top = max(float(scores.max()), max((hit.score for hit in hits), default=-1.0))
    low = float(scores.min())
    counts, edges = np.histogram(scores.astype(np.float64), BINS, range=(low, max(top, low + 1e-6)))
    scaled = np.round(counts * (total / len(scores))).astype(int)
    return Spread(
        edges=tuple(float(edge) for edge in edges),
        counts=tuple(int(count) for count in scaled),
        total=total,
        exact=len(scores) >= total,
        **least,
    )
