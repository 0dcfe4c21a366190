"""What the job of outlining phrases leaves behind: the same polygons in every format, and a mask that validates."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas
import pytest
import rasterio
from colour_segmenter import ColourSegmenter
from rio_cogeo import cog_validate

from geoglot.serve.segmenting import segment_into


def test_files_agree_and_are_valid(painted_scene: Path, tmp_path: Path) -> None:
    said: list[tuple[int, int]] = []
    time = "2024-06-15T09:40:00+00:00"
    asked = {"path": str(painted_scene), "phrases": ["buildings", "water"], "threshold": 0.5, "time": time}
    told = segment_into(asked, tmp_path, lambda done, total, words: said.append((done, total)), ColourSegmenter())
    assert told["regions"] == len(told["areas"]) == 2
    assert {one["phrase"] for one in told["areas"]} == {"buildings", "water"}
    assert said
    assert said[-1][0] <= said[-1][1]
    assert str(painted_scene.parent) not in json.dumps(told)
    tables = [
        geopandas.read_file(tmp_path / "result.geojson"),
        geopandas.read_file(tmp_path / "result.gpkg", layer="regions").to_crs(4326),
        geopandas.read_parquet(tmp_path / "result.parquet").to_crs(4326),
    ]
    for table in tables:
        assert sorted(table["phrase"]) == ["buildings", "water"]
        assert set(table["source"]) == {painted_scene.name}
        assert table.total_bounds.tolist() == pytest.approx(tables[0].total_bounds.tolist(), abs=1e-6)
    items = json.loads((tmp_path / "result.stac.json").read_text())["features"]
    assert [item["properties"]["label:description"] for item in items] == ["buildings", "water"]
    for item in items:
        named = tables[0][tables[0]["phrase"] == item["properties"]["label:description"]]
        assert item["bbox"] == pytest.approx(named.total_bounds.tolist(), abs=1e-6)
        assert item["properties"]["datetime"] == "2024-06-15T09:40:00Z"
        assert str(tmp_path) not in json.dumps(item)
    valid, errors, _ = cog_validate(tmp_path / "result.tif")
    assert (valid, errors) == (True, [])
    with rasterio.open(tmp_path / "result.tif") as mask:
        assert mask.count == 2
        # each square of 64 x 64 pixels, give or take the model's edge of a few
        assert (mask.read(1) == 1).sum() == pytest.approx(64 * 64, rel=0.3)


@pytest.fixture
def painted_scene(tmp_path: Path) -> Path:
    """Grass with a red square (buildings) and a blue one (water), in UTM at half a metre."""
    import numpy as np
    from rasterio import Affine

    pixels = np.empty((3, 256, 256), np.uint8)
    pixels[:] = np.array((60, 160, 60), np.uint8)[:, None, None]
    pixels[:, 32:96, 32:96] = np.array((200, 40, 40), np.uint8)[:, None, None]
    pixels[:, 144:208, 144:208] = np.array((30, 60, 200), np.uint8)[:, None, None]
    folder = tmp_path / "imagery"
    folder.mkdir()
    profile = {"driver": "GTiff", "width": 256, "height": 256, "count": 3, "dtype": "uint8", "crs": "EPSG:32632"}
    transform = Affine(0.5, 0, 600_000, 0, -0.5, 4_900_000)
    with rasterio.open(folder / "scene.tif", "w", **profile, transform=transform, photometric="RGB") as file:
        file.write(pixels)
    return folder / "scene.tif"
