"""The job of outlining phrases in a scene; apart, so that the service runs without a segmenter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from geoglot.core.errors import BundleError


def segment_into(asked: Mapping[str, Any], folder: Path, say: Callable[[int, int, str], None]) -> dict[str, Any]:
    """Outline phrases and leave the results in a folder.

    Raises:
        BundleError: No segmenter is installed.
    """
    raise BundleError("segmenter", cause="is not installed", remedy="install a version that ships one")
