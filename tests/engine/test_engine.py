"""Any method through the engine: cached features, trained backbones, optimisers, schedules, adversaries, repeats."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from geoglot.core.errors import DataError, UsageError
from geoglot.engine import composition
from geoglot.engine.features import FeatureCache
from geoglot.engine.launch import merged, method_recipe, named_recipe
from geoglot.engine.pairs import Example, PairData
from geoglot.engine.recipe import Optimiser, Recipe, Schedule, SideStep, recipe_from
from geoglot.engine.timetable import Timetable
from geoglot.engine.trained import load_trained
from geoglot.engine.trainer import Trainer
from geoglot.engine.training import start
from geoglot.nn.backbone import Backbone, build_backbone

LANGUAGES = ("en", "fr")
SENTENCES = {
    "red": ("a red field", "un champ rouge"),
    "blue": ("a blue lake", "un lac bleu"),
    "green": ("a green forest", "une forêt verte"),
}
COLOURS = {"red": (200, 40, 40), "blue": (40, 40, 200), "green": (40, 160, 40)}
RECIPE = Recipe(
    method="vse_plus_plus",
    config={"dimension": 16, "word_width": 12},
    datasets=("drawn",),
    languages=LANGUAGES,
    epochs=2,
    batch=6,
    sides=(SideStep(start=0.0, side=64),),
    validation_side=64,
    token_dropout=0.0,
    backbone="compact",
    frozen=True,
)


@pytest.fixture
def drawn(tmp_path: Path) -> list[Example]:
    random = np.random.default_rng(0)
    found = []
    for number in range(18):
        name = list(COLOURS)[number % 3]
        pixels = np.clip(np.array(COLOURS[name]) + random.integers(-30, 30, (48, 48, 3)), 0, 255).astype(np.uint8)
        path = tmp_path / f"{name}{number}.png"
        Image.fromarray(pixels).save(path)
        captions = {k: (SENTENCES[name][i],) * 5 for i, k in enumerate(LANGUAGES)}
        found.append(Example(path=path, category=name, captions=captions, dataset="drawn" if number < 12 else "extra"))
    return found


@pytest.fixture
def backbone() -> Backbone:
    torch.manual_seed(0)
    return build_backbone("compact", channels=(8, 8, 16, 16)).eval()


def no_validation(*_: object) -> dict[str, float]:
    return {"score": 1.0}


# --- cached features


def test_cached_maps_are_those_of_the_backbone(tmp_path: Path, drawn: list[Example], backbone: Backbone) -> None:
    paths = [example.path for example in drawn]
    cache = FeatureCache(tmp_path / "features", backbone, side=64, stages=(1, 3))
    found = cache.pyramids(paths, "drawn-train", mirrored=True)
    with Image.open(paths[7]) as image:
        square = np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR, reducing_gap=1.0))
    pixels = torch.from_numpy(square.copy()).permute(2, 0, 1)[None].float() / 255
    rows = np.array([7, 7, 2])
    plain, mirrored, _ = found.take(rows, mirrored=np.array([False, True, False]))[3]
    with torch.no_grad():
        expected, flipped = backbone(pixels)[3][0], backbone(pixels.flip(3))[3][0]
    assert torch.allclose(plain, expected, atol=2e-3)
    assert torch.allclose(mirrored, flipped, atol=2e-3)
    assert not torch.allclose(plain, mirrored, atol=2e-3)
    # Stages that nobody asked for keep their width and have no cells.
    assert [tuple(stage.shape) for stage in found.take(rows)] == [
        (3, 8, 0, 0),
        (3, 8, 8, 8),
        (3, 16, 0, 0),
        (3, 16, 2, 2),
    ]
    assert len(list(found.blocks(7, device=torch.device("cpu")))) == 3


def test_maps_are_computed_once_and_whole_or_not_at_all(
    tmp_path: Path, drawn: list[Example], backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [example.path for example in drawn]
    cache = FeatureCache(tmp_path / "features", backbone, side=64)
    calls: list[int] = []

    def interrupted(done: int, total: int) -> None:
        calls.append(done)
        raise KeyboardInterrupt

    monkeypatch.setattr("geoglot.engine.features.TOGETHER", 5)
    with pytest.raises(KeyboardInterrupt):
        cache.pyramids(paths, "drawn-train", progress=interrupted)
    assert not list(tmp_path.rglob("*.npy"))
    cache.pyramids(paths, "drawn-train", progress=lambda done, total: calls.append(done))
    assert calls == [5, 5, 10, 15, 18]
    cache.pyramids(paths, "drawn-train", progress=lambda done, total: calls.append(done))
    assert len(calls) == 5
    # Other weights or other pictures are another key.
    with torch.no_grad():
        next(backbone.parameters()).add_(1)
    FeatureCache(tmp_path / "features", backbone, side=64).pyramids(paths, "drawn-train")
    cache.pyramids(paths[:-1], "drawn-train")
    assert len(list((tmp_path / "features").iterdir())) == 3


def test_damaged_maps_and_absent_pictures_are_named(tmp_path: Path, drawn: list[Example], backbone: Backbone) -> None:
    paths = [example.path for example in drawn]
    cache = FeatureCache(tmp_path / "features", backbone, side=64)
    cache.pyramids(paths, "drawn-train")
    (file,) = tmp_path.rglob("stage3-plain.npy")
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(DataError, match=r"stage3-plain\.npy: cannot be read"):
        cache.pyramids(paths, "drawn-train")
    paths[3].write_bytes(b"no picture")
    with pytest.raises(DataError, match=rf"{paths[3].name}: cannot be read"):
        cache.pyramids(paths, "drawn-train")
    paths[3].unlink()
    with pytest.raises(DataError, match=rf"{paths[3].name}: is absent"):
        cache.pyramids(paths, "drawn-train")


def test_frozen_run_resumes_exactly_and_scores_pictures_again(
    tmp_path: Path, drawn: list[Example], backbone: Backbone
) -> None:
    cache = FeatureCache(tmp_path / "features", backbone, side=64)
    whole = start(RECIPE, drawn, tmp_path / "whole", resume=False, device="cpu", cache=cache, backbone=backbone)
    whole.run(no_validation)
    parts = start(RECIPE, drawn, tmp_path / "parts", resume=False, device="cpu", cache=cache, backbone=backbone)
    for _ in range(4):
        parts.train_step()
    parts.save()
    again = start(RECIPE, drawn, tmp_path / "parts", resume=True, device="cpu", cache=cache, backbone=backbone)
    again.run(no_validation)
    for name, value in whole.average.state_dict().items():
        assert torch.equal(value, again.average.state_dict()[name]), name
    trained = load_trained(tmp_path / "whole")
    assert trained.frozen is not None
    assert composition.weights_digest(trained.frozen) == cache.sha256
    assert trained.summary["trained_parameters"] == sum(p.numel() for p in trained.method.parameters())
    pixels = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = whole.average.image_features(backbone(pixels))[0]  # type: ignore[operator]
        assert torch.allclose(trained.model.image_features(pixels)[0], expected, atol=1e-6)


def test_backbone_is_trained_unless_frozen(tmp_path: Path, drawn: list[Example], backbone: Backbone) -> None:
    before = composition.weights_digest(backbone)
    recipe = replace(RECIPE, frozen=False, optimiser=Optimiser(backbone_factor=0.1))
    trainer = start(recipe, drawn, tmp_path / "run", resume=False, device="cpu", backbone=backbone)
    assert {group["factor"] for group in trainer.optimiser.param_groups} == {1.0, 0.1}
    trainer.run(no_validation)
    trained = load_trained(tmp_path / "run")
    assert isinstance(trained.model, composition.Composed)
    assert composition.weights_digest(trained.model.backbone) != before
    again = composition.load_backbone("compact", tmp_path / "run")
    assert composition.weights_digest(again) == composition.weights_digest(trained.model.backbone)


# --- what does not fit is refused before any work


def test_backbone_and_method_must_fit() -> None:
    scan = composition.method_module("scan")
    with pytest.raises(UsageError, match="none is named"):
        composition.starts_from_maps(scan, replace(RECIPE, method="scan", config={}, backbone=None, frozen=False))
    compact = composition.method_module("compact")
    with pytest.raises(UsageError, match="no use for a backbone"):
        composition.starts_from_maps(compact, replace(RECIPE, method="compact", config={}))
    with pytest.raises(UsageError, match="did you mean 'dimension'"):
        composition.starts_from_maps(
            composition.method_module("vse_plus_plus"), replace(RECIPE, config={"dimensoin": 3})
        )


def test_weights_of_another_shape_are_named(tmp_path: Path, drawn: list[Example], backbone: Backbone) -> None:
    from geoglot.engine import checkpoint

    tensors = dict(backbone.state_dict())
    name = "network.network.stem.0.0.weight"
    checkpoint.save({**tensors, name: torch.zeros(3, 3)}, tmp_path / "a.safetensors")
    with pytest.raises(DataError, match=rf"{name} has shape \(3, 3\), not"):
        composition.load_backbone("compact", tmp_path / "a.safetensors")
    checkpoint.save({k: v for k, v in tensors.items() if k != name}, tmp_path / "b.safetensors")
    with pytest.raises(DataError, match=f"{name} is absent"):
        composition.load_backbone("compact", tmp_path / "b.safetensors")
    with pytest.raises(DataError, match="does not fit"):
        composition.load_backbone("resnet18", tmp_path / "b.safetensors")


def test_starting_from_a_run_names_what_did_not_fit(tmp_path: Path, drawn: list[Example], backbone: Backbone) -> None:
    cache = FeatureCache(tmp_path / "features", backbone, side=64)
    first = start(RECIPE, drawn, tmp_path / "first", resume=False, device="cpu", cache=cache, backbone=backbone)
    first.run(no_validation)
    told: list[str] = []
    wider = replace(RECIPE, config={"dimension": 16, "word_width": 20}, initial=str(tmp_path / "first"))
    second = start(
        wider, drawn, tmp_path / "second", resume=False, device="cpu", cache=cache, backbone=backbone, note=told.append
    )
    assert torch.equal(second.model.state_dict()["projection.weight"], first.average.state_dict()["projection.weight"])
    assert len(told) == 1
    assert "text.embedding.weight" in told[0]
    assert "projection" not in told[0]


def test_starting_from_a_run_takes_its_tokenizer(tmp_path: Path, drawn: list[Example], backbone: Backbone) -> None:
    """Another corpus would give other pieces, which the first run's weights have never seen."""
    cache = FeatureCache(tmp_path / "features", backbone, side=64)
    start(RECIPE, drawn, tmp_path / "first", resume=False, device="cpu", cache=cache, backbone=backbone).run(
        no_validation
    )
    others = [replace(e, captions={k: tuple(f"{t} quuux" for t in v) for k, v in e.captions.items()}) for e in drawn]
    after = replace(RECIPE, initial=str(tmp_path / "first"))
    for recipe, name in ((RECIPE, "alone"), (after, "second")):
        start(recipe, others, tmp_path / name, resume=False, device="cpu", cache=cache, backbone=backbone)
    first, alone, second = ((tmp_path / n / "tokenizer.json").read_bytes() for n in ("first", "alone", "second"))
    assert second == first != alone


def test_foreign_weights_in_a_run_are_refused(tmp_path: Path, drawn: list[Example], backbone: Backbone) -> None:
    cache = FeatureCache(tmp_path / "features", backbone, side=64)
    start(RECIPE, drawn, tmp_path / "run", resume=False, device="cpu", cache=cache, backbone=backbone).run(
        no_validation
    )
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    (tmp_path / "run" / "config.json").write_text(json.dumps({**config, "dimension": 24}))
    with pytest.raises(DataError, match="does not fit its method"):
        load_trained(tmp_path / "run")
    with pytest.raises(DataError, match="is not a training run"):
        load_trained(tmp_path)


# --- optimisers and schedules on a problem that is solved by hand


@dataclass(frozen=True)
class Numbers:
    """A batch of nothing."""

    values: Tensor


class OneStep:
    """Batches for a model that needs no data."""

    steps_per_epoch = 2

    def __len__(self) -> int:
        return 2

    def batch(self, step: int) -> Numbers:
        return Numbers(torch.ones(1))


class Slope(nn.Module):
    """total = 3 w, whose gradient is 3 wherever w is; its adversary wants 5 v small."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(1, 1))
        self.v = nn.Parameter(torch.zeros(1, 1))
        self.epochs: list[int] = []

    def start_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def adversary_parameters(self) -> list[nn.Parameter]:
        return [self.v]

    def losses(self, batch: Numbers) -> dict[str, Tensor]:
        # The total pulls the adversary the other way; only its own loss may move it.
        return {"total": (3 * self.w - 7 * self.v).sum(), "adversary": (5 * self.v).sum()}


def sgd(**values: object) -> Recipe:
    described = {"name": "sgd", "learning_rate": 1.0, "momentum": 0.0, "weight_decay": 0.0, "clip": None, **values}
    return recipe_from(
        {
            "method": "slope",
            "datasets": (),
            "epochs": 2,
            "batch": 1,
            "average": 0.0,
            "optimiser": described,
            "adversary": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.0, "clip": None},
            "schedule": {"name": "steps", "milestones": [1], "factor": 0.1},
        }
    )


def test_adversary_moves_by_its_own_loss_alone(tmp_path: Path) -> None:
    trainer = Trainer(sgd(), OneStep(), Slope(), tmp_path)
    trainer.run(no_validation)
    model = trainer.model
    assert isinstance(model, Slope)
    # Two steps at rate 1 and two at 0.1, gradient 3; four steps of the adversary at 0.1, gradient 5.
    assert model.w.item() == pytest.approx(-(2 * 3 + 2 * 0.3))
    assert model.v.item() == pytest.approx(-4 * 0.5)
    assert model.epochs == [0, 1]
    assert trainer.average.state_dict()["w"].item() == pytest.approx(model.w.item())  # average = 0 keeps nothing


def test_clipping_bounds_the_norm_of_everything_together(tmp_path: Path) -> None:
    trainer = Trainer(sgd(clip=0.1), OneStep(), Slope(), tmp_path)
    trainer.train_step()
    assert trainer.model.w.item() == pytest.approx(-0.1, rel=1e-4)  # type: ignore[operator,union-attr]


def test_nesterov_momentum_by_hand(tmp_path: Path) -> None:
    # Step 1: buffer 3, moved by 3 + 0.9 * 3 = 5.7. Step 2: buffer 0.9 * 3 + 3 = 5.7, moved by 3 + 0.9 * 5.7 = 8.13.
    trainer = Trainer(sgd(momentum=0.9), OneStep(), Slope(), tmp_path)
    trainer.train_step()
    trainer.train_step()
    assert trainer.model.w.item() == pytest.approx(-(5.7 + 8.13))  # type: ignore[operator,union-attr]


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_every_optimiser_resumes_exactly(tmp_path: Path, name: str) -> None:
    recipe = sgd(name=name, momentum=0.9)
    whole = Trainer(recipe, OneStep(), Slope(), tmp_path / "whole")
    for _ in range(4):
        whole.train_step()
    first = Trainer(recipe, OneStep(), Slope(), tmp_path / "parts")
    for _ in range(3):
        first.train_step()
    first.save()
    second = Trainer(recipe, OneStep(), Slope(), tmp_path / "parts")
    second.resume()
    second.train_step()
    assert torch.equal(whole.model.state_dict()["w"], second.model.state_dict()["w"])
    assert torch.equal(whole.model.state_dict()["v"], second.model.state_dict()["v"])
    assert second.model.epochs == [1]  # resumed in the middle of the second epoch


def test_schedules_by_hand() -> None:
    base = Recipe(method="x", datasets=(), epochs=4, optimiser=Optimiser(learning_rate=0.1))
    steps = replace(base, schedule=Schedule(name="steps", milestones=(1, 3), factor=0.1))
    assert [round(Timetable(steps, 2).learning_rate(k), 6) for k in range(8)] == [
        *(0.1, 0.1),
        *(0.01, 0.01, 0.01, 0.01),
        *(0.001, 0.001),
    ]
    constant = replace(base, schedule=Schedule(name="constant"))
    assert {Timetable(constant, 2).learning_rate(k) for k in range(8)} == {0.1}


# --- data


def test_repeated_datasets_are_drawn_as_often_as_asked(drawn: list[Example]) -> None:
    recipe = replace(RECIPE, backbone=None, frozen=False, repeats={"extra": 3})
    data = PairData(drawn, recipe)
    assert data.steps_per_epoch == (12 + 3 * 6) // 6
    tokenizer = data.train_tokenizer(100, 8)
    seen = torch.cat([data.batch(step, side=32, tokenizer=tokenizer).items for step in range(5)])
    assert torch.bincount(seen).tolist() == [1] * 12 + [3] * 6
    with pytest.raises(UsageError, match="extraa: is repeated but not among the datasets"):
        PairData(drawn, replace(recipe, repeats={"extraa": 2}))
    with pytest.raises(UsageError, match=r"cannot be drawn 1\.5 times"):
        PairData(drawn, replace(recipe, repeats={"extra": 1.5}))


def test_one_caption_per_image_in_languages_drawn_alike(drawn: list[Example]) -> None:
    recipe = replace(RECIPE, backbone=None, frozen=False)
    data = PairData(drawn, recipe)
    tokenizer = data.train_tokenizer(100, 8)
    french = {tuple(row) for row in tokenizer.encode([s[1] for s in data.sentences]).tolist()}
    drawn_french, texts = 0, 0
    for step in range(60):
        batch = data.batch(step, side=32, tokenizer=tokenizer)
        assert len(batch.tokens) == len(batch.items) == 6
        assert len(batch.translations) == 0
        width = max(map(len, french))
        rows = [tuple(row + [0] * (width - len(row))) for row in batch.tokens.tolist()]
        drawn_french += sum(row in french for row in rows)
        texts += 6
    assert 0.4 < drawn_french / texts < 0.6
    together = PairData(drawn, replace(recipe, language_sampling="batch"))
    for step in range(6):
        rows = together.batch(step, side=32, tokenizer=tokenizer)
        texts_of = {s: data.sentences[s] for s in rows.sentences.tolist()}
        asked = [tokenizer.encode([texts_of[s][k] for s in rows.sentences.tolist()]) for k in range(2)]
        assert any(a.shape == rows.tokens.shape and (a == rows.tokens.numpy()).all() for a in asked)


# --- names on the command line


def test_names_and_defaults() -> None:
    recipe = named_recipe("scan", {"datasets": ("ucm",), "config": {"word_width": 8}})
    assert (recipe.method, recipe.datasets, dict(recipe.config)) == ("scan", ("ucm",), {"word_width": 8})
    with pytest.raises(UsageError, match="did you mean 'scan'"):
        named_recipe("scam", {})
    with pytest.raises(UsageError, match="needs data"):
        named_recipe("scan", {})
    with pytest.raises(UsageError, match="did you mean 'epochs'"):
        recipe_from({"method": "scan", "datasets": (), "epoch": 1})
    with pytest.raises(UsageError, match="epochs = 0"):
        recipe_from({"method": "scan", "datasets": (), "epochs": 0})
    assert merged({"optimiser": {"clip": 1, "name": "adam"}}, {"optimiser": {"clip": 2}}) == {
        "optimiser": {"clip": 2, "name": "adam"}
    }


@pytest.mark.parametrize("name", composition.registry.names(composition.PACKAGE))
def test_defaults_of_every_method_make_a_recipe_that_fits(name: str) -> None:
    recipe = method_recipe(name, {"datasets": ("ucm",)})
    composition.starts_from_maps(composition.method_module(name), replace(recipe, backbone=recipe.backbone))


def _recipes(name: str) -> list[Any]:
    """What a file of recipes holds: one, or a sweep of several."""
    module = composition.registry.load("geoglot.recipes", name)
    return [module.RECIPE] if hasattr(module, "RECIPE") else list(module.SWEEP.values())


RECIPES = composition.registry.names("geoglot.recipes")
OF_RETRIEVAL = [name for name in RECIPES if isinstance(_recipes(name)[0], Recipe)]


@pytest.mark.parametrize("name", sorted(set(RECIPES) - set(OF_RETRIEVAL)))
def test_every_recipe_of_another_task_names_a_method_and_knows_its_settings(name: str) -> None:
    packages = ("geoglot.methods.matching", "geoglot.methods.captioning", "geoglot.methods.segmentation")
    for recipe in _recipes(name):
        package = next(found for found in packages if recipe.method in composition.registry.names(found))
        known = {field.name for field in fields(composition.registry.load(package, recipe.method).Config)}
        assert set(recipe.config) <= known
        assert json.loads(json.dumps(asdict(recipe)))["method"] == recipe.method


@pytest.mark.parametrize("name", OF_RETRIEVAL)
def test_every_recipe_names_a_method_and_a_dataset_and_fits_both(name: str) -> None:
    from geoglot.data.captioned import load_dataset
    from geoglot.engine.tokenizers import KINDS

    recipe = named_recipe(name, {})
    composition.starts_from_maps(composition.method_module(recipe.method), recipe)
    assert recipe.tokenizer in KINDS
    if "rsitmd" not in recipe.datasets:  # its loader comes with the data
        assert all(dataset == load_dataset(dataset).NAME for dataset in recipe.datasets)
    assert recipe_from(json.loads(json.dumps(asdict(recipe)))) == recipe  # what a run folder says is the same recipe
