"""The whole chain: search an archive, look where in the hit scenes it is, and outline it there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoglot.api.answer import Answer, GeoFormat
from geoglot.api.segmenter import Region, Segmentation, Segmenter
from geoglot.api.shared_ground import told_once
from geoglot.core.errors import GeoglotError, SourceError, UsageError
from geoglot.core.records import Band, Hit, Window

if TYPE_CHECKING:
    from geoglot.api.archive import Archive
    from geoglot.api.probability_maps import SegmentationModel

HITS = 50
"""Hits that are followed, unless told otherwise."""
_STEPS = 1000
Progress = Callable[[int, int, str], None]
"""Steps done, steps in all, and what is being done."""


@dataclass(frozen=True, kw_only=True)
class SceneHits:
    """What a search says of one scene.

    Attributes:
        source: Path of the scene.
        hits: Its hits, best first.
        areas: Windows of all its tiles that are as like the query as the least of the hits.
    """

    source: str
    hits: tuple[Hit, ...]
    areas: tuple[Window, ...]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found in an archive.

    Attributes:
        answer: Of the search: all hits.
        scenes: Scenes with hits that may be matches, the best first.
        segmentations: What was outlined in each of them, told once where scenes in one system show the same ground
            (:mod:`geoglot.api.shared_ground`); none where that was not asked for.
        failed: Scenes that could not be read again.
        notes: What did not go as asked, in sentences for people.
    """

    answer: Answer
    scenes: tuple[SceneHits, ...]
    segmentations: tuple[Segmentation, ...] = ()
    failed: tuple[GeoglotError, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def regions(self) -> tuple[Region, ...]:
        """All regions, scene by scene."""
        return tuple(region for one in self.segmentations for region in one.regions)

    @property
    def unknown_words(self) -> tuple[str, ...]:
        """Words that the segmenter never saw."""
        return tuple(dict.fromkeys(word for one in self.segmentations for word in one.unknown_words))

    def save(self, path: str | Path, *, format: GeoFormat | None = None) -> tuple[str, ...]:
        """Write the regions, in the system that the scenes share, else in WGS84; without regions asked for, the hits.

        Returns:
            Scenes whose regions have no place on Earth and are left out beside others that do.

        Raises:
            UsageError: The suffix says nothing.
            GeoglotError: The file cannot be written.
        """
        from geoglot.api.segmentation_files import save_all

        if not self.segmentations and self.scenes and not self.failed:
            self.answer.save(path, format=format)
            return ()
        return save_all(self.segmentations, Path(path), format=format)

    def report(self, path: str | Path) -> Path:
        """Write one HTML page: the scenes, what was outlined, and pictures of it."""
        from geoglot.api.reports.find import write_report

        return write_report(self, Path(path))

    def as_record(self) -> dict[str, Any]:
        """JSON-ready values, without the regions."""
        return {
            "query": self.answer.query.label,
            "language": self.answer.query.language,
            "likely_match": self.answer.likely,
            "hits": len(self.answer),
            "scenes": [
                {"source": scene.source, "hits": len(scene.hits), "areas": len(scene.areas)} for scene in self.scenes
            ],
            "regions": len(self.regions),
            "area_m2": round(sum(region.area_m2 or 0.0 for region in self.regions), 2),
            "failed": [error.as_record() for error in self.failed],
            "notes": list(self.notes),
        }


def find(
    archive: Archive,
    text: str,
    *,
    k: int = HITS,
    segment: bool = True,
    segmenter: str | Path | SegmentationModel | Segmenter = "segmenter",
    every_hit: bool = False,
    language: str | None = None,
    within: Any = None,
    after: Any = None,
    before: Any = None,
    source: str | Sequence[str] | None = None,
    progress: Progress = lambda done, total, words: None,
    **options: Any,
) -> Finding:
    """Search an archive for what a phrase names, and outline it in the scenes that are hit.

    Args:
        archive: Open, for reading or writing.
        text: The phrase, in a language that the models know.
        k: How many hits of the search are followed.
        segment: Whether scenes are opened again and things are outlined; else only where to look is told.
        segmenter: Name or folder of a segmenter, or one that is loaded already.
        every_hit: Whether hits that are no better than chance are followed, too.
        language: Of the phrase, where the guess would be wrong.
        within: As of :meth:`geoglot.Archive.search`, and so are `after`, `before` and `source`.
        after: Likewise.
        before: Likewise.
        source: Likewise.
        progress: Called with steps done, steps in all and a few words.
        options: As of :meth:`geoglot.Segmenter.segment`: ``threshold``, ``smallest_m2``, ``work`` and so on.

    Raises:
        UsageError: The phrase, a filter or an option makes no sense.
        ArchiveError: The archive is damaged.
        BundleError: A model cannot be loaded.
    """
    outliner = segmenter if isinstance(segmenter, Segmenter) or not segment else Segmenter(segmenter)
    answer = archive.search(text, k=k, within=within, after=after, before=before, source=source, language=language)
    scenes = _by_scene(archive, answer, every_hit=every_hit)
    notes = list(answer.notes)
    if not scenes:
        notes.append("no likely match: nothing was outlined" if answer.hits else "nothing in the archive to search")
    if not segment:
        return Finding(answer=answer, scenes=scenes, notes=tuple(notes))
    if not isinstance(outliner, Segmenter):
        raise UsageError("segmenter", cause="is none", remedy="give a name, a folder or a Segmenter")
    found: list[Segmentation] = []
    failed: list[GeoglotError] = []
    for number, scene in enumerate(scenes):
        told = _share_of(progress, number, len(scenes), Path(scene.source).name)
        try:
            found.append(_outlined(outliner, scene, text, language, told, options))
        except UsageError:
            raise
        except GeoglotError as error:
            failed.append(error)
    progress(len(scenes) * _STEPS, len(scenes) * _STEPS, "scenes outlined")
    once = tuple(told_once(found))
    return Finding(answer=answer, scenes=scenes, segmentations=once, failed=tuple(failed), notes=tuple(notes))


def _outlined(
    outliner: Segmenter,
    scene: SceneHits,
    text: str,
    language: str | None,
    progress: Progress,
    options: Mapping[str, Any],
) -> Segmentation:
    if not Path(scene.source).exists():
        cause = "is gone since it was indexed"
        raise SourceError(scene.source, cause=cause, remedy="put it back, or run index again", stage="open")
    found = outliner.segment(scene.source, text, language=language, areas=scene.areas, progress=progress, **options)
    return replace(found, notes=(*found.notes, f"only windows round {len(scene.areas)} tiles were looked at"))


def _by_scene(archive: Archive, answer: Answer, *, every_hit: bool) -> tuple[SceneHits, ...]:
    """Hits by scene, with all tiles of each scene that are as like the query as the least hit that is followed."""
    followed = [hit for hit in answer if every_hit or hit.band is not Band.BACKGROUND]
    if not followed:
        return ()
    least = min(hit.score for hit in followed)
    by_source: dict[str, list[Hit]] = {}
    for hit in followed:
        by_source.setdefault(hit.source, []).append(hit)
    vector = archive.query_vector(answer.query)
    return tuple(
        SceneHits(source=source, hits=tuple(hits), areas=_areas(archive, Path(source), hits, vector, least))
        for source, hits in by_source.items()
    )


def _areas(archive: Archive, source: Path, hits: Sequence[Hit], vector: Any, least: float) -> tuple[Window, ...]:
    """Where in a scene to look: the windows of the hits, and of other tiles that are as good."""
    from geoglot.archive.scene_vectors import vectors_of

    windows = dict.fromkeys(hit.tile.window for hit in hits)
    if source.exists() and not archive.store.searcher.coding.binary:
        known = vectors_of(archive.store, source)
        if known is not None:
            good = known.windows[known.vectors @ vector >= least]
            windows |= dict.fromkeys(Window(*map(int, row)) for row in good)
    return tuple(sorted(windows, key=lambda window: (window.row, window.column)))


def _share_of(progress: Progress, number: int, count: int, name: str) -> Progress:
    """The progress of one scene as a part of the whole."""

    def report(done: int, total: int, words: str) -> None:
        step = number * _STEPS + (_STEPS * done // total if total else 0)
        progress(step, count * _STEPS, f"{words} of {name} (scene {number + 1} of {count})")

    return report
