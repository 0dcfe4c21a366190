"""Whether two pictures show the same kind of place, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoglot.core.errors import SourceError, UsageError
from geoglot.core.records import Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.geo.decoder import Decoder, SourceInfo
    from geoglot.models.matcher import MatcherBundle, Sides, Verdict

EVERYTHING = Window(0, 0, 1 << 31, 1 << 31)


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
    """

    first: str
    second: str
    probability: float
    verdict: Verdict
    model: str
    first_window: Window | None = None
    second_window: Window | None = None

    def as_record(self) -> dict[str, Any]:
        """JSON-ready values."""
        record: dict[str, Any] = {
            "first": self.first,
            "second": self.second,
            "probability": round(self.probability, 6),
            "verdict": self.verdict.value,
            "model": self.model,
        }
        windows = {"first_window": self.first_window, "second_window": self.second_window}
        return record | {name: list(window) for name, window in windows.items() if window is not None}


class Matcher:
    """Compares pictures: photos or georeferenced scenes, a scene as a whole or a window of it.

    Args:
        model: Name of a shipped matcher, its folder, or a bundle that is loaded already.

    Raises:
        BundleError: The matcher cannot be loaded.

    Example:
        >>> import geoglot as gg
        >>> gg.Matcher("compact")
        Traceback (most recent call last):
        geoglot.core.errors.BundleError: compact: is a two-tower bundle, not a matcher. Remedy: give 'dyad', or the folder of a matcher that 'geoglot export' wrote.
    """  # noqa: E501 (one message, one line)

    def __init__(self, model: str | Path | MatcherBundle = "dyad") -> None:
        from geoglot.models.matcher import MatcherBundle, load_matcher

        self.bundle = model if isinstance(model, MatcherBundle) else load_matcher(model)

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

        from geoglot.api.archive import existing_paths
        from geoglot.api.explain_source import as_window, opened

        paths = existing_paths([first, *others])
        own, theirs = as_window(window), as_window(other_window)
        with opened(self.bundle.side) as decoder:
            pixels = whole_picture(decoder, paths[0], window=own)
            one = self.bundle.sides(pixels[None])
            read = [_readable(decoder, path, theirs) for path in paths[1:]]
        pictures = [part for part in read if not isinstance(part, SourceError)]
        sure = iter(self.probabilities(one, self.bundle.sides(np.stack(pictures))) if pictures else ())
        return [
            part if isinstance(part, SourceError) else self._told(paths[0], path, next(sure), own, theirs)
            for path, part in zip(paths[1:], read, strict=True)
        ]

    def probabilities(self, first: Sides, second: Sides) -> list[float]:
        """How sure it is that pairs show the same kind of place; see :class:`geoglot.models.matcher.MatcherBundle`."""
        return [float(value) for value in self.bundle.probabilities(first, second)]

    def _told(
        self, first: Path, second: Path, probability: float, window: Window | None, other_window: Window | None
    ) -> Match:
        return Match(
            first=str(first),
            second=str(second),
            probability=probability,
            verdict=self.bundle.verdict(probability),
            model=self.bundle.id,
            first_window=window,
            second_window=other_window,
        )


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
