"""Stages of training: patience, resuming, what is learned, what a run's folder holds."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_matchers import SIDE, ToyMatcher, toy_pictures

from geoglot.core.errors import DataError, UsageError
from geoglot.engine import checkpoint
from geoglot.engine.matching.features import FeatureStore, encoder_of, random_views, view_of
from geoglot.engine.matching.images import Pool
from geoglot.engine.matching.learning import CachedPairs, Joint, Reconstruction, compared_losses
from geoglot.engine.matching.pairs import all_pairs
from geoglot.engine.matching.recipe import MatchingRecipe, Stage, matching_recipe_from
from geoglot.engine.matching.running import calibrate
from geoglot.engine.matching.training import BEST, STATE, MatchingTrainer, Patience

RECIPE = MatchingRecipe(
    method="toy",
    side=SIDE,
    stages=(
        Stage(kind="reconstruction", epochs=3, batch=5, learning_rate=0.05, mirrored=True),
        Stage(kind="pairs", epochs=4, batch=6, learning_rate=0.05, mirrored=True),
        Stage(kind="joint", epochs=3, batch=8, classes=3, sampling="batch", optimiser="adamw", clip=1.0, pairs=20),
    ),
)


def trainer(folder: Path, recipe: MatchingRecipe = RECIPE, *, each: int = 10) -> MatchingTrainer:
    data = toy_pictures(each=each)
    model = ToyMatcher(seed=recipe.seed)
    folder.mkdir(parents=True, exist_ok=True)

    def store() -> FeatureStore:
        return FeatureStore(extract=encoder_of(model), pictures=data.pictures, cache=folder / "cache", name="toy")

    place = folder / "cache"
    return MatchingTrainer(
        recipe, model, data, folder, store=store, data_root=None, cache=place, seconds_between_saves=0
    )


def lines(folder: Path) -> list[dict[str, object]]:
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in record.items() if name != "seconds"} for record in found]


# --- patience ------------------------------------------------------------------------------------------------------


def test_rate_falls_and_the_stage_ends_by_the_losses_alone() -> None:
    stage = Stage(kind="pairs", learning_rate=1.0, decay=0.2, decay_patience=2, patience=5, epochs=100)
    losses = [1.0, 0.9, 0.95, 0.9, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85, 0.1]
    patience, met = Patience(stage), []
    for loss in losses:
        if patience.over:
            break
        met.append((patience.met(loss), round(patience.rate, 6)))
    # An equal loss (the second 0.9) is no better: with 0.95 two epochs stand still, and the rate falls. 0.8 is best;
    # 0.81 and 0.82 lower the rate, 0.83 and 0.84 again, and with 0.85 five stand still: 0.1 is never reached.
    assert met == [
        (True, 1.0),
        (True, 1.0),
        (False, 1.0),
        (False, 0.2),
        (True, 0.2),
        (False, 0.2),
        (False, 0.04),
        (False, 0.04),
        (False, 0.008),
        (False, 0.008),
    ]
    assert (patience.best, patience.epoch, patience.over) == (0.8, 10, True)


def test_a_stage_has_an_end() -> None:
    patience = Patience(Stage(kind="pairs", epochs=3))
    for loss in (3.0, 2.0, 1.0):
        assert not patience.over
        assert patience.met(loss)
    assert patience.over


def test_one_cycle_rises_and_falls() -> None:
    patience = Patience(Stage(kind="pairs", learning_rate=1.0, epochs=10, schedule="one-cycle"))
    rates = [patience.rate_at(step, 10) for step in range(100)]
    assert rates[4] == pytest.approx(0.5)  # 5 % of the steps done, of the 10 % in which it rises
    assert np.argmax(rates) == 9
    assert rates[9] == pytest.approx(1.0)
    assert rates[54] == pytest.approx(0.01 + 0.99 / 2)  # half of the fall
    assert rates[-1] == pytest.approx(0.01)
    assert (np.diff(rates[9:]) < 0).all()


# --- resuming ------------------------------------------------------------------------------------------------------


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("epochs", [1, 3, 5, 8, 9])
def test_resuming_gives_what_an_uninterrupted_run_gives(tmp_path: Path, epochs: int) -> None:
    whole = trainer(tmp_path / "whole")
    whole.run()
    seen: list[object] = []

    def die(record: dict[str, object]) -> None:
        seen.append(record)
        if len(seen) == epochs:
            raise StoppedError

    with pytest.raises(StoppedError):
        trainer(tmp_path / "cut").run(die)
    # The line of an epoch whose state was never written, and one that was cut off.
    with (tmp_path / "cut" / "metrics.jsonl").open("a") as stream:
        stream.write(json.dumps({**seen[-1], "epoch": 77}) + "\n" + '{"stage": 1, "ep')  # type: ignore[dict-item]
    again = trainer(tmp_path / "cut")
    again.resume()
    again.run()
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name]), name
    assert lines(tmp_path / "cut") == lines(tmp_path / "whole")


def test_a_state_of_another_network_is_refused(tmp_path: Path) -> None:
    first = trainer(tmp_path)
    first.save()
    tensors = checkpoint.load(tmp_path / STATE)
    checkpoint.save({**tensors, "model.last.weight": torch.zeros(2, 6)}, tmp_path / STATE)
    with pytest.raises(DataError, match="does not fit the recipe"):
        trainer(tmp_path).resume()


# --- stages --------------------------------------------------------------------------------------------------------


def test_a_stage_starts_from_the_best_epoch_of_the_one_before(tmp_path: Path) -> None:
    stages = (
        Stage(kind="pairs", epochs=6, batch=6, learning_rate=3.0, patience=2),
        Stage(kind="pairs", epochs=1, batch=6, learning_rate=0.0),
    )
    run = trainer(tmp_path, dataclasses.replace(RECIPE, stages=stages))
    run.run()
    records = lines(tmp_path)
    first = [record["validation_loss"] for record in records if record["stage"] == 1]
    assert [r["best"] for r in records if r["stage"] == 1] == [x == min(first[: i + 1]) for i, x in enumerate(first)]
    assert first.index(min(first)) < len(first) - 1  # such a rate leaves the best epoch behind
    fresh = trainer(tmp_path / "b", dataclasses.replace(RECIPE, stages=stages))
    fresh.model.load_state_dict(checkpoint.load(tmp_path / BEST))
    for name, parameter in run.model.named_parameters():
        assert torch.equal(parameter, dict(fresh.model.named_parameters())[name])


def test_each_stage_trains_its_own_part(tmp_path: Path) -> None:
    encoder, comparison = {"encoder", "decoder"}, {"first", "second", "norm", "last"}
    expected = {"reconstruction": encoder, "pairs": comparison, "joint": {"encoder"} | comparison}
    for kind, parts in expected.items():
        stage = Stage(kind=kind, epochs=1, batch=6, learning_rate=0.1, weight_decay=0.1, optimiser="adamw")
        run = trainer(tmp_path / kind, dataclasses.replace(RECIPE, stages=(stage,)))
        before = {name: tensor.clone() for name, tensor in run.model.named_parameters()}
        run.run()
        moved = {name.split(".")[0] for name, t in run.model.named_parameters() if not torch.equal(t, before[name])}
        assert moved == parts, kind


def test_the_comparison_learns_to_tell_colours(tmp_path: Path) -> None:
    for sampling, batch in (("pairs", 12), ("batch", 12)):
        stage = Stage(
            kind="joint", epochs=20, batch=batch, classes=3, sampling=sampling, optimiser="adamw", learning_rate=0.02
        )
        run = trainer(tmp_path / sampling, dataclasses.replace(RECIPE, stages=(stage,)), each=40)
        run.run()
        losses = [record["validation_loss"] for record in lines(tmp_path / sampling)]
        assert min(losses) < 0.35 < 0.5 < losses[0]  # even odds cost 0.69


def test_a_training_that_leaves_the_numbers_says_so(tmp_path: Path) -> None:
    stage = Stage(kind="joint", epochs=30, batch=6, learning_rate=1e30)
    with pytest.raises(DataError, match="left the numbers in epoch"):
        trainer(tmp_path, dataclasses.replace(RECIPE, stages=(stage,))).run()


def test_what_cannot_be_learned_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no loss on classes"):
        trainer(tmp_path, dataclasses.replace(RECIPE, stages=(Stage(kind="classes"),))).run()
    with pytest.raises(UsageError, match="learns from labels, and rsicd would be taken without"):
        Stage(kind="pairs", data=("rsicd",))
    with pytest.raises(UsageError, match="which stage joint cannot train"):
        MatchingRecipe(method="toy", descriptor="hog", stages=(Stage(kind="joint"),))
    with pytest.raises(UsageError, match="did you mean 'batch'"):
        matching_recipe_from({"method": "toy", "stages": [{"kind": "pairs", "bach": 3}]})


# --- lessons -------------------------------------------------------------------------------------------------------


def test_an_epoch_draws_pictures_anew_and_keeps_others_for_validation() -> None:
    pictures = np.zeros((30, SIDE, SIDE, 3), np.uint8) + np.arange(30, dtype=np.uint8)[:, None, None, None]
    pool = Pool(((pictures, np.arange(5)), (pictures, np.arange(20, 25))))
    seen: list[int] = []
    model = ToyMatcher()
    model.reconstruction_losses = lambda images: seen.extend((images[:, 0, 0, 0] * 255).round().int().tolist()) or {}  # type: ignore[assignment,func-returns-value]
    lesson = Reconstruction(model, Stage(kind="reconstruction", batch=3, images=7), (0, 0), pool, pool, "cpu")
    draws = []
    for epoch in (0, 1, 0):
        seen.clear()
        assert len(list(lesson.epoch(epoch))) == lesson.steps == 2  # a third batch of one is left out
        draws.append(list(seen))
    assert all(len(set(draw)) == 6 and set(draw) <= {*range(5), *range(20, 25)} for draw in draws)
    assert draws[0] == draws[2] != draws[1]


@pytest.mark.parametrize("symmetric", [True, False])
def test_losses_within_a_batch_against_two_loops(symmetric: bool) -> None:
    model = ToyMatcher(symmetric=symmetric).eval()
    names = np.array([0, 0, 1, 1, 1])
    features = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 4, 2, 2)).astype(np.float32))
    pairs = all_pairs(names, both_orders=symmetric)
    model.passed = 0
    total = float(compared_losses(model, features, pairs)["total"].detach())
    assert model.passed == 2 * 5
    sums: dict[bool, list[float]] = {True: [], False: []}
    for i in range(5):
        for j in range(5):
            if i != j and (symmetric or i < j):
                with torch.no_grad():
                    logit = model.compare(model.left(features[i : i + 1]), model.right(features[j : j + 1]))
                p = float(torch.sigmoid(logit))
                sums[names[i] == names[j]].append(-np.log(p if names[i] == names[j] else 1 - p))
    assert total == pytest.approx((np.mean(sums[True]) + np.mean(sums[False])) / 2, rel=1e-4)


def test_cached_features_are_those_of_the_encoder(tmp_path: Path) -> None:
    data, model = toy_pictures(), ToyMatcher()
    store = FeatureStore(extract=encoder_of(model), pictures=data.pictures, cache=tmp_path, name="toy")
    stage = Stage(kind="pairs")
    cached = CachedPairs(model, stage, (0, 0), data, store, "cpu")
    joint = Joint(model, Stage(kind="joint"), (0, 0), data, "cpu")
    rows, generator = np.array([3, 0, 9]), np.random.default_rng(0)
    assert torch.allclose(cached.features(rows, generator)[0], joint.features(rows, generator)[0], atol=2e-3)
    assert torch.allclose(cached.validation_features(), joint.validation_features(), atol=2e-3)
    assert len(list(tmp_path.iterdir())) == 1
    with torch.no_grad():
        model.encoder.weight += 0.1
    store.features()
    assert len(list(tmp_path.iterdir())) == 2  # another encoder, another file
    store.features()
    assert len(list(tmp_path.iterdir())) == 2


def test_eight_views_are_distinct_and_keep_the_pixels() -> None:
    picture = np.arange(27, dtype=np.uint8).reshape(1, 3, 3, 3)
    views = [view_of(picture, view) for view in range(8)]
    assert len({view.tobytes() for view in views}) == 8
    assert all(sorted(view.ravel()) == sorted(picture.ravel()) for view in views)
    drawn = random_views(np.repeat(picture, 200, 0), np.random.default_rng(0))
    assert {one.tobytes() for one in drawn} == {view[0].tobytes() for view in views}


def test_a_recipe_survives_its_file() -> None:
    recipe = dataclasses.replace(RECIPE, config={"widths": (4, 8)}, fold=2, initial="runs/a", descriptor_config={})
    text = json.dumps({"kind": "matcher", **dataclasses.asdict(recipe)})
    assert matching_recipe_from(json.loads(text)) == recipe


def test_odds_are_fitted_to_the_validation_images(tmp_path: Path) -> None:
    met: list[tuple[torch.Tensor, torch.Tensor]] = []
    data, model = toy_pictures(), ToyMatcher()
    model.calibrate = lambda features, labels: met.append((features, labels))  # type: ignore[assignment]
    store = FeatureStore(extract=encoder_of(model), pictures=data.pictures, cache=tmp_path, name="toy")
    calibrate(model, data, store)
    (features, labels) = met[0]
    assert features.shape == (6, 4, 2, 2)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
