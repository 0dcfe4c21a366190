from __future__ import annotations

import subprocess
import sys

import geoglot as gg


def test_public_names_are_sorted_complete_and_import() -> None:
    assert gg.__all__ == [
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
    assert dir(gg) == gg.__all__
    for name in gg.__all__:
        assert getattr(gg, name) is not None


def test_import_loads_nothing_heavy() -> None:
    script = "import sys, geoglot; print(sorted({'numpy', 'rasterio', 'faiss', 'torch', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(gg, "Archiv")
