"""Phrases to polygons: where in a photo or a scene of any size the things are that a phrase names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from geoglot.api.answer import GeoFormat, format_of
from geoglot.api.probability_maps import Progress, Reading, SegmentationModel, probability_maps
from geoglot.api.region_shaping import BLOCK, THRESHOLD, Shaping, instances_of, shaped
from geoglot.core.errors import GeoglotError, SourceError, UsageError
from geoglot.core.records import Window

if TYPE_CHECKING:
    from geoglot.geo.source import SourceInfo

Transform = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Region:
    """One connected thing that a phrase names.

    Attributes:
        phrase: What was asked.
        language: Of the phrase.
        score: Mean probability of its pixels, in [0, 1].
        area_m2: Square metres on the ellipsoid; ``None`` where the scene is unlocated.
        pixels: Full-resolution pixels.
        geometry: Well-known binary of a polygon, in the raster's system or, where it has none, in its pixels.
        bounds: Least x, least y, greatest x, greatest y of the geometry.
        window: The pixels round it.
        source: Path of the scene.
    """

    phrase: str
    language: str
    score: float
    area_m2: float | None
    pixels: int
    geometry: bytes
    bounds: tuple[float, float, float, float]
    window: Window
    source: str

    def as_record(self) -> dict[str, Any]:
        """JSON-ready values, without the geometry."""
        return {
            "phrase": self.phrase,
            "language": self.language,
            "score": round(self.score, 4),
            "area_m2": None if self.area_m2 is None else round(self.area_m2, 2),
            "pixels": self.pixels,
            "window": list(self.window),
            "bounds": list(self.bounds),
            "source": self.source,
        }


@dataclass(frozen=True, kw_only=True)
class PhraseFound:
    """What became of one phrase.

    Attributes:
        phrase: As it was asked.
        language: Its code.
        looked_for: What the model was asked for.
        rules: What was done with what the model found, in words; none where the phrase has no position words.
        regions: How many regions there are.
        unknown_words: Words that the model never saw.
        notes: What is to be said about it, in sentences for people.
    """

    phrase: str
    language: str
    looked_for: str
    rules: tuple[str, ...] = ()
    regions: int = 0
    unknown_words: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "phrase": self.phrase,
            "language": self.language,
            "looked_for": self.looked_for,
            "rules": list(self.rules),
            "regions": self.regions,
            "unknown_words": list(self.unknown_words),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """What was found in one scene.

    Attributes:
        source: Path of the scene.
        width: Full-resolution pixels.
        height: As width.
        crs: The raster's system; ``None`` where it is unlocated (regions are in pixels then).
        transform: From pixels to that system.
        gsd_m: Ground sample distance of the scene.
        scale: Full-resolution pixels of a pixel that the model saw.
        regions: Of all phrases, phrase by phrase, the surest first.
        phrases: What became of each phrase.
        notes: What is to be said of the scene, in sentences for people.
    """

    source: str
    width: int
    height: int
    crs: str | None
    transform: Transform | None
    gsd_m: float | None
    scale: float
    regions: tuple[Region, ...]
    phrases: tuple[PhraseFound, ...]
    notes: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing was found."""
        return not self.regions

    @property
    def unknown_words(self) -> tuple[str, ...]:
        """Words of the phrases that the model never saw."""
        return tuple(dict.fromkeys(word for found in self.phrases for word in found.unknown_words))

    @property
    def all_notes(self) -> tuple[str, ...]:
        """Everything that is to be said, of the phrases and of the scene."""
        return (*(note for found in self.phrases for note in found.notes), *self.notes)

    def to_geojson(self) -> dict[str, Any]:
        """A GeoJSON FeatureCollection in WGS84, or in pixels where the scene is unlocated."""
        return regions_to_geojson(self.regions, self.crs)

    def to_stac(self, *, time: datetime | None = None) -> dict[str, Any]:
        """A STAC ItemCollection: an Item for each phrase of which something was found, with the label extension.

        Args:
            time: When the scene was taken.
        """
        from geoglot.api.stac_masks import masks_as_items

        return masks_as_items(self, time=time)

    def save(self, path: str | Path, *, format: GeoFormat | None = None) -> Path:
        """Write the regions as GeoPackage, GeoJSON or GeoParquet; none at all are an empty layer.

        Raises:
            UsageError: The suffix says nothing.
            GeoglotError: The file cannot be written.
        """
        save_regions(self.regions, Path(path), self.crs, format=format)
        return Path(path)

    def as_record(self) -> dict[str, Any]:
        """JSON-ready values, without the regions."""
        return {
            "source": self.source,
            "width": self.width,
            "height": self.height,
            "crs": self.crs,
            "gsd_m": self.gsd_m,
            "scale": self.scale,
            "regions": len(self.regions),
            "phrases": [found.as_record() for found in self.phrases],
            "notes": list(self.notes),
        }


class Segmenter:
    """Turns phrases into polygons, in photos and in scenes of any size.

    Args:
        model: Name of a shipped segmenter, its folder, or one that is loaded already.

    Raises:
        BundleError: The segmenter cannot be loaded.

    Example:
        >>> import geoglot as gg
        >>> gg.Segmenter("place")
        Traceback (most recent call last):
        geoglot.core.errors.BundleError: place: is a place bundle, not a segmenter. Remedy: give 'segmenter', or a folder that 'geoglot export' wrote from such a run.
    """  # noqa: E501 (one message, one line)

    def __init__(self, model: str | Path | SegmentationModel = "segmenter") -> None:
        if isinstance(model, str | Path):
            from geoglot.models.segmenter import load_segmenter

            model = load_segmenter(model)
        self.model: SegmentationModel = model

    @classmethod
    def load(cls, name: str | Path = "segmenter") -> Self:
        """The segmenter of that name or folder."""
        return cls(name)

    def segment(
        self,
        path: str | Path,
        phrases: str | Sequence[str],
        *,
        language: str | None = None,
        threshold: float | None = None,
        blur: float | None = None,
        least_peak: float = 0.0,
        smallest_m2: float = 0.0,
        holes: bool = True,
        simplify_m: float = 0.0,
        positions: bool = True,
        gsd_m: float | None = None,
        scale: float | None = None,
        overlap: float = 0.25,
        bands: Sequence[int] | None = None,
        areas: Sequence[Window] | None = None,
        tile: int = BLOCK,
        out: str | Path | None = None,
        mask: str | Path | None = None,
        work: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Segmentation:
        """Find what phrases name in a photo or scene.

        Args:
            path: The file.
            phrases: One phrase or several; the scene is looked at once for all of them.
            language: Of the phrases, where the guess would be wrong.
            threshold: Pixels from this probability on are meant; the model's own choice by default.
            blur: Blur of the probabilities before, in cells of 4 working pixels; the model's own choice by default.
            least_peak: A region must be this sure somewhere.
            smallest_m2: Smaller regions are left out, square metres (pixels, where the scene is unlocated).
            holes: Whether polygons keep their holes.
            simplify_m: Outlines may be off by so much, metres (pixels), to have fewer points.
            positions: Whether position words are rules over what is found; else the model gets the whole phrase.
            gsd_m: Ground sample distance to work at; the model's by default.
            scale: Full-resolution pixels of a pixel that the model sees, whatever the ground sample distances.
            overlap: Overlap of the model's windows, 0 to 0.75.
            bands: Red, green and blue as band numbers from 1 on; chosen automatically when not given.
            areas: Only look at these full-resolution windows, and what the model's windows show round them.
            tile: Side of the blocks in which the result is worked on; it changes nothing but the speed.
            out: File for the polygons (``.gpkg``, ``.geojson``, ``.parquet``).
            mask: File for a mask, a cloud-optimised GeoTIFF with one band per phrase: 1, 0, and 255 for no data.
            work: Folder for work that may be taken up again; a folder of the user's cache by default.
            progress: Called with windows done, windows in all and a few words.

        Raises:
            SourceError: The file cannot be read.
            UsageError: It is not there, or an option makes no sense.
        """
        from geoglot.api.selection import existing_paths

        shaping = Shaping(
            threshold=self.threshold if threshold is None else threshold,
            blur=self.blur if blur is None else blur,
            least_peak=least_peak,
            smallest_m2=smallest_m2,
            holes=holes,
            simplify_m=simplify_m,
            positions=positions,
            block=tile,
        )
        reading = Reading(
            overlap=overlap,
            gsd_m=gsd_m,
            scale=scale,
            bands=None if bands is None else tuple(bands),
            areas=None if areas is None else tuple(areas),
        )
        if out is not None:
            format_of(Path(out))
        found = self._segment(
            existing_paths(path)[0],
            asked_phrases(phrases),
            language,
            shaping,
            reading,
            mask=None if mask is None else Path(mask),
            work=None if work is None else Path(work),
            progress=progress or (lambda done, total, words: None),
        )
        if out is not None:
            found.save(out)
        return found

    @property
    def threshold(self) -> float:
        """The model's own threshold, else :data:`THRESHOLD`."""
        return float(self._told("threshold", THRESHOLD))

    @property
    def blur(self) -> float:
        """The model's own blur, else none."""
        return float(self._told("blur", 0.0))

    def _told(self, name: str, otherwise: float) -> float:
        found: float = getattr(self.model, "manifest", {}).get(name, otherwise)
        return found

    def segment_all(
        self,
        paths: str | Path | Sequence[str | Path],
        phrases: str | Sequence[str],
        *,
        mask: Callable[[Path], Path | None] = lambda path: None,
        progress: Callable[[int, int, str], None] | None = None,
        **options: Any,
    ) -> Iterator[Segmentation | GeoglotError]:
        """Find what phrases name in files and folders of them; one that cannot be read costs itself alone.

        Args:
            paths: Files and folders; folders are searched recursively.
            phrases: One phrase or several.
            mask: File for the mask of each scene, or ``None``.
            progress: Called with windows of the present file.
            options: As of :meth:`segment`.

        Yields:
            For each file what was found, or why nothing could be.

        Raises:
            UsageError: A path is not there, or an option makes no sense.
        """
        from geoglot.api.selection import existing_paths
        from geoglot.geo.discover import discover

        every = list(discover(existing_paths(paths)))
        for number, one in enumerate(every, 1):
            if isinstance(one, SourceError):
                yield one
                continue
            told = _of_file(progress, number, len(every), one.path)
            try:
                yield self.segment(one.path, phrases, mask=mask(one.path), progress=told, **options)
            except UsageError:
                raise
            except GeoglotError as error:
                yield error

    def _segment(
        self,
        path: Path,
        phrases: Sequence[str],
        language: str | None,
        shaping: Shaping,
        reading: Reading,
        *,
        mask: Path | None,
        work: Path | None,
        progress: Progress,
    ) -> Segmentation:
        from geoglot.api.mask_file import write_mask
        from geoglot.api.segmentation_plan import plan_of

        plan = plan_of(phrases, language, self.model.unknown_words, positions=shaping.positions)
        with probability_maps(path, plan.texts, self.model, reading, work=work, progress=progress) as maps:
            info, grid = maps.info, maps.grid
            instances = [instances_of(maps, number, shaping) for number in range(len(plan.texts))]
            chosen, told = plan.apply(instances, info, grid, self.model.gsd_m)
            final = [[shaped(one, info, shaping) for one in some] for some in chosen]
            if mask is not None:
                write_mask(mask, maps, [[one.outline for one in some] for some in final], phrases, shaping.block)
        regions = tuple(
            Region(
                phrase=found.phrase,
                language=found.language,
                score=one.score,
                area_m2=one.area_m2,
                pixels=one.pixels,
                geometry=one.geometry,
                bounds=one.bounds,
                window=one.window,
                source=str(path),
            )
            for found, some in zip(told, final, strict=True)
            for one in sorted(some, key=lambda one: -one.score)
        )
        return Segmentation(
            source=str(path),
            width=info.width,
            height=info.height,
            crs=info.crs if info.transform is not None else None,
            transform=info.transform,
            gsd_m=info.gsd_m,
            scale=grid.scale,
            regions=regions,
            phrases=told,
            notes=_notes(info),
        )


def asked_phrases(phrases: str | Sequence[str]) -> list[str]:
    """One phrase or several as a list.

    Raises:
        UsageError: There is none, or one has no words.
    """
    asked = [phrases] if isinstance(phrases, str) else list(phrases)
    if not asked or not all(phrase.strip() for phrase in asked):
        raise UsageError("phrase", cause="has no words", remedy="name what to find, such as 'buildings'")
    return list(dict.fromkeys(phrase.strip() for phrase in asked))


def region_columns(regions: Sequence[Region]) -> dict[str, tuple[str, list[Any]]]:
    """Facts of regions as columns: by name the kind of values, and the values."""
    from geoglot.geo.writing import sound_text

    return {
        "phrase": ("text", [one.phrase for one in regions]),
        "language": ("text", [one.language for one in regions]),
        "score": ("number", [round(one.score, 4) for one in regions]),
        "area_m2": ("number", [None if one.area_m2 is None else round(one.area_m2, 2) for one in regions]),
        "pixels": ("whole", [one.pixels for one in regions]),
        "source": ("text", [sound_text(one.source) for one in regions]),
    }


def regions_to_geojson(regions: Sequence[Region], crs: str | None) -> dict[str, Any]:
    """Regions as a GeoJSON FeatureCollection in WGS84, or in pixels where there is no system."""
    from geoglot.geo import region_writing

    return region_writing.regions_to_geojson([one.geometry for one in regions], region_columns(regions), crs)


def save_regions(regions: Sequence[Region], path: Path, crs: str | None, *, format: GeoFormat | None = None) -> None:
    """Write regions, all in one system.

    Raises:
        UsageError: The suffix says nothing.
        GeoglotError: The file cannot be written.
    """
    from geoglot.geo.region_writing import write_regions

    geometries = [one.geometry for one in regions]
    write_regions(geometries, region_columns(regions), path, format=format or format_of(path), crs=crs)


def _notes(info: SourceInfo) -> tuple[str, ...]:
    notes = []
    if info.transform is None:
        notes.append("the picture says no place on Earth: polygons are in its pixels (column, row), areas are unknown")
    elif info.gsd_m is None:
        notes.append("the picture lies where no ground sample distance can be told: it is taken as it is")
    return tuple(notes)


def _of_file(progress: Progress | None, number: int, count: int, path: Path) -> Progress | None:
    if progress is None or count == 1:
        return progress
    return lambda done, total, words: progress(done, total, f"{words} of {path.name} (file {number} of {count})")
