from __future__ import annotations

import pytest
from fake_datasets import write_fake
from toy_encoder import ToyEncoder

from geoglot.engine.prediction import predict


@pytest.fixture
def data_root(tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    write_fake(root, "rsicd")
    return root


@pytest.fixture
def encoder():
    return ToyEncoder()


@pytest.fixture
def predictions(data_root, encoder):
    return predict(encoder, "rsicd", split="train", root=data_root)
