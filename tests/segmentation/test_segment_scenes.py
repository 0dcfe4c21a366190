"""From scenes to polygons: what is found, where it lies, and that neither blocks nor interruptions change it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from colour_segmenter import COLOURS, ColourSegmenter
from painted_scenes import UTM_32_NORTH, painted, write_scene
from PIL import Image

import geoglot as gg
from geoglot.api.probability_maps import cache_folder
from geoglot.api.segmenter import Segmentation, Segmenter
from geoglot.core.errors import SourceError, UsageError

# multiples of the cell of 4 x 4 pixels, so that a found outline can be told exactly
THINGS = [
    ("buildings", 40, 40, 60, 40),
    ("buildings", 300, 48, 80, 80),
    ("road", 0, 200, 500, 24),
    ("buildings", 420, 232, 32, 32),
    ("water", 100, 300, 200, 88),
]


@pytest.fixture
def segmenter() -> Segmenter:
    return Segmenter(ColourSegmenter())


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "scene.tif", painted(500, 430, THINGS), tiled=True, blockxsize=128, blockysize=128)


def overlap(region: gg.Region, name: str, found: Segmentation) -> float:
    """Intersection over union of a region with the nearest painted rectangle of that name, in pixels."""
    shape = shapely.from_wkb(region.geometry)
    if found.transform is not None:
        to_pixels = np.linalg.inv([found.transform[:3], found.transform[3:], (0, 0, 1)])
        shape = shapely.transform(shape, lambda p: (np.column_stack([p, np.ones(len(p))]) @ to_pixels.T)[:, :2])
    boxes = [shapely.box(c, r, c + w, r + h) for kind, c, r, w, h in THINGS if kind == name]
    return max(shape.intersection(box).area / shape.union(box).area for box in boxes)


def test_painted_things_are_found_where_they_are(segmenter: Segmenter, scene: Path) -> None:
    found = segmenter.segment(scene, ["buildings", "road", "water"])
    by_phrase = {name: [one for one in found.regions if one.phrase == name] for name in ("buildings", "road", "water")}
    assert {name: len(some) for name, some in by_phrase.items()} == {"buildings": 3, "road": 1, "water": 1}
    for name, some in by_phrase.items():
        assert all(overlap(one, name, found) > 0.85 for one in some)
        assert all(0.5 < one.score <= 1 for one in some)
    assert found.crs == "EPSG:32632"
    assert found.notes == ()
    # the road: 500 x 24 pixels of 0.5 m are 3,000 m2, and UTM is true to 0.04 % at its central meridian
    assert by_phrase["road"][0].area_m2 == pytest.approx(by_phrase["road"][0].pixels * 0.25, rel=2e-3)
    assert by_phrase["road"][0].pixels == pytest.approx(12_000, rel=0.1)


def test_one_pass_over_the_scene_serves_all_phrases(scene: Path) -> None:
    one, many = ColourSegmenter(), ColourSegmenter()
    Segmenter(one).segment(scene, "water")
    Segmenter(many).segment(scene, ["buildings", "road", "water", "grass", "les maisons", "acqua"])
    assert one.windows == many.windows > 0


def test_phrases_do_not_change_each_other(segmenter: Segmenter, scene: Path) -> None:
    alone = segmenter.segment(scene, "water").regions
    together = segmenter.segment(scene, ["buildings", "water"]).regions
    assert [one.geometry for one in alone] == [one.geometry for one in together if one.phrase == "water"]


@pytest.mark.parametrize(("tile", "blur"), [(64, 0.0), (100, 0.7), (333, 1.5), (512, 0.0)])
def test_blocks_change_nothing(segmenter: Segmenter, scene: Path, tmp_path: Path, tile: int, blur: float) -> None:
    whole, parts = (
        segmenter.segment(
            scene,
            ["buildings", "road"],
            tile=side,
            blur=blur,
            mask=tmp_path / f"{side}.tif",
            work=tmp_path / f"work-{side}",
        )
        for side in (1024, tile)
    )
    assert [(one.geometry, one.pixels) for one in whole.regions] == [
        (one.geometry, one.pixels) for one in parts.regions
    ]
    np.testing.assert_allclose([one.score for one in whole.regions], [one.score for one in parts.regions], rtol=1e-6)
    with rasterio.open(tmp_path / "1024.tif") as one, rasterio.open(tmp_path / f"{tile}.tif") as other:
        np.testing.assert_array_equal(one.read(), other.read())


def test_the_mask_lies_on_the_scenes_grid_and_agrees_with_the_polygons(
    segmenter: Segmenter, scene: Path, tmp_path: Path
) -> None:
    found = segmenter.segment(scene, ["buildings", "water"], mask=tmp_path / "mask.tif")
    with rasterio.open(tmp_path / "mask.tif") as mask, rasterio.open(scene) as source:
        assert (mask.shape, mask.transform, mask.crs) == (source.shape, source.transform, source.crs)
        assert mask.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert mask.nodata == 255
        assert mask.descriptions == ("buildings", "water")
        drawn = mask.read()
    for band, name in enumerate(("buildings", "water")):
        assert (drawn[band] == 1).sum() == sum(one.pixels for one in found.regions if one.phrase == name)


def test_equal_work_is_used_again_and_other_work_is_not(scene: Path, tmp_path: Path) -> None:
    model = ColourSegmenter()
    segmenter = Segmenter(model)
    first = segmenter.segment(scene, "buildings", work=tmp_path / "w")
    seen = model.windows
    again = segmenter.segment(scene, "buildings", work=tmp_path / "w", threshold=0.5, tile=128)
    assert model.windows == seen
    assert again.regions == first.regions
    segmenter.segment(scene, "water", work=tmp_path / "w")
    assert model.windows == 2 * seen
    write_scene(scene, painted(500, 430, THINGS[:1], seed=1))  # another picture in the same place
    assert len(segmenter.segment(scene, "buildings", work=tmp_path / "w").regions) == 1


class StoppingSegmenter(ColourSegmenter):
    """Is interrupted after some windows, as by Ctrl-C."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def features(self, pixels: np.ndarray) -> np.ndarray:
        if self.windows >= self.after:
            raise KeyboardInterrupt
        return super().features(pixels)


@pytest.mark.parametrize("after", [0, 9, 30, 60])
def test_an_interrupted_run_goes_on(scene: Path, tmp_path: Path, after: int) -> None:
    whole = ColourSegmenter()
    expected = Segmenter(whole).segment(scene, ["buildings", "water"], work=tmp_path / "other", mask=tmp_path / "a.tif")
    with pytest.raises(KeyboardInterrupt):
        Segmenter(StoppingSegmenter(after)).segment(scene, ["buildings", "water"], work=tmp_path / "w")
    rest = ColourSegmenter()
    found = Segmenter(rest).segment(scene, ["buildings", "water"], work=tmp_path / "w", mask=tmp_path / "b.tif")
    assert found.regions == expected.regions
    assert rest.windows <= whole.windows - max(0, after - 20)  # at most two rows of nine windows are done again
    with rasterio.open(tmp_path / "a.tif") as one, rasterio.open(tmp_path / "b.tif") as other:
        np.testing.assert_array_equal(one.read(), other.read())


def test_a_killed_process_leaves_work_that_goes_on(scene: Path, tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from colour_segmenter import ColourSegmenter\n"
        "from geoglot.api.segmenter import Segmenter\n"
        "class Slow(ColourSegmenter):\n"
        "    def features(self, pixels):\n"
        "        time.sleep(0.15)\n"
        "        print(self.windows, flush=True)\n"
        "        return super().features(pixels)\n"
        f"Segmenter(Slow()).segment({str(scene)!r}, 'buildings', work={str(tmp_path / 'w')!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 30:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    rest = ColourSegmenter()
    found = Segmenter(rest).segment(scene, "buildings", work=tmp_path / "w")
    assert 0 < rest.windows < 90
    assert found.regions == Segmenter(ColourSegmenter()).segment(scene, "buildings", work=tmp_path / "v").regions


def test_nothing_is_an_empty_layer_and_is_said(segmenter: Segmenter, scene: Path, tmp_path: Path) -> None:
    found = segmenter.segment(scene, "a giraffe", out=tmp_path / "none.gpkg", mask=tmp_path / "none.tif")
    assert found.empty
    assert found.unknown_words == ("giraffe",)
    assert any("the layer of 'a giraffe' is empty" in note for note in found.all_notes)
    layer = pyogrio.read_dataframe(tmp_path / "none.gpkg", layer="regions")
    assert len(layer) == 0
    assert layer.crs.to_epsg() == 32632
    with rasterio.open(tmp_path / "none.tif") as mask:
        assert set(np.unique(mask.read())) == {0}


def test_a_scene_without_a_place_gives_pixels_and_says_so(segmenter: Segmenter, tmp_path: Path) -> None:
    path = write_scene(tmp_path / "nowhere.tif", painted(500, 430, THINGS), located=False)
    found = segmenter.segment(path, "buildings", out=tmp_path / "pixels.gpkg")
    assert found.crs is None
    assert any("no place on Earth" in note for note in found.notes)
    assert all(one.area_m2 is None for one in found.regions)
    assert all(overlap(one, "buildings", found) > 0.85 for one in found.regions)
    layer = pyogrio.read_dataframe(tmp_path / "pixels.gpkg", layer="regions")
    assert layer.crs is None
    assert layer.total_bounds[2] == pytest.approx(452, abs=4)
    assert "pixels" in found.to_geojson()["coordinates_are"]


def test_photos_work_and_are_upright(segmenter: Segmenter, tmp_path: Path) -> None:
    pixels = painted(500, 430, THINGS).transpose(1, 2, 0)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    Image.fromarray(np.rot90(pixels)).save(tmp_path / "photo.png", exif=exif)
    found = segmenter.segment(tmp_path / "photo.png", "buildings")
    assert (found.width, found.height) == (500, 430)
    assert len(found.regions) == 3
    assert all(overlap(one, "buildings", found) > 0.85 for one in found.regions)


def test_sixteen_bits_four_bands_and_nodata_work(segmenter: Segmenter, tmp_path: Path) -> None:
    colours = painted(500, 430, THINGS)
    colours[:, :, :20] = 0  # no data at the left edge
    # enough black and white to keep the stretch of 16 bits from moving the colours
    colours[:, :, 20:60], colours[:, :, 460:] = 1, 255
    deep = np.concatenate([colours.astype(np.uint16) * 257, np.full((1, 430, 500), 900, np.uint16)])
    path = write_scene(tmp_path / "deep.tif", deep, nodata=0, photometric="rgb")
    plain = write_scene(tmp_path / "plain.tif", colours, nodata=0)
    for each in (path, plain):
        found = segmenter.segment(each, ["water", "road"], mask=tmp_path / "mask.tif")
        assert {one.phrase for one in found.regions} >= {"water"}
        with rasterio.open(tmp_path / "mask.tif") as mask:
            drawn = mask.read(1)
        assert (drawn[:, :20] == 255).all()
        assert (drawn[:, 20:] != 255).all()


@pytest.mark.parametrize(("scale", "least"), [(0.5, 0.9), (1.5, 0.7), (2.0, 0.7)])
def test_other_scales_find_the_same(segmenter: Segmenter, scene: Path, scale: float, least: float) -> None:
    found = segmenter.segment(scene, "buildings", scale=scale)
    assert found.scale == scale
    assert len(found.regions) == 3
    assert np.mean([overlap(one, "buildings", found) for one in found.regions]) > least


def test_the_models_ground_sample_distance_decides(scene: Path) -> None:
    assert Segmenter(ColourSegmenter(gsd_m=1.0)).segment(scene, "water").scale == 2.0
    assert Segmenter(ColourSegmenter(gsd_m=1.0)).segment(scene, "water", gsd_m=0.25).scale == 0.5
    assert Segmenter(ColourSegmenter(gsd_m=0.45)).segment(scene, "water").scale == 1.0


def test_a_blur_rounds_what_is_found(segmenter: Segmenter, scene: Path) -> None:
    plain, soft = (segmenter.segment(scene, "buildings", blur=blur).regions for blur in (0.0, 1.0))
    assert len(plain) == len(soft) == 3
    assert plain[0].geometry != soft[0].geometry
    assert all(abs(one.pixels - other.pixels) < 0.1 * one.pixels for one, other in zip(plain, soft, strict=True))
    with pytest.raises(UsageError, match="blur"):
        segmenter.segment(scene, "buildings", blur=-1)


def test_holes_and_simplification_on_request(segmenter: Segmenter, tmp_path: Path) -> None:
    ring = [("buildings", 80, 80, 160, 160), ("grass", 120, 120, 80, 80)]
    path = write_scene(tmp_path / "ring.tif", painted(320, 320, ring))
    kept, filled = (segmenter.segment(path, "buildings", holes=holes).regions[0] for holes in (True, False))
    assert len(shapely.from_wkb(kept.geometry).interiors) == 1
    assert len(shapely.from_wkb(filled.geometry).interiors) == 0
    assert filled.area_m2 is not None
    assert kept.area_m2 is not None
    assert filled.area_m2 - kept.area_m2 == pytest.approx(80 * 80 * 0.25, rel=0.15)
    rough = segmenter.segment(path, "buildings", simplify_m=3.0).regions[0]
    assert shapely.get_num_coordinates(shapely.from_wkb(rough.geometry)) <= shapely.get_num_coordinates(
        shapely.from_wkb(kept.geometry)
    )
    exact, off = shapely.from_wkb(kept.geometry), shapely.from_wkb(rough.geometry)
    assert exact.hausdorff_distance(off) <= 3.0 + 1e-6


def test_small_and_unsure_regions_are_left_out_on_request(segmenter: Segmenter, scene: Path) -> None:
    every = segmenter.segment(scene, "buildings").regions
    large = segmenter.segment(scene, "buildings", smallest_m2=300).regions  # 32 x 32 pixels of 0.25 m2 are 256
    assert (len(every), len(large)) == (3, 2)
    assert segmenter.segment(scene, "buildings", least_peak=0.9999).empty


def test_areas_limit_what_is_looked_at(scene: Path, tmp_path: Path) -> None:
    model = ColourSegmenter()
    found = Segmenter(model).segment(scene, "buildings", areas=[gg.Window(40, 40, 60, 40)], mask=tmp_path / "mask.tif")
    assert len(found.regions) == 1
    assert 0 < model.windows < 20
    with rasterio.open(tmp_path / "mask.tif") as mask:
        assert (mask.read(1)[:, 300:] == 255).all()  # not looked at: no data


def test_areas_in_square_metres_where_axes_are_degrees(segmenter: Segmenter, tmp_path: Path) -> None:
    # at 60 degrees north a degree of longitude is half as long: 1e-5 x 0.5e-5 degrees are 0.558 m x 0.557 m
    transform = rasterio.Affine(1e-5, 0, 10.0, 0, -0.5e-5, 60.0)
    path = write_scene(tmp_path / "d.tif", painted(500, 430, THINGS), crs="EPSG:4326", transform=transform)
    water = segmenter.segment(path, "water").regions[0]
    assert water.area_m2 == pytest.approx(water.pixels * 0.5580 * 0.5571, rel=5e-3)


def test_formats_agree(segmenter: Segmenter, scene: Path, tmp_path: Path) -> None:
    found = segmenter.segment(scene, ["buildings", "l'eau"])
    frames = [
        pyogrio.read_dataframe(found.save(tmp_path / "found.gpkg"), layer="regions"),
        pyogrio.read_dataframe(found.save(tmp_path / "found.geojson")),
    ]
    import geopandas

    frames.append(geopandas.read_parquet(found.save(tmp_path / "found.parquet")))
    assert [frame.crs.to_epsg() for frame in frames] == [32632, 4326, 32632]
    for frame in frames:
        assert list(frame.phrase) == [one.phrase for one in found.regions]
        assert frame.to_crs(32632).area.to_numpy() == pytest.approx(
            [shapely.from_wkb(one.geometry).area for one in found.regions], rel=1e-4
        )
    style = pyogrio.read_dataframe(tmp_path / "found.gpkg", layer="layer_styles")
    assert list(style.f_table_name) == ["regions"]


def test_a_batch_goes_on_past_a_bad_file(segmenter: Segmenter, scene: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.tif"
    bad.write_bytes(scene.read_bytes()[:3000])
    results = list(segmenter.segment_all([bad, scene], "buildings"))
    assert isinstance(results[0], SourceError)
    assert isinstance(results[1], Segmentation)
    assert len(results[1].regions) == 3


def test_slips_are_told_before_the_work(scene: Path) -> None:
    model = ColourSegmenter()
    for phrases, options in (
        ("  ", {}),
        ([], {}),
        ("water", {"threshold": 1.5}),
        ("water", {"out": "found.xyz"}),
        ("water", {"scale": -1}),
        ("water", {"overlap": 0.9}),
        ("water", {"tile": 1}),
    ):
        with pytest.raises(UsageError):
            Segmenter(model).segment(scene, phrases, **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        Segmenter(model).segment("not/there.tif", "water")
    assert model.windows == 0


def test_old_work_is_removed_beyond_what_is_kept(
    segmenter: Segmenter, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geoglot.api.probability_maps._KEPT_BYTES", 1)
    segmenter.segment(scene, "water")
    first = set(cache_folder().iterdir())
    time.sleep(0.01)
    segmenter.segment(scene, "road")
    left = set(cache_folder().iterdir())
    assert len(left) == 1
    assert not left & first


def test_damaged_state_is_not_believed(segmenter: Segmenter, scene: Path, tmp_path: Path) -> None:
    expected = segmenter.segment(scene, "water", work=tmp_path / "w").regions
    folder = next((tmp_path / "w").iterdir())
    (folder / "state.json").write_text("{")
    assert segmenter.segment(scene, "water", work=tmp_path / "w").regions == expected
    (folder / "0000.u16").unlink()
    assert segmenter.segment(scene, "water", work=tmp_path / "w").regions == expected


def test_rotated_scenes_keep_their_north(segmenter: Segmenter, tmp_path: Path) -> None:
    # columns run to the north, rows to the east: the building at the right of the picture is the northern one
    things = [("buildings", 40, 100, 40, 40), ("buildings", 300, 100, 40, 40)]
    transform = rasterio.Affine(0, 0.5, 500_000, 0.5, 0, 5_000_000)
    path = write_scene(tmp_path / "turned.tif", painted(400, 240, things), **{**UTM_32_NORTH, "transform": transform})
    north = segmenter.segment(path, "the northernmost building").regions
    left = segmenter.segment(path, "the leftmost building").regions
    assert len(north) == len(left) == 1
    assert north[0].window.column == pytest.approx(300, abs=8)
    assert left[0].window.column == pytest.approx(40, abs=8)


def test_the_colours_are_what_the_test_says() -> None:
    model = ColourSegmenter(side=32)
    for name, colour in COLOURS.items():
        square = np.broadcast_to(np.array(colour, np.uint8), (1, 32, 32, 3))
        scores = model.scores(model.features(np.ascontiguousarray(square)), model.phrases(list(COLOURS)))[0, :, 0, 0]
        assert list(COLOURS)[int(scores.argmax())] == name
        assert (scores > 0.5).sum() == 1
