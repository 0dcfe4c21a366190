"""geoglot: ask an archive of aerial and satellite imagery, in your own language.

Example:
    >>> import geoglot as gg
    >>> gg.__version__
    '0.1.0'
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from geoglot.core.version import VERSION

__version__ = VERSION

# ONNX Runtime reports to its maker unless this is set before it is imported; nothing leaves this machine.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_EXPORTS: dict[str, str] = {
    "Answer": "geoglot.api.answer",
    "Archive": "geoglot.api.archive",
    "ArchiveError": "geoglot.core.errors",
    "Band": "geoglot.core.records",
    "Bounds": "geoglot.core.records",
    "BundleError": "geoglot.core.errors",
    "Caption": "geoglot.api.captioner",
    "Captioner": "geoglot.api.captioner",
    "CaptioningReport": "geoglot.api.reports.captioning",
    "DataError": "geoglot.core.errors",
    "Explanation": "geoglot.api.explain",
    "FileCaptions": "geoglot.api.captioner",
    "Finding": "geoglot.api.find",
    "GeoglotError": "geoglot.core.errors",
    "HeatMap": "geoglot.api.locate",
    "Hit": "geoglot.core.records",
    "Match": "geoglot.api.matcher",
    "Matcher": "geoglot.api.matcher",
    "MatchingReport": "geoglot.api.reports.matching",
    "Neighbours": "geoglot.api.neighbours",
    "Projection": "geoglot.engine.projection",
    "Query": "geoglot.api.query",
    "Region": "geoglot.api.segmenter",
    "SavedQuery": "geoglot.api.saved_query",
    "Segmentation": "geoglot.api.segmenter",
    "SegmentationReport": "geoglot.api.reports.segmentation",
    "Segmenter": "geoglot.api.segmenter",
    "SourceError": "geoglot.core.errors",
    "Term": "geoglot.api.query",
    "Tile": "geoglot.core.records",
    "UsageError": "geoglot.core.errors",
    "Window": "geoglot.core.records",
    "captioning_report": "geoglot.api.reports.captioning",
    "explain": "geoglot.api.explain",
    "find": "geoglot.api.find",
    "locate": "geoglot.api.locate",
    "matching_report": "geoglot.api.reports.matching",
    "neighbours": "geoglot.api.neighbours",
    "project": "geoglot.api.projection",
    "segmentation_report": "geoglot.api.reports.segmentation",
    "write_stac": "geoglot.api.stac",
}

if TYPE_CHECKING:
    from geoglot.api.answer import Answer
    from geoglot.api.archive import Archive
    from geoglot.api.captioner import Caption, Captioner, FileCaptions
    from geoglot.api.explain import Explanation, explain
    from geoglot.api.find import Finding, find
    from geoglot.api.locate import HeatMap, locate
    from geoglot.api.matcher import Match, Matcher
    from geoglot.api.neighbours import Neighbours, neighbours
    from geoglot.api.projection import project
    from geoglot.api.query import Query, Term
    from geoglot.api.reports.captioning import CaptioningReport, captioning_report
    from geoglot.api.reports.matching import MatchingReport, matching_report
    from geoglot.api.reports.segmentation import SegmentationReport, segmentation_report
    from geoglot.api.saved_query import SavedQuery
    from geoglot.api.segmenter import Region, Segmentation, Segmenter
    from geoglot.api.stac import write_stac
    from geoglot.core.errors import ArchiveError, BundleError, DataError, GeoglotError, SourceError, UsageError
    from geoglot.core.records import Band, Bounds, Hit, Tile, Window
    from geoglot.engine.projection import Projection

__all__ = [
    "Answer",
    "Archive",
    "ArchiveError",
    "Band",
    "Bounds",
    "BundleError",
    "Caption",
    "Captioner",
    "CaptioningReport",
    "DataError",
    "Explanation",
    "FileCaptions",
    "Finding",
    "GeoglotError",
    "HeatMap",
    "Hit",
    "Match",
    "Matcher",
    "MatchingReport",
    "Neighbours",
    "Projection",
    "Query",
    "Region",
    "SavedQuery",
    "Segmentation",
    "SegmentationReport",
    "Segmenter",
    "SourceError",
    "Term",
    "Tile",
    "UsageError",
    "Window",
    "__version__",
    "captioning_report",
    "explain",
    "find",
    "locate",
    "matching_report",
    "neighbours",
    "project",
    "segmentation_report",
    "write_stac",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that ``import geoglot`` stays fast."""
    if name in _EXPORTS:
        return getattr(importlib.import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'geoglot' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
