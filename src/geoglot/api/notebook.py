"""Answers in a notebook: a sheet of small pictures, a GeoDataFrame, a map."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from geoglot.api.printable import printable
from geoglot.core.errors import GeoglotError, UsageError
from geoglot.core.records import Band, Hit

if TYPE_CHECKING:
    from geoglot.api.answer import Answer

MOST_PICTURES: Final = 24
"""A sheet of more would make a notebook heavy: the others are counted."""
_SIDE = 160
_COLOURS = {Band.LIKELY: "#1b9e77", Band.UNCERTAIN: "#b07a00", Band.BACKGROUND: "#757070"}


def as_sheet(answer: Answer) -> str:
    """Hits as HTML: pictures inside, nothing to load, every word escaped.

    Example:
        >>> from geoglot.api.answer import Answer
        >>> from geoglot.api.query import build_query
        >>> "no likely match" in as_sheet(Answer(query=build_query("an <airport>"), hits=()))
        True
    """
    from geoglot.api.pictures import cut_pictures

    shown = answer.hits[:MOST_PICTURES]
    pictures = cut_pictures(shown, side=_SIDE)
    likely = sum(hit.band is Band.LIKELY for hit in answer)
    verdict = f"{likely} of {len(answer)} hits are likely matches" if answer.likely else "no likely match"
    more = f", {len(answer) - len(shown)} more are not shown" if len(answer) > len(shown) else ""
    label = f'<b dir="{answer.query.direction}">{_plain(answer.query.label)}</b>'
    cards = "".join(_card(hit, pictures.get(hit.id)) for hit in shown)
    notes = "".join(f"<p>note: {_plain(note)}.</p>" for note in answer.notes)
    grid = "display:grid;grid-template-columns:repeat(auto-fill,minmax(160px,1fr));gap:10px"
    return f'<div><p>{label}: {verdict}{more}.</p>{notes}<div style="{grid}">{cards}</div></div>'


def _card(hit: Hit, picture: bytes | None) -> str:
    if picture is None:
        shown = '<div style="width:160px;height:160px;background:#ddd">picture not available</div>'
    else:
        data = b64encode(picture).decode()
        shown = f'<img width="160" height="160" alt="{_plain(_name(hit))}" src="data:image/jpeg;base64,{data}">'
    caption = f"<br>{_plain(hit.caption)}" if hit.caption else ""
    time = f"<br>{hit.tile.time:%Y-%m-%d}" if hit.tile.time else ""
    band = f'<span style="color:{_COLOURS[hit.band]}">{hit.band.value}</span>'
    words = f"{hit.rank}. {band} {hit.score:.3f}<br>{_plain(_name(hit))}{time}{caption}"
    return f'<div style="font-size:12px;overflow-wrap:anywhere">{shown}<br>{words}</div>'


def _name(hit: Hit) -> str:
    return PurePath(hit.source).name


def _plain(words: str) -> str:
    return escape(printable(words), quote=True)


def as_geodataframe(answer: Answer) -> Any:
    """Hits as a GeoDataFrame.

    Raises:
        GeoglotError: GeoPandas is not installed.
    """
    import shapely

    try:
        import geopandas
    except ImportError as error:
        raise _missing(error, "geopandas") from error
    records = [hit.as_record() for hit in answer]
    for record in records:
        record["window"] = tuple(record["window"])
        del record["bounds"]
    footprints = [None if hit.tile.footprint is None else shapely.from_wkb(hit.tile.footprint) for hit in answer]
    columns = list(dict.fromkeys(name for record in records for name in record))
    values = {name: [record.get(name) for record in records] for name in columns}
    return geopandas.GeoDataFrame(values, geometry=footprints, crs="EPSG:4326")


def explored(answer: Answer, **options: Any) -> Any:
    """Hits on a map.

    Raises:
        GeoglotError: A package that this needs is not installed.
        UsageError: No hit has a place.
    """
    table = as_geodataframe(answer)
    located = table[~table.geometry.isna()]
    if not len(located):
        raise UsageError("answer", cause="has no hit with a place", remedy="look at the pictures instead")
    chosen = {"column": "band", "tooltip": ["rank", "score", "band"], **options}
    try:
        return located.drop(columns=["window"]).explore(**chosen)
    except ImportError as error:
        raise _missing(error, "folium matplotlib mapclassify") from error


def _missing(error: ImportError, packages: str) -> GeoglotError:
    return GeoglotError(packages, cause=f"is needed for this ({error})", remedy=f"pip install {packages}")
