"""Augmented views by hand, and a hasher joined with its towers: unit rows, ONNX, foreign weights."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from geoglot.core.errors import DataError, UsageError
from geoglot.engine.hashing.data import Standardisation
from geoglot.engine.hashing.export import HashedTowers
from geoglot.engine.hashing.features import ImageFeature, blurred, centre_crop, published_views, turned
from geoglot.engine.hashing.training import HashingRecipe, build_hasher
from geoglot.methods.retrieval import compact


def test_blur_of_a_point() -> None:
    """A point spreads by e^(-1/2s^2) to its neighbours and by the square of that to the corners; the sum stays."""
    image = torch.zeros(1, 3, 5, 5)
    image[:, :, 2, 2] = 1
    found = blurred(image, 1.2)[0, 1]
    side = math.exp(-1 / (2 * 1.2**2))
    centre = 1 / (1 + 2 * side) ** 2
    assert float(found[2, 2]) == pytest.approx(centre)
    assert float(found[1, 2]) == pytest.approx(centre * side)
    assert float(found[3, 3]) == pytest.approx(centre * side**2)
    assert float(found.sum()) == pytest.approx(1)


def test_a_quarter_turn_is_numpys() -> None:
    """Counter-clockwise, as numpy.rot90 turns rows and columns; and a wide picture keeps its pixels' shape."""
    image = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    expected = torch.from_numpy(np.rot90(image[0].numpy(), axes=(1, 2)).copy())
    assert torch.allclose(turned(image, 90)[0], expected, atol=1e-5)
    wide = torch.zeros(1, 3, 21, 41)
    wide[:, :, 10, 20 + 8] = 1  # eight pixels right of the centre go eight pixels up
    assert turned(wide, 90)[0, 0].argmax().item() == (10 - 8) * 41 + 20


def test_centre_crop_takes_the_middle_and_no_more_than_there_is() -> None:
    image = torch.arange(36.0).reshape(1, 1, 6, 6)
    assert centre_crop(image, 2)[0, 0].tolist() == [[14, 15], [20, 21]]
    assert centre_crop(image, 9).shape == (1, 1, 6, 6)


def test_views_are_repeatable_and_in_range() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (230, 256, 3), dtype=np.uint8)
    one = published_views(pixels, np.random.default_rng(1), 64)
    other = published_views(pixels, np.random.default_rng(1), 64)
    assert all(map(torch.equal, one, other))
    for view in one:
        assert view.shape == (3, 64, 64)
        assert view.min() >= 0
        assert view.max() <= 1
    assert not torch.allclose(one[0], one[1], atol=0.05)


def joined(bits: int = 16) -> HashedTowers:
    torch.manual_seed(0)
    towers = compact.Model(compact.Config(**compact.SMALL)).eval()
    recipe = HashingRecipe(method="duch", config={"bits": bits, "hidden": 32})
    hasher = build_hasher(recipe, image_width=16, text_width=16, items=1).eval()
    scaled = Standardisation(image_mean=0.3, image_deviation=0.2, text_mean=0.01, text_deviation=0.25)
    return HashedTowers(towers, hasher, scaled).eval()


@torch.no_grad()
def test_joined_model_gives_unit_rows_whose_products_are_hamming_distances() -> None:
    model = joined()
    images, tokens = torch.rand(5, 3, 64, 64), torch.randint(1, 40, (7, 6))
    pictures, texts = model.encode_image(images), model.encode_text(tokens)
    for vectors, codes in ((pictures, model.image_codes(images)), (texts, model.text_codes(tokens))):
        assert set(codes.unique().tolist()) <= {-1.0, 1.0}
        assert torch.allclose(vectors.norm(dim=1), torch.ones(len(vectors)))
    differing = (model.image_codes(images)[:, None] != model.text_codes(tokens)[None]).sum(2)
    assert torch.allclose(pictures @ texts.T, 1 - 2 * differing / model.bits, atol=1e-6)


@torch.no_grad()
def test_joined_model_standardises_the_pooled_last_stage() -> None:
    model, images = joined(), torch.rand(3, 3, 64, 64)
    tower = model.text_tower.image
    maps = tower.network((images - tower.mean) / tower.deviation)
    features = (maps.mean((2, 3)) - 0.3) / 0.2
    assert torch.allclose(model.image_codes(images), model.hasher.image_codes(features))


def test_joined_model_becomes_onnx(tmp_path: Path) -> None:
    from onnxruntime import InferenceSession

    from geoglot.engine.export import ImageGraph

    model = joined()
    graph, path = ImageGraph(model).eval(), tmp_path / "image.onnx"
    pixels = torch.randint(0, 256, (4, 64, 64, 3), dtype=torch.uint8)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (pixels,),
            str(path),
            input_names=["pixels"],
            output_names=["embedding"],
            dynamic_axes={"pixels": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
    session = InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"pixels": pixels.numpy()})
    with torch.no_grad():
        assert np.array_equal(found > 0, graph(pixels).numpy() > 0)
    assert np.allclose(np.abs(found), 0.25)  # 1 / sqrt(16)


def test_a_model_without_stages_is_refused() -> None:
    with pytest.raises(UsageError, match="has no stages"):
        ImageFeature(nn.Linear(2, 2))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tiny two-tower run, as training leaves it, and a data folder with a fake UC Merced of 40 images."""
    from dataclasses import asdict

    from fake_datasets import write_fake

    from geoglot.engine import checkpoint
    from geoglot.engine.recipe import Recipe
    from geoglot.text.tokenizer import Tokenizer

    root = tmp_path_factory.mktemp("hashing")
    write_fake(root / "data", "ucm", per_category=10)
    run = root / "base"
    run.mkdir()
    tokenizer = Tokenizer.train(["red planes", "green sand", "blue water"] * 9, vocabulary_size=40, max_length=8)
    tokenizer.save(run / "tokenizer.json")
    sizes = {**compact.SMALL, "vocabulary": tokenizer.size}
    torch.manual_seed(0)
    checkpoint.save(compact.Model(compact.Config(**sizes)).state_dict(), run / "checkpoint.safetensors")
    recipe = Recipe(method="compact", datasets=("rsicd",), epochs=1, config=sizes)
    (run / "recipe.json").write_text(json.dumps(asdict(recipe)))
    return run, root / "data"


def test_from_pixels_and_captions_to_codes_and_back(base: tuple[Path, Path], tmp_path: Path) -> None:
    """Codes of the joined model on pixels and tokens are those that training saved for the same images and texts."""
    from geoglot.engine.hashing.export import load_hashed_towers
    from geoglot.engine.hashing.launch import dataset_features, train_hashing
    from geoglot.metrics.hashing import pack_codes

    run, data = base
    cache = tmp_path / "cache"
    features = dataset_features("ucm", run=run, data_root=data, cache=cache, side=64)
    assert features.images.shape == (40, 16)
    assert set(features.sentences) == {"en", "ar", "fr", "it"}
    assert features.source["trained on"] == "rsicd train"
    (kept,) = cache.iterdir()
    moment = kept.stat().st_mtime_ns
    again = dataset_features("ucm", run=run, data_root=data, cache=cache, side=64)
    assert kept.stat().st_mtime_ns == moment
    assert np.array_equal(again.images, features.images)

    settings = {"epochs": 2, "config": {"hidden": 16}, "text_view": "translation"}
    hashed = train_hashing("duch", features, settings, tmp_path / "run", bits=32)
    model, towers = load_hashed_towers(hashed, run)
    assert towers.recipe.method == "compact"
    from geoglot.data.captioned import load_dataset
    from geoglot.engine.hashing.data import published_split

    source = load_dataset("ucm")
    records = [record for split in source.SPLITS for record in source.records(split, data)]
    query = published_split(40).query
    captions = [caption for row in query for caption in records[row].captions]
    with np.load(hashed / "codes.npz") as codes, torch.no_grad():
        found = model.text_codes(torch.from_numpy(towers.tokenizer.encode(captions)))
        # Features are kept as float16, so a bit that is all but 0 may turn.
        differing = np.unpackbits(pack_codes(found.numpy()) ^ codes["query_texts"], axis=1).sum(1)
    assert differing.mean() <= 1

    (run / "checkpoint.safetensors").rename(tmp_path / "kept")
    from geoglot.engine import checkpoint

    checkpoint.save({n: t + 1 for n, t in checkpoint.load(tmp_path / "kept").items()}, run / "checkpoint.safetensors")
    with pytest.raises(DataError, match="did not make the features"):
        load_hashed_towers(hashed, run)
