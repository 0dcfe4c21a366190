"""Frozen features of a dataset from a trained two-tower run, for the hashing methods."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.core.errors import DataError, UsageError
from geoglot.data.captioned import CaptionedImage, load_dataset
from geoglot.data.translations import Translations, load_translations
from geoglot.engine.composition import Composed, is_two_tower
from geoglot.engine.hashing.data import CAPTIONS_PER_IMAGE, FeatureSet
from geoglot.engine.retrieval_data import embed_texts
from geoglot.engine.trained import load_trained

CROP = 200
"""Side of the centre crop, in pixels of the image file."""
BLUR = (1.1, 1.3)
TURN = (-10.0, -5.0)


class _LastStage(nn.Module):
    """The last stage map of geoglot-compact's image tower, in a tuple as a backbone gives its stages."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, tower: Any) -> None:
        super().__init__()
        self.network: nn.Module = tower.network
        self.register_buffer("mean", tower.mean, persistent=False)
        self.register_buffer("deviation", tower.deviation, persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """(B, 3, H, W) in [0, 1] -> ((B, C, H / 32, W / 32),)."""
        return (self.network((images - self.mean) / self.deviation),)


class ImageFeature(nn.Module):
    """Pixels to the mean of the last stage of an image network.

    Args:
        model: A model with a backbone below it, or geoglot-compact.

    Raises:
        UsageError: The model has neither.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        tower: Any = getattr(model, "image", None)
        self.network: nn.Module
        if isinstance(model, Composed):
            self.network = model.backbone
        elif hasattr(tower, "network"):
            self.network = _LastStage(tower)
        else:
            cause, remedy = "has no stages to take features from", "give a run with a backbone, or of geoglot-compact"
            raise UsageError(type(model).__module__, cause=cause, remedy=remedy)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, C)."""
        stages = self.network(images)
        last: Tensor = stages[-1]
        return last.mean((2, 3))


def blurred(images: Tensor, deviation: float) -> Tensor:
    """Gaussian blur with a 3 x 3 kernel. (B, 3, H, W), standard deviation in pixels -> same.

    Example:
        >>> blurred(torch.ones(1, 3, 4, 4), 1.2).allclose(torch.ones(1, 3, 4, 4))
        True
    """
    side = math.exp(-1 / (2 * deviation**2))
    line = torch.tensor([side, 1.0, side]) / (1 + 2 * side)
    kernel = (line[:, None] * line).expand(3, 1, 3, 3)
    return F.conv2d(F.pad(images, (1, 1, 1, 1), mode="reflect"), kernel, groups=3)


def turned(images: Tensor, degrees: float) -> Tensor:
    """Turn counter-clockwise about the centre, bilinear, black outside. (B, 3, H, W) -> same."""
    height, width = images.shape[2:]
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    # Grid coordinates run from -1 to 1 on both axes, whatever the sides, and y points down.
    matrix = torch.tensor([[cosine, -sine * height / width, 0.0], [sine * width / height, cosine, 0.0]])
    grid = F.affine_grid(matrix.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def centre_crop(images: Tensor, side: int) -> Tensor:
    """The middle square, or all of a side that is shorter. (B, C, H, W) -> (B, C, <= side, <= side)."""
    height, width = images.shape[2:]
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return images[:, :, top : top + min(side, height), left : left + min(side, width)]


def published_views(pixels: NDArray[np.uint8], generator: np.random.Generator, side: int) -> tuple[Tensor, Tensor]:
    """The plain view, a centre crop, and the augmented one: blur, turn, the same crop; both resized to ``side``.

    Args:
        pixels: (H, W, 3) uint8.
        generator: Draws the blur from 1.1 to 1.3 pixels and the turn from -10 to -5 degrees.
        side: Side of the result in pixels.

    Returns:
        Two float32 tensors (3, side, side) in [0, 1].
    """
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    changed = turned(blurred(image, float(generator.uniform(*BLUR))), float(generator.uniform(*TURN)))
    crops = [centre_crop(view, CROP) for view in (image, changed)]
    plain, augmented = (F.interpolate(v, size=(side, side), mode="bilinear", antialias=True)[0] for v in crops)
    return plain.clamp(0, 1), augmented.clamp(0, 1)


def run_features(
    run: Path,
    dataset: str,
    *,
    data_root: Path | None = None,
    side: int = 144,
    languages: Sequence[str] = ("en", "ar", "fr", "it"),
    seed: int = 42,
) -> FeatureSet:
    """Encode every image, its augmented view and every caption of a dataset with the towers of a run.

    Args:
        run: Folder of a finished two-tower training.
        dataset: Name of a captioned dataset; all its splits are taken, one after the other.
        data_root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.
        side: Side in pixels at which images are encoded.
        languages: Caption languages; a caption without a translation keeps its English feature.
        seed: Of the augmented views.

    Raises:
        DataError: The run or the dataset is absent, or an image has no class.
        UsageError: The run's method gives texts no vector of their own.
    """
    trained = load_trained(run)
    model, tokenizer, recipe = trained.model, trained.tokenizer, trained.recipe
    if not is_two_tower(model):
        raise UsageError(recipe.method, cause="gives texts no vector", remedy="give the run of a two-tower method")
    source = load_dataset(dataset)
    records = [record for split in source.SPLITS for record in source.records(split, data_root)]
    nameless = next((record for record in records if record.category is None), None)
    if nameless is not None:
        raise DataError(nameless.path, cause="has no scene class", remedy="use a layout that tells the classes")
    names = sorted({str(record.category) for record in records})
    images, views = _image_features(model, records, side, seed)
    rows: dict[str, int] = {}
    captions = [(record.captions * CAPTIONS_PER_IMAGE)[:CAPTIONS_PER_IMAGE] for record in records]
    owned = [[rows.setdefault(caption, len(rows)) for caption in mine] for mine in captions]
    table = load_translations(data_root) if set(languages) - {"en"} else Translations({})
    texts = {name: [table.translate(text, name) or text for text in rows] for name in languages}
    checkpoint = hashlib.sha256((run / "checkpoint.safetensors").read_bytes()).hexdigest()
    return FeatureSet(
        dataset=dataset,
        source={
            "image": f"mean of the last stage of {recipe.method}'s image network, {side} pixels",
            "text": f"unit vector of {recipe.method}'s text tower",
            "trained on": ", ".join(f"{name} train" for name in recipe.datasets),
            "checkpoint sha256": checkpoint,
        },
        splits=np.array([record.split for record in records]),
        categories=np.array([names.index(str(record.category)) for record in records]),
        category_names=tuple(names),
        images=images,
        image_views=views,
        sentences={name: embed_texts(model, tokenizer, found) for name, found in texts.items()},
        sentence_of_caption=np.array(owned, dtype=np.int64),
    )


@torch.no_grad()
def _image_features(
    model: nn.Module, records: Sequence[CaptionedImage], side: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    from PIL import Image

    network = ImageFeature(model).eval()
    found: list[Tensor] = []
    for start in range(0, len(records), 64):
        views = []
        for number, record in enumerate(records[start : start + 64], start=start):
            with Image.open(record.path) as image:
                pixels = np.asarray(image.convert("RGB"))
            views.append(torch.stack(published_views(pixels, np.random.default_rng((seed, number)), side)))
        batch = torch.stack(views)
        found.append(torch.stack([network(batch[:, 0]), network(batch[:, 1])]))
    plain, augmented = torch.cat(found, 1).numpy()
    return plain, augmented
