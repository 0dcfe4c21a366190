"""Second views of a picture: the same place in another frame, at another scale, in other colours, compressed again.

A view is drawn in three steps, each from numbers that are fixed by a seed: *frame* (shift, scale, rotation; what lies
outside the picture is mirrored, as nothing is known of it), *look* (vegetation of another season, exposure, contrast,
white balance, haze, a cloud's shadow, blur, noise) and *file* (JPEG or WebP at some quality).

What real second views have on top and this cannot make: shadows from another sun, things that moved or were built,
another viewing angle, another sensor's bands. Figures on these views are an upper bound of those on real ones.
"""

from __future__ import annotations

import io
import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Severity:
    """Between which bounds the numbers of a view are drawn.

    Attributes:
        shift: Of the frame's centre, along each axis, at most; a share of the side.
        scale: Of what is seen: above 1 things look larger and less is seen.
        degrees: Of rotation, at most, either way.
        quarter_turns: Whether the picture may also be turned by 90, 180 or 270 degrees, all four as likely.
        season: How far vegetation takes on another season's colour, at most, in [0, 1].
        exposure: Of light, in stops, at most, either way.
        contrast: Factor about the mean.
        cast: Gain of red and of blue against green, at most, as a share, either way.
        haze: Share of the light that comes from haze, at most.
        shadow: Share of the light that a soft cloud takes away where it is darkest, at most.
        blur: Standard deviation in pixels, at most.
        noise: Standard deviation in grey levels, at most.
        quality: Of JPEG or WebP, either as likely.
        covered: Share of the picture that opaque clouds hide, at most.
    """

    shift: float
    scale: Range
    degrees: float = 0.0
    quarter_turns: bool = False
    season: float
    exposure: float
    contrast: Range
    cast: float
    haze: float
    shadow: float = 0.0
    blur: float
    noise: float
    quality: tuple[int, int]
    covered: float = 0.0


_HARD: Final = {
    "shift": 0.25,
    "scale": (0.7, 1.4),
    "degrees": 15.0,
    "season": 1.0,
    "exposure": 0.6,
    "contrast": (0.6, 1.4),
    "cast": 0.15,
    "haze": 0.35,
    "shadow": 0.5,
    "blur": 1.2,
    "noise": 8.0,
    "quality": (30, 75),
}
SEVERITIES: Final[dict[str, Severity]] = {
    "easy": Severity(
        shift=0.08,
        scale=(0.9, 1.1),
        season=0.3,
        exposure=0.2,
        contrast=(0.85, 1.15),
        cast=0.05,
        haze=0.1,
        blur=0.5,
        noise=3.0,
        quality=(60, 95),
    ),
    "medium": Severity(
        shift=0.15,
        scale=(0.8, 1.25),
        degrees=5.0,
        season=0.7,
        exposure=0.4,
        contrast=(0.7, 1.3),
        cast=0.1,
        haze=0.2,
        shadow=0.25,
        blur=0.8,
        noise=5.0,
        quality=(40, 85),
    ),
    "hard": Severity(**_HARD),  # type: ignore[arg-type]
    "turned": Severity(**{**_HARD, "quarter_turns": True}),  # type: ignore[arg-type]
    "covered": Severity(**{**_HARD, "covered": 0.4}),  # type: ignore[arg-type]
}
"""By name; ``turned`` is ``hard`` with quarter turns, ``covered`` is ``hard`` under opaque clouds."""

_STILL: Final = {
    "shift": 0.0,
    "scale": (1.0, 1.0),
    "season": 0.0,
    "exposure": 0.0,
    "contrast": (1.0, 1.0),
    "cast": 0.0,
    "haze": 0.0,
    "blur": 0.0,
    "noise": 0.0,
    "quality": (95, 95),
}


def _only(*names: str) -> Severity:
    """``hard`` in some of its changes alone."""
    return Severity(**{**_STILL, **{name: _HARD[name] for name in names}})  # type: ignore[arg-type]


KINDS: Final[dict[str, Severity]] = {
    "shifted": _only("shift"),
    "scaled": _only("scale"),
    "rotated": _only("degrees"),
    "recoloured": _only("season", "exposure", "contrast", "cast", "haze", "shadow"),
    "recompressed": _only("blur", "noise", "quality"),
    "hidden": Severity(**{**_STILL, "covered": 0.4}),  # type: ignore[arg-type]
}
"""One kind of change alone, within the bounds of ``hard``; ``hidden`` within those of ``covered``."""

# What a season does to the colour of vegetation: rows are new red, green and blue from the old ones.
_SEASONS: Final = np.array(
    [
        [[0.35, 0.85, 0.00], [0.00, 0.95, 0.00], [0.20, 0.15, 0.40]],  # dry: straw
        [[0.50, 0.35, 0.15], [0.15, 0.55, 0.10], [0.20, 0.30, 0.45]],  # bare: brown and grey
        [[0.60, 0.05, 0.00], [0.10, 0.90, 0.00], [0.00, 0.10, 0.60]],  # lush: deep green
        [[0.60, 0.70, 0.10], [0.10, 0.75, 0.00], [0.00, 0.10, 0.50]],  # autumn: orange
    ],
    np.float32,
)
SEASONS: Final = ("dry", "bare", "lush", "autumn")
_GREY: Final = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, kw_only=True)
class View:
    """The numbers of one view; units as in :class:`Severity`.

    Attributes:
        shift: Of the frame's centre to the right and down, shares of the side.
        scale: Above 1 things look larger.
        degrees: Counter-clockwise turn of what is seen, quarter turns included.
        season: Number of the season in :data:`SEASONS`.
        season_share: How far vegetation takes on its colour.
        gains: Of red, green and blue: exposure and white balance.
        contrast: Factor about the mean.
        haze: Share of light from haze.
        shadow: Share of light that the cloud takes at its darkest.
        blur: Pixels.
        noise: Grey levels.
        format: ``JPEG`` or ``WEBP``.
        quality: Of the file.
        seed: Of the noise and the clouds.
        covered: Share of the picture that opaque clouds hide.
    """

    shift: tuple[float, float]
    scale: float
    degrees: float
    season: int
    season_share: float
    gains: tuple[float, float, float]
    contrast: float
    haze: float
    shadow: float
    blur: float
    noise: float
    format: str
    quality: int
    seed: int
    covered: float = 0.0


def severity_named(name: str) -> Severity:
    """One of :data:`SEVERITIES` or :data:`KINDS`.

    Raises:
        UsageError: There is no such severity.

    Example:
        >>> severity_named("easy").shift
        0.08
    """
    known = {**SEVERITIES, **KINDS}
    if name not in known:
        raise UsageError(name, cause="is no severity of views", remedy=f"choose one of {', '.join(known)}")
    return known[name]


def draw_view(severity: Severity | str, *, seed: int, item: str = "") -> View:
    """The numbers of one view, fixed by severity, seed and the picture's name.

    Args:
        severity: Bounds, or their name.
        seed: Of all views.
        item: Which picture, so that pictures get different views whatever order they come in.

    Example:
        >>> draw_view("easy", seed=0, item="airport_1") == draw_view("easy", seed=0, item="airport_1")
        True
    """
    bounds = severity_named(severity) if isinstance(severity, str) else severity
    generator = np.random.default_rng([seed, zlib.crc32(item.encode())])

    def between(low: float, high: float) -> float:
        return float(generator.uniform(low, high))

    def either_way(most: float) -> float:
        return between(-most, most)

    light = 2 ** either_way(bounds.exposure)
    quarter = 90.0 * int(generator.integers(4))
    return View(
        shift=(either_way(bounds.shift), either_way(bounds.shift)),
        scale=math.exp(between(math.log(bounds.scale[0]), math.log(bounds.scale[1]))),
        degrees=either_way(bounds.degrees) + (quarter if bounds.quarter_turns else 0.0),
        season=int(generator.integers(len(_SEASONS))),
        season_share=between(0, bounds.season),
        gains=(light * (1 + either_way(bounds.cast)), light, light * (1 + either_way(bounds.cast))),
        contrast=between(*bounds.contrast),
        haze=between(0, bounds.haze),
        shadow=between(0, bounds.shadow),
        blur=between(0, bounds.blur),
        noise=between(0, bounds.noise),
        format=("JPEG", "WEBP")[int(generator.integers(2))],
        quality=int(generator.integers(bounds.quality[0], bounds.quality[1] + 1)),
        seed=int(generator.integers(2**31)),
        covered=between(0, bounds.covered),  # drawn last: views without it stay what they were
    )


def second_view(pixels: NDArray[np.uint8], severity: Severity | str, *, seed: int, item: str = "") -> NDArray[np.uint8]:
    """Another view of the place that a picture shows.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        severity: Bounds, or their name: easy, medium, hard, turned, covered.
        seed: The same seed and item give the same view.
        item: Name of the picture.

    Returns:
        (H, W, 3) uint8.

    Raises:
        UsageError: Unknown severity.

    Example:
        >>> picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
        >>> second_view(picture, "hard", seed=1).shape
        (64, 64, 3)
    """
    return render(pixels, draw_view(severity, seed=seed, item=item))


def render(pixels: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """A picture as a view has it. (H, W, 3) uint8 -> (H, W, 3) uint8."""
    framed = in_frame(pixels, shift=view.shift, scale=view.scale, degrees=view.degrees)
    return _as_file(_look((framed / 255).astype(np.float32), view), view)


def in_frame(
    pixels: NDArray[np.uint8], *, shift: tuple[float, float], scale: float, degrees: float
) -> NDArray[np.uint8]:
    """Move, scale and turn the frame; what lies outside the picture is its mirror image. (H, W, 3) -> (H, W, 3).

    Example:
        >>> row = np.array([[[0], [50], [100], [150]]], np.uint8).repeat(3, axis=2)
        >>> in_frame(row, shift=(0.25, 0), scale=1, degrees=0)[0, :, 0].tolist()  # one pixel to the right
        [50, 100, 150, 150]
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    margin = (height, width)
    around = np.pad(pixels, ((margin[0],) * 2, (margin[1],) * 2, (0, 0)), mode="symmetric")
    turn, zoom = math.radians(degrees), 1 / scale
    cosine, sine = zoom * math.cos(turn), zoom * math.sin(turn)
    # Pillow asks, for every pixel of the view, where in the source it comes from.
    across, down = width / 2, height / 2
    centre_x, centre_y = margin[1] + across + shift[0] * width, margin[0] + down + shift[1] * height
    matrix = (
        *(cosine, -sine, centre_x - cosine * across + sine * down),
        *(sine, cosine, centre_y - sine * across - cosine * down),
    )
    image = Image.fromarray(around)
    if zoom > 1:  # seen from farther away: smooth first, or fine lines break up
        image = _blurred(image, 0.5 * math.sqrt(zoom * zoom - 1))
    return np.asarray(image.transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC))


def _look(light: NDArray[np.float32], view: View) -> NDArray[np.float32]:
    """Season, exposure, contrast, haze, clouds, blur and noise. (H, W, 3) in [0, 1] -> (H, W, 3)."""
    from PIL import Image

    red, green, blue = np.moveaxis(light, 2, 0)
    # Excess green: about 0 for grey things, 0.1 and more for vegetation.
    vegetation = np.clip((2 * green - red - blue - 0.02) / 0.10, 0, 1)[..., None] * view.season_share
    light = light + vegetation * (light @ _SEASONS[view.season].T - light)
    light = light * np.array(view.gains, np.float32)
    mean = float((light @ _GREY).mean())
    light = (light - mean) * view.contrast + mean
    light = light * (1 - view.haze) + view.haze * np.array([0.78, 0.82, 0.86], np.float32)
    generator = np.random.default_rng(view.seed)
    cloud = generator.uniform(-1, 1, (4, 4)).astype(np.float32)
    soft = Image.fromarray(cloud).resize((light.shape[1], light.shape[0]), Image.Resampling.BICUBIC)
    light = light * (1 - view.shadow * np.clip(np.asarray(soft), 0, 1)[..., None])
    if view.covered:
        opaque = clouds(light.shape[:2], view.covered, seed=view.seed)[..., None]
        light = light * (1 - opaque) + opaque * np.array([0.93, 0.94, 0.95], np.float32)
    if view.blur > 0.1:
        image = Image.fromarray(_bytes(light))
        light = (np.asarray(_blurred(image, view.blur)) / 255).astype(np.float32)
    return light + generator.normal(0, view.noise / 255, light.shape).astype(np.float32)


def clouds(size: tuple[int, int], share: float, *, seed: int) -> NDArray[np.float32]:
    """How much opaque clouds hide of each pixel. -> (H, W) in [0, 1], about `share` of the pixels at 0.5 and more.

    Example:
        >>> hidden = clouds((64, 64), 0.25, seed=0)
        >>> round(float((hidden >= 0.5).mean()), 2)
        0.25
    """
    from PIL import Image

    coarse = np.random.default_rng([seed, 1]).uniform(-1, 1, (6, 6)).astype(np.float32)
    height, width = size
    field = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    edge = float(np.quantile(field, 1 - share))
    return np.asarray(np.clip((field - edge) / 0.1 + 0.5, 0, 1), np.float32)


def _as_file(light: NDArray[np.float32], view: View) -> NDArray[np.uint8]:
    """What is left after the picture was compressed."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(_bytes(light)).save(file, format=view.format, quality=view.quality)
    file.seek(0)
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def _blurred(image: Image.Image, deviation: float) -> Image.Image:
    from PIL import ImageFilter

    return image.filter(ImageFilter.GaussianBlur(deviation))


def _bytes(light: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.clip(np.rint(light * 255), 0, 255).astype(np.uint8)
