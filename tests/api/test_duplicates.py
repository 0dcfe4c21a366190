"""Duplicates in archives of drawn scenes with planted copies, with the shipped model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

import geoglot as gg
from geoglot.archive import alike
from geoglot.core.records import Window
from geoglot.data.scenes import Scene, SceneSpec, demo_spec

ROOT = Path(__file__).resolve().parents[2]
PHOTOS = 48
COPIED = 20
CHANGES = ("jpeg", "shift", "scale", "bright")


def geoglot(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "geoglot.cli.main", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def scene_file(path: Path, pixels: np.ndarray, *, column: int = 0, row: int = 0) -> Path:
    """A GeoTIFF of a part of one place, at 0.5 m per pixel."""
    import rasterio

    height, width = pixels.shape[:2]
    where = rasterio.Affine(0.5, 0, 500_000 + 0.5 * column, 0, -0.5, 5_000_000 - 0.5 * row)
    profile = {"driver": "GTiff", "width": width, "height": height, "count": 3, "dtype": "uint8", "crs": "EPSG:32633"}
    with rasterio.open(path, "w", **profile, transform=where, photometric="RGB") as file:
        file.write(pixels.transpose(2, 0, 1))
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of places of the demo map, none of which overlap, and copies of some, each changed in one way."""
    folder = tmp_path_factory.mktemp("photos")
    scene = Scene(demo_spec())
    for number in range(PHOTOS):
        row, column = divmod(number, 8)
        photo = Image.fromarray(scene.render(Window(700 * column + 50, 700 * row + 50, 256, 256)))
        photo.save(folder / f"{number:02d}.png")
        if number >= COPIED:
            continue
        match CHANGES[number % 4]:
            case "jpeg":
                photo.save(folder / f"{number:02d}-jpeg.jpg", quality=35)
            case "shift":
                photo.crop((6, 4, 256, 256)).save(folder / f"{number:02d}-shift.png")
            case "scale":
                photo.resize((150, 150), Image.Resampling.BICUBIC).save(folder / f"{number:02d}-scale.png")
            case "bright":
                ImageEnhance.Brightness(photo).enhance(1.25).save(folder / f"{number:02d}-bright.png")
    shutil.copy(folder / "47.png", folder / "47-same.png")
    return folder


@pytest.fixture(scope="module")
def archive_folder(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archives") / "photos"
    with gg.Archive.create(path) as archive:
        archive.index(photos)
    return path


def planted(photos: Path) -> set[frozenset[str]]:
    return {frozenset({path.name, f"{path.name[:2]}.png"}) for path in photos.glob("*-*") if "same" not in path.name}


def found_pairs(found: object) -> set[frozenset[str]]:
    groups = [group for group in found.groups if group.kind == "near"]
    assert all(len(group.members) == 2 for group in groups)
    return {frozenset(Path(member.source).name for member in group.members) for group in groups}


def test_planted_copies_are_found_and_nothing_else(archive_folder: Path, photos: Path) -> None:
    """Recall at least 18 of 20 planted copies, and no pair that was not planted."""
    with gg.Archive.open(archive_folder) as archive:
        found = archive.duplicates()
    pairs, wanted = found_pairs(found), planted(photos)
    assert len(wanted) == COPIED
    assert pairs <= wanted
    assert len(pairs) >= 18
    assert found.tiles == PHOTOS + COPIED
    assert found.unread == 0
    exact = [group for group in found.groups if group.kind == "exact"]
    assert [[Path(member.source).name for member in group.members] for group in exact] == [["47-same.png", "47.png"]]
    assert found.scenes[0].exact
    assert {pair.share for pair in found.scenes} == {1.0}
    assert len(found.scenes) == 1 + len(pairs)


def test_the_command_gives_what_the_api_gives(archive_folder: Path, tmp_path: Path) -> None:
    with gg.Archive.open(archive_folder) as archive:
        found = archive.duplicates()
        few = archive.duplicates(source="*/0*.png", at_least=0.97, jobs=2)
    ask = ["duplicates", archive_folder, "-q"]
    lines = [json.loads(line) for line in geoglot(*ask).stdout.splitlines()]
    assert lines == [group.as_record() for group in found.groups]
    scenes = [json.loads(line) for line in geoglot(*ask, "--scenes").stdout.splitlines()]
    assert scenes == [pair.as_record() for pair in found.scenes]
    some = geoglot(*ask, "--source", "*/0*.png", "--at-least", "0.97", "--jobs", 2)
    assert [json.loads(line) for line in some.stdout.splitlines()] == [group.as_record() for group in few.groups]
    assert geoglot(*ask, "-o", tmp_path / "copies.geojson").returncode == 0
    assert json.loads((tmp_path / "copies.geojson").read_text()) == found.to_geojson()
    table = geoglot(*ask, "--format", "table")
    assert "1 groups of files with the same bytes" in table.stdout
    assert "whole file" in table.stdout
    assert "same bytes" in geoglot(*ask, "--scenes", "--format", "table").stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--at-least", "0"], "at_least=0: is no least similarity"),
        (["--at-least", "1.5"], "is no least similarity"),
        (["--jobs", "0"], "leaves nobody to read"),
        (["-o", "copies.gpkg"], "is not for duplicates"),
        (["--scenes", "--format", "geojson"], "has no places of its own"),
    ],
)
def test_what_makes_no_sense_is_told(archive_folder: Path, options: list[str], told: str) -> None:
    done = geoglot("duplicates", archive_folder, "-q", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_overlapping_tiles_of_one_scene_are_no_duplicates_and_copied_scenes_pair_tile_by_tile(tmp_path: Path) -> None:
    """A scene of 7 x 5 tiles, its bright copy, one shifted by 24 pixels, and another place."""
    imagery = tmp_path / "imagery"
    imagery.mkdir()
    scene = Scene(SceneSpec(3, 3000, 2000))
    town = scene.render(Window(0, 0, 1472, 1056))
    scene_file(imagery / "town.tif", town[:1024, :1408])
    bright = np.clip(town[:1024, :1408] * 1.2, 0, 255).astype(np.uint8)
    scene_file(imagery / "town-bright.tif", bright)
    scene_file(imagery / "town-shifted.tif", town[24:1048, 24:1432], column=24, row=24)
    scene_file(imagery / "elsewhere.tif", Scene(SceneSpec(9, 3000, 2000)).render(Window(500, 300, 1024, 1024)))
    with gg.Archive.create(tmp_path / "a") as archive:
        archive.index(imagery, tile=256, overlap=0.25)
        found = archive.duplicates()
        tiles = found.tiles
    assert tiles == 3 * 35 + 25
    for group in found.groups:
        assert "elsewhere.tif" not in {Path(member.source).name for member in group.members}
        # two tiles of one file may be there (drawn ground repeats after 1,024 pixels), but none that overlap
        for one, other in combinations(group.members, 2):
            if one.source == other.source:
                a, b = one.tile.window, other.tile.window
                assert abs(a.column - b.column) >= 256 or abs(a.row - b.row) >= 256
    shares = {frozenset((Path(pair.first).stem, Path(pair.second).stem)): pair.share for pair in found.scenes}
    assert shares[frozenset(("town", "town-bright"))] > 0.8  # bright sand is white
    assert shares[frozenset(("town", "town-shifted"))] > 0.9
    assert set().union(*shares) == {"town", "town-bright", "town-shifted"}
    located = found.to_geojson()["features"]
    assert all(feature["geometry"]["type"] == "Polygon" for feature in located)
    assert {feature["properties"]["group"] for feature in located} == set(range(1, len(found.groups) + 1))


def test_a_file_that_has_gone_is_left_out_and_told(photos: Path, tmp_path: Path) -> None:
    imagery = tmp_path / "imagery"
    imagery.mkdir()
    for name in ("00.png", "00-jpeg.jpg", "02.png", "02-scale.png"):
        shutil.copy(photos / name, imagery)
    with gg.Archive.create(tmp_path / "a") as archive:
        archive.index(imagery)
        assert len(archive.duplicates().groups) == 2
        archive.remove(str(imagery / "02.png"))
        assert len(archive.duplicates().groups) == 1
    (imagery / "00.png").write_bytes(b"no picture any more")
    done = geoglot("duplicates", tmp_path / "a", "-q")
    assert (done.returncode, done.stdout) == (3, "")
    assert "1 of 2 tiles could not be read again" in done.stderr


def test_an_empty_archive_has_no_duplicates(tmp_path: Path) -> None:
    with gg.Archive.create(tmp_path / "a") as archive:
        found = archive.duplicates()
    assert (found.groups, found.scenes, found.tiles) == ((), (), 0)
    assert geoglot("duplicates", tmp_path / "a", "-q").returncode == 0


def table_of(vectors: np.ndarray, files: np.ndarray, windows: np.ndarray) -> alike.TileTable:
    """A table over vectors in memory."""

    class Segment:
        def __init__(self) -> None:
            self.vectors = vectors.astype(np.float16)

    class Searcher:
        def __init__(self) -> None:
            self.segments = [Segment()]
            self.dimension = vectors.shape[1]

    count = len(vectors)
    return alike.TileTable(
        searcher=Searcher(),
        segment=np.zeros(count, np.int32),
        row=np.arange(count),
        file=files.astype(np.int32),
        windows=windows.astype(np.int32),
        files=(),
    )


def unit_rows(random: np.random.Generator, count: int, dimension: int = 32) -> np.ndarray:
    rows = random.normal(size=(count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_candidates_are_those_of_a_naive_loop() -> None:
    random = np.random.default_rng(4)
    vectors = unit_rows(random, 60, 6)
    files, windows = random.integers(0, 5, 60), np.zeros((60, 4))
    windows[:, 0] = random.integers(0, 4, 60) * 50
    windows[:, 2:] = 64
    table = table_of(vectors, files, windows)
    exact = vectors.astype(np.float16).astype(np.float32)
    wanted = set()
    for a in range(60):
        for b in range(a + 1, 60):
            overlap = files[a] == files[b] and abs(windows[a, 0] - windows[b, 0]) < 64
            if not overlap and float(exact[a] @ exact[b]) >= 0.8:
                wanted.add((a, b))
    got = alike.alike_pairs(table, at_least=0.8)
    assert set(zip(got.first.tolist(), got.second.tolist(), strict=True)) == wanted
    assert len(got) == len(wanted) > 5
    assert (np.diff(got.similarity) <= 0).all()


def test_a_copy_behind_many_overlapping_tiles_is_found() -> None:
    """200 windows over one another with the same vector, and one tile of another file that is a little different."""
    random = np.random.default_rng(5)
    vectors = np.repeat(unit_rows(random, 1), 201, axis=0)
    vectors[200] += 0.02 * unit_rows(random, 1)[0]
    files = np.zeros(201)
    files[200] = 1
    windows = np.tile([0, 0, 256, 256], (201, 1))
    windows[:, 0] = np.minimum(np.arange(201), 199)
    got = alike.alike_pairs(table_of(vectors, files, windows), at_least=0.9)
    assert set(got.second.tolist()) == {200}
    assert set(got.first.tolist()) == set(range(200))


def test_cells_find_what_comparing_all_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(6)
    vectors = unit_rows(random, 3000, 64)
    copies = vectors[:300] + 0.02 * random.normal(size=(300, 64)).astype(np.float32)
    every = np.concatenate([vectors, copies / np.linalg.norm(copies, axis=1, keepdims=True)])
    table = table_of(every, np.arange(3300), np.zeros((3300, 4)))
    monkeypatch.setattr(alike, "COMPARE_ALL", 10)
    got = alike.alike_pairs(table, at_least=0.9)
    pairs = set(zip(got.first.tolist(), got.second.tolist(), strict=True))
    assert sum((k, 3000 + k) in pairs for k in range(300)) >= 295


@pytest.mark.slow
def test_a_hundred_thousand_tiles_take_less_than_a_minute_and_a_gigabyte() -> None:
    """On two cores; in a process of its own, so that the memory is that of this alone."""
    script = """
import resource, sys, time
import numpy as np
sys.path.insert(0, {tests!r})
from test_duplicates import table_of
from geoglot.archive import alike
random = np.random.default_rng(0)
centres = random.normal(size=(60, 256)).astype(np.float32)
vectors = centres[random.integers(0, 60, 100_000)] + 0.9 * random.normal(size=(100_000, 256)).astype(np.float32)
vectors[50_000:51_000] = vectors[:1000] + 0.2 * random.normal(size=(1000, 256)).astype(np.float32)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
table = table_of(vectors, np.arange(100_000), np.zeros((100_000, 4)))
started = time.monotonic()
got = alike.alike_pairs(table, at_least=0.9)
pairs = set(zip(got.first.tolist(), got.second.tolist()))
found = sum((k, 50_000 + k) in pairs for k in range(1000))
print(time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, found, len(pairs))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", script.format(tests=str(Path(__file__).parent))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=280)
    seconds, gigabytes, found, pairs = map(float, done.stdout.split())
    assert seconds < 60
    assert gigabytes < 1
    assert found >= 995
    assert pairs < 1010
