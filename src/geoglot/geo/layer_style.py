"""How QGIS shows a layer of regions: the table in which a GeoPackage keeps styles, and one style."""

from __future__ import annotations

LAYER_STYLES = """
CREATE TABLE IF NOT EXISTS layer_styles (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256),
  styleName TEXT(30), styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT(30),
  ui TEXT(30), update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
)
"""


def qgis_style(colour: tuple[int, int, int] = (255, 64, 0)) -> str:
    """A QGIS style: an outline over a see-through fill of the same colour.

    Args:
        colour: Red, green and blue.

    Example:
        >>> "outline_color" in qgis_style()
        True
    """
    red, green, blue = colour
    options = {
        "style": "solid",
        "color": f"{red},{green},{blue},64",
        "outline_style": "solid",
        "outline_color": f"{red},{green},{blue},255",
        "outline_width": "0.5",
        "outline_width_unit": "MM",
    }
    lines = "".join(f'<Option type="QString" name="{name}" value="{value}"/>' for name, value in options.items())
    return (
        '<!DOCTYPE qgis PUBLIC "http://mrcc.com/qgis.dtd" "SYSTEM">'
        '<qgis styleCategories="Symbology"><renderer-v2 type="singleSymbol" symbollevels="0" enableorderby="0">'
        '<symbols><symbol type="fill" name="0" alpha="1" clip_to_extent="1" force_rhr="0">'
        f'<layer class="SimpleFill" enabled="1" pass="0" locked="0"><Option type="Map">{lines}</Option></layer>'
        "</symbol></symbols></renderer-v2></qgis>"
    )
