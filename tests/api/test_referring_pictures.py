"""Word clouds and the histogram of mask shares, as pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from geoglot.api.fonts import fitted
from geoglot.api.referring_pictures import _INKS, _free_spot, word_cloud, write_mask_histogram, write_word_cloud
from geoglot.core.errors import UsageError


def test_what_is_said_more_often_is_larger() -> None:
    cloud = word_cloud({"HHHH": 100, "NNNN": 25})
    heights = [int(np.ptp(np.nonzero((cloud == ink).all(axis=2))[0])) for ink in _INKS[:2]]
    assert 1.7 < heights[0] / heights[1] < 2.3  # sizes go with the root of the count: 2


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 9), st.integers(1, 9), st.floats(0, 0.6))
def test_words_find_the_free_box_nearest_to_the_middle(seed: int, width: int, height: int, full: float) -> None:
    taken = np.random.default_rng(seed).random((8, 12)) < full
    free = {
        (column, row): (column + width / 2 - 6) ** 2 + ((row + height / 2 - 4) * 12 / 8) ** 2
        for row in range(8 - height + 1)
        for column in range(12 - width + 1)
        if not taken[row : row + height, column : column + width].any()
    }
    spot = _free_spot(taken, width, height)
    assert (spot is None) == (not free)
    if spot is not None:
        assert free[spot] == pytest.approx(min(free.values()))


def test_a_cloud_of_many_words_comes_out_the_same() -> None:
    words = {f"word{n}": 30 - n for n in range(30)}
    cloud = word_cloud(words)
    assert np.array_equal(word_cloud(words), cloud)
    assert all((cloud == ink).all(axis=2).any() for ink in _INKS)


def test_arabic_letters_are_joined() -> None:
    # Drawn as one shape: the joined word is narrower than its letters apart.
    joined = word_cloud({"بيت": 1})
    apart = word_cloud({"ب ي ت": 1})
    assert np.ptp(np.nonzero((joined < 128).any(axis=2))[1]) < np.ptp(np.nonzero((apart < 128).any(axis=2))[1])
    _, glyphs = fitted("على الطريق", 20, "bold")
    assert glyphs[-1] == "\ufecb"  # the first letter, in its first form, stands on the right


def test_pictures_are_written(tmp_path: Path) -> None:
    write_word_cloud({"roads": 3, "along the road": 2}, tmp_path / "cloud.png")
    with Image.open(tmp_path / "cloud.png") as cloud:
        assert cloud.size[0] > 1000
    write_mask_histogram(np.array([0.01, 0.02, 0.5, 1.0]), tmp_path / "shares.png")
    with Image.open(tmp_path / "shares.png") as drawn:
        picture = np.asarray(drawn.convert("RGB")).astype(int)
    dark = (picture.sum(axis=2) < 300)[150:]  # below the title
    columns = dark.sum(axis=0)
    # Two masks below 5 % make the highest bar, one of 100 % half of it, at the other end.
    assert columns[45] > 1.8 * columns[-60] > 0


def test_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no word"):
        word_cloud({})
    with pytest.raises(UsageError, match="no mask"):
        write_mask_histogram(np.zeros(0), tmp_path / "a.png")
    with pytest.raises(UsageError, match="svg"):
        write_word_cloud({"a": 1}, tmp_path / "a.svg")
