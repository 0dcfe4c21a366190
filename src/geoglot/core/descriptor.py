"""The shape of a descriptor: a picture to one vector, without torch where none is needed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError, UsageError

Pictures = Sequence[NDArray[np.uint8]]
"""(H, W, 3) uint8 RGB each, of any sizes; a sequence may open its files only when it is indexed."""


class Descriptor(ABC):
    """Turns pictures into vectors that a distance compares.

    A subclass gives :meth:`vectors`; one that learns from pictures also ``fit``, ``state`` and ``load``.

    Attributes:
        dimension: Length D of a vector.
        batch: Pictures that :meth:`vectors` gets at once.
    """

    dimension: int
    batch: int = 1

    @abstractmethod
    def vectors(self, pictures: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """At most ``batch`` checked pictures -> (N, D) float32, finite."""

    def fit(self, images: Pictures) -> None:  # noqa: B027 (most descriptors have nothing to learn)
        """Learn what the descriptor needs (a codebook, a projection) from these pictures alone; may do nothing."""

    def describe(self, images: Pictures) -> NDArray[np.float32]:
        """Vectors of pictures; each depends on its own picture alone.

        Args:
            images: (H, W, 3) uint8 RGB each, of any sizes.

        Returns:
            (N, D) float32, finite.

        Raises:
            DataError: A picture has another shape or type, or a vector is not finite.
            UsageError: ``fit`` or ``load`` must come first, or a package is not installed.
        """
        found = np.empty((len(images), self.dimension), np.float32)
        for start in range(0, len(images), self.batch):
            rows = range(start, min(start + self.batch, len(images)))
            found[start : rows.stop] = self.vectors([checked(images[row], row) for row in rows])
        bad = np.flatnonzero(~np.isfinite(found).all(1))
        if len(bad):
            raise DataError(f"picture {bad[0]}", cause=f"{type(self).__module__} gave a vector that is not finite")
        return found

    def state(self) -> dict[str, NDArray[np.generic]]:
        """What ``fit`` learned, by name; empty where there is nothing."""
        return {}

    def load(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over what another descriptor of the same configuration learned.

        Raises:
            DataError: An array is missing, unexpected or of another shape.
        """
        fitted(state, {})


def checked(picture: Any, row: int = 0) -> NDArray[np.uint8]:
    """The picture, if it is one.

    Raises:
        DataError: It is not (H, W, 3) uint8 with at least one pixel.

    Example:
        >>> checked(np.zeros((2, 3, 3), np.uint8)).shape
        (2, 3, 3)
        >>> checked(np.zeros((2, 3)))
        Traceback (most recent call last):
        geoglot.core.errors.DataError: picture 0: should be uint8 (H, W, 3), is float64 (2, 3).
    """
    found = np.asarray(picture)
    if found.dtype != np.uint8 or found.ndim != 3 or found.shape[2] != 3 or not found.size:
        raise DataError(f"picture {row}", cause=f"should be uint8 (H, W, 3), is {found.dtype} {found.shape}")
    return found


def fitted(
    state: Mapping[str, NDArray[np.generic]], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, NDArray[np.float32]]:
    """The arrays of a state as float32, if they are the expected ones.

    Args:
        state: Arrays by name.
        shapes: The shape that each must have.

    Raises:
        DataError: One is missing, unexpected, of another shape or not finite; the first is named.

    Example:
        >>> fitted({"mean": np.zeros(3)}, {"mean": (3,)})
        {'mean': array([0., 0., 0.], dtype=float32)}
        >>> fitted({"mean": np.zeros(3)}, {"mean": (4,)})
        Traceback (most recent call last):
        geoglot.core.errors.DataError: mean: should have the shape (4,), has (3,). Remedy: use the state with the configuration that it was fitted with.
    """  # noqa: E501 (one message, one line)
    remedy = "use the state with the configuration that it was fitted with"
    for name, shape in shapes.items():
        if name not in state:
            raise DataError(name, cause="is missing in the state of the descriptor", remedy=remedy)
        if state[name].shape != shape:
            raise DataError(name, cause=f"should have the shape {shape}, has {state[name].shape}", remedy=remedy)
        if not np.isfinite(np.asarray(state[name], np.float64)).all():
            raise DataError(name, cause="holds a value that is not finite", remedy="fit the descriptor again")
    for name in state:
        if name not in shapes:
            raise DataError(name, cause="is nothing that this descriptor learns", remedy=remedy)
    return {name: np.asarray(state[name], np.float32) for name in shapes}


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Say which extra to install where an import fails.

    Raises:
        UsageError: A package is not installed.

    Example:
        >>> with needs_extra("descriptors"):
        ...     import no_such_package
        Traceback (most recent call last):
        geoglot.core.errors.UsageError: no_such_package: is not installed. Remedy: pip install "geoglot[descriptors]".
    """
    try:
        yield
    except ImportError as error:
        package = (error.name or "a package").partition(".")[0]
        raise UsageError(package, cause="is not installed", remedy=f'pip install "geoglot[{extra}]"') from error
