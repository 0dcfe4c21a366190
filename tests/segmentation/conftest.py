"""The colour segmenter in place of the shipped one, and a cache that is a test's own."""

from __future__ import annotations

import pytest
from colour_segmenter import ColourSegmenter


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> ColourSegmenter:
    """The segmenter that ``segmenter`` names in this test."""
    model = ColourSegmenter()
    monkeypatch.setattr("geoglot.models.segmenter.load_segmenter", lambda name, **options: model)
    return model
