"""The model bundles at hand, described."""

from __future__ import annotations

from typing import Any


def list_models() -> list[dict[str, Any]]:
    """One record per bundle that ships with the package: name, languages, size, licence, measured figures.

    Example:
        >>> [record["name"] for record in list_models()]
        ['compact']
    """
    from geoglot.models.bundle import available, load_bundle

    return [_describe(name, load_bundle(name)) for name in available()]


def _describe(name: str, bundle: Any) -> dict[str, Any]:
    card = bundle.card
    return {
        "name": name,
        "id": bundle.id,
        "kind": bundle.kind,
        "languages": list(bundle.languages),
        "megabytes": round(bundle.size_bytes / 1e6, 1),
        "side_px": bundle.side,
        "dimension": bundle.dimension,
        "licence": card.get("licence"),
        "validation_mean_recall_percent": card.get("validation_mean_recall_percent"),
    }
