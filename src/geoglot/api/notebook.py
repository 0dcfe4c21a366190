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
    """Hits on a map: footprints in the colours of their bands, what is known of each where the pointer is.

    Args:
        answer: What was found.
        options: Of ``folium.Map``; ``tiles=None`` shows no base map.

    Raises:
        GeoglotError: folium is not installed.
        UsageError: No hit has a place.
    """
    from geoglot.geo.writing import hits_to_geojson

    features = [_told(one) for one in hits_to_geojson(answer.hits)["features"] if one["geometry"] is not None]
    if not features:
        raise UsageError("answer", cause="has no hit with a place", remedy="look at the pictures instead")
    try:
        import folium
    except ImportError as error:
        raise _missing(error, "folium") from error

    drawn = folium.Map(**options)
    layer = folium.GeoJson(
        {"type": "FeatureCollection", "features": features[::-1]},  # the best lies on top
        name=_plain(answer.query.label),
        style_function=_style,
        highlight_function=lambda feature: {"weight": 4, "fillOpacity": 0.35},
        tooltip=folium.GeoJsonTooltip(list(features[0]["properties"])),
    )
    layer.add_to(drawn)
    drawn.fit_bounds(layer.get_bounds())
    return drawn


def _told(feature: dict[str, Any]) -> dict[str, Any]:
    """A hit with what its tooltip says; names and captions are others' words, so they are escaped."""
    known = feature["properties"]
    told = {name: known.get(name) for name in ("rank", "score", "band", "source", "time", "caption")}
    told |= {"score": round(float(known["score"]), 3), "source": PurePath(str(known["source"])).name}
    said = {name: "" if value is None else value for name, value in told.items()}
    plain = {name: _plain(value) if isinstance(value, str) else value for name, value in said.items()}
    return {"type": "Feature", "geometry": feature["geometry"], "properties": plain}


def _style(feature: dict[str, Any]) -> dict[str, Any]:
    band = Band(feature["properties"]["band"])
    return {"color": _COLOURS[band], "weight": 3 if band is Band.LIKELY else 2, "fillOpacity": 0.12}


def _missing(error: ImportError, packages: str) -> GeoglotError:
    return GeoglotError(packages, cause=f"is needed for this ({error})", remedy=f"pip install {packages}")
