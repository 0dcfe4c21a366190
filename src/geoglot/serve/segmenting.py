"""The job of outlining phrases in a scene: polygons in every format, the mask, and a picture to lay over the map."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
        asked: ``path`` of the scene, ``phrases``, ``threshold``.
        folder: Gets ``result.geojson``, ``.gpkg``, ``.parquet`` and ``.tif``.
        say: Told how far it is.
        model: The segmenter.

    Raises:
        BundleError: No segmenter is installed.
        SourceError: The scene cannot be read.
    """
    from dataclasses import replace

    from geoglot.api.segmenter import Segmenter

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
    return {
        **named.as_record(),
        "areas": [one.as_record() for one in named.regions[:2000]],
        "notes": list(named.all_notes),
        "unknown_words": list(named.unknown_words),
    }
