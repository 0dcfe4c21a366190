"""``geoglot segment``, ``find`` and ``locate``: the command line says what the API says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
from colour_segmenter import ColourSegmenter
from painted_scenes import painted, write_scene

import geoglot as gg
from geoglot.api.segmenter import Segmenter
from geoglot.cli.main import main
from geoglot.core.errors import UsageError

TOWN = [("buildings", 40, 40, 80, 40), ("buildings", 240, 200, 40, 40), ("water", 120, 280, 160, 80)]
FIELDS = [("water", 40, 40, 120, 60)]


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    folder = tmp_path / "scenes"
    folder.mkdir()
    write_scene(folder / "town.tif", painted(400, 400, TOWN))
    transform = rasterio.Affine(0.5, 0, 500_400, 0, -0.5, 5_000_000)
    write_scene(folder / "fields.tif", painted(320, 320, FIELDS, seed=1), transform=transform)
    return folder


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_command_says_what_the_api_says(
    colours: ColourSegmenter, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, mask = tmp_path / "found.gpkg", tmp_path / "mask.tif"
    town = str(scenes / "town.tif")
    options = ["--threshold", "0.6", "--smallest", "100", "--simplify", "1", "--no-holes", "--tile", "128"]
    assert (
        main(
            [
                "segment",
                town,
                "the largest building",
                "--phrase",
                "l'eau",
                "-o",
                str(out),
                "--mask",
                str(mask),
                *options,
            ]
        )
        == 0
    )
    told = lines(capsys.readouterr().out)[0]
    same = Segmenter(colours).segment(
        town,
        ["the largest building", "l'eau"],
        threshold=0.6,
        smallest_m2=100,
        simplify_m=1,
        holes=False,
        mask=tmp_path / "same.tif",
    )
    assert told == json.loads(json.dumps(same.as_record()))
    layer = pyogrio.read_dataframe(out, layer="regions")
    assert list(layer.phrase) == ["the largest building", "l'eau"]
    assert list(layer.area_m2) == [round(one.area_m2 or 0, 2) for one in same.regions]
    with rasterio.open(mask) as one, rasterio.open(tmp_path / "same.tif") as other:
        np.testing.assert_array_equal(one.read(), other.read())


def test_regions_are_lines_in_a_pipe(
    colours: ColourSegmenter, scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["segment", str(scenes / "town.tif"), "buildings", "-q"]) == 0
    found = lines(capsys.readouterr().out)
    expected = Segmenter(colours).segment(scenes / "town.tif", "buildings")
    assert found == [json.loads(json.dumps(one.as_record())) for one in expected.regions]
    assert main(["segment", str(scenes / "town.tif"), "buildings", "--format", "geojson"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(expected.to_geojson()))


def test_no_target_is_said_and_is_no_failure(
    colours: ColourSegmenter, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["segment", str(scenes / "fields.tif"), "a giraffe", "-o", str(tmp_path / "none.gpkg")]) == 0
    told = capsys.readouterr().err
    assert "the model has never seen giraffe: the layer of 'a giraffe' is empty" in told
    assert len(pyogrio.read_dataframe(tmp_path / "none.gpkg", layer="regions")) == 0


def test_a_batch_goes_on_past_a_bad_scene(
    colours: ColourSegmenter, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (scenes / "bad.tif").write_bytes(b"II*\0" + b"\xff" * 200)
    assert (
        main(["segment", str(scenes), "water", "-o", str(tmp_path / "water.gpkg"), "--mask", str(tmp_path / "masks")])
        == 3
    )
    assert "bad.tif" in capsys.readouterr().err
    layer = pyogrio.read_dataframe(tmp_path / "water.gpkg", layer="regions")
    assert sorted(Path(source).name for source in layer.source) == ["fields.tif", "town.tif"]
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == ["fields.tif.mask.tif", "town.tif.mask.tif"]
    assert main(["segment", str(scenes), "water", "-o", str(tmp_path / "each")]) == 3
    assert sorted(path.name for path in (tmp_path / "each").iterdir()) == ["fields.tif.gpkg", "town.tif.gpkg"]
    assert main(["segment", str(scenes / "bad.tif"), "water"]) == 1


def test_scenes_of_several_systems_meet_in_degrees(colours: ColourSegmenter, scenes: Path, tmp_path: Path) -> None:
    other = rasterio.Affine(0.5, 0, 300_000, 0, -0.5, 5_000_000)
    write_scene(scenes / "other.tif", painted(320, 320, FIELDS), crs="EPSG:32633", transform=other)
    write_scene(scenes / "nowhere.tif", painted(320, 320, FIELDS), located=False)
    assert main(["segment", str(scenes), "water", "-o", str(tmp_path / "all.gpkg"), "-q"]) == 3  # one has no place
    layer = pyogrio.read_dataframe(tmp_path / "all.gpkg", layer="regions")
    assert layer.crs.to_epsg() == 4326
    assert len(layer) == 3


def test_slips_cost_nothing(colours: ColourSegmenter, scenes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    town = str(scenes / "town.tif")
    for arguments in (
        ["segment", town],
        ["segment", town, "water", "-o", "found.xyz"],
        ["segment", town, "water", "--threshold", "7"],
        ["segment", "nowhere.tif", "water"],
        ["locate", town, "water", "-o", "heat.png"],
        ["locate", town],
        ["find", "water", "--archive", str(scenes), "-k", "0"],
    ):
        assert main([*arguments, "-q"]) == 2
        assert "error" in capsys.readouterr().err
    assert colours.windows == 0


@pytest.fixture
def archive(scenes: Path, tmp_path: Path) -> Path:
    with gg.Archive.create(tmp_path / "town.archive") as made:
        made.index(scenes, tile=128, overlap=0.25)
    return tmp_path / "town.archive"


def test_find_searches_looks_and_outlines(
    colours: ColourSegmenter, scenes: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, page = tmp_path / "water.gpkg", tmp_path / "water.html"
    arguments = ["find", "water", "-a", str(archive), "--segment", "--every-hit", "-o", str(out), "--report", str(page)]
    assert main([*arguments, "-q"]) == 0
    told = lines(capsys.readouterr().out)[0]
    with gg.Archive.open(archive) as opened:
        same = gg.find(opened, "water", segmenter=colours, every_hit=True)
    assert told == json.loads(json.dumps(same.as_record()))
    assert told["regions"] == 2
    layer = pyogrio.read_dataframe(out, layer="regions")
    assert sorted(Path(source).name for source in layer.source) == ["fields.tif", "town.tif"]
    # the lake of 160 x 80 pixels lies in several tiles and is one polygon of about 3,200 m2
    assert layer.area_m2.max() == pytest.approx(3200, rel=0.05)
    text = page.read_text()
    assert text.count("<img ") == 2
    assert "http" not in text.replace("http-equiv", "")


def test_find_follows_only_what_may_be_a_match_and_says_so(
    colours: ColourSegmenter, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gg.Archive.open(archive) as opened:
        sure = gg.find(opened, "many planes beside the terminal", segmenter=colours)
    followed = [hit for hit in sure.answer if hit.band is not gg.Band.BACKGROUND]
    assert sum(len(scene.hits) for scene in sure.scenes) == len(followed)
    if not followed:
        assert any("no likely match" in note for note in sure.notes)
    assert main(["find", "planes", "-a", str(archive), "--every-hit", "-k", "3", "-q"]) == 0
    assert {"source", "hits", "windows"} <= set(lines(capsys.readouterr().out)[0])


def test_find_goes_on_past_a_scene_that_is_gone(
    colours: ColourSegmenter, scenes: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (scenes / "fields.tif").unlink()
    out = tmp_path / "left.geojson"
    assert main(["find", "water", "-a", str(archive), "--segment", "--every-hit", "-o", str(out), "-q"]) == 3
    assert "is gone" in capsys.readouterr().err
    assert len(json.loads(out.read_text())["features"]) == 1


def test_locate_maps_the_whole_scene_and_names_places(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, town = tmp_path / "heat.tif", scenes / "town.tif"
    assert main(["locate", str(town), "a lake", "-o", str(out), "--tile", "128", "-k", "3", "-q"]) == 0
    told = lines(capsys.readouterr().out)
    heat = gg.locate(town, "a lake", tile=128, k=3)
    assert [{key: one[key] for key in ("rank", "score", "window")} for one in told] == [
        {key: place.as_record()[key] for key in ("rank", "score", "window")} for place in heat.places
    ]
    with rasterio.open(out) as map_, rasterio.open(town) as scene:
        assert map_.crs == scene.crs
        assert map_.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert map_.transform.a == scene.transform.a * heat.cell
        np.testing.assert_array_equal(map_.read(1), heat.scores)
    assert np.isfinite(heat.scores).all()
    assert heat.levels == 3
    assert heat.places[0].score == heat.scores.max()


def test_locate_uses_the_vectors_of_the_archive(scenes: Path, archive: Path, tmp_path: Path) -> None:
    town = scenes / "town.tif"
    again = gg.locate(town, "a lake", archive=archive, levels=2)
    assert again.reused > 0
    assert again.tiles > again.reused  # the second level is read
    with gg.Archive.open(archive) as opened:
        only = gg.locate(town, "a lake", archive=opened, levels=1)
    assert only.tiles == only.reused == again.reused
    write_scene(town, painted(400, 400, FIELDS, seed=9))  # not what was indexed
    changed = gg.locate(town, "a lake", archive=archive, levels=1)
    assert changed.reused == 0
    assert any("as it is now" in note for note in changed.notes)


def test_locate_leaves_out_what_has_no_data_and_takes_pictures(tmp_path: Path) -> None:
    pixels = painted(400, 400, TOWN)
    pixels[:, :, :128] = 0
    scene = write_scene(tmp_path / "half.tif", pixels, nodata=0)
    heat = gg.locate(scene, like=scene, tile=128, levels=1)
    assert np.isnan(heat.scores[:, : 128 // heat.cell]).all()
    assert np.isfinite(heat.scores[:, 128 // heat.cell :]).all()
    nowhere = write_scene(tmp_path / "nowhere.tif", pixels, located=False)
    unlocated = gg.locate(nowhere, "water", tile=128, levels=1)
    assert unlocated.crs is None
    assert unlocated.places[0].longitude is None
    assert any("no place on Earth" in note for note in unlocated.notes)
    unlocated.save(tmp_path / "heat.tif")
    with pytest.raises(UsageError):
        gg.locate(scene, "water", levels=0)
