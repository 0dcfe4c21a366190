"""The shipped segmenter on a benchmark of phrases with masks, written as a run like those of the papers' methods."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from geoglot.core.runs import environment, write_json
from geoglot.engine.phrase_map.export import load_run
from geoglot.engine.run_folder import CONFIG, RECIPE, SUMMARY
from geoglot.engine.segmentation.data import read_split
from geoglot.engine.segmentation.prediction import predict_splits
from geoglot.engine.segmentation.recipe import SegmentationRecipe, recipe_record
from geoglot.engine.segmentation.saved_masks import save_predictions
from geoglot.geo.probability import blurred
from geoglot.nn.late_fusion import LateFusion
from geoglot.nn.segmenter import SegmentationBatch, Segmenter, resized

BENCHMARK: Final = "benchmark"
"""Folder within a run that holds its masks of a benchmark."""


class Remembering(Segmenter):
    """A late fusion that passes every picture through its image network once, however many phrases ask about it.

    Args:
        model: The late fusion.
        blur: Of the probabilities, in features, as the product has it.
        threshold: Probability that counts as a logit of 0.
    """

    def __init__(self, model: LateFusion, *, blur: float = 0.0, threshold: float = 0.5) -> None:
        super().__init__()
        self.model, self.blur, self.threshold = model, blur, threshold
        self._features: dict[bytes, Tensor] = {}

    def logits(self, images: Tensor, tokens: Tensor) -> Tensor:
        """(B, 3, H, W), (B, L) -> (B, H, W)."""
        features = torch.stack([self._seen(image) for image in images])
        phrases = self.model.encode_text(tokens)
        maps = torch.einsum("bdhw,bd->bhw", features, phrases[:, :-1]) + phrases[:, -1, None, None]
        if self.blur:
            smooth = [blurred(one, self.blur) for one in maps.sigmoid().numpy()]
            maps = torch.from_numpy(np.stack(smooth)).logit(1e-6)
        return resized(maps[:, None], images.shape[2:])[:, 0] - math.log(self.threshold / (1 - self.threshold))

    def losses(self, batch: SegmentationBatch) -> dict[str, Tensor]:
        """Those of the model."""
        return self.model.losses(batch)

    def _seen(self, image: Tensor) -> Tensor:
        key = hashlib.sha256(image.numpy().tobytes()).digest()
        if key not in self._features:
            self._features[key] = self.model.encode_image(image[None])[0]
        return self._features[key]


def measure_benchmark(
    run: Path,
    *,
    dataset: str = "dubai",
    side: int = 512,
    shaping: Mapping[str, float] | None = None,
    data_root: Path | None = None,
) -> Path:
    """Masks of the validation and test phrases of a referring dataset, in every language of the run.

    Args:
        run: Folder of ``geoglot train segmenter``.
        dataset: Name or folder; one whose train part the run has learnt from, or none of it.
        side: Of the pictures, pixels.
        shaping: ``blur`` and ``threshold`` of the bundle made from the run, chosen on validation pictures; without,
            a pixel is meant from a probability of 0.5 on.
        data_root: Folder with the datasets.

    Returns:
        A folder that ``geoglot evaluate segmentation --run`` reads.
    """
    model, tokenizer, learnt = load_run(run)
    recipe = SegmentationRecipe(
        method=learnt.method,
        config=dict(learnt.config),
        datasets=(dataset,),
        languages=learnt.languages,
        side=side,
        epochs=learnt.rounds,
        batch=learnt.pictures,
        learning_rate=learnt.learning_rate,
        max_length=tokenizer.max_length,
        average=learnt.average,
        turned=True,
        seed=learnt.seed,
    )
    train, val, test = (read_split(recipe, split, data_root) for split in ("train", "val", "test"))
    saved = predict_splits(Remembering(model, **(shaping or {})), (val, test), recipe, tokenizer)
    out = run / BENCHMARK
    out.mkdir(exist_ok=True)
    sizes = {"vocabulary": model.config.vocabulary, "max_length": tokenizer.max_length, "side": side}
    write_json(out / RECIPE, recipe_record(recipe))
    write_json(out / CONFIG, {**sizes, "weights": {}, **({"shaping": dict(shaping)} if shaping else {})})
    write_json(out / "env.json", environment())
    save_predictions(saved, out)
    told = json.loads((run / SUMMARY).read_text())
    write_json(
        out / SUMMARY,
        {
            "recipe": recipe_record(recipe),
            "training_seconds": told["training_seconds"],
            "epochs": learnt.rounds,
            "steps": learnt.rounds * learnt.steps,
            "best_epoch": told["best_round"],
            "validation_miou": told["validation_mean_iou"],
            "test_watched": None,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "samples": {split.split: len(split) for split in (train, val, test)},
            **sizes,
            "weights": {},
        },
    )
    return out
