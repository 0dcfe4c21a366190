"""The model bundles at hand, described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geoglot.models.bundle import BundleFolder


def list_models() -> list[dict[str, Any]]:
    """One record per bundle that ships with the package: name, languages, size, licence, measured figures.

    Example:
        >>> [record["name"] for record in list_models()]
        ['captioner', 'compact', 'dyad', 'place', 'segmenter']
    """
    from geoglot.models.bundle import BundleFolder, available, read_manifest

    return [_describe(name, BundleFolder(*read_manifest(name))) for name in available()]


def _describe(name: str, bundle: BundleFolder) -> dict[str, Any]:
    card = bundle.card
    return {
        "name": name,
        "id": bundle.id,
        "kind": bundle.kind,
        "languages": list(bundle.languages),
        "megabytes": round(bundle.size_bytes / 1e6, 1),
        "side_px": bundle.side,
        "dimension": bundle.manifest.get("dimension"),
        "licence": card.get("licence"),
        "validation_mean_recall_percent": card.get("validation_mean_recall_percent"),
        **({"validation_cider": card["validation_cider"]} if "validation_cider" in card else {}),
    }
