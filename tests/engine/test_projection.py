"""Images and captions on a plane: who is where, the same map again, kinds that stay together."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from geoglot.api.projection import project as project_and_draw
from geoglot.api.projection_picture import category_colours
from geoglot.core.errors import GeoglotError, UsageError
from geoglot.engine.projection import project, project_predictions, tsne


def test_images_and_first_captions_of_every_language(data_root, encoder) -> None:
    found = project(encoder, "rsicd", split="train", root=data_root, languages=("en", "ar"))
    assert found.points.shape == (16 * 3, 2)
    assert np.isfinite(found.points).all()
    assert found.kinds == ("image",) * 16 + ("en",) * 16 + ("ar",) * 16
    assert found.ids[:16] == found.ids[16:32] == found.ids[32:]
    assert set(found.categories) == {"airport", "beach", "forest", "river"}
    records = found.as_records()
    assert records[0].keys() == {"x", "y", "kind", "id", "category"}
    assert (found.data, found.model) == ("rsicd, train", "toy-1")


def test_more_captions_and_the_same_map_again(predictions) -> None:
    found = project_predictions(predictions, captions=3)
    assert len(found.points) == 16 + 4 * 3 * 16
    assert np.array_equal(found.points, project_predictions(predictions, captions=3).points)


def test_far_clusters_stay_apart() -> None:
    generator = np.random.default_rng(0)
    middles = np.eye(8)[:3] * 1.0
    vectors = np.concatenate([middle + generator.normal(scale=0.02, size=(40, 8)) for middle in middles])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    points = tsne(vectors.astype(np.float32)).reshape(3, 40, 2)
    means = points.mean(1)
    within = np.linalg.norm(points - means[:, None], axis=2).max()
    between = min(np.linalg.norm(means[a] - means[b]) for a, b in [(0, 1), (0, 2), (1, 2)])
    assert between > 1.5 * within


def test_a_map_opens_and_a_wrong_suffix_is_told_first(data_root, encoder, tmp_path) -> None:
    with pytest.raises(UsageError, match="has no known suffix"):
        project_and_draw("rsicd", "train", encoder, root=data_root, out=tmp_path / "map.bmp")
    project_and_draw("rsicd", "train", encoder, root=data_root, languages=("en", "ar"), out=tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as image:
        assert image.width > 1000
        colours = {tuple(pixel) for pixel in np.asarray(image.convert("RGB")).reshape(-1, 3)[::7].tolist()}
    assert set(category_colours(["airport", "beach", "forest", "river"]).values()) <= colours


def test_what_cannot_be_projected(predictions, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GeoglotError, match="has 3 points"):
        tsne(np.eye(3, dtype=np.float32))
    with pytest.raises(UsageError, match="captions=0"):
        project_predictions(predictions, captions=0)
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(GeoglotError, match=r'scikit-learn: is not installed.*pip install "geoglot\[train\]"'):
        project_predictions(predictions)


def test_many_classes_have_colours_of_their_own() -> None:
    colours = category_colours([f"class {number}" for number in range(52)])
    assert len(set(colours.values())) == 52
