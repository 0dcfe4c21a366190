import json
from pathlib import Path

import pytest
import torch

from geoglot.core.errors import DataError
from geoglot.engine import checkpoint
from geoglot.engine.averaging import average_runs


def run(folder: Path, **tensors: torch.Tensor) -> Path:
    folder.mkdir()
    (folder / "recipe.json").write_text(json.dumps({"method": "compact", "told_by": folder.name}))
    checkpoint.save(tensors, folder / "checkpoint.safetensors")
    return folder


def test_the_mean_of_two_runs_by_hand(tmp_path: Path) -> None:
    one = run(tmp_path / "one", weight=torch.tensor([1.0, 3.0]), count=torch.tensor(7))
    two = run(tmp_path / "two", weight=torch.tensor([2.0, 5.0]), count=torch.tensor(9))
    made = average_runs([one, two], tmp_path / "mean")
    tensors = checkpoint.load(made / "checkpoint.safetensors")
    assert tensors["weight"].tolist() == [1.5, 4.0]  # (1 + 2) / 2, (3 + 5) / 2
    assert int(tensors["count"]) == 7  # counters are not averaged
    assert json.loads((made / "recipe.json").read_text())["told_by"] == "two"


def test_heads_that_only_training_uses_are_the_last_runs(tmp_path: Path) -> None:
    """They have as many outputs as the data of their own run have classes."""
    one = run(tmp_path / "one", weight=torch.tensor([1.0]), **{"category_head.weight": torch.zeros(2)})
    two = run(tmp_path / "two", weight=torch.tensor([2.0]), **{"category_head.weight": torch.ones(3)})
    tensors = checkpoint.load(average_runs([one, two], tmp_path / "mean") / "checkpoint.safetensors")
    assert tensors["weight"].tolist() == [1.5]
    assert tensors["category_head.weight"].tolist() == [1.0, 1.0, 1.0]


def test_runs_that_do_not_fit_are_named(tmp_path: Path) -> None:
    one = run(tmp_path / "one", weight=torch.zeros(2))
    for name, tensors in {"shape": {"weight": torch.zeros(3)}, "name": {"other": torch.zeros(2)}}.items():
        with pytest.raises(DataError, match=r"does not fit .*one"):
            average_runs([one, run(tmp_path / name, **tensors)], tmp_path / "mean")
    assert not (tmp_path / "mean").exists()


def test_runs_of_other_tasks_have_a_mean_too(tmp_path: Path) -> None:
    runs = [run(tmp_path / name, weight=torch.tensor([value])) for name, value in (("one", 1.0), ("two", 4.0))]
    for each in runs:
        (each / "recipe.json").write_text(json.dumps({"method": "jtts"}))  # a captioner, no retrieval method
    made = average_runs(runs, tmp_path / "mean")
    assert checkpoint.load(made / "checkpoint.safetensors")["weight"].tolist() == [2.5]  # (1 + 4) / 2
