"""How QGIS shows hits: in a colour for each band, by a style in the GeoPackage itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

from geoglot.geo.layer_style import LAYER_STYLES

BAND_COLOURS: Final = {"likely": "27,158,119", "uncertain": "230,171,2", "background": "117,112,179"}
"""Red, green and blue of outlines by band; colour-blind people can tell them apart."""


def add_style(path: Path, layer: str, attribute: str, colours: Mapping[str, str]) -> None:
    """Give a layer of a GeoPackage its look: outlines in a colour for each value of an attribute.

    Args:
        path: The GeoPackage, which is changed.
        layer: Name of the layer.
        attribute: Whose values are told apart.
        colours: Red, green and blue (``"27,158,119"``) of each value.
    """
    with closing(sqlite3.connect(path)) as connection, connection:
        known = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'layer_styles'").fetchone()
        if known is None:
            connection.execute(LAYER_STYLES)
            connection.execute(
                "INSERT INTO gpkg_contents (table_name, data_type, identifier) "
                "VALUES ('layer_styles', 'attributes', 'layer_styles')"
            )
        column = connection.execute(
            "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", (layer,)
        ).fetchone()
        connection.execute("DELETE FROM layer_styles WHERE f_table_name = ?", (layer,))
        connection.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, "
            "styleQML, styleSLD, useAsDefault, description, owner) VALUES ('', '', ?, ?, 'geoglot', ?, '', 1, ?, '')",
            (layer, column[0] if column else "geom", as_qml(attribute, colours), f"outlines by {attribute}"),
        )


def as_qml(attribute: str, colours: Mapping[str, str]) -> str:
    """A QGIS style: outlines with a faint fill, one symbol for each value.

    Example:
        >>> as_qml("band", {"likely": "27,158,119"}).count("<category ")
        1
    """
    categories = "".join(
        f'<category symbol="{number}" value={quoteattr(value)} label={quoteattr(value)} render="true"/>'
        for number, value in enumerate(colours)
    )
    symbols = "".join(_symbol(number, colour) for number, colour in enumerate(colours.values()))
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>"
        '<qgis version="3.28" styleCategories="Symbology">'
        f'<renderer-v2 type="categorizedSymbol" attr={quoteattr(attribute)} enableorderby="0" forceraster="0">'
        f"<categories>{categories}</categories><symbols>{symbols}</symbols></renderer-v2></qgis>"
    )


def _symbol(number: int, colour: str) -> str:
    options = {
        "color": f"{colour},40",
        "style": "solid",
        "outline_color": f"{colour},255",
        "outline_style": "solid",
        "outline_width": "0.6",
        "outline_width_unit": "MM",
    }
    told = "".join(f'<Option type="QString" name="{name}" value="{value}"/>' for name, value in options.items())
    return (
        f'<symbol type="fill" name="{number}" alpha="1" clip_to_extent="1" force_rhr="0">'
        f'<layer class="SimpleFill" enabled="1" locked="0" pass="0"><Option type="Map">{told}</Option></layer></symbol>'
    )
