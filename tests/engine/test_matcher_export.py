"""From an image network to a matcher bundle: training on its maps, ONNX = torch, calibration, the product's reading."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_datasets import write_fake

import geoglot as gg
from geoglot.cli.main import main
from geoglot.core.errors import DataError, UsageError
from geoglot.data.scene_kinds import images_by_kind
from geoglot.engine.matching.export import (
    calibrated,
    export_matcher,
    is_matching_run,
    roc_area,
    verdict_thresholds,
    write_networks,
)
from geoglot.engine.matching.product import load_product, train_product, with_changes
from geoglot.engine.recipe import Recipe, SideStep
from geoglot.engine.training import train
from geoglot.methods.matching import residual_dyad
from geoglot.methods.retrieval import compact
from geoglot.models.bundle import IMAGE, SIMILARITY
from geoglot.models.matcher import Calibration, MatcherBundle, load_matcher
from geoglot.nn.matcher import Matcher
from geoglot.recipes.dyad import RECIPE

SIZES = {k: v for k, v in compact.SMALL.items() if k in ("dimension", "channels", "blocks", "hidden", "text_width")}
SIDE = 64


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name in ("rsicd", "ucm"):  # with one validation image of a kind each
        write_fake(folder, name)
    return folder


@pytest.fixture(scope="module")
def backbone(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of geoglot-compact of one epoch."""
    recipe = Recipe(
        method="compact",
        config=SIZES,
        datasets=("rsicd",),
        languages=("en",),
        epochs=1,
        batch=8,
        sides=(SideStep(start=0.0, side=SIDE),),
        validation_side=SIDE,
    )
    folder = tmp_path_factory.mktemp("runs") / "compact"
    train(recipe, folder, data_root=root)
    return folder


@pytest.fixture(scope="module")
def small(backbone: Path):
    changes = {
        "backbone": str(backbone),
        "side": SIDE,
        "epochs": 3,
        "batch": 12,
        "config": {"discriminator_widths": (8, 8, 4)},
    }
    return with_changes(RECIPE, changes)


@pytest.fixture(scope="module")
def run(small, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_product(small, tmp_path_factory.mktemp("runs") / "dyad", data_root=root)


@pytest.fixture(scope="module")
def bundle(run: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_matcher(run, out=tmp_path_factory.mktemp("bundles") / "dyad", data_root=root)


def pixels(count: int) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


@torch.no_grad()
def torch_probabilities(model: Matcher, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    one, other = (model.encode(torch.from_numpy(p).permute(0, 3, 1, 2).float() / 255) for p in (first, second))
    return model.match(one, other).numpy()


def as_bundle(folder: Path, **calibration: float) -> MatcherBundle:
    """A bundle of networks, with a calibration of its own."""
    from geoglot.engine.export import write_manifest

    fields = {"scale": 1.0, "offset": 0.0, "same": 0.5, "different": 0.5, **calibration}
    write_manifest(folder, {"id": "m-1", "kind": "matcher", "method": "m", "side": SIDE, "calibration": fields})
    return load_matcher(folder)


def test_the_image_network_stays_as_it_is_and_the_comparison_learns(run: Path, backbone: Path) -> None:
    model, recipe = load_product(run)
    from geoglot.engine.trained import load_trained

    before = load_trained(backbone).method.image.network.state_dict()
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert recipe.backbone == str(backbone)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 3
    assert all(math.isfinite(line["validation_loss"]) for line in lines)
    fresh = type(model.method)(model.method.config).state_dict()
    assert any(not torch.equal(value, fresh[name]) for name, value in model.method.state_dict().items())


def test_training_is_deterministic(small, run: Path, root: Path, tmp_path: Path) -> None:
    again = train_product(small, tmp_path / "runs" / "again", data_root=root)
    first, second = load_product(run)[0].state_dict(), load_product(again)[0].state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_onnx_computes_what_torch_computes(run: Path, tmp_path: Path) -> None:
    model, _ = load_product(run)
    first, second = pixels(6), pixels(6)[::-1].copy()
    expected = torch_probabilities(model, first, second)
    write_networks(model, tmp_path, first[:2])
    made = as_bundle(tmp_path)
    got = made.probabilities(made.sides(first), made.sides(second))
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_a_method_with_an_encoder_of_its_own_is_exported_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = residual_dyad.Model(residual_dyad.Config(**residual_dyad.SMALL)).eval()
    first, second = pixels(3), pixels(3)[::-1].copy()
    expected = torch_probabilities(model, first, second)
    write_networks(model, tmp_path, first[:2])
    made = as_bundle(tmp_path)
    np.testing.assert_allclose(made.probabilities(made.sides(first), made.sides(second)), expected, atol=1e-4)
    assert made.sides(first[:0]).left.shape[0] == 0


def test_the_bundle_is_small_whole_and_says_what_it_is(bundle: Path, run: Path) -> None:
    made = load_matcher(bundle)
    assert sorted(path.name for path in bundle.iterdir()) == ["CARD.md", "bundle.json", IMAGE, SIMILARITY]
    assert (made.kind, made.method, made.side, made.id) == ("matcher", "residual_dyad", SIDE, "dyad-1")
    assert made.calibration.scale > 0
    assert 0 <= made.calibration.different <= made.calibration.same <= 1
    assert made.card["trained_on"] == [
        "rsicd, classes of the caption-train images",
        "ucm, classes of the caption-train images",
    ]
    assert "8-bit" in made.card["quantisation"]
    assert "same kind from" in (bundle / "CARD.md").read_text()
    assert set(made.card["validation_pairs"]) >= {"accuracy_percent", "roc_auc_percent", "calibration_error"}
    # 8 bits change little of what the torch model says
    model, _ = load_product(run)
    images = pixels(8)
    plain = torch_probabilities(model, images, images[::-1].copy())
    exact = replace_calibration(made)
    got = exact.probabilities(exact.sides(images), exact.sides(images[::-1].copy()))
    assert np.abs(got - plain).max() < 0.15


def replace_calibration(made: MatcherBundle) -> MatcherBundle:
    """The bundle without its calibration."""
    manifest = {**made.manifest, "calibration": {"scale": 1, "offset": 0, "same": 0.5, "different": 0.5}}
    return MatcherBundle(made.folder, manifest, made.sha256)


def test_the_product_reads_it(bundle: Path, root: Path) -> None:
    images = images_by_kind(["rsicd"], "test", root)
    matcher = gg.Matcher(bundle)
    found = matcher.match_all(images[0].path, [image.path for image in images])
    assert all(0 <= one.probability <= 1 for one in found)
    assert matcher.match(images[0].path, images[1].path).probability == pytest.approx(found[1].probability, abs=1e-6)


def test_train_and_export_are_one_command_each(
    backbone: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "runs" / "dyad"
    ask = ["train", "dyad", "--backbone-weights", str(backbone), "--data-root", str(root), "--data", "rsicd,ucm"]
    ask += ["--side", str(SIDE), "--epochs", "1", "--batch", "12", "--set", "discriminator_widths=[8,8,4]"]
    assert main([*ask, "--out", str(run)]) == 0
    assert main([*ask, "--out", str(run)]) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert main([*ask, "--out", str(run), "--resume"]) == 0
    assert main(["export", str(run), "--data-root", str(root), "--out", str(tmp_path / "b"), "--float"]) == 0
    assert load_matcher(tmp_path / "b").card["quantisation"] == "none, float32"
    assert main(["export", str(run), "--side", "32"]) == 2
    assert "is not for a matcher" in capsys.readouterr().err
    without = [word for word in ask if word not in ("--backbone-weights", str(backbone))]
    assert main([*without, "--out", str(tmp_path / "none")]) == 2
    assert "backbone: is not given" in capsys.readouterr().err


def test_runs_of_another_kind_are_told(backbone: Path, run: Path, root: Path, tmp_path: Path) -> None:
    assert not is_matching_run(backbone)
    assert is_matching_run(run)
    with pytest.raises(DataError, match="is no run of a matcher"):
        load_product(backbone)
    unfinished = tmp_path / "unfinished"
    shutil.copytree(run, unfinished)
    (unfinished / "summary.json").unlink()
    with pytest.raises(DataError, match="is not finished"):
        export_matcher(unfinished, out=tmp_path / "b", data_root=root)
    with pytest.raises(UsageError, match="the image network stays as it is"):
        replace(RECIPE, stages=(replace(RECIPE.stages[0], kind="joint"),))


def test_calibrated_probabilities_mean_what_they_say() -> None:
    """Logits three times as steep as the truth, and moved by 1: scale and offset undo both."""
    random = np.random.default_rng(0)
    truth = random.normal(0, 2, 40_000)
    same = random.random(40_000) < 1 / (1 + np.exp(-truth))
    logits = (3 * truth + 1).astype(np.float32)
    found = calibrated(logits, logits, same)
    assert found["scale"] == pytest.approx(1 / 3, abs=0.01)
    assert found["offset"] == pytest.approx(-1 / 3, abs=0.05)
    told = Calibration(scale=found["scale"], offset=found["offset"]).probabilities(logits)
    for low in np.arange(0, 1, 0.1):
        inside = (told >= low) & (told < low + 0.1)
        assert abs(told[inside].mean() - same[inside].mean()) < 0.03
    for verdict, right in ((told >= found["same"], same), (told <= found["different"], ~same)):
        assert right[verdict].mean() == pytest.approx(0.9, abs=0.01)


def test_thresholds_and_areas_at_their_ends() -> None:
    # nobody is right nine times of ten: certainty alone would do
    assert verdict_thresholds(np.array([0.2, 0.8]), np.array([True, False])) == (1.0, 0.0)
    # all right: the last of each kind; equal probabilities get one verdict
    assert verdict_thresholds(np.array([0.2, 0.2, 0.8]), np.array([False, False, True])) == (0.8, 0.2)
    # right for everybody in either reading: the middle serves both
    many = np.linspace(0, 1, 101)
    both = verdict_thresholds(many, many > 0.5)
    assert both[0] == both[1] == pytest.approx(0.5, abs=0.06)
    # of 2 x 2 comparisons .5 > .1, .5 = .5, .9 > .1, .9 > .5: (1 + 0.5 + 2) / 4
    assert roc_area(np.array([0.1, 0.5, 0.5, 0.9]), np.array([False, False, True, True])) == 0.875
    assert roc_area(np.array([1.0, 0.0]), np.array([False, True])) == 0.0
