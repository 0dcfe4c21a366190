"""The dataset of rendered pictures: whole, the same every time, true captions in four languages, seeds of its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geoglot.cli import main as program
from geoglot.core.errors import UsageError
from geoglot.core.records import Window
from geoglot.data import rendered
from geoglot.data.captioned import SUBSET
from geoglot.data.scenes import CLASSES, Scene, SceneSpec, demo_spec
from geoglot.data.translations import load_translations


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendered, "WINDOWS_PER_SCENE", 4)
        patch.setattr(rendered, "_SCENE_SIDE", 1024)
        assert program.main(["data", "render", "--out", str(root / "rendered"), "--scenes", "3", "--quiet"]) == 0
    return root


def test_every_split_has_pictures_and_captions_in_four_languages(root: Path) -> None:
    table = load_translations(root)
    for split in rendered.SPLITS:
        found = rendered.records(split, root)
        assert len(found) == 4
        for record in found:
            with Image.open(record.path) as picture:
                assert picture.size == (256, 256)
            assert len(record.captions) == 5
            for language in ("ar", "fr", "it"):
                assert not table.translate_all(record.captions, language).missing
    assert (root / "rendered" / SUBSET).is_file()


def test_a_picture_is_what_its_scene_shows(root: Path) -> None:
    """The window is found again by drawing it, so the captions and the picture speak of the same place."""
    scene = Scene(SceneSpec(rendered._FIRST_SEED["val"], 1024, 1024))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendered, "_SCENE_SIDE", 1024)
        _, window = next(rendered._windows(rendered._FIRST_SEED["val"]))
    first = rendered.records("val", root)[0]
    with Image.open(first.path) as picture:
        shown = np.asarray(picture).astype(float)
    drawn = scene.render(window).astype(float)
    factor = window.width // 256
    means = drawn.reshape(256, factor, 256, factor, 3).mean((1, 3))
    assert np.abs(means - shown).max() <= 1  # rounding
    assert list(first.captions) == scene.captions(window, seed=0)["en"]


def test_rare_things_are_drawn_as_often_as_frequent_ones() -> None:
    objects = Scene(SceneSpec(3, 1536, 1536)).objects(Window(0, 0, 1536, 1536))
    visible = Counter(thing.class_name for thing in objects if thing.visible >= 0.5)
    chosen = rendered._chosen(objects, np.random.default_rng(0))
    drawn = Counter(next(chosen).class_name for _ in range(5 * len(visible)))
    assert set(drawn) == set(visible) <= set(CLASSES)
    assert set(drawn.values()) == {5}


def test_no_scene_is_that_of_the_demo() -> None:
    firsts = sorted(rendered._FIRST_SEED.values())
    assert demo_spec().seed < firsts[0]
    assert min(np.diff(firsts)) > rendered.SCENES


def test_nothing_is_written_over(root: Path) -> None:
    with pytest.raises(UsageError, match="is there already"):
        rendered.render(root / "rendered")
    with pytest.raises(UsageError, match="at least 3"):
        rendered.render(root / "other", scenes=2)
    assert not (root / "other").exists()
