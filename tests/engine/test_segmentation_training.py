"""Training of referring segmentation: the best epoch, going on after a kill, decay, rates, what a run leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_squares import write_referring
from toy_referring import ToySegmenter, small_recipe, toy_recipe

from geoglot.core import registry
from geoglot.core.errors import DataError, UsageError
from geoglot.engine import checkpoint
from geoglot.engine.segmentation.data import PairStore, TrainingSamples, build_tokenizer, read_split
from geoglot.engine.segmentation.launch import named_sweep
from geoglot.engine.segmentation.prediction import Validation, evenly_spaced
from geoglot.engine.segmentation.recipe import recipe_record, segmentation_recipe_from
from geoglot.engine.segmentation.running import load_segmentation_run, run_segmentation, watched_test
from geoglot.engine.segmentation.saved_masks import load_predictions
from geoglot.engine.segmentation.training import (
    Figures,
    SegmentationTrainer,
    parameter_groups,
    rate_at,
)
from geoglot.nn.segmenter import Segmenter


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_referring(tmp_path_factory.mktemp("referring") / "squares")


def trainer(
    folder: Path,
    run: Path,
    validate: Callable[[Segmenter], Figures],
    *,
    seconds_between_saves: float = 0.0,
    watch: Callable[[Segmenter], Figures] | None = None,
    **changes: Any,
) -> SegmentationTrainer:
    run.mkdir(exist_ok=True)
    recipe = toy_recipe(folder, **changes)
    split = read_split(recipe, "train")
    tokenizer = build_tokenizer(recipe, split)
    torch.manual_seed(0)
    return SegmentationTrainer(
        recipe,
        ToySegmenter(tokenizer.size),
        TrainingSamples(recipe=recipe, split=split, tokenizer=tokenizer, store=PairStore()),
        validate,
        run,
        watch=watch,
        seconds_between_saves=seconds_between_saves,
    )


def by_weights(model: Segmenter) -> Figures:
    """A figure that depends on every weight."""
    return {"en": {"miou": float(sum(tensor.double().sum() for tensor in model.state_dict().values()))}}


def lines(run: Path) -> list[dict[str, Any]]:
    """Figures of the epochs without the time they took."""
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in found]


def test_the_best_epoch_is_kept(folder: Path, tmp_path: Path) -> None:
    values = iter([0.3, 0.9, 0.9, 0.5])
    seen: list[dict[str, torch.Tensor]] = []

    def validate(model: Segmenter) -> Figures:
        assert not model.training
        seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return {"en": {"miou": next(values)}}

    one = trainer(folder, tmp_path, validate)
    one.run()
    # 0.9 of the third epoch is not better than that of the second.
    assert (one.best, one.best_epoch) == (0.9, 2)
    kept = checkpoint.load(tmp_path / "checkpoint.safetensors")
    assert all(torch.equal(kept[name], tensor) for name, tensor in seen[1].items())
    assert [line["best"] for line in lines(tmp_path)] == [True, True, False, False]
    model = one.model
    assert isinstance(model, ToySegmenter)
    assert model.epochs_started == [(0, 4), (1, 4), (2, 4), (3, 4)]


def test_the_test_part_is_watched_and_chooses_nothing(folder: Path, tmp_path: Path) -> None:
    """On validation the first epoch is best, on the test part the third: the first one's weights are kept."""
    on_val, on_test = (
        iter([0.5, 0.4, 0.3]),
        iter([{"en": 0.1, "fr": 0.3}, {"en": 0.2, "fr": 0.1}, {"en": 0.6, "fr": 0.2}]),
    )
    seen: list[float] = []

    def validate(model: Segmenter) -> Figures:
        seen.append(by_weights(model)["en"]["miou"])
        return {"en": {"miou": next(on_val)}}

    one = trainer(
        folder,
        tmp_path,
        validate,
        watch=lambda model: {language: {"miou": value} for language, value in next(on_test).items()},
        epochs=3,
    )
    one.run()
    assert one.best_epoch == 1
    one.model.load_state_dict(checkpoint.load(tmp_path / "checkpoint.safetensors"))
    assert by_weights(one.model)["en"]["miou"] == seen[0] != seen[2]
    # (0.6 + 0.2) / 2 is the highest mean.
    assert watched_test(tmp_path / "metrics.jsonl") == {
        "epoch": 3,
        "figures": {"en": {"miou": 0.6}, "fr": {"miou": 0.2}},
    }


def test_the_mean_over_languages_chooses(folder: Path, tmp_path: Path) -> None:
    values = iter([{"en": {"miou": 1.0}, "fr": {"miou": 0.0}}, {"en": {"miou": 0.6}, "fr": {"miou": 0.6}}])
    one = trainer(folder, tmp_path, lambda model: next(values), epochs=2)
    one.run()
    assert (one.best, one.best_epoch) == (0.6, 2)


def test_the_last_epoch_is_always_validated(folder: Path, tmp_path: Path) -> None:
    one = trainer(folder, tmp_path, by_weights, epochs=5, validate_every=2)
    one.run()
    assert ["miou" in line for line in lines(tmp_path)] == [False, True, False, True, True]


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
@pytest.mark.parametrize("seconds", [0.0, 1e9])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    folder: Path, tmp_path: Path, seconds: float, optimiser: str
) -> None:
    changes: dict[str, Any] = {"optimiser": optimiser, "languages": ("en", "fr")}
    whole = trainer(folder, tmp_path / "whole", by_weights, **changes)
    whole.run()

    def kill(record: dict[str, Any]) -> None:
        if record["epoch"] == 3:
            raise KilledError

    # With long pauses between saves only the first epoch was saved: the second and third are trained again.
    killed = trainer(folder, tmp_path / "killed", by_weights, seconds_between_saves=seconds, **changes)
    with pytest.raises(KilledError):
        killed.run(kill)
    again = trainer(folder, tmp_path / "killed", by_weights, **changes)
    again.resume()
    assert again.epoch == (3 if seconds == 0 else 1)
    again.run()
    assert lines(tmp_path / "killed") == lines(tmp_path / "whole")
    for name in ("checkpoint.safetensors", "state.safetensors"):
        first, second = (checkpoint.load(tmp_path / run / name) for run in ("whole", "killed"))
        first.pop("progress", None)
        second.pop("progress", None)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)


def test_half_a_line_of_figures_is_dropped(folder: Path, tmp_path: Path) -> None:
    one = trainer(folder, tmp_path, by_weights, epochs=2)
    one.run()
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"epoch": 3, "los')
    one.resume()
    assert [line["epoch"] for line in lines(tmp_path)] == [1, 2]


def test_the_state_of_another_recipe_is_refused(folder: Path, tmp_path: Path) -> None:
    trainer(folder, tmp_path, by_weights, epochs=1, average=0.0).run()
    with pytest.raises(DataError, match="does not fit"):
        trainer(folder, tmp_path, by_weights, epochs=1, average=0.9).resume()


def test_what_is_no_number_stops_the_training(folder: Path, tmp_path: Path) -> None:
    one = trainer(folder, tmp_path, by_weights)
    with torch.no_grad():
        next(one.model.parameters()).fill_(float("nan"))
    with pytest.raises(DataError, match="left the numbers in epoch 1"):
        one.run()


def test_colours_are_learnt(folder: Path, tmp_path: Path) -> None:
    """A word of three colours to tell: from next to nothing to nearly all."""
    one = trainer(folder, tmp_path, by_weights, epochs=30, learning_rate=0.3, crop=1.0, shaded=0.0)
    rows = evenly_spaced(read_split(one.recipe, "val"), 0)
    validation = Validation(
        recipe=one.recipe, split=read_split(one.recipe, "val"), tokenizer=one.samples.tokenizer, rows=rows
    )
    before = validation(one.model.eval())["en"]["miou"]
    one.validate = validation
    one.run()
    assert one.best > 0.8 > 0.5 > before


def test_the_rate_over_time(folder: Path) -> None:
    recipe = toy_recipe(folder, learning_rate=2.0)
    # Poly: 2 (1 - 0.75) ^ 0.9 = 2 * 0.28717.
    assert rate_at(recipe, 0.75) == pytest.approx(2 * 0.25**0.9)
    floor = replace(recipe, last_rate=0.5)
    assert [rate_at(floor, progress) for progress in (0.0, 1.0)] == [2.0, 0.5]
    assert rate_at(replace(recipe, schedule="constant"), 0.9) == 2.0
    # Half of the way down, at 0.05 + 0.95 / 2, the cosine is 0: 2 (0.01 + 0.99 / 2).
    assert rate_at(replace(recipe, schedule="one-cycle"), 0.525) == pytest.approx(1.01)


def test_what_has_weight_decay(folder: Path) -> None:
    recipe = toy_recipe(folder, weight_decay=0.25, learning_rate=0.5)

    class Parts(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.matrix = torch.nn.Linear(2, 2)
            self.norm = torch.nn.LayerNorm(2)
            self.relative_position_bias_table = torch.nn.Parameter(torch.zeros(9, 2))
            self.frozen = torch.nn.Parameter(torch.zeros(2, 2), requires_grad=False)

    parts = Parts()
    groups = parameter_groups(recipe, parts)
    assert [group["weight_decay"] for group in groups] == [0.25, 0.0]
    assert [id(p) for p in groups[0]["params"]] == [id(parts.matrix.weight)]
    assert len(groups[1]["params"]) == 4  # bias, two of the norm, the table
    parts.parameter_groups = lambda: [  # type: ignore[assignment]
        {"params": [parts.matrix.weight], "lr": 0.05},
        {"params": [parts.matrix.bias, parts.frozen], "learning_rate_factor": 2.0, "weight_decay": 0.0},
    ]
    own = parameter_groups(recipe, parts)
    assert [(group["factor"], group["weight_decay"], len(group["params"])) for group in own] == [
        (0.1, 0.25, 1),
        (2.0, 0.0, 1),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"optimiser": "radam"},
        {"schedule": "steps"},
        {"size": "large"},
        {"epochs": 0},
        {"samples": 0},
        {"iterations": 0},
        {"average": 1.0},
        {"crop": 0.0},
        {"datasets": ()},
        {"languages": ("en", "en")},
        {"epoch": 3},
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        segmentation_recipe_from({"method": "lavt", **fields})


def test_a_recipe_survives_json(folder: Path) -> None:
    recipe = small_recipe(folder, languages=("en", "fr"))
    assert segmentation_recipe_from(json.loads(json.dumps(recipe_record(recipe)))) == recipe


def test_a_run_and_what_it_leaves(folder: Path, tmp_path: Path) -> None:
    recipe = small_recipe(folder, languages=("en", "fr"), watch_test=True)
    run = run_segmentation(recipe, tmp_path / "run")
    assert {path.name for path in run.iterdir()} == {
        "recipe.json",
        "config.json",
        "env.json",
        "tokenizer.json",
        "metrics.jsonl",
        "checkpoint.safetensors",
        "predictions.jsonl",
        "masks.npz",
        "summary.json",
    }
    saved = load_predictions(run)
    # Two scenes a part, each with four English phrases and three French ones.
    assert len(saved.lines) == 2 * (8 + 6)
    trained = load_segmentation_run(run)
    split = read_split(recipe, "val")
    batch_of = Validation(recipe=recipe, split=split, tokenizer=trained.tokenizer, rows=evenly_spaced(split, 0))
    figures = batch_of(trained.model)
    best = max(lines(run), key=lambda line: float(line["miou"]))
    assert {k: round(v["miou"], 6) for k, v in figures.items()} == {k: v["miou"] for k, v in best["val"].items()}
    assert trained.summary["test_watched"]["epoch"] in (1, 2)
    said: list[str] = []
    run_segmentation(recipe, run, resume=True, note=said.append)
    assert "finished" in said[0]
    with pytest.raises(UsageError, match="already holds"):
        run_segmentation(recipe, run)
    with pytest.raises(UsageError, match="another recipe"):
        run_segmentation(replace(recipe, epochs=3), run, resume=True)


def test_iterations_are_as_many_epochs_as_they_take(folder: Path, tmp_path: Path) -> None:
    """24 samples in batches of 8 are 3 steps; 7 iterations take 3 epochs."""
    recipe = small_recipe(folder, iterations=7, epochs=1, validate_every=5)
    run = run_segmentation(recipe, tmp_path / "run")
    assert [line["epoch"] for line in lines(run)] == [1, 2, 3]
    assert load_segmentation_run(run).recipe == recipe


@pytest.mark.parametrize("name", registry.names("geoglot.methods.segmentation"))
def test_defaults_of_every_method_make_a_recipe(name: str) -> None:
    recipe = named_sweep(name, {"datasets": ("dubai",)})[""]
    assert recipe.method == name


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a training run"):
        load_segmentation_run(tmp_path)
    (tmp_path / "recipe.json").write_text('{"kind": "captioner"}')
    with pytest.raises(DataError, match="not a run of a segmentation method"):
        load_segmentation_run(tmp_path)
