"""Synthetic second views: what is drawn stays in its bounds, what is framed is where it should be."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.core.errors import UsageError
from geoglot.data.second_views import KINDS, SEVERITIES, clouds, draw_view, in_frame, render, second_view


def picture(side: int = 48, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (side // 8, side // 8, 3))
    return np.kron(coarse, np.ones((8, 8, 1))).astype(np.uint8)


@pytest.mark.parametrize("name", SEVERITIES)
def test_a_view_is_fixed_by_seed_and_item_and_stays_in_its_bounds(name: str) -> None:
    bounds = SEVERITIES[name]
    views = [draw_view(name, seed=3, item=f"airport_{number}") for number in range(200)]
    assert views == [draw_view(name, seed=3, item=f"airport_{number}") for number in range(200)]
    assert views[0] != draw_view(name, seed=4, item="airport_0")
    assert max(abs(part) for view in views for part in view.shift) <= bounds.shift
    assert max(abs(part) for view in views for part in view.shift) > 0.8 * bounds.shift
    assert all(bounds.scale[0] <= view.scale <= bounds.scale[1] for view in views)
    assert {view.format for view in views} == {"JPEG", "WEBP"}
    turns = {round(view.degrees / 90) % 4 for view in views}
    assert turns == ({0, 1, 2, 3} if bounds.quarter_turns else {0})


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(list(SEVERITIES)), st.sampled_from([(32, 32), (40, 24), (9, 50)]))
def test_any_view_is_a_picture_of_the_same_size(seed: int, name: str, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)
    view = second_view(pixels, name, seed=seed)
    assert view.shape == pixels.shape
    assert view.dtype == np.uint8


def test_quarter_turns_and_shifts_are_exact() -> None:
    """Counter-clockwise turns of what is seen, as numpy counts them; shifts in pixels with the edge mirrored."""
    pixels = picture()
    for quarter in range(4):
        turned = in_frame(pixels, shift=(0, 0), scale=1, degrees=90 * quarter)
        np.testing.assert_allclose(turned.astype(int), np.rot90(pixels, quarter), atol=1)  # rounding of the filter
    moved = in_frame(pixels, shift=(8 / 48, -16 / 48), scale=1, degrees=0)
    np.testing.assert_array_equal(moved[16:, :-8], pixels[:-16, 8:])
    np.testing.assert_array_equal(moved[:16, :-8], pixels[15::-1, 8:])


def test_scale_two_shows_the_middle_half_twice_as_large() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[24:40, 24:40] = 200
    zoomed = in_frame(pixels, shift=(0, 0), scale=2, degrees=0)
    assert (zoomed[20:44, 20:44] == 200).all()
    assert (zoomed[:11] == 0).all()
    assert (zoomed[:, 53:] == 0).all()


def test_a_season_changes_vegetation_and_spares_grey() -> None:
    view = draw_view("easy", seed=0)
    still = {"shift": (0.0, 0.0), "scale": 1.0, "degrees": 0.0, "haze": 0.0, "shadow": 0.0, "blur": 0.0, "noise": 0.0}
    view = dataclasses.replace(view, **still, gains=(1.0, 1.0, 1.0), contrast=1.0, quality=100, format="WEBP")
    view = dataclasses.replace(view, season=0, season_share=1.0)
    meadow, street = np.full((16, 16, 3), (40, 140, 40), np.uint8), np.full((16, 16, 3), 128, np.uint8)
    assert np.abs(render(street, view).astype(int) - 128).max() <= 3
    red, green, _ = render(meadow, view).reshape(-1, 3).mean(axis=0)
    assert red == pytest.approx(0.35 * 40 + 0.85 * 140, abs=6)
    assert green == pytest.approx(0.95 * 140, abs=6)


def test_an_unknown_severity_is_told() -> None:
    with pytest.raises(UsageError, match="no severity"):
        second_view(picture(), "brutal", seed=0)


def test_clouds_hide_a_share_and_leave_the_rest_as_it_was() -> None:
    """The views of ``hard`` and ``covered`` are drawn from the same numbers: where there is no cloud they agree."""
    pixels = picture(96)
    hard, covered = draw_view("hard", seed=5, item="a"), draw_view("covered", seed=5, item="a")
    assert covered.covered > 0
    assert dataclasses.replace(covered, covered=0.0) == hard
    still = {"blur": 0.0, "noise": 0.0, "format": "WEBP", "quality": 100, "covered": 0.3}
    view = dataclasses.replace(covered, **still)
    bare = render(pixels, dataclasses.replace(view, covered=0.0)).astype(int)
    hidden = clouds((96, 96), 0.3, seed=view.seed)
    assert (hidden >= 0.5).mean() == pytest.approx(0.3, abs=0.01)
    seen = render(pixels, view).astype(int)
    assert np.abs(seen - bare)[hidden == 0].mean() < 4  # what the codec makes of the clouds' edges
    assert seen[hidden == 1].min() > 215
    np.testing.assert_array_equal(clouds((20, 30), 0.3, seed=1), clouds((20, 30), 0.3, seed=1))


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_of_change_is_alone(name: str) -> None:
    """Of a shifted view the colours stay, of a recoloured one the frame."""
    view = draw_view(name, seed=2, item="b")
    framed = (view.shift, view.scale, view.degrees) != ((0.0, 0.0), 1.0, 0.0)
    coloured = view.season_share > 0 or view.gains != (1.0, 1.0, 1.0)
    spoilt = view.blur > 0 or view.quality < 95
    changes = {"frame": framed, "colour": coloured, "file": spoilt, "cloud": view.covered > 0}
    kinds = {"shifted": "frame", "scaled": "frame", "rotated": "frame", "recoloured": "colour"}
    assert [change for change, there in changes.items() if there] == [
        {**kinds, "recompressed": "file", "hidden": "cloud"}[name]
    ]
