"""``geoglot export``: a training run becomes the bundle that the archive loads, with what the steps cost in recall."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from geoglot.core.runs import environment
from geoglot.engine import export
from geoglot.engine.calibration import calibrate
from geoglot.engine.pairs import load_pictures
from geoglot.engine.recipe import Polish, Recipe, SideStep
from geoglot.engine.retrieval_data import CAPTIONS_PER_IMAGE, embed_texts, examples, training_examples
from geoglot.metrics.ranking import retrieval_ranks, retrieval_recall
from geoglot.models.bundle import IMAGE, NEUTRAL, TEXT, TOKENIZER, Bundle, load_bundle

CALIBRATION_PICTURES: Final = 256
NEUTRAL_CAPTIONS: Final = 2048
PREPROCESSING: Final = 1


def export_run(
    run: Path,
    *,
    out: Path,
    data_root: Path | None = None,
    side: int | None = None,
    mirrored: bool = True,
    name: str = "compact-1",
) -> Path:
    """Write the bundle of a run and return its folder.

    Args:
        run: Folder written by ``geoglot train``.
        out: Folder of the bundle; replaced if it exists.
        data_root: Data folder: training pictures set the 8-bit ranges, validation tells what quantisation costs.
        side: Input side in pixels; default the recipe's validation side.
        mirrored: Average every picture with its mirror image.
        name: Identifier of the bundle.

    Raises:
        DataError: The folder is not a finished run, or a dataset is absent.
    """
    model, tokenizer, fields = export.load_run(run)
    recipe = _recipe(fields)
    side = side or recipe.validation_side
    out.mkdir(parents=True, exist_ok=True)
    training = training_examples(recipe, data_root)
    random = np.random.default_rng(recipe.seed)
    chosen = random.choice(len(training), min(CALIBRATION_PICTURES, len(training)), replace=False)
    pictures = load_pictures([training[k].path for k in chosen], side)
    sentences = sorted({caption for example in training for caption in example.captions["en"]})
    few = random.choice(len(sentences), min(NEUTRAL_CAPTIONS, len(sentences)), replace=False)
    neutral = embed_texts(model, tokenizer, [sentences[k] for k in few])
    np.save(out / NEUTRAL, neutral.astype(np.float16), allow_pickle=False)
    shutil.copyfile(run / "tokenizer.json", out / TOKENIZER)
    export.fold_normalisation(model.image)  # type: ignore[arg-type]
    tokens = torch.from_numpy(tokenizer.encode(["a bridge over a river", "planes"]))
    export.to_onnx(export.TextGraph(model), tokens, out / TEXT, input_name="tokens", axes={0: "batch", 1: "length"})
    graph = export.ImageGraph(model, mirrored=mirrored)
    example = torch.from_numpy(pictures[:2])
    export.to_onnx(graph, example, out / IMAGE, input_name="pixels", axes={0: "batch"})
    manifest: dict[str, Any] = {
        "id": name,
        "dimension": int(neutral.shape[1]),
        "side": side,
        "languages": list(recipe.languages),
        "max_length": tokenizer.max_length,
        "preprocessing": PREPROCESSING,
    }
    export.write_manifest(out, manifest)
    in_float = validation_recall(load_bundle(out), recipe, data_root)
    in_float_file = out / "float.onnx"
    (out / IMAGE).rename(in_float_file)
    export.quantise_images(in_float_file, out / IMAGE, pictures)
    in_float_file.unlink()
    export.write_manifest(out, manifest)
    in_int8 = validation_recall(load_bundle(out), recipe, data_root)
    manifest["confidence"] = calibrate(load_bundle(out), recipe.datasets[0], recipe.languages, data_root)
    manifest["card"] = _card(recipe, in_float, in_int8, mirrored=mirrored)
    export.write_manifest(out, manifest)
    return out


def validation_recall(bundle: Bundle, recipe: Recipe, data_root: Path | None) -> dict[str, dict[str, float]]:
    """Mean recall (mR, percent) of a bundle on the validation splits: dataset -> language -> figure."""
    figures: dict[str, dict[str, float]] = {}
    for dataset in recipe.datasets:
        found = examples(recipe, "val", dataset, data_root)
        images = bundle.encode_images(load_pictures([e.path for e in found], bundle.side))
        owner = np.repeat(np.arange(len(found)), CAPTIONS_PER_IMAGE)
        figures[dataset] = {}
        for language in recipe.languages:
            texts = _distinct_encoded(bundle, [c for example in found for c in example.captions[language]])
            recall = retrieval_recall(retrieval_ranks(images @ texts.T, owner))
            figures[dataset][language] = round(recall.mean_recall, 2)
    return figures


def _distinct_encoded(bundle: Bundle, captions: list[str]) -> NDArray[np.float32]:
    number = {text: k for k, text in enumerate(dict.fromkeys(captions))}
    return bundle.encode_texts(list(number))[[number[text] for text in captions]]


def _recipe(fields: dict[str, Any]) -> Recipe:
    sides = tuple(SideStep(**step) for step in fields["sides"])
    lists = {name: tuple(fields[name]) for name in ("datasets", "languages")}
    polish = Polish(**fields["polish"]) if fields.get("polish") else None
    return Recipe(**{**fields, **lists, "sides": sides, "polish": polish})


def _card(
    recipe: Recipe, in_float: dict[str, dict[str, float]], in_int8: dict[str, dict[str, float]], *, mirrored: bool
) -> dict[str, Any]:
    return {
        "licence": "Apache-2.0 (weights); trained on RSICD and UC Merced, which were released for research",
        "method": recipe.method,
        "trained_on": [f"{dataset}, train split" for dataset in recipe.datasets],
        "epochs": recipe.epochs,
        "mirrored_views": mirrored,
        "quantisation": "image tower: static 8-bit, per channel; text tower: float32",
        "validation_mean_recall_percent": in_int8,
        "validation_mean_recall_percent_before_quantisation": in_float,
        "limits": (
            "Knows the scenes and words of its training captions: aerial pictures of about 0.2 to 3 m ground sample "
            "distance in natural colours. Rare words, counting above a few, and reading directions are weak."
        ),
        "exported": datetime.now(UTC).date().isoformat(),
        "machine": environment(),
    }
