"""Referring datasets: build them from images with class maps, and say what is in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from geoglot.core.errors import UsageError

if TYPE_CHECKING:
    from geoglot.data.reference_builder import Crops
    from geoglot.data.reference_rules import Rulebook
    from geoglot.data.reference_sources import LabelledSource
    from geoglot.data.referring_statistics import ReferringStatistics

BUILT_IN = ("dubai", "skyscapes", "scenes")
Progress = Callable[[int, int], None]


def build_referring(
    source: str | Path,
    out: str | Path,
    *,
    labels: str | Path | None = None,
    classes: str | Path | None = None,
    instances: str | Path | None = None,
    root: str | Path | None = None,
    gsd_m: float | None = None,
    split: str | None = None,
    crop: int | None = None,
    stride: int | None = None,
    side: int | None = None,
    scenes: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Make image-phrase-mask triplets from images with class maps: a folder in the layout of RefSegRS.

    Args:
        source: ``dubai``, ``skyscapes``, ``scenes`` (generated), an image, or a folder of images.
        out: Folder to write; it must not exist, or be empty.
        labels: Class raster of the image, or folder of class rasters; only for images.
        classes: Class table in JSON or CSV, see :mod:`geoglot.data.class_table`; only for images.
        instances: Raster of object numbers, or a folder of them; only for images, where connected regions are not
            objects.
        root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.
        gsd_m: Metres per pixel, where the image does not tell, or of generated scenes.
        split: All of an image or folder for one split; ``None`` splits it.
        crop: Side of the square crops, pixels.
        stride: Pixels from one crop to the next.
        side: Crops are made smaller to that many pixels.
        scenes: How many scenes to generate; 70 % to train, 15 % to validate, 15 % to test.
        seed: Of generated scenes.
        progress: Called with (crops done, crops in all).

    Returns:
        Settings, triplets and scenes by split, and how many triplets were dropped, by reason.

    Raises:
        DataError: A dataset is absent, a class raster does not fit, or nothing could be said.
        UsageError: Options do not fit the source, or the folder holds something.
    """
    from geoglot.data.reference_builder import Settings, build

    check_options(source, labels=labels, classes=classes, instances=instances, split=split, scenes=scenes, gsd_m=gsd_m)
    for option, given in (("--crop", crop), ("--stride", stride), ("--side", side)):
        if given is not None and given < 32:
            raise UsageError(f"{option} {given}", cause="is too few pixels", remedy="give 32 or more")
    plan = _Plan(source, labels, classes, instances, root, gsd_m, split, crop, scenes, seed)
    sources, rules, crops = plan.made()
    if crop is not None:  # the same overlap as before, unless a stride is given
        crops = replace(crops, size=crop, stride=max(1, crop * crops.stride // crops.size), side=min(crop, crops.side))
        crops = replace(crops, stride_held=crop if crops.stride_held is not None else None)
    if stride is not None:
        crops = replace(crops, stride=stride)
    if side is not None:
        crops = replace(crops, side=side)
    return build(
        sources,
        rules,
        Path(out),
        name=Path(out).name,
        settings=Settings(crops=crops),
        progress=progress,
    )


def check_options(
    source: str | Path,
    *,
    labels: str | Path | None,
    classes: str | Path | None,
    instances: str | Path | None,
    split: str | None,
    scenes: int | None,
    gsd_m: float | None,
) -> None:
    """Raise a ``UsageError`` for options that mean nothing to a source, and for those that it lacks."""
    built_in = str(source) in BUILT_IN
    for option, given, fits in (
        ("--labels", labels, not built_in),
        ("--classes", classes, not built_in),
        ("--instances", instances, not built_in),
        ("--split", split, not built_in),
        ("--scenes", scenes, str(source) == "scenes"),
        ("--gsd", gsd_m, not built_in or str(source) == "scenes"),
    ):
        if given is not None and not fits:
            raise UsageError(option, cause=f"means nothing to {source}", remedy="leave it out")
    if gsd_m is not None and not gsd_m > 0:
        raise UsageError(f"--gsd {gsd_m}", cause="is no size of a pixel", remedy="give metres, such as 0.5")
    if not built_in and (labels is None or classes is None):
        remedy = f"name them with --labels and --classes, or choose one of {', '.join(BUILT_IN)}"
        raise UsageError(source, cause="needs a class raster and a class table", remedy=remedy)


class _Plan(NamedTuple):
    source: str | Path
    labels: str | Path | None
    classes: str | Path | None
    instances: str | Path | None
    root: str | Path | None
    gsd_m: float | None
    split: str | None
    crop: int | None
    scenes: int | None
    seed: int

    def made(self) -> tuple[list[LabelledSource], Rulebook, Crops]:
        """Images, what can be said of them, and how they are cut unless otherwise told."""
        from geoglot.data import dubai_referring, skyscapes
        from geoglot.data.class_table import read_class_table
        from geoglot.data.labelled_rasters import raster_sources
        from geoglot.data.reference_builder import Crops
        from geoglot.data.reference_rules import GENERAL, SKYSCAPES

        if str(self.source) == "dubai":
            return dubai_referring.sources(self.root), dubai_referring.RULES, dubai_referring.SETTINGS.crops
        if str(self.source) == "skyscapes":
            return skyscapes.sources(self.root), SKYSCAPES, Crops()
        if str(self.source) == "scenes":
            return self._scenes()
        if self.labels is None or self.classes is None:
            raise UsageError(self.source, cause="needs a class raster and a class table", remedy="name both")
        table = read_class_table(self.classes)
        crops = Crops(size=512, stride=256, side=512, cover=True, stride_held=512)
        sources = raster_sources(
            self.source,
            self.labels,
            table,
            instances=self.instances,
            gsd_m=self.gsd_m,
            split=self.split,
            crop=self.crop or crops.size,
        )
        return sources, table.rulebook(GENERAL), crops

    def _scenes(self) -> tuple[list[LabelledSource], Rulebook, Crops]:
        from geoglot.data.reference_builder import Crops
        from geoglot.data.reference_rules import GENERAL
        from geoglot.data.reference_sources import scene_sources, split_by_number
        from geoglot.data.scenes import CLASSES

        if self.scenes is not None and self.scenes < 1:
            raise UsageError(self.scenes, cause="is no number of scenes", remedy="give 1 or more")
        splits = split_by_number(100 if self.scenes is None else self.scenes)
        train, val, test = (splits.count(split) for split in ("train", "val", "test"))
        gsd_m = 0.5 if self.gsd_m is None else self.gsd_m
        sources = scene_sources(train=train, val=val, test=test, gsd_m=gsd_m, seed=self.seed)
        return sources, GENERAL.restricted(CLASSES), Crops(size=512, stride=512, side=512)


def describe_referring(
    name: str | Path, root: str | Path | None = None, *, language: str = "en", masks: bool = False
) -> ReferringStatistics:
    """What is in a referring dataset: counts of scenes, triplets, categories, attributes, relations, and words.

    Args:
        name: ``dubai``, ``refsegrs``, ``rrsis_d``, or a folder that :func:`build_referring` wrote.
        root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.
        language: Of the words.
        masks: Read every mask, too, for the share of its image that it covers.

    Raises:
        DataError: The dataset is absent or damaged.
        UsageError: There is no such dataset or language.
    """
    from geoglot.data.referring import load_referring
    from geoglot.data.referring_statistics import statistics

    return statistics(load_referring(name, root), language=language, masks=masks)
