"""Whether two pictures show the same kind of place, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from geoglot.core.errors import SourceError, UsageError
from geoglot.core.records import Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.geo.decoder import Decoder, SourceInfo
    from geoglot.models.matcher import MatcherBundle, Verdict

EVERYTHING = Window(0, 0, 1 << 31, 1 << 31)


class PlaceCheck(Protocol):
    """What tells whether pictures show the very same place, in another cut or season."""

    @property
    def side(self) -> int:
        """Side of the pictures that it wants, in pixels."""

    @property
    def same(self) -> float:
        """Agreement from which on two pictures show the same place."""

    def describe(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, side, side, 3) uint8 -> (N, ...)."""

    def looked_at(self, pictures: NDArray[np.uint8], shown: NDArray[np.float32]) -> NDArray[np.float64]:
        """Agreement of pictures (E, side, side, 3) with described ones (N, ...). -> (N,), the best of the E each."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """What a matcher says of two pictures.

    Attributes:
        first: Path of the first picture.
        second: Path of the second picture.
        probability: That both show the same kind of place, in [0, 1], when that is as frequent as not.
        verdict: ``same kind``, ``different kind`` or ``unsure``; equals these strings.
        model: Name and version.
        first_window: Part of the first picture that was looked at; ``None`` for the whole.
        second_window: Part of the second picture.
        same_place: Whether both show the very same place; ``None`` where nobody looked.
        place_agreement: How well they agree as one place, in [0, 1]; ``None`` where nobody looked.
    """

    first: str
    second: str
    probability: float
    verdict: Verdict
    model: str
    first_window: Window | None = None
    second_window: Window | None = None
    same_place: bool | None = None
    place_agreement: float | None = None

    def as_record(self) -> dict[str, Any]:
        """JSON-ready values."""
        record: dict[str, Any] = {
            "first": self.first,
            "second": self.second,
            "probability": round(self.probability, 6),
            "verdict": self.verdict.value,
            "model": self.model,
        }
        if self.same_place is not None and self.place_agreement is not None:
            record |= {"same_place": self.same_place, "place_agreement": round(self.place_agreement, 6)}
        windows = {"first_window": self.first_window, "second_window": self.second_window}
        return record | {name: list(window) for name, window in windows.items() if window is not None}


class Matcher:
    """Compares pictures: photos or georeferenced scenes, a scene as a whole or a window of it.

    Args:
        model: Name of a shipped matcher, its folder, or a bundle that is loaded already.
        place: What tells the same place from another of its kind; without it nobody looks.

    Raises:
        BundleError: The matcher cannot be loaded.

    Example:
        >>> import geoglot as gg
        >>> gg.Matcher("compact")
        Traceback (most recent call last):
        geoglot.core.errors.BundleError: compact: is a two-tower bundle, not a matcher. Remedy: give 'dyad', or the folder of a matcher that 'geoglot export' wrote.
    """  # noqa: E501 (one message, one line)

    def __init__(self, model: str | Path | MatcherBundle = "dyad", *, place: PlaceCheck | None = None) -> None:
        from geoglot.models.matcher import MatcherBundle, load_matcher

        self.bundle = model if isinstance(model, MatcherBundle) else load_matcher(model)
        self.place = place

    def match(
        self,
        first: str | Path,
        second: str | Path,
        *,
        window: Window | Sequence[int] | None = None,
        other_window: Window | Sequence[int] | None = None,
    ) -> Match:
        """Compare two pictures.

        Args:
            first: A photo or a scene.
            second: A photo or a scene.
            window: Part of the first one, a scene: column, row, width and height in full-resolution pixels.
            other_window: Part of the second one.

        Raises:
            SourceError: One cannot be read, or holds nothing; the message names it.
            UsageError: One is not there, or a window misses it.
        """
        found = self.match_all(first, [second], window=window, other_window=other_window)[0]
        if isinstance(found, SourceError):
            raise found
        return found

    def match_all(
        self,
        first: str | Path,
        others: Sequence[str | Path],
        *,
        window: Window | Sequence[int] | None = None,
        other_window: Window | Sequence[int] | None = None,
    ) -> list[Match | SourceError]:
        """Compare one picture with several; an unreadable one of these costs itself alone.

        Args:
            first: A photo or a scene.
            others: Photos or scenes.
            window: Part of the first one.
            other_window: Part of every other one.

        Returns:
            For each of the others a match, or why it cannot be read.

        Raises:
            SourceError: The first one cannot be read.
            UsageError: One is not there, or a window misses it.
        """
        import numpy as np

        from geoglot.api.explain_source import as_window
        from geoglot.api.selection import existing_paths

        paths = existing_paths([first, *others])
        own, theirs = as_window(window), as_window(other_window)
        one, read = _pictures(paths, own, theirs, self.bundle.side)
        readable = [path for path, part in zip(paths[1:], read, strict=True) if not isinstance(part, SourceError)]
        shown = [part for part in read if not isinstance(part, SourceError)]
        if shown:
            sure = self.bundle.probabilities(self.bundle.sides(one[None]), self.bundle.sides(np.stack(shown)))
            places = self._places([paths[0], *readable], own, theirs)
        told = iter(
            Match(
                first=str(paths[0]),
                second=str(path),
                probability=float(sure[number]),
                verdict=self.bundle.verdict(float(sure[number])),
                model=self.bundle.id,
                first_window=own,
                second_window=theirs,
                **places[number],
            )
            for number, path in enumerate(readable)
        )
        return [part if isinstance(part, SourceError) else next(told) for part in read]

    def _places(self, paths: Sequence[Path], own: Window | None, theirs: Window | None) -> list[dict[str, Any]]:
        """What the check of places says of the first picture with each of the others."""
        import numpy as np

        if self.place is None:
            return [{} for _ in paths[1:]]
        one, read = _pictures(paths, own, theirs, self.place.side)
        shown = [part for part in read if not isinstance(part, SourceError)]
        if len(shown) < len(read):  # it was there a moment ago
            raise next(part for part in read if isinstance(part, SourceError))
        agreements = self.place.looked_at(one[None], self.place.describe(np.stack(shown)))
        return [
            {"same_place": bool(value >= self.place.same), "place_agreement": float(value)}
            for value in agreements.tolist()
        ]


def _pictures(
    paths: Sequence[Path], own: Window | None, theirs: Window | None, side: int
) -> tuple[NDArray[np.uint8], list[NDArray[np.uint8] | SourceError]]:
    """The first picture, and the others or why they cannot be read."""
    from geoglot.api.explain_source import opened

    with opened(side) as decoder:
        return whole_picture(decoder, paths[0], window=own), [_readable(decoder, path, theirs) for path in paths[1:]]


def whole_picture(decoder: Decoder, path: Path, *, window: Window | None = None) -> NDArray[np.uint8]:
    """A photo or scene, or a window of a scene, squeezed into one square by the decoder's child process.

    Returns:
        (side, side, 3) uint8.

    Raises:
        SourceError: It cannot be read, or holds nothing.
        UsageError: The window misses it, or it is a photo, which has no windows.
    """
    from geoglot.geo.decoder import Cut, SourceInfo, TileBatch

    pixels: NDArray[np.uint8] | None = None
    info: SourceInfo | None = None
    for _, part in decoder.read_many([Cut(path=path, windows=(window or EVERYTHING,))]):  # to its end: the child stays
        if isinstance(part, SourceError):
            raise part
        if isinstance(part, SourceInfo):
            info = part
        elif isinstance(part, TileBatch):
            pixels = part.pixels[0]
    if info is not None and window is not None:
        _check_window(window, info, path)
    if pixels is not None:
        return pixels
    raise SourceError(path, cause="holds no picture", remedy="choose one that is not empty", stage="decode")


def _check_window(window: Window, info: SourceInfo, path: Path) -> None:
    if info.kind == "photo":
        raise UsageError(path, cause="is a photo, which is read whole", remedy="leave the window out")
    if window.column >= info.width or window.row >= info.height:
        cause = f"lies outside of {path}, which has {info.width} x {info.height} pixels"
        raise UsageError(f"window={','.join(map(str, window))}", cause=cause, remedy="give a window inside")


def _readable(decoder: Decoder, path: Path, window: Window | None) -> NDArray[np.uint8] | SourceError:
    try:
        return whole_picture(decoder, path, window=window)
    except SourceError as error:
        return error
