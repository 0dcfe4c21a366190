"""Whole photos: orientation, position, time, modes, damage."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from PIL import Image, ImageOps

from geoglot.geo.pixels import read_source
from geoglot.geo.resample import to_square
from geoglot.geo.source import ReadOptions


def read(path, **options):
    return list(read_source(path, root=None, options=ReadOptions(**{"side": 32, **options})))


def scenery(width=90, height=60):
    """An image without any symmetry."""
    row, column = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([column * 2, row * 4, (row + column) % 256], axis=-1).astype(np.uint8))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_exif_orientation_is_applied(tmp_path, orientation, suffix):
    image = scenery()
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if suffix == "webp" else {"quality": 95} if suffix == "jpg" else {}
    image.save(tmp_path / f"a.{suffix}", exif=exif, **options)
    info, batch = read(tmp_path / f"a.{suffix}")
    with Image.open(tmp_path / f"a.{suffix}") as stored:
        upright = ImageOps.exif_transpose(stored).convert("RGB")
    assert (info.width, info.height) == upright.size == ((90, 60) if orientation < 5 else (60, 90))
    assert batch.tiles[0].window == (0, 0, *upright.size)
    assert np.array_equal(batch.pixels[0], to_square(np.asarray(upright), 32))


def test_a_photo_equals_the_model_s_own_preparation(tmp_path):
    image = scenery(256, 256)
    image.save(tmp_path / "a.png")
    expected = np.asarray(image.resize((128, 128), Image.Resampling.BILINEAR, reducing_gap=1.0))
    assert np.array_equal(read(tmp_path / "a.png", side=128)[1].pixels[0], expected)


def test_a_large_jpeg_read_at_reduced_size_stays_close(tmp_path):
    rng = np.random.default_rng(0)
    natural = np.full((1600, 2000, 3), 128.0)  # octaves of noise, each half as strong: a natural picture's spectrum
    for octave in range(8):
        coarse = Image.fromarray(rng.integers(0, 255, (4 << octave, 5 << octave, 3), dtype=np.uint8))
        detail = coarse.resize((2000, 1600), Image.Resampling.BICUBIC)
        natural += (np.asarray(detail) - 128.0) / 2**octave / 1.5
    Image.fromarray(np.clip(natural, 0, 255).astype(np.uint8)).save(tmp_path / "a.jpg", quality=92)
    _, batch = read(tmp_path / "a.jpg", side=128)
    with Image.open(tmp_path / "a.jpg") as stored:
        expected = np.asarray(stored.resize((128, 128), Image.Resampling.BILINEAR, reducing_gap=1.0)).astype(int)
    off = np.abs(batch.pixels[0] - expected)
    assert off.mean() < 1.0
    assert np.percentile(off, 99) <= 4


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_png_modes_become_rgb(tmp_path, mode):
    image = (
        Image.fromarray(np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16))
        if mode == "I;16"
        else scenery(64, 64).convert(mode)
    )
    image.save(tmp_path / "a.png")
    info, batch = read(tmp_path / "a.png", side=64)
    assert batch.pixels.shape == (1, 64, 64, 3)
    if mode == "I;16":
        assert info.dtype == "uint16"
        assert batch.pixels[0, 0, 0, 0] == 0
        assert batch.pixels[0, -1, -1, 0] == 255
    else:
        assert np.array_equal(batch.pixels[0], np.asarray(image.convert("RGB")))


def test_cmyk_jpeg(tmp_path):
    scenery(64, 64).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    _, batch = read(tmp_path / "a.jpg", side=64)
    assert np.abs(batch.pixels[0].astype(int) - np.asarray(scenery(64, 64))).mean() < 6


def test_clear_pixels_become_the_mean_and_a_clear_photo_has_no_tile(tmp_path):
    rgba = np.full((40, 40, 4), 255, np.uint8)
    rgba[:20, :, :3] = 100
    rgba[:10, :, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "a.png")
    _, batch = read(tmp_path / "a.png", side=40)
    assert (batch.pixels[0, :10] == round((10 * 100 + 20 * 255) / 30)).all()
    rgba[..., 3] = 0
    Image.fromarray(rgba).save(tmp_path / "b.png")
    assert len(read(tmp_path / "b.png")) == 1


def gps_exif(latitude, longitude, references=("N", "E")):
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: references[0], 2: latitude, 3: references[1], 4: longitude})
    exif.get_ifd(0x8769).update({0x9003: "2021:06:01 12:30:00", 0x9011: "+02:00"})
    return exif


def test_exif_position_and_time(tmp_path):
    scenery().save(tmp_path / "a.jpg", exif=gps_exif((48.0, 51.0, 30.0), (2.0, 17.0, 40.2)))
    info, batch = read(tmp_path / "a.jpg")
    (tile,) = batch.tiles
    # 48 + 51/60 + 30/3600 = 48.858333; 2 + 17/60 + 40.2/3600 = 2.2945
    assert tile.bounds.south < 48.858333 < tile.bounds.north
    assert tile.bounds.west < 2.2945 < tile.bounds.east
    assert (tile.bounds.north - tile.bounds.south) * 111_320 == pytest.approx(2.2, abs=0.1)
    shape = shapely.from_wkb(tile.footprint)
    assert shape.is_valid
    assert shape.bounds == tile.bounds
    assert (info.kind, info.gsd_m, tile.gsd_m) == ("photo", None, None)
    assert info.time.isoformat() == tile.time.isoformat() == "2021-06-01T10:30:00+00:00"


@pytest.mark.parametrize(
    ("latitude", "longitude", "references"),
    [
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), ("N", "E")),
        ((91.0, 0.0, 0.0), (0.0, 0.0, 0.0), ("N", "E")),
        ((10.0, 0.0, 0.0), (181.0, 0.0, 0.0), ("N", "E")),
        ((10.0, 0.0, 0.0), (10.0, 0.0, 0.0), ("X", "E")),
        ((10.0, 0.0), (10.0, 0.0, 0.0), ("N", "E")),
    ],
)
def test_unsound_positions_are_none(tmp_path, latitude, longitude, references):
    scenery().save(tmp_path / "a.jpg", exif=gps_exif(latitude, longitude, references))
    info, batch = read(tmp_path / "a.jpg")
    assert info.crs is None
    assert batch.tiles[0].footprint is None


def test_a_damaged_exif_block_does_not_cost_the_photo(tmp_path):
    scenery().save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\xff" * 40)
    info, batch = read(tmp_path / "a.jpg")
    assert info.time is None
    assert len(batch.tiles) == 1


def test_only_the_first_frame_of_an_animation_counts(tmp_path):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    for name in ("a.png", "a.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
        _, batch = read(tmp_path / name)
        assert (batch.pixels[0] == [255, 0, 0]).all()
