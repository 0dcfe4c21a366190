"""Stretch, masks and band choice: hand-computed cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from geoglot.core.errors import SourceError
from geoglot.geo.bands import choose_bands
from geoglot.geo.mask import LEAST_VALID_SHARE, fill_invalid, valid_by_value
from geoglot.geo.stretch import Stretch, fit_stretch


def test_percentiles_by_hand():
    # 0..100 without 0 (dark collar) is 1..100: percentile p of n values lies at 1 + p/100 * 99
    sample = np.arange(101, dtype=np.uint16)[:, None]
    stretch = fit_stretch(sample)
    assert stretch.low[0] == pytest.approx(1 + 0.02 * 99)
    assert stretch.high[0] == pytest.approx(1 + 0.98 * 99)


def test_bands_have_their_own_scales_and_invalid_pixels_do_not_count():
    sample = np.stack([np.linspace(0, 1, 1000), np.linspace(50, 60, 1000)], axis=1)
    sample[::2] = np.nan
    masked = np.where(np.arange(1000) < 500, True, False)
    stretch = fit_stretch(sample, masked)
    assert stretch.high[0] < 0.51
    assert 50 <= stretch.low[1] < stretch.high[1] < 55.1


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_a_constant_scene_has_a_scale(dtype):
    stretch = fit_stretch(np.full((100, 1), 7, dtype))
    assert np.isfinite(stretch.low).all()
    assert (stretch.high > stretch.low).all()
    assert stretch(np.full((2, 2, 1), 7, dtype)).max() == 0


def test_no_valid_pixel_at_all():
    assert fit_stretch(np.zeros((5, 3), np.uint8), np.zeros(5, bool)) is None
    assert fit_stretch(np.full((5, 1), np.nan, np.float32)).high[0] == 1.0
    assert fit_stretch(np.zeros((5, 1), np.uint16), np.zeros(5, bool)).high[0] == 65535


def test_8_bit_by_hand():
    bright = np.full((100, 3), 31, np.uint8)
    assert fit_stretch(bright) is not None  # all under 32
    bright[:3, 1] = 200
    assert fit_stretch(bright) is None  # 3 of 100 reach 32 in one band: more than 2 %


@settings(max_examples=100, deadline=None)
@given(
    pixels=arrays.arrays(
        st.sampled_from([np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64]),
        st.tuples(st.integers(1, 70), st.integers(1, 9), st.sampled_from([1, 3])),
    ),
    low=st.floats(-1e4, 1e4),
    span=st.floats(1e-2, 1e5),
)
def test_the_table_equals_the_formula_and_nothing_overflows(pixels, low, span):
    bands = pixels.shape[-1]
    stretched = Stretch(low=np.full(bands, low), high=np.full(bands, low + span))(pixels)
    with np.errstate(all="ignore"):
        exact = np.rint((pixels.astype(np.float64) - low) * (255 / (low + span - low)))
        exact = np.clip(np.nan_to_num(exact, nan=0.0, posinf=255.0, neginf=0.0), 0, 255)
    assert stretched.dtype == np.uint8
    assert np.array_equal(stretched, exact.astype(np.uint8))


def test_fill_by_hand():
    tile = np.zeros((2, 5, 3), np.uint8)
    tile[0, 0] = [10, 20, 31]
    tile[0, 1] = [20, 20, 30]
    valid = np.zeros((2, 5), bool)
    valid[0, :2] = True
    filled = fill_invalid(tile, valid)
    assert filled[1, 4].tolist() == [15, 20, 30]  # 30.5 rounds to even
    assert filled[0, 0].tolist() == [10, 20, 31]
    assert tile[1, 4].tolist() == [0, 0, 0]  # the input stays


def test_a_tenth_is_enough_and_less_is_not():
    assert LEAST_VALID_SHARE == 0.1
    tile, valid = np.ones((10, 10, 1), np.uint8), np.zeros((10, 10), bool)
    valid[0] = True
    assert fill_invalid(tile, valid) is not None
    valid[0, 0] = False
    assert fill_invalid(tile, valid) is None


def test_nodata_that_the_type_cannot_hold_is_none():
    pixels = np.array([[[0], [241]]], np.uint8)  # 241 = -9999 cut to 8 bits... almost: -9999 mod 256
    assert -9999 % 256 == 241
    assert valid_by_value(pixels, [-9999.0]) is None
    assert valid_by_value(pixels, [0.5]) is None
    assert valid_by_value(pixels, [float("nan")]) is None
    assert valid_by_value(pixels, [241.0]).tolist() == [[True, False]]


def test_nodata_of_float32_is_compared_in_float32():
    lowest = np.float32(-3.4028234663852886e38)
    pixels = np.array([[[lowest], [1.0]]], np.float32)
    assert valid_by_value(pixels, [-3.4028234663852886e38]).tolist() == [[False, True]]
    assert valid_by_value(pixels, [-1.7976931348623157e308]).tolist() == [[True, True]]  # beyond float32
    tenth = np.array([[[0.1]]], np.float32)
    assert valid_by_value(tenth, [0.1]).tolist() == [[False]]


def test_one_band_without_nodata_makes_integer_pixels_valid():
    assert valid_by_value(np.zeros((1, 1, 3), np.uint8), [0, None, 0]) is None
    assert valid_by_value(np.zeros((1, 1, 3), np.float32), [0, None, 0]).tolist() == [[False]]


@pytest.mark.parametrize(
    ("interpretations", "expected"),
    [
        (["gray"], (1,)),
        (["gray", "undefined"], (1,)),
        (["gray", "undefined", "undefined"], (1, 2, 3)),
        (["red", "green", "blue", "undefined"], (1, 2, 3)),
        (["alpha", "undefined", "undefined", "undefined"], (2, 3, 4)),
        (["blue", "green", "red"], (3, 2, 1)),
        (["alpha"], (1,)),
        (["red", "green", "alpha"], (1,)),
    ],
)
def test_band_choice(interpretations, expected):
    assert choose_bands(interpretations, [None] * len(interpretations)).colours == expected


def test_cmyk_and_missing_bands_are_refused():
    with pytest.raises(SourceError, match="CMYK"):
        choose_bands(["cyan", "magenta", "yellow", "black"], [None] * 4)
    with pytest.raises(SourceError, match="has 1 band, so none numbered 3"):
        choose_bands(["gray"], [None], wanted=(3, 2, 1))
    assert choose_bands(["gray", "alpha"], [None] * 2, wanted=(2,)).alpha is None
