"""What an encoder keeps of pictures: restored pictures, errors, dark and flat maps, on a network known by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from geoglot.core.errors import UsageError
from geoglot.core.runs import write_json
from geoglot.engine.matching.pictures import below_share, encoder_pictures, pictures_of
from geoglot.nn.matcher import Autoencoding, Matcher

SIDE = 8


class Colours(Matcher):
    """Maps of 2 x 2: red, minus green, always 2, never anything, red at a thousandth."""

    side = SIDE
    feature_shape = (5, 2, 2)

    def encode(self, images: Tensor) -> Tensor:
        means = torch.nn.functional.avg_pool2d(images, SIDE // 2)
        red, green = means[:, 0], means[:, 1]
        return torch.stack([red, -green, torch.full_like(red, 2.0), torch.zeros_like(red), red / 1000], 1)

    def left(self, features: Tensor) -> Tensor:
        return features

    def right(self, features: Tensor) -> Tensor:
        return features

    def compare(self, left: Tensor, right: Tensor) -> Tensor:
        return -(left - right).square().flatten(1).sum(1)

    def pair_losses(self, first: Tensor, second: Tensor, same: Tensor) -> dict[str, Tensor]:
        return {"total": first.sum() * 0}


class Grey(Colours, Autoencoding):
    """The same, restoring everything as the grey of 0.5."""

    def decode(self, features: Tensor) -> Tensor:
        return torch.full((len(features), 3, SIDE, SIDE), 0.5)

    def reconstruction_losses(self, images: Tensor) -> dict[str, Tensor]:
        errors = (self.decode(self.encode(images)) - images).square().flatten(1).mean(1)
        return {"total": errors.mean(), "reconstruction": errors}


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Black, red and white."""
    paths = []
    for name, colour in {"black": (0, 0, 0), "red": (255, 0, 0), "white": (255, 255, 255)}.items():
        paths.append(tmp_path / f"{name}.png")
        Image.new("RGB", (20, 20), colour).save(paths[-1])
    return paths


def test_dark_and_flat_maps_are_counted_as_defined(pictures: list[Path]) -> None:
    found = pictures_of(Grey(), SIDE, pictures[:1], pictures)
    # Largest absolute values: red 1, green 1 (negative), constant 2, none 0, faint 0.001: a hundredth of 2 is 0.02.
    assert found.strongest.tolist() == pytest.approx([1, 1, 2, 0, 0.001])
    assert found.dark.tolist() == [False, False, False, True, True]
    # Red is 0, 1, 1 and green 0, 0, 1: both deviate by the root of 2/9 = 0.4714. The constant is flat and bright.
    assert found.deviation.tolist() == pytest.approx([0.4714, 0.4714, 0, 0, 0.0004714], abs=1e-4)
    assert found.flat.tolist() == [False, False, True, True, True]
    assert found.counted == 3


def test_restored_pictures_and_their_errors(pictures: list[Path]) -> None:
    found = pictures_of(Grey(), SIDE, pictures[:2], pictures)
    assert found.restored is not None
    assert found.restored.shape == (2, SIDE, SIDE, 3)
    assert set(np.unique(found.restored)) == {128}
    # Every channel of black, red and white is half a unit from grey.
    assert found.errors.tolist() == pytest.approx([0.25, 0.25])
    assert found.mean_error == pytest.approx(0.25)
    assert found.latents.shape == (2, 5, 2, 2)
    assert found.latents[1, 0].tolist() == [[1, 1], [1, 1]]


def test_counting_does_not_depend_on_how_pictures_come_together(pictures: list[Path]) -> None:
    many = pictures * 13
    done: list[tuple[int, int]] = []
    whole = pictures_of(Grey(), SIDE, [], many, progress=lambda a, b: done.append((a, b)))
    once = pictures_of(Grey(), SIDE, [], pictures)
    assert whole.deviation == pytest.approx(once.deviation, abs=1e-9)
    assert whole.mean_error == pytest.approx(once.mean_error)
    assert done[-1] == (39, 39)
    assert whole.counted == 39


def test_a_method_without_a_decoder_has_maps_and_no_restored_pictures(pictures: list[Path]) -> None:
    found = pictures_of(Colours(), SIDE, pictures, pictures)
    assert found.restored is None
    assert found.mean_error is None
    assert len(found.errors) == 0
    assert int(found.dark.sum()) == 2


def test_an_encoder_that_answers_nothing_is_all_dark() -> None:
    assert below_share(np.zeros(3)).all()
    assert below_share(np.array([1.0, 0.01, 0.0099])).tolist() == [False, False, True]
    assert len(below_share(np.zeros(0))) == 0


def test_a_descriptor_has_no_encoder(tmp_path: Path, pictures: list[Path]) -> None:
    from dataclasses import asdict

    from geoglot.engine.matching.recipe import MatchingRecipe

    recipe = MatchingRecipe(method="residual_dyad", descriptor="lbp_rgb", metric="euclidean")
    write_json(tmp_path / "run" / "recipe.json", {"kind": "matcher", **asdict(recipe)})
    write_json(tmp_path / "run" / "summary.json", {})
    with pytest.raises(UsageError, match="has no encoder: its features come from lbp_rgb"):
        encoder_pictures(tmp_path / "run", pictures, pictures)
