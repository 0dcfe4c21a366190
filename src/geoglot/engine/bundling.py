"""``geoglot export``: a training run becomes the bundle that the archive loads, with what the steps cost in recall."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from geoglot.core.runs import environment
from geoglot.data import rendered
from geoglot.data.category_phrases import CATEGORY_PHRASES
from geoglot.engine import export
from geoglot.engine.calibration import calibrate
from geoglot.engine.export_scorer import write_scorer_bundle
from geoglot.engine.hashing.bundle import is_hashing_run, load_hashed_towers
from geoglot.engine.pairs import Example, load_pictures
from geoglot.engine.recipe import Recipe
from geoglot.engine.retrieval_data import CAPTIONS_PER_IMAGE, examples, training_examples
from geoglot.engine.tokenizers import AnyTokenizer
from geoglot.engine.trained import load_trained
from geoglot.metrics.ranking import retrieval_ranks, retrieval_recall
from geoglot.models.bundle import IMAGE, NEUTRAL, TEXT, TOKENIZER, WORDS, Bundle, load_bundle, signs
from geoglot.text.known_words import KnownWords

CALIBRATION_PICTURES: Final = 256
NEUTRAL_CAPTIONS: Final = 2048
PREPROCESSING: Final = 1
EXAMPLE_TEXTS: Final = ("a bridge over a river", "planes")


def export_run(
    run: Path,
    *,
    out: Path,
    data_root: Path | None = None,
    side: int | None = None,
    mirrored: bool = True,
    quantised: bool = True,
    name: str | None = None,
    features: Path | None = None,
) -> Path:
    """Write the bundle of a run and return its folder.

    Args:
        run: Folder written by ``geoglot train``.
        out: Folder of the bundle; replaced if it exists, and only once everything is in order.
        data_root: Data folder: training pictures set the 8-bit ranges, validation tells what quantisation costs.
        side: Input side in pixels; default the recipe's validation side.
        mirrored: Average every picture with its mirror image.
        quantised: Quantise the convolutions of the image network to 8 bits; otherwise everything stays in float32.
        name: Identifier of the bundle; default the method's name and version 1.
        features: For a hasher, the run whose towers made its features.

    Raises:
        DataError: The folder is not a finished run, or a dataset is absent.
        BundleError: ONNX computes something else than torch.
        UsageError: Its method is not installed, or a hasher's `features` are missing or another run.
    """
    learnt = exportable(run, features)
    recipe, side = learnt.recipe, side or learnt.recipe.validation_side
    mirrored = mirrored and learnt.kind == "two-tower"
    manifest: dict[str, Any] = {
        "id": name or default_name(learnt.method),
        "kind": learnt.kind,
        "method": learnt.method,
        "side": side,
        "languages": list(recipe.languages),
        "max_length": learnt.tokenizer.max_length,
        "tokenizer": recipe.tokenizer,
        "preprocessing": PREPROCESSING,
    }
    with whole_folder(out) as made:
        training = training_examples(recipe, data_root)
        pictures = calibration_pictures(training, side, recipe.seed)
        if learnt.kind == "scorer":
            two, on = pictures[:2], recipe.datasets
            write_scorer_bundle(learnt.model, learnt.tokenizer, made, two, manifest, trained_on=on)
            return out
        neutral = neutral_vectors(learnt, training)
        np.save(made / NEUTRAL, neutral.astype(np.float16), allow_pickle=False)
        learnt.tokenizer.save(made / TOKENIZER)
        captions = (caption for example in training for texts in example.captions.values() for caption in texts)
        (made / WORDS).write_bytes(KnownWords(captions).to_bytes())
        write_towers(learnt.model, learnt.tokenizer, made, pictures[:2], mirrored=mirrored)
        manifest["dimension"] = int(neutral.shape[1])
        export.write_manifest(made, manifest)
        in_float = validation_recall(load_bundle(made), recipe, data_root)
        in_int8 = None
        if quantised:
            in_float_file = made / "float.onnx"
            (made / IMAGE).rename(in_float_file)
            export.quantise_images(in_float_file, made / IMAGE, pictures)
            in_float_file.unlink()
            export.write_manifest(made, manifest)
            in_int8 = validation_recall(load_bundle(made), recipe, data_root)
        described = [dataset for dataset in recipe.datasets if dataset in CATEGORY_PHRASES]
        if described:
            manifest["confidence"] = calibrate(load_bundle(made), described[0], recipe.languages, data_root)
        manifest["card"] = _card(recipe, in_float, in_int8, mirrored=mirrored)
        export.write_manifest(made, manifest)
    return out


@dataclass(frozen=True, kw_only=True)
class Exportable:
    """A model that takes pixels and tokens, with what a bundle says of it.

    Attributes:
        kind: ``two-tower``, ``hasher`` or ``scorer``.
        method: Name in the gallery.
        model: In evaluation mode; ``encode_image`` and ``encode_text``, or the three functions of a scorer.
        tokenizer: Texts to tokens.
        recipe: Datasets, languages, side and seed.
    """

    kind: str
    method: str
    model: nn.Module
    tokenizer: AnyTokenizer
    recipe: Recipe


def exportable(run: Path, features: Path | None = None) -> Exportable:
    """What a finished run has learnt; a hasher together with the towers below it.

    Raises:
        DataError: The folder is not a finished run, or does not fit its method.
        UsageError: A hasher's `features` are missing, or another run.
    """
    if is_hashing_run(run):
        hashed, towers, hashing = load_hashed_towers(run, features)
        return Exportable(
            kind="hasher",
            method=hashing.method,
            model=hashed,
            tokenizer=towers.tokenizer,
            recipe=replace(towers.recipe, datasets=(hashing.dataset,), seed=hashing.seed),
        )
    trained = load_trained(run)
    return Exportable(
        kind="two-tower" if trained.is_two_tower else "scorer",
        method=trained.recipe.method,
        model=trained.model,
        tokenizer=trained.tokenizer,
        recipe=trained.recipe,
    )


def default_name(method: str) -> str:
    """The identifier of a method's first bundle.

    Example:
        >>> default_name("vse_plus_plus")
        'vse-plus-plus-1'
    """
    return f"{method.replace('_', '-')}-1"


def calibration_pictures(training: Sequence[Example], side: int, seed: int) -> NDArray[np.uint8]:
    """Some training pictures, from which 8-bit ranges are measured. -> (N, side, side, 3)."""
    random = np.random.default_rng(seed)
    chosen = random.choice(len(training), min(CALIBRATION_PICTURES, len(training)), replace=False)
    return load_pictures([training[k].path for k in chosen], side)


def neutral_vectors(learnt: Exportable, training: Sequence[Example]) -> NDArray[np.float32]:
    """Vectors of some training captions, English where there is English. -> (M, D) unit rows.

    They stand for what may be said of a place at all. Sentences of rendered pictures come from templates about few
    kinds of place; where there are others, they are left out.
    """
    training = [example for example in training if example.dataset != rendered.NAME] or training
    languages = learnt.recipe.languages
    language = "en" if "en" in languages else languages[0]
    sentences = sorted({caption for example in training for caption in example.captions[language]})
    random = np.random.default_rng(learnt.recipe.seed + 1)
    few = random.choice(len(sentences), min(NEUTRAL_CAPTIONS, len(sentences)), replace=False)
    texts = [sentences[k] for k in few]
    with torch.no_grad():
        parts = [
            learnt.model.encode_text(torch.from_numpy(learnt.tokenizer.encode(texts[start : start + 256]))).numpy()  # type: ignore[operator]
            for start in range(0, len(texts), 256)
        ]
    return signs(np.concatenate(parts)) if learnt.kind == "hasher" else np.concatenate(parts)


def write_towers(
    model: nn.Module, tokenizer: AnyTokenizer, folder: Path, pictures: NDArray[np.uint8], *, mirrored: bool
) -> None:
    """Both networks of a two-tower method or hasher as float ONNX, each compared with torch.

    Args:
        model: Takes pixels and tokens; batch normalisation is folded into its layers.
        tokenizer: Its tokenizer.
        folder: Where :data:`IMAGE` and :data:`TEXT` go.
        pictures: (N, S, S, 3) uint8, at least two: what the image network is traced and compared on.
        mirrored: Average every picture with its mirror image.
    """
    export.fold_normalisation(model)
    vector = {"embedding": {0: "batch"}}
    tokens = torch.from_numpy(tokenizer.encode(EXAMPLE_TEXTS))
    text_inputs = {"tokens": {0: "batch", 1: "length"}}
    export.to_onnx(export.TextGraph(model), [tokens], folder / TEXT, inputs=text_inputs, outputs=vector)
    graph, image_inputs = export.ImageGraph(model, mirrored=mirrored), {"pixels": {0: "batch"}}
    export.to_onnx(graph, [torch.from_numpy(pictures)], folder / IMAGE, inputs=image_inputs, outputs=vector)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of ``folder`` when the block ends without an error."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        yield made
        made.chmod(0o755)
        if folder.is_dir():
            before = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
            folder.rename(before / "old")
            made.rename(folder)
            shutil.rmtree(before)
        else:
            made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


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


def _card(
    recipe: Recipe,
    in_float: dict[str, dict[str, float]],
    in_int8: dict[str, dict[str, float]] | None,
    *,
    mirrored: bool,
) -> dict[str, Any]:
    before = {} if in_int8 is None else {"validation_mean_recall_percent_before_quantisation": in_float}
    names = " and ".join({"rsicd": "RSICD", "ucm": "UC Merced"}.get(name, name) for name in recipe.datasets)
    return {
        "licence": f"Apache-2.0 (weights); trained on {names}, released for research",
        "method": recipe.method,
        "trained_on": [f"{dataset}, train split" for dataset in recipe.datasets],
        "epochs": recipe.epochs,
        "mirrored_views": mirrored,
        "quantisation": (
            "none, float32"
            if in_int8 is None
            else "image network: convolutions static 8-bit, per channel; text network: float32"
        ),
        "validation_mean_recall_percent": in_float if in_int8 is None else in_int8,
        **before,
        "limits": (
            "Knows the scenes and words of its training captions: aerial pictures of about 0.2 to 3 m ground sample "
            "distance in natural colours. Rare words, counting above a few, and reading directions are weak."
        ),
        "exported": datetime.now(UTC).date().isoformat(),
        "machine": environment(),
    }
