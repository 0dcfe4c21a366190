"""The folder that is built: its layout, what is left out and why, splits, places, and that it comes out the same."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geoglot.core.errors import DataError, GeoglotError, UsageError
from geoglot.core.records import Window
from geoglot.data.class_table import class_table
from geoglot.data.labelled_rasters import paired_files, raster_sources
from geoglot.data.reference_builder import Crops, Filters, Settings, build, crop_windows, why_dropped
from geoglot.data.reference_masks import Meaning
from geoglot.data.reference_rules import GENERAL, Category
from geoglot.data.reference_sources import (
    LabelledSource,
    Piece,
    in_bands,
    scene_sources,
    split_by_number,
    whole,
)
from geoglot.data.referring import load_referring, read_pair

TABLE = class_table({"0": "water", "1": "road", "2": "building", "3": "unlabeled"})
RULES = TABLE.rulebook(GENERAL)
SETTINGS = Settings(crops=Crops(size=64, stride=64, side=64))


def painted() -> np.ndarray:
    """64 x 64: a road over the first 8 rows, a building beside it, one far from it, the rest not labelled."""
    classes = np.full((64, 64), 3)
    classes[:8] = 1
    classes[10:22, 4:20] = 2
    classes[44:60, 30:50] = 2
    return classes


def source(classes: np.ndarray, name: str = "a", split: str = "train") -> LabelledSource:
    pixels = np.stack([classes * 60] * 3, axis=-1).astype(np.uint8)

    def read(window: Window) -> Piece:
        part = np.s_[window.row : window.row + window.height, window.column : window.column + window.width]
        return Piece(pixels[part], classes[part])

    areas = whole(split, classes.shape[1], classes.shape[0])
    return LabelledSource(id=name, areas=areas, names=TABLE.names, gsd_m=1.0, read=read)


def test_a_folder_in_the_layout_of_refsegrs(tmp_path: Path) -> None:
    folder = tmp_path / "triplets"
    about = build([source(painted())], RULES, folder, name="small", settings=SETTINGS)
    # road; building; building along the road. Water is not there: alone, by the water of two, surrounded by two.
    assert (folder / "output_phrase_train.txt").read_text().splitlines() == [
        "a_01 road",
        "a_02 building",
        "a_03 building along the road",
    ]
    assert (folder / "output_phrase_val.txt").read_text() == ""
    assert sorted(path.name for path in (folder / "images").iterdir()) == ["a_01.tif", "a_02.tif", "a_03.tif"]
    assert sorted(path.name for path in (folder / "masks").iterdir()) == ["a_01.tif", "a_02.tif", "a_03.tif"]
    assert about["triplets"] == {"train": 3, "val": 0, "test": 0}
    assert about["scenes"] == {"train": 1, "val": 0, "test": 0}
    assert json.loads((folder / "dataset.json").read_text()) == about
    records = load_referring(folder).records("train")
    assert [record.id for record in records] == ["a_01", "a_02", "a_03"]
    assert records[2].phrases["fr"] == "bâtiment le long de la route"
    assert records[2].categories == ("building", "road")
    assert records[2].template == "category+relation"
    assert records[2].wordings["it"][2] == "gli edifici lungo la strada"
    pixels, mask = read_pair(records[2])
    expected = np.zeros((64, 64), dtype=bool)
    expected[10:22, 4:20] = True
    assert mask.tolist() == expected.tolist()
    assert pixels.tolist() == np.stack([painted() * 60] * 3, axis=-1).tolist()


def test_other_readers_find_an_image_for_every_triplet_and_the_disk_holds_one(tmp_path: Path) -> None:
    folder = tmp_path / "triplets"
    build([source(painted())], RULES, folder, name="small", settings=SETTINGS)
    files = [folder / "images" / f"a_0{n}.tif" for n in (1, 2, 3)]
    assert len({path.read_bytes() for path in files}) == 1
    if hasattr(os, "link") and files[0].stat().st_nlink > 1:
        assert files[0].stat().st_ino == files[2].stat().st_ino
    assert len({record.image for record in load_referring(folder).records("train")}) == 1


def test_the_same_sources_give_the_same_folder(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        folder = tmp_path / name
        build([source(painted())], RULES, folder, name="small", settings=SETTINGS)
        contents.append({p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()})
    assert contents[0] == contents[1]


def test_reasons_are_counted(tmp_path: Path) -> None:
    classes = painted()
    classes[44:60, 30:50] = 3  # now all buildings lie along the road: the relation says nothing
    classes[62, 62] = 0  # one pixel of water
    about = build([source(classes)], RULES, tmp_path / "x", name="x", settings=SETTINGS)
    assert about["triplets"]["train"] == 2
    assert about["dropped"]["relation says nothing"] == 1
    assert about["dropped"]["too small"] >= 1
    full = np.ones((64, 64), dtype=int)
    with pytest.raises(DataError, match="no triplet at all"):
        build([source(full)], RULES, tmp_path / "y", name="y", settings=SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]  # whole or not at all


CATEGORY = Category(name="building", classes=("building",))
RELATION = next(relation for relation in RULES.relations if relation.name == "along the road")


@pytest.mark.parametrize(
    ("meant", "whole_pixels", "doubtful", "strips", "reason"),
    [
        (0, 400, 0, 0, "empty"),
        (47, 400, 0, 0, "too small"),  # 48 pixels are asked for
        (48, 400, 0, 0, ""),
        (3700, 3700, 0, 0, "whole crop"),  # of 4,096 at most 0.9: 3,686
        (100, 400, 26, 0, "doubtful"),  # at most a quarter
        (100, 400, 25, 0, ""),
        (100, 400, 0, 51, "too narrow"),  # at most half
        (393, 400, 0, 0, "relation says nothing"),  # 7 of 400 left out, 8 are asked for
        (392, 400, 0, 0, ""),
    ],
)
def test_why_a_triplet_is_dropped(meant: int, whole_pixels: int, doubtful: int, strips: int, reason: str) -> None:
    def first(count: int) -> np.ndarray:
        return (np.arange(4096) < count).reshape(64, 64)

    meaning = Meaning(
        category=CATEGORY,
        relation=RELATION,
        mask=first(meant),
        whole=first(whole_pixels),
        doubtful=doubtful,
        strips=strips,
    )
    assert why_dropped(meaning, meaning.mask, Filters()) == reason


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds something already"):
        build([source(painted())], RULES, tmp_path, name="x", settings=SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_crops_of_the_paper() -> None:
    windows = crop_windows(Window(0, 0, 5616, 3744), Crops())
    # 8 columns at 0, 600 ... 4200 and 5 rows at 0 ... 2400: 40 crops of a tile, 640 of the 16.
    assert len(windows) == 40
    assert windows[-1] == Window(4200, 2400, 1200, 1200)


@pytest.mark.parametrize("length", [100, 128, 129, 150, 200, 331, 1000])
def test_covering_crops_reach_both_edges_and_leave_no_gap(length: int) -> None:
    crops = Crops(size=128, stride=64, cover=True)
    windows = crop_windows(Window(10, 20, length, length), crops)
    columns = sorted({window.column - 10 for window in windows})
    size = windows[0].width
    assert size == min(128, length)
    assert min(columns) >= 0
    assert max(columns) + size <= length
    assert all(after - before <= size for before, after in itertools.pairwise(columns))
    assert length - (max(columns) + size) + min(columns) <= 16  # a quarter of the stride


def test_held_splits_may_have_another_stride() -> None:
    crops = Crops(size=100, stride=50, cover=True, stride_held=100)
    assert len(crop_windows(Window(0, 0, 300, 100), crops, split="train")) == 5
    assert len(crop_windows(Window(0, 0, 300, 100), crops, split="test")) == 3


def test_bands_do_not_overlap_and_files_are_split_in_order() -> None:
    for width, height in ((1000, 400), (400, 1000)):
        areas = in_bands(width, height, least=100)
        assert [split for split, _ in areas] == ["train", "val", "test"]
        assert sum(window.area for _, window in areas) == width * height
    assert split_by_number(20).count("train") == 14
    assert split_by_number(2) == ["train", "train"]


def write_scene(folder: Path, *, shift: float = 0.0) -> tuple[Path, Path]:
    import rasterio
    from rasterio import Affine

    classes = np.full((128, 512), 3, np.uint8)
    classes[:24] = 1
    for column in range(16, 500, 64):
        classes[28:60, column : column + 32] = 2
    classes[100:] = 0
    image = (np.stack([classes] * 4).astype(np.int64) * 1000 + 500).astype(np.uint16)  # four bands of 16 bits
    image[:, :, 511] = 0
    place = {"crs": "EPSG:32632", "transform": Affine(0.5, 0, 400_000, 0, -0.5, 5_000_000)}
    shape = {"driver": "GTiff", "width": 512, "height": 128}
    with rasterio.open(folder / "scene.tif", "w", count=4, dtype="uint16", nodata=0, **shape, **place) as file:
        file.write(image)
    place["transform"] = Affine(0.5, 0, 400_000 + shift, 0, -0.5, 5_000_000)
    with rasterio.open(folder / "classes.tif", "w", count=1, dtype="uint8", **shape, **place) as file:
        file.write(classes, 1)
    return folder / "scene.tif", folder / "classes.tif"


def test_a_raster_keeps_its_place(tmp_path: Path) -> None:
    import rasterio

    image, labels = write_scene(tmp_path)
    sources = raster_sources(image, labels, TABLE, split="train", crop=128)
    crops = Settings(crops=Crops(size=128, stride=128, side=64, cover=True))
    build(sources, RULES, tmp_path / "out", name="x", settings=crops)
    records = load_referring(tmp_path / "out").records("train")
    assert {record.scene for record in records} == {"scene_0_0", "scene_128_0", "scene_256_0", "scene_384_0"}
    record = next(record for record in records if record.scene == "scene_256_0")
    for path in (record.image, record.mask):
        with rasterio.open(path) as file:
            assert file.crs.to_epsg() == 32632
            # Column 256 of half a metre is 128 m east; crops of 128 pixels made 64 have pixels of a metre.
            assert tuple(file.transform)[:6] == (1.0, 0.0, 400_128.0, 0.0, -1.0, 5_000_000.0)
            assert (file.width, file.height) == (64, 64)
    pixels, mask = read_pair(record)
    assert pixels.shape == (64, 64, 3)
    assert mask.dtype == bool
    assert len(np.unique(pixels)) > 2  # 16 bits were stretched, not cut off


def test_a_raster_is_split_into_bands_and_nodata_is_nothing(tmp_path: Path) -> None:
    image, labels = write_scene(tmp_path)
    (made,) = raster_sources(image, labels, TABLE, crop=64)
    assert [split for split, _ in made.areas] == ["train", "val", "test"]
    assert made.gsd_m == pytest.approx(0.5, abs=0.01)
    assert (made.read(Window(500, 0, 12, 8)).classes[:, -1] == -1).all()


def test_rasters_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    image, labels = write_scene(tmp_path, shift=10.0)
    with pytest.raises(DataError, match="lies elsewhere"):
        raster_sources(image, labels, TABLE)
    Image.new("L", (12, 12)).save(tmp_path / "small.png")
    with pytest.raises(DataError, match="12 x 12 pixels, its image 512 x 128"):
        raster_sources(image, tmp_path / "small.png", TABLE)
    image, labels = tmp_path / "photo.png", tmp_path / "photo_classes.png"
    Image.new("RGB", (40, 30)).save(image)
    Image.new("L", (40, 30)).save(labels)
    with pytest.raises(UsageError, match="--gsd"):
        raster_sources(image, labels, TABLE)
    assert raster_sources(image, labels, TABLE, gsd_m=0.3)[0].place is None
    with pytest.raises(UsageError, match="is no split"):
        raster_sources(image, labels, TABLE, gsd_m=0.3, split="tset")


def test_folders_of_images_and_pictures_in_colours(tmp_path: Path) -> None:
    table = class_table({"1": {"name": "road", "colour": "#ff0000"}, "2": {"name": "building", "colour": "#0000ff"}})
    for part in ("images", "labels"):
        (tmp_path / part).mkdir()
    for number in range(3):
        Image.fromarray(np.full((80, 80, 3), number * 50, np.uint8)).save(tmp_path / "images" / f"{number}.jpg")
        colours = np.zeros((80, 80, 3), np.uint8)
        colours[:20] = (255, 0, 0)
        colours[30:60, 10:50] = (0, 0, 255)
        Image.fromarray(colours).save(tmp_path / "labels" / f"{number}.png")
    sources = raster_sources(tmp_path / "images", tmp_path / "labels", table, gsd_m=0.5)
    assert [each.areas[0][0] for each in sources] == ["train", "val", "test"]
    classes = sources[0].read(Window(0, 0, 80, 80)).classes
    assert (np.unique(classes).tolist(), int((classes == 2).sum())) == ([-1, 1, 2], 1200)
    (tmp_path / "labels" / "1.png").unlink()
    with pytest.raises(DataError, match="no class raster of its name"):
        paired_files(tmp_path / "images", tmp_path / "labels")


def test_objects_of_a_raster_are_told_apart(tmp_path: Path) -> None:
    classes = np.zeros((64, 64), np.uint8)
    classes[:8] = 1
    classes[9:40, 10:20] = 2  # two buildings that touch: one beside the road, the other behind it
    objects = np.zeros((64, 64), np.uint16)
    objects[9:20, 10:20], objects[20:40, 10:20] = 300, 400
    for name, stored in (("photo", classes * 50), ("classes", classes), ("objects", objects)):
        Image.fromarray(stored).save(tmp_path / f"{name}.png")
    files = [tmp_path / f"{name}.png" for name in ("photo", "classes", "objects")]
    made = {}
    for name, instances in (("regions", None), ("objects", files[2])):
        sources = raster_sources(*files[:2], TABLE, instances=instances, gsd_m=2.0, split="train")
        build(sources, RULES, tmp_path / name, name=name, settings=SETTINGS)
        made[name] = {r.phrases["en"]: r for r in load_referring(tmp_path / name).records("train")}
    # As one region all of it is along the road: that says nothing more than "building".
    assert "building along the road" not in made["regions"]
    _, mask = read_pair(made["objects"]["building along the road"])
    assert mask.tolist() == (objects == 300).tolist()
    image = read_pair(made["objects"]["road"])[0]
    assert image.shape == (64, 64, 3)  # grey, as colours


def test_a_damaged_class_raster_is_named(tmp_path: Path) -> None:
    image, labels = write_scene(tmp_path)
    content = labels.read_bytes()
    labels.write_bytes(content[: len(content) // 2])
    with pytest.raises(GeoglotError, match=r"classes\.tif"):
        raster_sources(image, labels, TABLE)[0].read(Window(0, 0, 512, 128))
    with pytest.raises(DataError, match="is the name of two images"):
        build([source(painted()), source(painted())], RULES, tmp_path / "x", name="x", settings=SETTINGS)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    build([source(painted())], RULES, tmp_path / "x", name="x", settings=SETTINGS)
    assert len(load_referring(tmp_path / "x").records("train")) == 3


def test_progress_counts_crops(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    settings = Settings(crops=Crops(size=32, stride=32, side=32))
    build([source(painted())], RULES, tmp_path / "x", name="x", settings=settings, progress=lambda *at: seen.append(at))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_generated_scenes_know_their_objects(tmp_path: Path) -> None:
    from geoglot.data.scenes import CLASSES

    (made,) = scene_sources(train=1, val=0, test=0, side=256, seed=3)
    piece = made.read(Window(0, 0, 256, 256))
    assert piece.instances is not None
    assert piece.pixels.shape == (256, 256, 3)
    assert np.count_nonzero(np.bincount(piece.classes.ravel()) > 655) >= 5  # a hundredth of the picture
    again = scene_sources(train=1, val=0, test=0, side=256, seed=3)[0].read(Window(0, 0, 256, 256))
    assert again.classes.tolist() == piece.classes.tolist()
    settings = Settings(crops=Crops(size=256, stride=256, side=256))
    about = build([made], GENERAL.restricted(CLASSES), tmp_path / "x", name="scenes", settings=settings)
    assert about["triplets"]["train"] >= 3
