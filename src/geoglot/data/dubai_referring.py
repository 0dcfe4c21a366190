"""The benchmark made from the Dubai class maps: tiles 1 to 4 to train, tile 5 to validate, tile 6 to test.

The nine parts of a tile touch, so a split by tile is the only honest one. The pictures carry no ground sample distance;
from the width of roads and houses it is about 1.5 metres, which is what the buffers of the rules are counted with.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError
from geoglot.core.records import Window
from geoglot.data.location import dataset_folder
from geoglot.data.mask_folder import read_classes, read_mask
from geoglot.data.reference_builder import Crops, Settings, build
from geoglot.data.reference_rules import GENERAL
from geoglot.data.reference_sources import LabelledSource, Piece, whole
from geoglot.data.referring import PHRASES_FILE, ReferringDataset, read_written

NAME = "dubai"
FOLDER = "dubai_seg"
GSD_M = 1.5
RULES = GENERAL.restricted(("water", "land", "road", "building", "vegetation"))
SETTINGS = Settings(crops=Crops(size=512, stride=256, side=512, cover=True, stride_held=512))
VERSION = 1  # of what the builder writes: a change makes a new folder
_TILES = {"t1": "train", "t2": "train", "t3": "train", "t4": "train", "t5": "val", "t6": "test"}


def load(root: str | Path | None = None) -> ReferringDataset:
    """The benchmark, built on first use into the user's cache folder.

    The folder's name holds a hash of the settings, the rules and the source files, so one folder is one benchmark.

    Raises:
        DataError: The class maps are absent.
    """
    folder = cache_folder() / "referring" / f"{NAME}-{_fingerprint(_source_folder(root))}"
    if not (folder / PHRASES_FILE).is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{NAME}.") as temporary:
            made = Path(temporary) / "dataset"
            build(sources(root), RULES, made, name=NAME, settings=SETTINGS)
            try:
                made.rename(folder)
            except OSError:  # another process was first
                if not (folder / PHRASES_FILE).is_file():
                    raise
    return read_written(folder)


def sources(root: str | Path | None = None) -> list[LabelledSource]:
    """The images with their class maps, by name.

    Raises:
        DataError: The dataset, or a mask, is absent.
    """
    folder = _source_folder(root)
    names = read_classes(folder / "mask_index.json")
    images = sorted((folder / "images").glob("t*.jpg"))
    if not images:
        raise DataError(folder / "images", cause="holds no image tN_00K.jpg", remedy="copy the dataset again")
    return [_source(path, folder, names) for path in images if path.stem.partition("_")[0] in _TILES]


def _source_folder(root: str | Path | None) -> Path:
    return dataset_folder(FOLDER, root, expected="images/tN_00K.jpg, masks/tN_00K.png and mask_index.json")


def _source(image: Path, folder: Path, names: dict[int, str]) -> LabelledSource:
    mask = folder / "masks" / f"{image.stem}.png"
    split = _TILES[image.stem.partition("_")[0]]

    def read(window: Window) -> Piece:
        pixels, classes = _read(image, mask)
        rows = slice(window.row, window.row + window.height)
        columns = slice(window.column, window.column + window.width)
        return Piece(pixels[rows, columns], classes[rows, columns])

    height, width = read_mask(mask).shape
    return LabelledSource(id=image.stem, areas=whole(split, width, height), names=names, gsd_m=GSD_M, read=read)


@lru_cache(maxsize=1)  # its crops come one after the other
def _read(image: Path, mask: Path) -> tuple[NDArray[np.uint8], NDArray[np.integer[Any]]]:
    from PIL import Image

    classes = read_mask(mask)
    try:
        with Image.open(image) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except (OSError, ValueError) as error:
        raise DataError(image, cause=f"cannot be read ({error})", remedy="copy the file again") from error
    if pixels.shape[:2] != classes.shape:
        raise DataError(mask, cause=f"is not of the size of {image.name}", remedy="copy the dataset again")
    return pixels, classes


def _fingerprint(source: Path) -> str:
    files = sorted((*source.glob("images/*"), *source.glob("masks/*"), source / "mask_index.json"))
    listed = [(path.name, path.stat().st_size) for path in files if path.is_file()]
    parts = [VERSION, asdict(SETTINGS), GSD_M, asdict(RULES), listed]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def cache_folder() -> Path:
    """Where built datasets are kept: ``GEOGLOT_CACHE``, else the user's cache folder."""
    named = os.environ.get("GEOGLOT_CACHE")
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local")) / "geoglot"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "geoglot"
