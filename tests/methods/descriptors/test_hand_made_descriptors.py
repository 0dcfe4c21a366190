"""HoG and LBP-RGB against cases worked out by hand, and their published sizes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from geoglot.core.errors import UsageError
from geoglot.methods.descriptors import hog, lbp_rgb


def grey(rows: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.repeat(np.asarray(rows, np.uint8)[..., None], 3, 2)


def test_sizes() -> None:
    assert hog.Model().dimension == 81
    assert hog.Model(hog.Config(cells=8, block=2)).dimension == 7 * 7 * 4 * 9
    assert lbp_rgb.Model().dimension == 54
    assert lbp_rgb.Model(lbp_rgb.Config(points=8, radius=1)).dimension == 30


@pytest.mark.parametrize(("block", "cells"), [(4, 3), (0, 3), (1, 300)])
def test_hog_refuses_grids_that_do_not_fit(block: int, cells: int) -> None:
    with pytest.raises(UsageError, match="hog"):
        hog.Model(hog.Config(block=block, cells=cells))


def test_hog_of_a_ramp_is_one_orientation() -> None:
    # Brightness grows to the right: every gradient is horizontal, orientation 0, bin 0 of 9, equally strong but at the
    # border. One block of 3 x 3 equal cells: each 1/3, clipped at 0.2, again 1/3.
    ramp = grey(np.broadcast_to(np.arange(96) * 2, (96, 96)))
    cells = hog.Model(hog.Config(side=96)).describe([ramp])[0].reshape(3, 3, 9)
    np.testing.assert_allclose(cells[..., 0], 1 / 3, atol=2e-3)
    assert not cells[..., 1:].any()


def test_hog_takes_the_strongest_channel() -> None:
    # Red has no gradient, green a strong vertical one, blue a weak horizontal one: vertical wins, 90 degrees, bin 4.
    picture = np.zeros((96, 96, 3), np.uint8)
    picture[..., 1] = (np.arange(96) * 2)[:, None]
    picture[..., 2] = np.arange(96) // 2
    cells = hog.Model(hog.Config(side=96)).describe([picture])[0].reshape(9, 9)
    np.testing.assert_array_equal(cells.argmax(1), 4)


def test_pattern_of_one_bright_point() -> None:
    # 5 x 5, the middle is bright; 8 neighbours at distance 1, corners interpolated. The middle sees none that is as
    # bright: 0 ones. Each of its 8 neighbours is dark and sees only neighbours that are not darker: 8 ones.
    picture = np.zeros((5, 5), np.uint8)
    picture[2, 2] = 200
    shares = lbp_rgb.pattern_histogram(picture, 8, 1)
    np.testing.assert_allclose(shares, [1 / 9, 0, 0, 0, 0, 0, 0, 0, 8 / 9, 0])


def test_pattern_of_an_edge() -> None:
    # Left half 0, right half 100. A bright point beside the edge: above and below are as bright, the three on the left
    # are darker, corners as well: ones are up, down, right and both right corners: 5 in a row. All others see 8.
    picture = np.zeros((6, 6), np.uint8)
    picture[:, 3:] = 100
    shares = lbp_rgb.pattern_histogram(picture, 8, 1)
    expected = np.zeros(10)
    expected[5], expected[8] = 4 / 16, 12 / 16
    np.testing.assert_allclose(shares, expected)


def test_channels_stand_one_after_the_other() -> None:
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    config = lbp_rgb.Config(side=32)
    row = lbp_rgb.Model(config).describe([picture])[0]
    expected = [lbp_rgb.pattern_histogram(picture[..., c], 16, 2.0) for c in range(3)]
    np.testing.assert_allclose(row, np.concatenate(expected), atol=1e-7)
    np.testing.assert_allclose(row.reshape(3, 18).sum(1), 1, atol=1e-6)


def test_patterns_do_not_change_with_brightness_and_quarter_turns() -> None:
    picture = np.random.default_rng(1).integers(0, 120, (32, 32, 3), dtype=np.uint8)
    model = lbp_rgb.Model(lbp_rgb.Config(side=32, points=8, radius=1.0))
    rows = model.describe([picture, picture + 100, np.rot90(picture).copy()])
    np.testing.assert_allclose(rows[1], rows[0], atol=1e-6)
    np.testing.assert_allclose(rows[2], rows[0], atol=4e-3)  # interpolated corners may tie by rounding


@pytest.mark.parametrize("name", ["hog", "lbp_rgb", "dense_sift"])
def test_the_extra_is_named_where_its_packages_are_absent(name: str) -> None:
    program = f"""
import sys
sys.modules.update(dict.fromkeys(("skimage", "cv2", "sklearn")))
import numpy as np
from geoglot.core import registry
from geoglot.core.errors import UsageError
model = registry.load("geoglot.methods.descriptors", {name!r}).Model()
try:
    model.fit([np.zeros((9, 9, 3), np.uint8)])
    model.describe([np.zeros((9, 9, 3), np.uint8)])
except UsageError as error:
    print(error)
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    told, has_torch = done.stdout.splitlines()
    assert 'pip install "geoglot[descriptors]"' in told
    assert has_torch == "False"
