"""Bundles of any method: ONNX computes what torch computes, and a wrong network is never written."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_datasets import write_fake
from toy_methods import CHANNELS, toy_model

from geoglot.core import registry
from geoglot.core.errors import BundleError, DataError, UsageError
from geoglot.engine import checkpoint, export
from geoglot.engine.bundling import default_name, export_run, whole_folder, write_towers
from geoglot.engine.composition import Composed
from geoglot.engine.export_scorer import write_scorer_bundle, write_scorer_networks
from geoglot.engine.hashing.features import ImageFeature, run_features
from geoglot.engine.hashing.training import HashingRecipe, load_hasher, train_hasher
from geoglot.engine.trained import load_trained
from geoglot.methods.retrieval import compact
from geoglot.models.bundle import IMAGE, SIMILARITY, TEXT, TOKENIZER, load_bundle, open_network
from geoglot.models.scorer import load_scorer
from geoglot.nn.backbone import build_backbone
from geoglot.text.tokenizer import Tokenizer

SIDE = 64
TEXTS = ["red field", "a lake by a green forest", "", "حقل"]


def pixels(count: int = 3, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (count, side, side, 3), np.uint8)


@torch.no_grad()
def torch_images(model, images: np.ndarray, *, mirrored: bool = False) -> np.ndarray:
    pictures = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    out = model.encode_image(pictures)
    if mirrored:
        out = torch.nn.functional.normalize(out + model.encode_image(pictures.flip(3)), dim=-1)
    return out.numpy()


def scorer_bundle(parent: Path):
    model, tokenizer = toy_model("scorer")
    folder = parent / "bundle"
    folder.mkdir()
    fields = {"id": "toy-1", "method": "toy_scorer", "side": SIDE, "languages": ["en"], "max_length": 32}
    write_scorer_bundle(model, tokenizer, folder, pixels(2), fields, trained_on=["drawn"])
    return folder, model, tokenizer


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_pyramid_method_and_its_backbone_become_one_network(tmp_path: Path, mirrored: bool) -> None:
    model, tokenizer = toy_model("two-tower")
    untouched = copy.deepcopy(model)
    write_towers(model, tokenizer, tmp_path, pixels(), mirrored=mirrored)
    image = open_network((tmp_path / IMAGE).read_bytes(), 1)
    (got,) = image.run(None, {"pixels": pixels(5)})
    expected = torch_images(untouched, pixels(5), mirrored=mirrored)
    assert np.abs(got - expected).max() < 1e-4
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)
    # folding the normalisation changed the layers, not what they compute
    pictures = torch.from_numpy(pixels()).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        for before, after in zip(untouched.backbone(pictures), model.backbone(pictures), strict=True):
            assert torch.allclose(before, after, atol=1e-4)
    text = open_network((tmp_path / TEXT).read_bytes(), 1)
    for texts in (TEXTS, TEXTS[:1], ["lake " * 30]):
        tokens = tokenizer.encode(texts)
        with torch.no_grad():
            expected = model.encode_text(torch.from_numpy(tokens)).numpy()
        assert np.abs(text.run(None, {"tokens": tokens})[0] - expected).max() < 1e-4


def test_a_scorer_becomes_three_networks(tmp_path: Path) -> None:
    folder, model, tokenizer = scorer_bundle(tmp_path)
    manifest = json.loads((folder / "bundle.json").read_text())
    assert (manifest["format"], manifest["kind"], manifest["method"]) == (2, "scorer", "toy_scorer")
    assert set(manifest["files"]) == {IMAGE, TEXT, SIMILARITY, TOKENIZER}
    scorer = load_scorer(folder)
    images = torch.from_numpy(pixels(70)).permute(0, 3, 1, 2).float() / 255  # more than one pass
    with torch.no_grad():
        features = model.image_features(images)
        for text in TEXTS:
            tokens = torch.from_numpy(tokenizer.encode([text]))
            expected = model.similarity(features, model.text_features(tokens))[:, 0].numpy()
            got = scorer.scores(pixels(70), text)
            assert got.shape == (70,)
            assert np.abs(got - expected).max() < 1e-4
    assert scorer.scores(pixels(0), "lake").shape == (0,)
    with pytest.raises(BundleError, match="wants uint8"):
        scorer.scores(pixels(1, 32), "lake")


def test_bundles_of_the_wrong_kind_are_refused_with_a_remedy(tmp_path: Path, colour_bundle: Path) -> None:
    folder, _, _ = scorer_bundle(tmp_path)
    with pytest.raises(BundleError, match=r"is a scorer.*--rerank"):
        load_bundle(folder)
    with pytest.raises(BundleError, match="is a two-tower bundle, not a scorer"):
        load_scorer(colour_bundle)
    with pytest.raises(BundleError, match="is not a model bundle"):
        load_scorer(tmp_path / "nowhere")
    manifest = json.loads((folder / "bundle.json").read_text())
    changes = [
        ({"kind": "oracle"}, "of kind 'oracle'"),
        ({"format": 9}, "has format 9"),
        ({"format": "2"}, "format '2'"),
    ]
    changes += [({"files": {}}, "does not say its image.onnx"), ({"files": None}, "does not say its image.onnx")]
    for change, told in changes:
        (folder / "bundle.json").write_text(json.dumps({**manifest, **change}))
        with pytest.raises(BundleError, match=told):
            load_scorer(folder)
    (folder / "bundle.json").write_text(json.dumps(manifest))
    (folder / SIMILARITY).write_bytes((folder / SIMILARITY).read_bytes()[:-1])
    with pytest.raises(BundleError, match="does not match its checksum"):
        load_scorer(folder).scores(pixels(1), "lake")


def test_a_network_that_computes_something_else_is_not_accepted(tmp_path: Path) -> None:
    class Frozen(torch.nn.Module):
        def forward(self, values: torch.Tensor) -> torch.Tensor:
            return values * float(values.sum())  # tracing writes the sum down as a constant

    with pytest.raises(BundleError, match="computes something else"):
        export.to_onnx(
            Frozen(), [torch.ones(2, 3)], tmp_path / "x.onnx", inputs={"values": {0: "n"}}, outputs={"y": {0: "n"}}
        )


def test_a_hasher_gives_signs(tmp_path: Path) -> None:
    model, tokenizer = toy_model("hasher")
    write_towers(model, tokenizer, tmp_path, pixels(), mirrored=False)
    tokenizer.save(tmp_path / TOKENIZER)
    np.save(tmp_path / "neutral.npy", np.ones((1, 16), np.float16))
    fields = {"id": "toy-1", "kind": "hasher", "method": "toy", "dimension": 16, "side": SIDE}
    export.write_manifest(tmp_path, {**fields, "languages": ["en"], "max_length": 32, "preprocessing": 1})
    bundle = load_bundle(tmp_path)
    assert (bundle.kind, bundle.manifest["format"]) == ("hasher", 2)
    vectors = bundle.encode_images(pixels())
    np.testing.assert_array_equal(vectors > 0, torch_images(model, pixels()) >= 0)
    np.testing.assert_array_equal(np.abs(vectors), np.float32(0.25))  # 1 / sqrt(16)
    assert set(np.abs(bundle.encode_texts(TEXTS)).ravel()) == {np.float32(0.25)}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of compact on a fake dataset, as training leaves it, with random weights."""
    write_fake(tmp_path, "ucm")
    folder = tmp_path / "run"
    folder.mkdir()
    tokenizer = Tokenizer.train(["red planes", "blue water", "green trees"] * 5, vocabulary_size=100)
    tokenizer.save(folder / "tokenizer.json")
    sizes = {k: v for k, v in compact.SMALL.items() if k in ("dimension", "channels", "blocks", "hidden", "text_width")}
    torch.manual_seed(1)
    model = compact.Model(compact.Config(**{**compact.SMALL, "vocabulary": tokenizer.size, "max_length": 32}))
    tensors = {k: v for k, v in model.state_dict().items() if "_memory." not in k and k != "sentences_of_item"}
    checkpoint.save(tensors, folder / "checkpoint.safetensors")
    recipe = {"method": "compact", "config": sizes, "datasets": ["ucm"], "languages": ["en", "fr"], "epochs": 1}
    recipe |= {"sides": [{"start": 0.0, "side": 32}], "validation_side": 64, "seed": 0, "memory_from": 0.5}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    return folder


@pytest.mark.parametrize("quantised", [False, True])
def test_a_run_becomes_a_bundle(run: Path, tmp_path: Path, quantised: bool) -> None:
    out = export_run(run, out=tmp_path / "made", data_root=tmp_path, quantised=quantised, mirrored=False)
    bundle = load_bundle(out)
    assert (bundle.id, bundle.kind, bundle.method, bundle.side) == ("compact-1", "two-tower", "compact", 64)
    assert bundle.manifest["format"] == 1  # older versions read it
    # four validation pictures are too few to say what a wrong "likely" looks like among pictures
    assert set(bundle.manifest["confidence"]) <= {"text"}
    recall = bundle.card["validation_mean_recall_percent"]
    assert set(recall["ucm"]) == {"en", "fr"}
    assert ("validation_mean_recall_percent_before_quantisation" in bundle.card) == quantised
    assert bundle.encode_texts(["red planes"]).shape == (1, 16)
    model = load_trained(run).model
    with torch.no_grad():
        expected = model.encode_image(torch.from_numpy(pixels()).permute(0, 3, 1, 2).float() / 255).numpy()
    tolerance = 0.35 if quantised else 1e-4
    assert np.abs(bundle.encode_images(pixels()) - expected).max() < tolerance
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_failed_export_leaves_the_old_bundle_as_it_was(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "made"
    out.mkdir()
    (out / "bundle.json").write_text("old")
    with pytest.raises(DataError):
        export_run(run, out=out, data_root=tmp_path / "nowhere")
    assert (out / "bundle.json").read_text() == "old"
    with whole_folder(out) as made:
        (made / "bundle.json").write_text("new")
    assert (out / "bundle.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_is_no_run_or_does_not_fit_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a training run"):
        load_trained(tmp_path)
    tensors = checkpoint.load(run / "checkpoint.safetensors")
    checkpoint.save({**tensors, "stranger": torch.zeros(1)}, run / "checkpoint.safetensors")
    with pytest.raises(DataError, match=r"does not fit its method \(stranger\)"):
        load_trained(run)
    recipe = json.loads((run / "recipe.json").read_text())
    (run / "recipe.json").write_text(json.dumps({**recipe, "method": "compakt"}))
    with pytest.raises(UsageError, match="did you mean 'compact'"):
        load_trained(run)


def test_default_names() -> None:
    assert default_name("pe_rsitr") == "pe-rsitr-1"


@pytest.fixture
def hashing_run(run: Path, tmp_path: Path) -> Path:
    """A run of DUCH at 16 bits on the features of the other run."""
    features = run_features(run, "ucm", data_root=tmp_path, side=64, languages=("en",))
    recipe = HashingRecipe(method="duch", dataset="ucm", epochs=2, batch=6, config={"hidden": 24, "bits": 16})
    return train_hasher(recipe, features, tmp_path / "hashing")


@torch.no_grad()
def test_a_hashing_run_becomes_a_bundle_with_its_towers(run: Path, hashing_run: Path, tmp_path: Path) -> None:
    out = export_run(hashing_run, out=tmp_path / "made", data_root=tmp_path, quantised=False, features=run)
    bundle = load_bundle(out)
    assert (bundle.id, bundle.kind, bundle.dimension, bundle.manifest["format"]) == ("duch-1", "hasher", 16, 2)
    hasher, scaled, _ = load_hasher(hashing_run)
    towers = load_trained(run).model
    images = torch.from_numpy(pixels(8)).permute(0, 3, 1, 2).float() / 255
    soft = hasher.hash_image(torch.from_numpy(scaled.images(ImageFeature(towers)(images).numpy()))).numpy()
    (got,) = bundle._image_session.run(None, {"pixels": pixels(8)})
    assert np.abs(got - soft).max() < 1e-4
    sure = np.abs(soft) > 1e-4
    assert ((bundle.encode_images(pixels(8)) > 0) == (soft >= 0))[sure].all()
    texts = ["red planes", "blue water"]
    vectors = towers.encode_text(torch.from_numpy(load_trained(run).tokenizer.encode(texts))).numpy()
    soft = hasher.hash_text(torch.from_numpy(scaled.texts(vectors))).numpy()
    assert ((bundle.encode_texts(texts) > 0) == (soft >= 0))[np.abs(soft) > 1e-4].all()
    assert set(np.abs(bundle.neutral).ravel()) == {np.float32(0.25)}


def test_a_hasher_needs_the_very_run_that_made_its_features(run: Path, hashing_run: Path, tmp_path: Path) -> None:
    ask = {"out": tmp_path / "made", "data_root": tmp_path}
    with pytest.raises(UsageError, match="add --features"):
        export_run(hashing_run, **ask)
    with pytest.raises(DataError, match="is not a finished run"):
        export_run(hashing_run, **ask, features=tmp_path)
    other = tmp_path / "other"
    shutil.copytree(run, other)
    tensors = checkpoint.load(run / "checkpoint.safetensors")
    checkpoint.save({**tensors, "log_temperature": torch.tensor(0.5)}, other / "checkpoint.safetensors")
    with pytest.raises(UsageError, match="is not the run that made the features"):
        export_run(hashing_run, **ask, features=other)
    recipe = json.loads((hashing_run / "recipe.json").read_text())
    (hashing_run / "recipe.json").write_text(json.dumps({**recipe, "features": {"image": "mine.npy"}}))
    with pytest.raises(UsageError, match=r"features that no run made \(mine\.npy\)"):
        export_run(hashing_run, **ask, features=run)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", registry.names("geoglot.methods.retrieval"))
def test_every_method_of_the_gallery_can_be_exported(name: str, tmp_path: Path) -> None:
    """At contract-test sizes, on a small backbone where the method starts from one: ONNX equals torch, or it raises."""
    method = registry.load("geoglot.methods.retrieval", name)
    torch.manual_seed(0)
    model = method.Model(method.Config(**method.SMALL)).eval()
    if model.image_input == "pyramid":
        model = Composed(build_backbone("compact", channels=CHANNELS), model).eval()
    if method.METHOD.kind == "two-tower":
        write_towers(model, LengthTokenizer(), tmp_path, pixels(2), mirrored=True)
        assert {path.name for path in tmp_path.iterdir()} == {IMAGE, TEXT}
    else:
        write_scorer_networks(model, LengthTokenizer(), tmp_path, pixels(2))
        assert {path.name for path in tmp_path.iterdir()} == {IMAGE, TEXT, SIMILARITY}


def test_scan_in_one_piece_becomes_a_bundle(tmp_path: Path) -> None:
    """With the one-piece form of its similarity, SCAN scores in ONNX as it does in blocks."""
    from geoglot.methods.retrieval import scan

    torch.manual_seed(0)
    model = Composed(build_backbone("compact", channels=CHANNELS), scan.Model(scan.Config(**scan.SMALL))).eval()
    write_scorer_networks(model, LengthTokenizer(), tmp_path, pixels(2))
    features = model.image_features(torch.from_numpy(pixels(40)).permute(0, 3, 1, 2).float() / 255)
    texts = model.text_features(torch.from_numpy(LengthTokenizer().encode(["a bridge over the wide river", "planes"])))
    inputs = {"image_0": features[0], "text_0": texts[0], "text_1": texts[1]}
    network = open_network((tmp_path / SIMILARITY).read_bytes(), 1)
    (got,) = network.run(None, {name: tensor.detach().numpy() for name, tensor in inputs.items()})
    assert np.abs(got - model.similarity(features, texts).detach().numpy()).max() < 1e-4


def test_an_exporter_that_fails_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    class Sorted(torch.nn.Module):
        def forward(self, values: torch.Tensor) -> torch.Tensor:
            return values[values.argsort(stable=True)]

    with pytest.raises(BundleError, match="cannot be exported to ONNX"):
        export.to_onnx(Sorted(), [torch.ones(3)], tmp_path / "x.onnx", inputs={"v": {0: "n"}}, outputs={"y": {0: "n"}})
    assert capfd.readouterr().out == ""


class LengthTokenizer:
    """A token per word: its length. Fits the vocabularies of contract-test sizes."""

    max_length = 7
    size = 40

    def encode(self, texts):
        rows = [[2 + len(word) for word in text.split()] for text in texts]
        return np.array([row + [0] * (max(map(len, rows)) - len(row)) for row in rows], np.int64)

    def save(self, path: Path) -> None:
        raise NotImplementedError
