"""The job of outlining phrases in a scene: polygons in every format, the mask, and a picture to lay over the map."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geoglot.api.probability_maps import SegmentationModel


def segment_into(
    asked: Mapping[str, Any],
    folder: Path,
    say: Callable[[int, int, str], None],
    model: str | SegmentationModel = "segmenter",
) -> dict[str, Any]:
    """Outline phrases and leave the results in a folder.

    Args:
        asked: ``path`` of the scene, ``phrases``, ``threshold``, ``time`` where the scene's is known.
        folder: Gets ``result.geojson``, ``.gpkg``, ``.parquet``, ``.tif`` and ``.stac.json``.
        say: Told how far it is.
        model: The segmenter.

    Raises:
        BundleError: No segmenter is installed.
        SourceError: The scene cannot be read.
    """
    from dataclasses import replace

    from geoglot.api.segmenter import Segmenter
    from geoglot.api.stac_masks import masks_as_items

    found = Segmenter(model).segment(
        asked["path"],
        asked["phrases"],
        threshold=asked["threshold"],
        mask=folder / "result.tif",
        work=folder / "work",
        progress=say,
    )
    name = Path(found.source).name
    named = replace(found, source=name, regions=tuple(replace(one, source=name) for one in found.regions))
    for suffix in (".geojson", ".gpkg", ".parquet"):
        named.save(folder / f"result{suffix}")
    # by the names under which a browser saves them
    files = {"geojson": "./segment.geojson", "gpkg": "./segment.gpkg", "geoparquet": "./segment.parquet"}
    time = None if asked.get("time") is None else datetime.fromisoformat(asked["time"])
    items = masks_as_items(found, time=time, files={**files, "tif": "./segment.tif"})
    (folder / "result.stac.json").write_text(json.dumps(items, ensure_ascii=False), encoding="utf-8")
    return {
        **named.as_record(),
        "areas": [one.as_record() for one in named.regions[:2000]],
        "notes": list(named.all_notes),
        "unknown_words": list(named.unknown_words),
    }
