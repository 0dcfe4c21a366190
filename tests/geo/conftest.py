"""Where the real data lies, if it lies anywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets named by ``GEOGLOT_DATA``."""
    folder = os.environ.get("GEOGLOT_DATA")
    if not folder or not Path(folder, "geotiff").is_dir():
        pytest.skip("GEOGLOT_DATA names no folder of real data")
    return Path(folder)
