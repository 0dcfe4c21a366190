"""A map of a benchmark split: its images and captions as a model places them, on a plane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoglot.engine.projection import Projection
    from geoglot.models.encoder import Encoder


def project(
    data: str = "ucm",
    split: str = "test",
    model: str | Path | Encoder = "compact",
    *,
    run: str | Path | None = None,
    languages: Sequence[str] = ("en", "ar", "fr", "it"),
    captions: int = 1,
    seed: int = 0,
    root: str | Path | None = None,
    out: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Projection:
    """t-SNE of images and captions together, scikit-learn's defaults, both modalities in one fit.

    Args:
        data: Name of a dataset.
        split: ``train``, ``val`` or ``test``.
        model: Name of a shipped bundle, a bundle folder, or an encoder.
        run: Folder of a trained run of a two-tower method, instead of a bundle; needs torch.
        languages: Two-letter codes of the captions' languages.
        captions: Captions per image and language.
        seed: Of the fit.
        root: Folder that holds the datasets; ``None`` asks the variable ``GEOGLOT_DATA``.
        out: Where to draw the map: PNG, JPEG or WebP, by the suffix; ``None`` draws none.
        progress: Called with (images done, images in all).

    Raises:
        DataError: The dataset is absent or damaged.
        GeoglotError: scikit-learn is not installed.
        UsageError: Unknown dataset, split, language or suffix; the run's method has no vectors.
        BundleError: The model cannot be loaded.

    Example:
        A slip in a name is caught before anything is loaded:

        >>> project("ucmm")
        Traceback (most recent call last):
        geoglot.core.errors.UsageError: ucmm: is not in geoglot.data. Remedy: did you mean 'ucm'?.
    """
    from geoglot.api.drawing import picture_kind
    from geoglot.data.captioned import load_dataset
    from geoglot.engine.projection import project as lay_out
    from geoglot.models.bundle import load_bundle

    load_dataset(data)
    if out is not None:
        picture_kind(Path(out))
    encoder: Encoder
    if run is not None:
        from geoglot.engine.run_encoder import RunEncoder

        encoder = RunEncoder.load(Path(run))
    else:
        encoder = load_bundle(model) if isinstance(model, str | Path) else model
    projection = lay_out(
        encoder, data, split=split, languages=languages, captions=captions, seed=seed, root=root, progress=progress
    )
    if out is not None:
        from geoglot.api.projection_picture import draw

        draw(projection, Path(out))
    return projection
