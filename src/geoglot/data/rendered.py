"""Pictures cut from generated scenes, with captions in four languages: 1,600 / 200 / 200 images.

Made by :func:`render`, not downloaded: ``geoglot data render --out DIR/rendered``. Every scene gives 25 square
windows of 128, 256 or 512 m, made smaller to 256 pixels; two in three are laid round an object, one class after the
other, so that what is rare is seen as often as what is frequent. The scenes have other seeds than the demo's.

Source       geoglot's own generator, :mod:`geoglot.data.scenes`
Licence      Apache-2.0
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import UsageError
from geoglot.core.records import Window
from geoglot.data.captioned import SPLITS, SUBSET, CaptionedImage, Listing, Sizes, check_split, settled_records
from geoglot.data.layouts import read_layouts
from geoglot.data.location import dataset_folder
from geoglot.data.scenes import Scene, SceneObject, SceneSpec
from geoglot.data.translations import FILE_NAME, write_translations

__all__ = ["LICENCE", "NAME", "SIZES", "SOURCE", "SPLITS", "listing", "records", "render"]

NAME = "rendered"
LICENCE = "Apache-2.0"
SOURCE = "geoglot data render"
SIZES = Sizes(train=1600, val=200, test=200)
WITHOUT_CLASSES = True
EXPECTED = "what 'geoglot data render --out FOLDER' writes"

SIDE = 256
SCENES = 80
WINDOWS_PER_SCENE = 25
_SCENE_SIDE = 3072
_FIRST_SEED = {"train": 50_000, "val": 60_000, "test": 70_000}
_MANIFEST = "manifest.jsonl"
_WINDOW_SIDES, _WINDOW_SHARES = (256, 512, 1024), (0.55, 0.3, 0.15)
_LEAST_VISIBLE = 0.5

Progress = Callable[[int, int], None]


def listing(root: str | Path | None = None) -> Listing:
    """What the manifest lists, unchecked.

    Raises:
        DataError: The dataset was not made yet, or is damaged.
    """
    folder = dataset_folder(NAME, root, expected=EXPECTED)
    return read_layouts(folder, name=NAME, listing="dataset.json", images=("images",), source=SOURCE)


def records(split: str, root: str | Path | None = None) -> list[CaptionedImage]:
    """The images of a split, in the order in which they were made.

    Args:
        split: ``train``, ``val`` or ``test``.
        root: Folder that holds ``rendered/``; ``None`` asks the variable ``GEOGLOT_DATA``.

    Raises:
        DataError: The dataset is absent or not whole.
        UsageError: There is no such split.
    """
    check_split(split)
    return settled_records(listing(root), split, sizes=SIZES)


def render(folder: str | Path, *, scenes: int = SCENES, progress: Progress = lambda done, total: None) -> Path:
    """Make the dataset: pictures, their captions' translations, and a manifest once all of them are there.

    Args:
        folder: Gets ``images/``, ``manifest.jsonl`` and a table of translations; must not hold a manifest yet.
        scenes: How many; a tenth each are for validation and test. Other than the usual number make a part of the
            dataset, which is marked as one.
        progress: Called with (pictures done, pictures in all).

    Returns:
        The manifest.

    Raises:
        UsageError: The folder holds a dataset already, or there are fewer than three scenes.
    """
    from PIL import Image

    folder = Path(folder)
    manifest = folder / _MANIFEST
    if manifest.exists():
        raise UsageError(manifest, cause="is there already", remedy="name another folder")
    if scenes < 3:
        raise UsageError(f"{scenes} scenes", cause="are fewer than there are splits", remedy="ask for at least 3")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    tenth = max(1, scenes // 10)
    counts = {"train": scenes - 2 * tenth, "val": tenth, "test": tenth}
    total = WINDOWS_PER_SCENE * scenes
    lines: list[str] = []
    translations: dict[str, dict[str, str]] = {}
    for split, count in counts.items():
        for number, (scene, window) in enumerate(islice(_windows(_FIRST_SEED[split]), WINDOWS_PER_SCENE * count)):
            name = f"images/{split}_{number:05d}.png"
            picture = Image.fromarray(scene.render(window)).resize((SIDE, SIDE), Image.Resampling.BOX)
            picture.save(folder / name)
            captions = scene.captions(window, seed=number)
            for place, caption in enumerate(captions["en"]):
                translations[caption] = {language: texts[place] for language, texts in captions.items()}
            lines.append(json.dumps({"image": name, "split": split, "captions": captions["en"]}))
            progress(len(lines), total)
    write_translations(translations, folder / FILE_NAME)
    if scenes != SCENES:
        (folder / SUBSET).write_text(f"{scenes} scenes of {SCENES}\n")
    draft = manifest.with_suffix(".draft")
    draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    draft.rename(manifest)
    return manifest


def _windows(first_seed: int) -> Iterator[tuple[Scene, Window]]:
    """Windows of one scene after the other, without end."""
    seed = first_seed
    while True:
        scene = Scene(SceneSpec(seed, _SCENE_SIDE, _SCENE_SIDE))
        random = np.random.default_rng(seed)
        chosen = _chosen(scene.objects(Window(0, 0, _SCENE_SIDE, _SCENE_SIDE)), random)
        for number in range(WINDOWS_PER_SCENE):
            side = int(random.choice(_WINDOW_SIDES, p=_WINDOW_SHARES))
            centre = random.uniform(0, _SCENE_SIDE, 2)
            thing = next(chosen, None) if number % 3 else None
            if thing is not None:
                centre = np.array(thing.centre) + random.uniform(-0.3, 0.3, 2) * side
            column, row = np.clip(centre - side / 2, 0, _SCENE_SIDE - side).astype(int).tolist()
            yield scene, Window(column, row, side, side)
        seed += 1


def _chosen(objects: list[SceneObject], random: np.random.Generator) -> Iterator[SceneObject]:
    """Objects that can be seen, one class after the other, each class shuffled and again from its start."""
    by_class: dict[str, list[SceneObject]] = {}
    for thing in objects:
        if thing.visible >= _LEAST_VISIBLE:
            by_class.setdefault(thing.class_name, []).append(thing)
    orders = [cycle(_shuffled(by_class[name], random)) for name in sorted(by_class)]
    while orders:
        for order in orders:
            yield next(order)


def _shuffled(things: list[SceneObject], random: np.random.Generator) -> list[SceneObject]:
    order: NDArray[np.int64] = random.permutation(len(things))
    return [things[place] for place in order]
