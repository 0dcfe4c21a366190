"""The answer to one query: hits, best first, and whether any of them is likely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from geoglot.api.query import Query
from geoglot.core.errors import UsageError
from geoglot.core.records import Band, Hit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.api.spread import Spread

GeoFormat = Literal["geojson", "gpkg", "geoparquet"]

SUFFIXES: dict[str, GeoFormat] = {
    ".geojson": "geojson",
    ".json": "geojson",
    ".gpkg": "gpkg",
    ".parquet": "geoparquet",
    ".geoparquet": "geoparquet",
}
"""File format by suffix."""


@dataclass(frozen=True)
class Answer(Sequence[Hit]):
    """Hits of one query, best first; behaves as a tuple of :class:`~geoglot.core.records.Hit`.

    Attributes:
        query: What was asked.
        hits: The nearest places, whether likely or not.
        notes: What did not go as asked, in sentences for people.
        spread: How the scores are spread over all that was looked at.
        vector: (D,) float32, what was searched with.

    Example:
        >>> from geoglot.api.query import build_query
        >>> answer = Answer(query=build_query("an airport"), hits=())
        >>> len(answer), answer.likely
        (0, False)
    """

    query: Query
    hits: tuple[Hit, ...]
    notes: tuple[str, ...] = ()
    spread: Spread | None = field(default=None, compare=False, repr=False)
    vector: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    @property
    def likely(self) -> bool:
        """Whether at least one hit is a likely match; with no uncertain one either, nothing like that is here."""
        return any(hit.band is Band.LIKELY for hit in self.hits)

    @property
    def uncertain(self) -> bool:
        """Whether at least one hit may be a match or may not."""
        return any(hit.band is Band.UNCERTAIN for hit in self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[index]

    def to_geojson(self) -> dict[str, Any]:
        """A GeoJSON FeatureCollection; hits without a place have ``"geometry": null``."""
        from geoglot.geo.writing import hits_to_geojson

        return hits_to_geojson(self.hits)

    def to_geodataframe(self) -> Any:
        """The hits as a GeoPandas GeoDataFrame in WGS84, one row each, in the order of their ranks.

        Raises:
            GeoglotError: GeoPandas is not installed.
        """
        from geoglot.api.notebook import as_geodataframe

        return as_geodataframe(self)

    def explore(self, **options: Any) -> Any:
        """The hits on a map that can be moved, for a notebook: ``pip install "geoglot[notebook]"``.

        Args:
            options: Of ``folium.Map``; ``tiles=None`` shows no base map.

        Returns:
            A ``folium.Map``: a notebook shows it, ``.save("map.html")`` writes it.

        Raises:
            GeoglotError: folium is not installed.
            UsageError: No hit has a place.
        """
        from geoglot.api.notebook import explored

        return explored(self, **options)

    def _repr_html_(self) -> str:
        """A sheet of small pictures, for a notebook."""
        from geoglot.api.notebook import as_sheet

        return as_sheet(self)

    def save(self, path: str | Path, *, format: GeoFormat | None = None) -> Path:
        """Write the hits as GeoJSON, GeoPackage or GeoParquet.

        Args:
            path: File to write; an existing one is replaced.
            format: Taken from the suffix when not given (``.geojson``, ``.gpkg``, ``.parquet``).

        Raises:
            UsageError: The suffix says nothing.
        """
        from geoglot.geo.writing import write_hits

        target = Path(path)
        write_hits(self.hits, target, format=format or format_of(target))
        return target


def format_of(path: Path) -> GeoFormat:
    """File format by suffix.

    Raises:
        UsageError: The suffix is none of :data:`SUFFIXES`.

    Example:
        >>> format_of(Path("hits.gpkg"))
        'gpkg'
    """
    found = SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise UsageError(path, cause="has no known suffix", remedy=f"name it {', '.join(SUFFIXES)}, or say the format")
    return found
