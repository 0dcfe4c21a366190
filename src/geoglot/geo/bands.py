"""Which bands of a file are shown as red, green and blue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from geoglot.core.errors import SourceError

_COLOURS = ("red", "green", "blue")
_CMYK = frozenset({"cyan", "magenta", "yellow", "black"})


@dataclass(frozen=True, kw_only=True)
class BandChoice:
    """Bands of a file, numbered from 1.

    Attributes:
        colours: One band (grey) or three (red, green, blue).
        alpha: The band that says where there is a picture, if any.
        is_palette: The one colour band holds numbers of palette entries.
    """

    colours: tuple[int, ...]
    alpha: int | None = None
    is_palette: bool = False


def choose_bands(
    interpretations: Sequence[str],
    descriptions: Sequence[str | None],
    *,
    wanted: tuple[int, ...] | None = None,
    subject: object = "",
) -> BandChoice:
    """Choose bands: those that are wanted, else by colour interpretation, else by name, else the first three.

    Args:
        interpretations: Colour interpretation of each band (``red``, ``gray``, ``alpha``, ``palette`` ...).
        descriptions: Name of each band, where it has one.
        wanted: Band numbers given by the user: one or three.
        subject: The file, for the error.

    Raises:
        SourceError: The file has fewer bands than are wanted, or is CMYK.

    Example:
        >>> choose_bands(["red", "green", "blue", "undefined"], [None] * 4).colours
        (1, 2, 3)
        >>> choose_bands(["gray", "alpha"], [None] * 2)
        BandChoice(colours=(1,), alpha=2, is_palette=False)
        >>> choose_bands(["gray"] + ["undefined"] * 2, ["B02 Blue", "Green", "red"]).colours
        (1, 2, 3)
        >>> choose_bands(["gray"] + ["undefined"] * 2, ["blue", "green", "red"]).colours
        (3, 2, 1)
    """
    count = len(interpretations)
    alpha = next((n for n, what in enumerate(interpretations, 1) if what == "alpha"), None)
    if wanted is not None:
        if max(wanted) > count:
            remedy = f"choose bands from 1 to {count}"
            cause = f"has {count} band{'s' if count > 1 else ''}, so none numbered {max(wanted)}"
            raise SourceError(subject, cause=cause, remedy=remedy, stage="describe")
        return BandChoice(colours=wanted, alpha=None if alpha in wanted else alpha)
    if set(interpretations) >= _CMYK - {"black"}:
        raise SourceError(subject, cause="is CMYK", remedy="convert it to RGB", stage="describe")
    if interpretations[0] == "palette":
        return BandChoice(colours=(1,), alpha=alpha, is_palette=True)
    for names in (interpretations, [(name or "").strip().lower() for name in descriptions]):
        if set(names) >= set(_COLOURS):
            return BandChoice(colours=tuple(list(names).index(colour) + 1 for colour in _COLOURS), alpha=alpha)
    others = [n for n in range(1, count + 1) if n != alpha] or [1]
    return BandChoice(colours=tuple(others[:3]) if len(others) >= 3 else (others[0],), alpha=alpha)
