"""Training of captioning: the best epoch, going on after a kill, what a batch holds, what a run leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_datasets import write_fake
from toy_captioning import CHANNELS, WORDS, ToyCaptioner, picture_recipe, toy_captions, toy_recipe

from geoglot.core import registry
from geoglot.core.errors import DataError, UsageError
from geoglot.engine import checkpoint
from geoglot.engine.captioning.prediction import load_predictions
from geoglot.engine.captioning.recipe import CaptioningRecipe, captioning_recipe_from, recipe_record
from geoglot.engine.captioning.running import METHODS, load_captioner, run_captioning
from geoglot.engine.captioning.training import CaptionTrainer, rate_at
from geoglot.engine.epochs import WeightAverage
from geoglot.nn.captioner import Captioner


class KilledError(Exception):
    """Stands for the end of the process."""


def trainer(
    folder: Path,
    validate: Callable[[Captioner], Mapping[str, float]],
    *,
    seconds_between_saves: float = 0.0,
    **changes: Any,
) -> CaptionTrainer:
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    return CaptionTrainer(
        toy_recipe(**changes),
        ToyCaptioner(CHANNELS, WORDS),
        toy_captions(),
        validate,
        folder,
        seconds_between_saves=seconds_between_saves,
    )


def by_weights(model: Captioner) -> dict[str, float]:
    """A figure that depends on every weight."""
    return {"en": float(sum(tensor.double().sum() for tensor in model.state_dict().values()))}


def lines(folder: Path) -> list[dict[str, Any]]:
    """Figures of the epochs without the time they took."""
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in found]


def test_the_best_epoch_is_kept(tmp_path: Path) -> None:
    values = iter([0.3, 0.9, 0.9, 0.5])
    seen: list[dict[str, torch.Tensor]] = []

    def validate(model: Captioner) -> dict[str, float]:
        assert not model.training
        seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return {"en": next(values)}

    one = trainer(tmp_path, validate)
    one.run()
    # 0.9 of the third epoch is not better than that of the second.
    assert (one.best, one.best_epoch) == (0.9, 2)
    kept = checkpoint.load(tmp_path / "checkpoint.safetensors")
    assert all(torch.equal(kept[name], tensor) for name, tensor in seen[1].items())
    assert [line["best"] for line in lines(tmp_path)] == [True, True, False, False]
    model = one.model
    assert isinstance(model, ToyCaptioner)
    assert model.epochs_started == [(0, 4), (1, 4), (2, 4), (3, 4)]


def test_the_mean_over_languages_chooses(tmp_path: Path) -> None:
    values = iter([{"en": 1.0, "fr": 0.0}, {"en": 0.6, "fr": 0.6}])
    one = trainer(tmp_path, lambda model: next(values), epochs=2)
    one.run()
    assert (one.best, one.best_epoch) == (0.6, 2)
    assert lines(tmp_path)[0]["cider_en"] == 1.0


def test_the_last_epoch_is_always_validated(tmp_path: Path) -> None:
    one = trainer(tmp_path, by_weights, epochs=5, validate_every=2)
    one.run()
    assert ["cider" in line for line in lines(tmp_path)] == [False, True, False, True, True]


@pytest.mark.parametrize("optimiser", ["radam", "adamw"])
@pytest.mark.parametrize("seconds", [0.0, 1e9])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path: Path, seconds: float, optimiser: str) -> None:
    whole = trainer(tmp_path / "whole", by_weights, optimiser=optimiser)
    whole.run()

    def kill(record: dict[str, Any]) -> None:
        if record["epoch"] == 3:
            raise KilledError

    # With long pauses between saves only the first epoch was saved: the second and third are trained again.
    killed = trainer(tmp_path / "killed", by_weights, optimiser=optimiser, seconds_between_saves=seconds)
    with pytest.raises(KilledError):
        killed.run(kill)
    again = trainer(tmp_path / "killed", by_weights, optimiser=optimiser)
    again.resume()
    assert again.epoch == (3 if seconds == 0 else 1)
    again.run()
    assert lines(tmp_path / "killed") == lines(tmp_path / "whole")
    for name in ("checkpoint.safetensors", "state.safetensors"):
        first, second = (checkpoint.load(tmp_path / folder / name) for folder in ("whole", "killed"))
        first.pop("progress", None)
        second.pop("progress", None)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)


def test_half_a_line_of_figures_is_dropped(tmp_path: Path) -> None:
    one = trainer(tmp_path, by_weights, epochs=2)
    one.run()
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"epoch": 3, "los')
    one.resume()
    assert [line["epoch"] for line in lines(tmp_path)] == [1, 2]


def test_the_state_of_another_recipe_is_refused(tmp_path: Path) -> None:
    trainer(tmp_path, by_weights, epochs=1, average=0.0).run()
    with pytest.raises(DataError, match="does not fit"):
        trainer(tmp_path, by_weights, epochs=1, average=0.9).resume()


def test_what_is_no_number_stops_the_training(tmp_path: Path) -> None:
    one = trainer(tmp_path, by_weights)
    with torch.no_grad():
        next(one.model.parameters()).fill_(float("nan"))
    with pytest.raises(DataError, match="left the numbers in epoch 1"):
        one.run()


def test_the_gradient_is_clipped(tmp_path: Path) -> None:
    """A step of plain Adam does not tell a long gradient from a short one; what it has gathered does."""
    one = trainer(tmp_path, by_weights, epochs=1, batch=1000, clip=0.01, optimiser="adam", average=0.0)
    one.run()
    moments = [state["exp_avg"] for state in one.optimiser.state_dict()["state"].values()]
    # One step: exp_avg = 0.1 * gradient.
    norm = 10 * float(torch.cat([moment.flatten() for moment in moments]).norm())
    assert norm == pytest.approx(0.01, rel=1e-4)


def test_the_average_follows(tmp_path: Path) -> None:
    model = ToyCaptioner(1, 4)
    average = WeightAverage(model, 0.5)
    with torch.no_grad():
        average.model.image.bias.fill_(0.0)
        model.image.bias.fill_(1.0)
    average.follow(model, 0)  # decay min(0.5, 1 / 10): 0.1 * 0 + 0.9 * 1
    assert average.model.image.bias.tolist() == pytest.approx([0.9] * 4)
    average.follow(model, 100)  # decay 0.5: (0.9 + 1) / 2
    assert average.model.image.bias.tolist() == pytest.approx([0.95] * 4)


def test_the_rate_over_time() -> None:
    recipe = toy_recipe(learning_rate=2.0)
    assert [rate_at(recipe, progress) for progress in (0.0, 0.5, 1.0)] == [2.0] * 3
    recipe = toy_recipe(learning_rate=2.0, schedule="one-cycle")
    # Half of the way down, at 0.05 + 0.95 / 2, the cosine is 0: 2 (0.01 + 0.99 / 2).
    assert rate_at(recipe, 0.525) == pytest.approx(1.01)


@pytest.mark.parametrize(
    "fields",
    [
        {"optimiser": "sgd"},
        {"schedule": "steps"},
        {"epochs": 0},
        {"captions": 0},
        {"average": 1.0},
        {"datasets": ()},
        {"languages": ("en", "en")},
        {"beams": (0,)},
        {"epoch": 3},
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        captioning_recipe_from({"method": "jtts", **fields})


def test_a_recipe_survives_its_file() -> None:
    recipe = CaptioningRecipe(method="jtts", config={"weights": (1.0, 0.5, 1.0)}, languages=("en", "fr"), beams=(1,))
    assert captioning_recipe_from(json.loads(json.dumps(recipe_record(recipe)))) == recipe


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    root.mkdir()
    write_fake(root, "ucm")
    return root


def test_a_run_from_pictures_to_captions(data_root: Path, tmp_path: Path) -> None:
    recipe = picture_recipe(languages=("en", "fr"), mirrored=True)
    run = tmp_path / "runs" / "one"
    logged: list[dict[str, Any]] = []
    run_captioning(recipe, run, data_root=data_root, log=logged.append)
    files = {"recipe", "config", "env", "vocabulary", "attributes", "summary"}
    assert {path.name for path in run.iterdir()} == {f"{name}.json" for name in files} | {
        "metrics.jsonl",
        "checkpoint.safetensors",
        "predictions.jsonl",
    }
    assert [line["epoch"] for line in logged] == [1, 2, 3]
    assert logged[-1]["loss_caption"] < logged[0]["loss_caption"]
    predictions = load_predictions(run / "predictions.jsonl")
    # Four classes with one image in each of both splits, in two languages.
    assert len(predictions) == 16
    assert {(one.split, one.language) for one in predictions} == {(s, x) for s in ("val", "test") for x in ("en", "fr")}
    assert all(one.dataset == "ucm" and one.attributes is not None and one.sampled for one in predictions)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["images"] == {"train": 16, "val": 4, "test": 4}
    # 16 images with five captions in two languages.
    assert (summary["training_captions"], summary["languages"]) == (160, 2)
    assert set(summary["validation_cider_by_beam"]) == {"1", "2"}
    trained = load_captioner(run)
    assert trained.recipe == recipe
    assert trained.beam == summary["beam"]
    assert len(trained.vocabulary) == summary["vocabulary"]
    notes: list[str] = []
    run_captioning(recipe, run, data_root=data_root, resume=True, note=notes.append)
    assert notes == [f"{run} is finished"]
    with pytest.raises(UsageError, match="already holds a run"):
        run_captioning(recipe, run, data_root=data_root)
    with pytest.raises(UsageError, match="another recipe"):
        run_captioning(picture_recipe(epochs=9), run, data_root=data_root, resume=True)


def test_a_killed_run_ends_with_the_same_captions(data_root: Path, tmp_path: Path) -> None:
    recipe = picture_recipe(config={"hidden": 12, "words": 6, "attention": 5, "classifier": 7, "variant": "b"})
    runs = tmp_path / "runs"
    run_captioning(recipe, runs / "whole", data_root=data_root)

    def kill(record: dict[str, Any]) -> None:
        if record["epoch"] == 2:
            raise KilledError

    with pytest.raises(KilledError):
        run_captioning(recipe, runs / "killed", data_root=data_root, log=kill, seconds_between_saves=0)
    with pytest.raises(UsageError, match="already holds a run"):
        run_captioning(recipe, runs / "killed", data_root=data_root)
    run_captioning(recipe, runs / "killed", data_root=data_root, resume=True)
    first, second = ((runs / name / "predictions.jsonl").read_bytes() for name in ("whole", "killed"))
    assert first == second
    assert lines(runs / "whole") == lines(runs / "killed")
    # The baseline has no attributes.
    assert load_predictions(runs / "whole" / "predictions.jsonl")[0].attributes is None


def test_word_vectors_start_the_tables(data_root: Path, tmp_path: Path) -> None:
    file = tmp_path / "vectors.txt"
    file.write_text("planes 1 2 3 4 5 6\nnothing 0 0 0 0 0 0\n")
    notes: list[str] = []
    recipe = picture_recipe(word_vectors=str(file), epochs=1, learning_rate=1e-12)
    run = run_captioning(recipe, tmp_path / "run", data_root=data_root, note=notes.append)
    trained = load_captioner(run)
    table = trained.model.word_tables()["words"].weight
    assert table[trained.vocabulary.id_of("planes")].tolist() == pytest.approx([1, 2, 3, 4, 5, 6])
    assert any(f"1 of the {len(trained.vocabulary)} words start from vectors.txt" in note for note in notes)
    file.write_text("planes 1 2 3\n")
    with pytest.raises(UsageError, match="3 numbers"):
        run_captioning(recipe, tmp_path / "other", data_root=data_root)
    file.write_text("planes 1 2 3 4 5 nan\n")
    with pytest.raises(DataError, match="line 1"):
        run_captioning(recipe, tmp_path / "third", data_root=data_root)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a training run"):
        load_captioner(tmp_path)
    (tmp_path / "recipe.json").write_text('{"kind": "hasher"}')
    with pytest.raises(DataError, match="not a run of a captioning method"):
        load_captioner(tmp_path)


FROM_DATA = ("channels", "vocabulary", "attributes", "languages", "categories", "max_length")


@pytest.mark.parametrize("method", registry.names(METHODS))
def test_every_method_trains_and_is_read_again(method: str, data_root: Path, tmp_path: Path) -> None:
    module = registry.load(METHODS, method)
    config = {name: value for name, value in module.SMALL.items() if name not in FROM_DATA}
    recipe = picture_recipe(method=method, config=config, epochs=2, beams=(1,))
    run = run_captioning(recipe, tmp_path / "run", data_root=data_root)
    again = load_captioner(run)
    assert len(load_predictions(run / "predictions.jsonl")) == 8
    kept = checkpoint.load(run / "checkpoint.safetensors")
    assert all(torch.equal(tensor, kept[name]) for name, tensor in again.model.state_dict().items())
