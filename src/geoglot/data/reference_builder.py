"""Images with class maps become a folder of image-phrase-mask triplets in the layout of RefSegRS."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError, UsageError
from geoglot.core.records import Window
from geoglot.core.runs import whole_file, write_json
from geoglot.data.captioned import SPLITS
from geoglot.data.mask_regions import Connectivity
from geoglot.data.reference_masks import Labels, Meaning, meanings
from geoglot.data.reference_phrases import phrases
from geoglot.data.reference_rules import Rulebook
from geoglot.data.reference_sources import LabelledSource, Place
from geoglot.data.referring import PHRASES_FILE

ABOUT_FILE = "dataset.json"


@dataclass(frozen=True, kw_only=True)
class Crops:
    """How images are cut.

    Attributes:
        size: Side of a square crop, pixels of the source; smaller images give one crop as large as fits.
        stride: Pixels from one crop to the next.
        side: Crops are made smaller (never larger) to that many pixels.
        cover: Spread the crops evenly to the far edge. Otherwise the grid is regular from the first corner and a
            remainder at the far edges is left out, as in the paper.
        stride_held: Stride in ``val`` and ``test``; ``None`` takes the same.
    """

    size: int = 1200
    stride: int = 600
    side: int = 512
    cover: bool = False
    stride_held: int | None = None


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which triplets are not worth keeping.

    Attributes:
        least_share: A mask with a smaller share of the crop is too small to be seen.
        most_share: One with a larger share is the whole crop.
        least_pixels: Likewise, in pixels of the crop as it is written.
        informative_share: A relation or attribute must leave out at least that share of the category's mask.
        strips_share: At most that share of a surface may be narrower than surfaces of its kind are.
        doubtful_share: Regions in doubt may be at most that large, compared with the mask.
    """

    least_share: float = 0.001
    most_share: float = 0.9
    least_pixels: int = 48
    informative_share: float = 0.02
    strips_share: float = 0.5
    doubtful_share: float = 0.25


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that decides what a builder writes."""

    crops: Crops = field(default_factory=Crops)
    filters: Filters = field(default_factory=Filters)
    connectivity: Connectivity = 8


def crop_windows(area: Window, crops: Crops, *, split: str = "train") -> list[Window]:
    """The crops of an area of an image.

    Example:
        >>> len(crop_windows(Window(0, 0, 5616, 3744), Crops()))  # the paper's 8 x 5 crops of a SkyScapes tile
        40
        >>> [w.column for w in crop_windows(Window(0, 0, 1000, 400), Crops(size=400, stride=400, cover=True))]
        [0, 300, 600]
    """
    size = min(crops.size, area.width, area.height)
    stride = crops.stride if split == "train" or crops.stride_held is None else crops.stride_held
    columns = _starts(area.width, size, stride, cover=crops.cover)
    rows = _starts(area.height, size, stride, cover=crops.cover)
    return [Window(area.column + column, area.row + row, size, size) for row in rows for column in columns]


def _starts(length: int, size: int, stride: int, *, cover: bool) -> list[int]:
    if not cover:
        return list(range(0, length - size + 1, stride))
    rest = length - size
    steps = max(0, -(-(rest - stride // 4) // stride))  # a strip of a quarter of the stride may be left over
    return [round(rest * step / steps) for step in range(steps + 1)] if steps else [rest // 2]


def build(
    sources: Sequence[LabelledSource],
    rulebook: Rulebook,
    folder: Path,
    *,
    name: str,
    settings: Settings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write a folder of triplets, whole or not at all.

    Args:
        sources: Images with class maps.
        rulebook: What can be said about them.
        folder: Must not exist, or be empty.
        name: Of the dataset.
        settings: Crops and filters.
        progress: Called with (crops done, crops in all).

    Returns:
        What ``dataset.json`` holds: settings, and how many triplets were kept and dropped, by reason.

    Raises:
        UsageError: The folder holds something.
        DataError: No triplet was made, or two sources have one name.
    """
    settings = settings or Settings()
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(folder, cause="holds something already", remedy="name a folder that does not exist yet")
    twice = [name for name, times in Counter(source.id for source in sources).items() if times > 1]
    if twice:
        raise DataError(twice[0], cause="is the name of two images", remedy="rename one")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        work = Path(temporary) / "made"
        about = _build_into(work, sources, rulebook, name, settings, progress)
        if not about["lines"]:
            raise DataError(folder, cause="got no triplet at all", remedy="check the class names and the crop size")
        _write_lists(work, about.pop("lines"))
        write_json(work / ABOUT_FILE, about)
        if folder.exists():
            folder.rmdir()
        work.rename(folder)
    return about


def _build_into(
    folder: Path,
    sources: Sequence[LabelledSource],
    rulebook: Rulebook,
    name: str,
    settings: Settings,
    progress: Callable[[int, int], None] | None,
) -> dict[str, Any]:
    """Images and masks of all triplets; what to note about them, and under ``lines`` what to list."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    lines: list[dict[str, Any]] = []
    dropped: Counter[str] = Counter()
    plan = [(source, _windows(source, settings.crops)) for source in sources]
    total = sum(len(windows) for _, windows in plan)
    done = 0
    for source, windows in plan:
        for split, window in windows:
            scene = source.id if len(windows) == 1 else f"{source.id}_{window.column}_{window.row}"
            made = _triplets(source, window, scene, rulebook, folder, settings, dropped)
            lines.extend({"dataset": name, "split": split, **line} for line in made)
            done += 1
            if progress is not None:
                progress(done, total)
    return {
        "name": name,
        "settings": asdict(settings),
        "triplets": {split: sum(line["split"] == split for line in lines) for split in SPLITS},
        "scenes": {split: len({line["scene"] for line in lines if line["split"] == split}) for split in SPLITS},
        "dropped": dict(sorted(dropped.items())),
        "lines": lines,
    }


def _windows(source: LabelledSource, crops: Crops) -> list[tuple[str, Window]]:
    return [(split, window) for split, area in source.areas for window in crop_windows(area, crops, split=split)]


def _triplets(
    source: LabelledSource,
    window: Window,
    scene: str,
    rulebook: Rulebook,
    folder: Path,
    settings: Settings,
    dropped: Counter[str],
) -> Iterator[dict[str, Any]]:
    piece = source.read(window)
    side = min(settings.crops.side, window.width)
    spot = _placed(source.place, window, side)
    labels = Labels(classes=piece.classes, names=source.names, gsd_m=source.gsd_m, instances=piece.instances)
    image: Path | None = None
    kept = 0
    for meaning in meanings(labels, rulebook, connectivity=settings.connectivity):
        mask = _smaller(meaning.mask, side)
        reason = why_dropped(meaning, mask, settings.filters)
        if reason:
            dropped[reason] += 1
            continue
        kept += 1
        target = folder / "images" / f"{scene}_{kept:02d}.tif"
        drawn = folder / "masks" / target.name
        if image is None:
            image = target
            _write_raster(image, _smaller_picture(piece.pixels, side), spot)
        else:
            _share(image, target)
        _write_raster(drawn, mask.astype(np.uint8) * 255, spot)
        yield {
            "id": target.stem,
            "scene": scene,
            "image": f"images/{image.name}",
            "mask": f"masks/{drawn.name}",
            **_said(meaning, rulebook),
        }


def why_dropped(meaning: Meaning, mask: NDArray[np.bool_], filters: Filters) -> str:
    """Why a meaning is not worth a triplet, or an empty word.

    Args:
        meaning: At the size of the source.
        mask: (H, W) bool, as it would be written.
        filters: What is asked.
    """
    if not meaning.mask.any():
        return "empty"
    share = mask.mean()
    if share < filters.least_share or np.count_nonzero(mask) < filters.least_pixels:
        return "too small"
    if meaning.strips > filters.strips_share * np.count_nonzero(meaning.mask):
        return "too narrow"
    if share > filters.most_share:
        return "whole crop"
    if meaning.relation is not None:
        whole, meant = np.count_nonzero(meaning.whole), np.count_nonzero(meaning.mask)
        if meaning.doubtful > filters.doubtful_share * meant:
            return "doubtful"
        if whole - meant < filters.informative_share * whole:
            return "relation says nothing"
    return ""


def _said(meaning: Meaning, rulebook: Rulebook) -> dict[str, Any]:
    relation = meaning.relation
    said = phrases(meaning.category.words, relation.name if relation else "", nouns=rulebook.nouns)
    return {
        "phrases": {language: several[0] for language, several in said.items()},
        "wordings": {language: list(several) for language, several in said.items()},
        "categories": [meaning.category.name, *([relation.reference] if relation else [])],
        "attribute": meaning.category.attribute,
        "relation": relation.name if relation else "",
        "template": meaning.template,
    }


def _write_lists(folder: Path, lines: list[dict[str, Any]]) -> None:
    for split in SPLITS:
        rows = [f"{line['id']} {line['phrases']['en']}\n" for line in lines if line["split"] == split]
        with whole_file(folder / f"output_phrase_{split}.txt") as temporary:
            temporary.write_text("".join(rows), encoding="utf-8")
    with whole_file(folder / PHRASES_FILE) as temporary:
        stored = (json.dumps(line, ensure_ascii=False, sort_keys=True) for line in lines)
        temporary.write_text("".join(f"{line}\n" for line in stored), encoding="utf-8")


def _smaller(mask: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    from PIL import Image

    if mask.shape == (side, side):
        return mask
    resized = Image.fromarray(mask).resize((side, side), Image.Resampling.NEAREST)
    return np.asarray(resized).astype(bool)


def _smaller_picture(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    from PIL import Image

    if pixels.shape[:2] == (side, side):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX))


def _placed(place: Place | None, window: Window, side: int) -> Place | None:
    """The place of a crop that was made smaller."""
    if place is None:
        return None
    crs, (a, b, c, d, e, f) = place
    scale = window.width / side
    x = a * window.column + b * window.row + c
    y = d * window.column + e * window.row + f
    return crs, (a * scale, b * scale, x, d * scale, e * scale, y)


def _write_raster(path: Path, values: NDArray[np.uint8], place: Place | None) -> None:
    """A TIFF, a GeoTIFF where there is a place."""
    if place is None:
        from PIL import Image

        Image.fromarray(np.ascontiguousarray(values)).save(path, compression="tiff_adobe_deflate")
        return
    import rasterio
    from rasterio import Affine

    bands = values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)
    shape = {"width": values.shape[1], "height": values.shape[0], "count": len(bands), "dtype": "uint8"}
    with rasterio.open(
        path, "w", driver="GTiff", **shape, crs=place[0], transform=Affine(*place[1]), compress="deflate"
    ) as file:
        file.write(bands)


def _share(first: Path, second: Path) -> None:
    """The same image under another name: a hard link where the file system has them."""
    try:
        os.link(first, second)
    except OSError:
        shutil.copyfile(first, second)


def about(folder: Path) -> Mapping[str, Any]:
    """What the builder noted about a folder; empty where it did not write it."""
    path = folder / ABOUT_FILE
    stored = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return stored if isinstance(stored, dict) else {}
