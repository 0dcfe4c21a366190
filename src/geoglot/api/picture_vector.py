"""An example picture as one vector, to be searched with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from geoglot.core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.models.bundle import Bundle


def picture_vector(encoder: Bundle, path: Path) -> NDArray[np.float32]:
    """The mean of a picture's tiles. It is decoded in a child process, as any user's file.

    Args:
        encoder: The archive's model, of dimension D.
        path: The picture, of any kind and size that can be indexed.

    Returns:
        (D,) float32, a unit vector.

    Raises:
        UsageError: The picture is empty.
        SourceError: It cannot be read.
    """
    import numpy as np

    from geoglot.geo.decoder import Decoder, ReadOptions, TileBatch

    total = np.zeros(encoder.dimension, dtype=np.float64)
    with Decoder(ReadOptions(side=encoder.side)) as decoder:
        for part in decoder.read(path):
            if isinstance(part, TileBatch):
                total += encoder.encode_images(part.pixels).sum(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(total))
    if not length > 0:
        raise UsageError(path, cause="has no picture to compare with", remedy="choose a picture that is not empty")
    return (total / length).astype(np.float32)
