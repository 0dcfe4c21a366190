"""How sure a hit is: among what the same query finds by chance in the same selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from geoglot.core.records import Band, Hit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.api.query import Query
    from geoglot.archive.filter import Filter
    from geoglot.archive.search import RawHit
    from geoglot.archive.store import ArchiveStore
    from geoglot.metrics.confidence import Thresholds
    from geoglot.models.bundle import Bundle


def judged(
    store: ArchiveStore,
    encoder: Bundle,
    query: Query,
    vector: NDArray[np.float32],
    found: Sequence[RawHit],
    selection: Filter | None,
    *,
    first: int = 1,
) -> tuple[Hit, ...]:
    """The found rows as hits, each with how sure it is among what this query finds in the same selection."""
    if not found:
        return ()
    import numpy as np

    from geoglot.metrics.confidence import DECIDING_ROWS, bands

    by_picture = any(term.by_example for term in query.terms)
    # whatever is shown and in which order: whether the thing is there is decided by the truly best rows
    best = store.search(vector, k=DECIDING_ROWS, filter=selection, collapse=False, exact=True)
    judged = bands(
        vector,
        np.stack([raw.vector for raw in found]),
        np.stack([raw.vector for raw in best]),
        store.background_sample(),
        neutral=None if by_picture else encoder.neutral,
        thresholds=_thresholds(encoder, "picture" if by_picture else "text"),
    )
    return tuple(
        Hit(
            rank=rank,
            score=min(1.0, max(-1.0, raw.score)),  # stored vectors are rounded: a cosine may come out above 1
            band=Band.LIKELY if raw.same_place else band,
            id=raw.id,
            source=raw.source,
            tile=raw.tile,
            merged=raw.merged,
            same_place=raw.same_place,
        )
        for rank, (raw, band) in enumerate(zip(found, judged, strict=True), first)
    )


def _thresholds(model: Bundle, kind: str) -> Thresholds:
    """The model's thresholds for queries by text or by picture; a model without them never says "likely"."""
    from geoglot.metrics.confidence import Thresholds

    calibrated = model.manifest.get("confidence", {}).get(kind)
    if calibrated is None:
        return Thresholds(likely=float("inf"), uncertain=float("-inf"))
    return Thresholds(likely=float(calibrated["likely"]), uncertain=float(calibrated["uncertain"]))
