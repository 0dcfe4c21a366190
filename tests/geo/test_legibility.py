"""Which pictures show nothing, by hand; real pictures all show something."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from geoglot.geo.legibility import cloud_share, correlation, entropy, illegible, one_colour_share

SIDE = 144
DOWN, ACROSS = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
LAND = 110 + 30 * np.sin(ACROSS / 5) + 25 * np.sin(DOWN / 8 + ACROSS / 30)
RANDOM = np.random.default_rng(0)


def reason(plane: np.ndarray, colour: tuple[float, float, float] = (1, 1, 1)) -> str | None:
    picture = np.clip(plane[:, :, None] * np.array(colour), 0, 255).astype(np.uint8)
    return illegible(picture[None])[0]


def test_land_is_legible_in_any_colour() -> None:
    assert reason(LAND) is None
    assert reason(LAND, (0.5, 1, 0.4)) is None
    assert reason(LAND * 0.3) is None
    assert reason(LAND * 0.9 + 90) is None, "bright alone is no cloud: it is not smooth"


def test_blank() -> None:
    for level in (0, 1, 90, 254, 255):
        assert reason(np.full((SIDE, SIDE), level)) == "blank"
    assert reason(90 + RANDOM.normal(0, 1, (SIDE, SIDE))) == "blank"
    assert reason(90 + LAND * 0.02) == "blank"
    # shares of 0.40, 0.40 and 0.21: 1.52 to 1.54 bits, just enough
    grey = np.select([ACROSS < 57, ACROSS < 114], [20.0, 80.0], 140.0)
    assert entropy(grey.astype(np.float32)) == pytest.approx(1.54, abs=0.02)
    assert reason(grey) is None
    # a ramp of five levels, most of it on two of them that differ a little in colour
    ramp = np.where(DOWN < 50, 60.0, 62.0) + 40 * (ACROSS > 138)
    assert entropy(ramp.astype(np.float32)) < 1.5
    picture = np.repeat(ramp[:, :, None], 3, axis=2).astype(np.uint8)
    picture[:, ::2, 2] += 1
    assert illegible(picture[None]) == ["blank"]


def test_no_data() -> None:
    half = LAND.copy()
    half[:, : SIDE // 2] = 0
    assert reason(half) == "no data"
    third = LAND.copy()
    third[:, : SIDE // 3] = 0
    assert reason(third) is None, "a third is left as it is: the rest can be described"


def test_cloud() -> None:
    cloud = 228 + 10 * np.sin(ACROSS / 40) + 8 * np.sin(DOWN / 60 + ACROSS / 90)
    assert reason(cloud) == "cloud or snow"
    assert reason(cloud, (1, 0.8, 0.6)) is None, "sand is bright, too, and not grey"
    broken = np.where(ACROSS < SIDE * 0.7, cloud, LAND)
    assert reason(broken) is None


def test_noise() -> None:
    assert reason(RANDOM.integers(0, 256, (SIDE, SIDE)).astype(float)) == "noise"
    stripes = 100 + 60 * (ACROSS % 2) + RANDOM.normal(0, 4, (SIDE, SIDE))
    assert reason(stripes) is None, "rows of crops: opposite across, alike down"


def test_the_measures_by_hand() -> None:
    assert entropy(np.arange(256, dtype=np.float32).reshape(16, 16)) == 7
    assert entropy(np.array([[0, 1], [2, 3]], np.float32)) == 1  # steps of two levels
    assert one_colour_share(np.zeros((4, 4, 3), np.uint8)) == 1
    wide = np.full((40, 40, 3), 240, np.float32)
    wide[:20] = 100
    assert cloud_share(wide, wide[:, :, 0]) == 0.5
    assert correlation(np.zeros((8, 8), np.float32)) == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(8, 64))
def test_every_picture_gets_an_answer(seed: int, side: int) -> None:
    random_picture = np.random.default_rng(seed)
    levels = int(random_picture.integers(1, 256))
    picture = random_picture.integers(0, levels + 1, (2, side, side, 3)).astype(np.uint8)
    assert all(one is None or isinstance(one, str) for one in illegible(picture))
    assert illegible(picture[:0]) == []


@pytest.mark.realdata
@pytest.mark.parametrize("dataset", ["rsicd", "ucm"])
def test_real_pictures_are_legible(dataset: str) -> None:
    if "GEOGLOT_DATA" not in os.environ:
        pytest.skip("GEOGLOT_DATA is not set")
    from geoglot.data.captioned import load_dataset

    records = list(load_dataset(dataset).records("val", Path(os.environ["GEOGLOT_DATA"])))
    random.Random(0).shuffle(records)
    refused = []
    for record in records[:200]:
        with Image.open(record.path) as image:
            picture = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        refused += [(record.path.name, reason) for reason in illegible(picture[None]) if reason is not None]
    assert len(refused) <= 1, refused
