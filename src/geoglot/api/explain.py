"""Why a picture answers a text: where in the picture the words are seen, and which words matter.

Any model can be explained by occlusion: windows of the picture are hidden and words are left out, and what the score
loses is their share in it. Trained runs with attention can show that instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoglot.core.errors import UsageError
from geoglot.core.records import Band, Bounds, Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.geo.decoder import Decoder
    from geoglot.models.bundle import Bundle
    from geoglot.models.explainer import Explainer, Finding, How

FLAT = 1e-6
"""Heat that varies less than this share of itself shows rounding, not places."""
_SIGNS = ".,;:!?…،؛؟\"'()[]{}«»“”„‘’<>"
RECORD_CELLS = 16
"""Heat in a record: a grid of 16 x 16 means."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Explanation:
    """One picture, one text, and what their score is made of.

    Attributes:
        source: Path of the picture.
        window: The part of it that was explained, in full-resolution pixels.
        bounds: Where that is on Earth; ``None`` for a picture that tells no place.
        text: The words that were asked for, as they were given.
        language: Language of the words (``en``, ``ar``, ``fr``, ``it``).
        model: Name and version of the model.
        how: ``occlusion`` (what the score loses without a part), ``rollout`` (attention through the last layers) or
            ``attention`` (of words to regions).
        score: Of the picture with the text; cosine similarity for a model of two towers.
        band: How sure a search was of this hit, where the explanation belongs to one.
        words: The words, in reading order.
        weights: One per word: how far the score falls when the word goes (negative: it rises). By rollout: shares of
            the attention that sum to one.
        heat: (H, W) float32 in [0, 1], on the pixels of ``picture``: 1 is the hottest place, 0 the half of the picture
            that matters least.
        peak: What 1 stands for: by occlusion the score that hangs on the place, the mean of what is lost without it and
            what it has alone; else a share of the attention. Where nothing speaks for the text, it is 0 and so is the
            heat.
        picture: (H, W, 3) uint8, what was explained, for eyes.
        word_heat: (number of words, H, W) float32 in [0, 1] where the way tells it.
    """

    source: str
    window: Window
    bounds: Bounds | None
    text: str
    language: str
    model: str
    how: How
    score: float
    band: Band | None
    words: tuple[str, ...]
    weights: tuple[float, ...]
    heat: NDArray[np.float32]
    peak: float
    picture: NDArray[np.uint8]
    word_heat: NDArray[np.float32] | None = None

    @property
    def hottest(self) -> tuple[int, int]:
        """Column and row of the hottest place in full-resolution pixels of the source."""
        row, column = divmod(int(self.heat.argmax()), self.heat.shape[1])
        window, (height, width) = self.window, self.heat.shape
        return (
            window.column + int((column + 0.5) / width * window.width),
            window.row + int((row + 0.5) / height * window.height),
        )

    def as_record(self) -> dict[str, Any]:
        """The explanation as JSON-ready values; the heat as a grid of 16 x 16 means, rows first."""
        return {
            "source": self.source,
            "window": list(self.window),
            "bounds": list(self.bounds) if self.bounds else None,
            "text": self.text,
            "language": self.language,
            "model": self.model,
            "how": self.how,
            "score": round(self.score, 6),
            "band": self.band.value if self.band else None,
            "words": [
                {"word": word, "weight": round(weight, 6)}
                for word, weight in zip(self.words, self.weights, strict=True)
            ],
            "peak": round(self.peak, 6),
            "hottest": list(self.hottest),
            "heat": [[round(float(cell), 3) for cell in row] for row in _cells(self.heat, RECORD_CELLS)],
        }

    def save(self, path: str | Path) -> Path:
        """Draw the explanation: PNG, JPEG or WebP, or an HTML page, by the suffix.

        Raises:
            UsageError: The suffix says nothing, or no font on this machine has the letters of the text.
        """
        from geoglot.api.explain_picture import draw

        return draw(self, Path(path))


def explain(
    image: str | Path,
    text: str,
    model: str | Path | Bundle | Explainer = "compact",
    *,
    run: str | Path | None = None,
    how: How | None = None,
    window: Window | Sequence[int] | None = None,
    bands: Sequence[int] | None = None,
    language: str | None = None,
    band: Band | None = None,
    decoder_of: Callable[[int], AbstractContextManager[Decoder]] | None = None,
) -> Explanation:
    """Show where a picture answers a text, and which words matter.

    A scene is explained at its best tile unless a window is given.

    Args:
        image: A photo, or a scene (GeoTIFF, JPEG 2000). It is decoded in a child process, as any user's file.
        text: What to look for, in a language that the model knows.
        model: Name of a shipped bundle, a bundle folder, or a model that is loaded already.
        run: Folder of a trained run, instead of a bundle; needs torch.
        how: ``occlusion``, ``rollout`` or ``attention``; by default the most telling one that the model offers.
        window: Part of a scene: column, row, width and height in pixels.
        bands: Red, green and blue of a scene as band numbers from 1 on.
        language: Language of the words, where the guess would be wrong.
        band: How sure a search was of this hit, to be shown with it.
        decoder_of: Lends a decoder that makes squares of a side, for services that keep some; `bands` are its own then.

    Raises:
        UsageError: The text has no words, the model does not offer the way, or the window misses the scene.
        SourceError: The image cannot be read.
        BundleError: The model cannot be loaded.
        DataError: ``run`` is not a finished run.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> photo = f"{tempfile.mkdtemp()}/photo.png"
        >>> Image.new("RGB", (300, 200), (20, 90, 160)).save(photo)
        >>> found = explain(photo, "blue sea")
        >>> found.words, found.how, found.heat.shape == found.picture.shape[:2]
        (('blue', 'sea'), 'occlusion', True)
    """
    from geoglot.api.explain_source import SHOWN_SIDE, best_tile, opened, shown
    from geoglot.api.selection import existing_paths
    from geoglot.text.language import detect

    words = split_words(text)
    [path] = existing_paths(image)
    explainer = load_explainer(model, run)
    way = choose_way(explainer, how)
    lent = decoder_of or (lambda side: opened(side, bands))
    with lent(explainer.side) as for_model, lent(SHOWN_SIDE) as for_eyes:
        tile = best_tile(for_model, path, text=" ".join(words), explainer=explainer, window=window)
        finding = explainer.find(way, tile.pixels, words)
        picture = shown(for_eyes, tile)
    heat, peak = _scaled(finding.heat, picture.shape[:2])
    return Explanation(
        source=str(image),
        window=tile.window,
        bounds=tile.bounds,
        text=text.strip(),
        language=language or detect(text),
        model=explainer.id,
        how=way,
        score=finding.score,
        band=band,
        words=tuple(words),
        weights=tuple(float(weight) for weight in finding.weights),
        heat=heat,
        peak=peak,
        picture=picture,
        word_heat=_word_heat(finding, picture.shape[:2]),
    )


def split_words(text: str) -> list[str]:
    """The words of a text as they were written, without the signs round them; signs that stand alone are no words.

    Raises:
        UsageError: There are none.

    Example:
        >>> split_words("many planes, near l'aéroport .")
        ['many', 'planes', 'near', "l'aéroport"]
        >>> split_words(" ... ")
        Traceback (most recent call last):
        geoglot.core.errors.UsageError: text: has no words. Remedy: describe what to look for.
    """
    from geoglot.text.normalise import normalise

    words = [word.strip(_SIGNS) or word for word in text.split() if normalise(word)]
    if not words:
        raise UsageError("text", cause="has no words", remedy="describe what to look for")
    return words


def choose_way(explainer: Explainer, how: str | None) -> How:
    """The way that was asked for, if the model offers it; else its best.

    Raises:
        UsageError: The model does not offer it.
    """
    if how is None:
        return explainer.ways[0]
    for way in explainer.ways:
        if way == how:
            return way
    offered = ", ".join(explainer.ways)
    raise UsageError(f"how={how}", cause=f"is not offered by {explainer.id}", remedy=f"choose {offered}")


def load_explainer(
    model: str | Path | Bundle | Explainer, run: str | Path | None = None, *, bare: bool = False
) -> Explainer:
    """A model by name, folder or run, as something that can be explained.

    Args:
        model: Name or folder of a bundle, or what is loaded already.
        run: Folder of a training run, in place of a bundle.
        bare: Of a bundle: texts as they are, as tables of recall have them, not as a search asks them.
    """
    from geoglot.models.bundle import Bundle, load_bundle
    from geoglot.models.explainer import BundleExplainer

    if run is not None:
        from geoglot.engine.explanation import load_run_explainer

        return load_run_explainer(Path(run))
    if isinstance(model, str | Path):
        model = load_bundle(model)
    return BundleExplainer(model, bare=bare) if isinstance(model, Bundle) else model


def _scaled(heat: NDArray[np.float32], shape: tuple[int, ...]) -> tuple[NDArray[np.float32], float]:
    """Heat on another grid of pixels, from 0 at the median to 1 at the hottest place, and what that one's value was."""
    import numpy as np

    peak, middle = float(heat.max()), float(np.median(heat))
    span = peak - middle
    lifted = (heat - middle).clip(0, None) / span if span > FLAT * max(peak, FLAT) else 0 * heat
    return _resized(lifted.astype(np.float32), shape), max(peak, 0.0)


def _word_heat(finding: Finding, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    import numpy as np

    if finding.word_heat is None:
        return None
    return np.stack([_scaled(heat, shape)[0] for heat in finding.word_heat])


def _resized(heat: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Bicubic, brought back to [0, 1] with the highest value 1."""
    import numpy as np
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(heat, dtype=np.float32))
    grid = np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)).clip(0, None)
    top = float(grid.max())
    return (grid / top if top > 0 else grid).astype(np.float32)


def _cells(heat: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """Means over an even grid of cells, as box filtering makes them."""
    import numpy as np
    from PIL import Image

    grid: NDArray[np.float32] = np.asarray(Image.fromarray(heat).resize((cells, cells), Image.Resampling.BOX))
    return grid
