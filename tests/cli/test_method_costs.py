"""``geoglot methods --cost``."""

from __future__ import annotations

import json

import pytest

from geoglot.cli.main import main


def test_costs_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "segmentation", "--cost", "--format", "jsonl"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    lavt = next(record for record in records if record["name"] == "lavt")
    assert lavt["reported_gmacs"] == lavt["paper_gmacs"] == 191.91
    assert lavt["reported_gflops"] == lavt["paper_gflops"] == 384.27
    assert round(lavt["parameters"] / 1e6, 2) == lavt["paper_parameters_m"] == 118.85


def test_costs_of_other_tasks_are_not_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "retrieval", "--cost"]) == 2
    assert "costs are not counted" in capsys.readouterr().err


def test_side_must_be_a_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "--cost", "--side", "0"]) == 2
    assert "is no size of a picture" in capsys.readouterr().err
