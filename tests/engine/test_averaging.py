from pathlib import Path

import pytest
import torch

from geoglot.core.errors import DataError
from geoglot.engine import checkpoint
from geoglot.engine.averaging import average_runs


def run(folder: Path, **tensors: torch.Tensor) -> Path:
    folder.mkdir()
    (folder / "recipe.json").write_text(folder.name)
    checkpoint.save(tensors, folder / "checkpoint.safetensors")
    return folder


def test_the_mean_of_two_runs_by_hand(tmp_path: Path) -> None:
    one = run(tmp_path / "one", weight=torch.tensor([1.0, 3.0]), count=torch.tensor(7))
    two = run(tmp_path / "two", weight=torch.tensor([2.0, 5.0]), count=torch.tensor(9))
    made = average_runs([one, two], tmp_path / "mean")
    tensors = checkpoint.load(made / "checkpoint.safetensors")
    assert tensors["weight"].tolist() == [1.5, 4.0]  # (1 + 2) / 2, (3 + 5) / 2
    assert int(tensors["count"]) == 7  # counters are not averaged
    assert (made / "recipe.json").read_text() == "two"


def test_runs_that_do_not_fit_are_named(tmp_path: Path) -> None:
    one = run(tmp_path / "one", weight=torch.zeros(2))
    for name, tensors in {"shape": {"weight": torch.zeros(3)}, "name": {"other": torch.zeros(2)}}.items():
        with pytest.raises(DataError, match=r"does not fit .*one"):
            average_runs([one, run(tmp_path / name, **tensors)], tmp_path / "mean")
    assert not (tmp_path / "mean").exists()
