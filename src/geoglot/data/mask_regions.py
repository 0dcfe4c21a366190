"""Connected regions of a mask, their outlines, and what lies within a distance of a mask: NumPy alone."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import UsageError
from geoglot.data.mask_boxes import joined, runs, touching

Connectivity = Literal[4, 8]
Mask = NDArray[np.bool_]


def label_regions(
    mask: Mask, *, connectivity: Connectivity = 8, instances: NDArray[np.integer[Any]] | None = None
) -> tuple[NDArray[np.int32], int]:
    """Numbers the connected regions of a mask.

    Args:
        mask: (H, W) bool.
        connectivity: 8 joins pixels that touch by a side or a corner, 4 by a side only.
        instances: (H, W) object numbers, 0 for none. Pixels of one object are one region whatever lies over it, and
            two objects that touch are two; pixels of the mask without an object are joined as usual.

    Returns:
        (H, W) int32 region numbers from 1 in reading order of their first pixel, 0 outside; and how many there are.

    Raises:
        UsageError: The connectivity is neither 4 nor 8.

    Example:
        >>> mask = np.array([[1, 0, 0, 1], [0, 1, 0, 1]], dtype=bool)
        >>> label_regions(mask)[0].tolist()
        [[1, 0, 0, 2], [0, 1, 0, 2]]
        >>> label_regions(mask, connectivity=4)[1]
        3
    """
    if connectivity not in (4, 8):
        raise UsageError(connectivity, cause="is no connectivity", remedy="choose 4 or 8")
    if not mask.any():
        return np.zeros(mask.shape, dtype=np.int32), 0
    free = mask if instances is None else mask & (instances == 0)
    rows, starts, ends, classes = runs(free)
    parts = joined(len(rows), *touching(rows, starts, ends, classes, mask.shape[1], corners=connectivity == 8))
    keys = np.repeat(np.where(classes > 0, parts + 1, 0), ends - starts).reshape(mask.shape)
    if instances is not None:
        keys = np.where(mask & (instances != 0), instances.astype(np.int64) + len(rows) + 1, keys)
    kept, firsts, places = np.unique(keys, return_index=True, return_inverse=True)
    firsts[kept == 0] = -1
    order = np.argsort(np.argsort(firsts))
    numbers = order if kept[0] == 0 else order + 1
    return numbers[places].reshape(mask.shape).astype(np.int32), int(np.count_nonzero(kept))


def within(mask: Mask, radius: float) -> Mask:
    """Pixels at most ``radius`` pixels (between centres, Euclidean) from a pixel of the mask, those of it included.

    Args:
        mask: (H, W) bool.
        radius: Pixels, 0 or more.

    Example:
        >>> spot = np.zeros((3, 5), dtype=bool)
        >>> spot[1, 2] = True
        >>> within(spot, 1.0).astype(int).tolist()
        [[0, 0, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 0, 0]]
    """
    if radius < 1 or not mask.any():
        return mask.copy()
    reach = min(math.floor(radius), max(mask.shape))
    # Down the columns first: distance to the nearest pixel of the mask above or below, cut off beyond the reach.
    far = np.where(mask, 0, reach + 1).astype(np.int32)
    down = far.copy()
    for step in range(1, min(reach, mask.shape[0] - 1) + 1):
        np.minimum(down[step:], far[:-step] + step, out=down[step:])
        np.minimum(down[:-step], far[step:] + step, out=down[:-step])
    found: Mask = down <= reach
    for shift in range(1, min(reach, mask.shape[1] - 1) + 1):
        near = down <= math.floor(math.sqrt(radius * radius - shift * shift))
        found[:, shift:] |= near[:, :-shift]
        found[:, :-shift] |= near[:, shift:]
    return found


def without_strips(mask: Mask, radius: float) -> Mask:
    """A mask without what is narrower than about ``2 * radius`` pixels; what the edge of the picture cuts is kept.

    Args:
        mask: (H, W) bool.
        radius: Pixels; below 1 nothing is left out.

    Example:
        >>> mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], dtype=bool)
        >>> without_strips(mask, 1.0).astype(int).tolist()
        [[1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 1, 0, 0]]
    """
    return within(~within(~mask, radius), radius) & mask


def outline(labels: NDArray[np.int32]) -> Mask:
    """Pixels of regions with a side that borders on another region, on no region, or on the edge of the picture.

    Example:
        >>> outline(np.ones((3, 3), dtype=np.int32)).astype(int).tolist()
        [[1, 1, 1], [1, 0, 1], [1, 1, 1]]
    """
    around = np.pad(labels, 1)
    inner = around[1:-1, 1:-1]
    edge = np.zeros(labels.shape, dtype=bool)
    for neighbour in (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]):
        edge |= neighbour != inner
    return edge & (labels > 0)


def contact(labels: NDArray[np.int32], count: int, reference: Mask, *radii: float) -> NDArray[np.float64]:
    """Which share of every region's outline lies within a distance of a reference.

    The edge of the picture is outline, too: what lies beyond it is not seen, and does not count as reference.

    Args:
        labels: (H, W) region numbers from 1, 0 outside.
        count: Number of regions.
        reference: (H, W) bool.
        radii: Distances, pixels.

    Returns:
        (distances, count) float64 in [0, 1].

    Example:
        >>> labels = np.array([[1, 1, 0, 0], [0, 0, 0, 2]], dtype=np.int32)
        >>> road = np.array([[0, 0, 1, 0], [0, 0, 0, 0]], dtype=bool)
        >>> contact(labels, 2, road, 1.0).tolist()  # one of two pixels beside it; the other region touches a corner
        [[0.5, 0.0]]
    """
    at_edge = outline(labels)
    everywhere = np.bincount(labels[at_edge], minlength=count + 1)[1:]
    near = [np.bincount(labels[at_edge & within(reference, radius)], minlength=count + 1)[1:] for radius in radii]
    return np.stack(near) / np.maximum(everywhere, 1)
