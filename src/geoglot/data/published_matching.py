"""Tables of the residual-dyad paper as it prints them, and which of their cells cannot be. Nothing here is ours.

N. Khurshid, Mohbat, M. Taj, F. Z. Qureshi, "A Residual-Dyad Encoder Discriminator Network for Remote Sensing Image
Matching", IEEE TGRS 2020. mAP and P@k in percent, ANMRR in [0, 1], 0 is best.

What does not fit:

- SatScene (WHU-RS19) has 1,005 images in 19 classes, 53 of a class and not "about 100" as the text says. P@100 is
  therefore at most 53, and P@1000 at most 5.3: the network rows of table IV are of a dataset with more images of a
  class, or misprinted. The rows of HoG, LBP and Fisher vectors, and our 52.00 at 100, stand exactly at that bound.
- The row of dense SIFT with VLAD in table IV repeats the one of table III figure by figure.
- MLIR (table III) was measured by its authors on another protocol, with several labels an image. With 100 relevant
  images P@100 = x bounds mAP by 1 - (1 - x) ln(2 - x) (all x first, the others from place 101 on; the bound is concave,
  so it holds for means): 50.7 at 17.77, and 62.73 is printed.
- Table III's own row: at P@50 of 99 and P@100 of 87.4 the lowest mAP (every miss as early as it may be) is about 82,
  and 81.20 is printed.
- The text's "top 10 ... 100 %" on SatScene is 99.1 in the table; "0.36 %" of ANMRR is 0.45 in absolute figures; "at
  least 2 %" by ResDyadDML leaves out the two rows of table I where it is worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

PAPER: Final = "Khurshid et al., ResDyadDML, IEEE TGRS 2020"
PRECISIONS: Final = ("P@5", "P@10", "P@50", "P@100", "P@1000")
FIGURES: Final = ("ANMRR", "mAP", *PRECISIONS)
RELEVANT: Final = {"ucm": 100.0, "satscene": 1005 / 19}
"""Images of a class, the query included: on average where classes differ."""

Verdict = Literal["impossible", "doubtful"]


@dataclass(frozen=True, kw_only=True)
class AblationRow:
    """A row of table I, on UC Merced: an autoencoder and what it learned from, with either discriminator.

    Attributes:
        autoencoder: ``ResAE`` or ``ResDyadAE``.
        learned_from: ``LandUse``, ``GTCrossView``, or ``Fine Tuned``: the second and then the first.
        residual: ANMRR and mAP with ResDML.
        dyad: ANMRR and mAP with ResDyadDML.
    """

    autoencoder: str
    learned_from: str
    residual: tuple[float, float]
    dyad: tuple[float, float]


TABLE_I: Final = (
    AblationRow(autoencoder="ResAE", learned_from="LandUse", residual=(0.60, 25.79), dyad=(0.64, 22.19)),
    AblationRow(autoencoder="ResAE", learned_from="GTCrossView", residual=(0.61, 25.07), dyad=(0.57, 31.67)),
    AblationRow(autoencoder="ResAE", learned_from="Fine Tuned", residual=(0.54, 33.80), dyad=(0.57, 32.32)),
    AblationRow(autoencoder="ResDyadAE", learned_from="LandUse", residual=(0.61, 27.52), dyad=(0.55, 40.97)),
    AblationRow(autoencoder="ResDyadAE", learned_from="GTCrossView", residual=(0.40, 43.97), dyad=(0.19, 72.19)),
    AblationRow(autoencoder="ResDyadAE", learned_from="Fine Tuned", residual=(0.22, 67.28), dyad=(0.09, 81.20)),
)


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """A row of table II, on UC Merced: mAP of features by Euclidean distance and by the trained discriminator.

    Attributes:
        features: As printed.
        euclidean: Percent.
        learned: Percent.
    """

    features: str
    euclidean: float
    learned: float


TABLE_II: Final = (
    MetricRow(features="HoG", euclidean=17.85, learned=21.88),
    MetricRow(features="LBP-RGB", euclidean=17.96, learned=28.22),
    MetricRow(features="VGG-16", euclidean=28.26, learned=58.69),
    MetricRow(features="GoogleNet", euclidean=55.86, learned=62.23),
    MetricRow(features="SatResNet-50", euclidean=69.94, learned=89.69),
    MetricRow(features="Siamese", euclidean=10.39, learned=65.87),
    MetricRow(features="ResDyadAE", euclidean=4.64, learned=81.20),
)


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """A row of tables III and IV.

    Attributes:
        title: As printed.
        figures: ANMRR, mAP, P@5, P@10, P@50, P@100, P@1000; ``None`` where nothing is printed.
        verdicts: By figure, that it cannot be (``impossible``) or hardly (``doubtful``).
    """

    title: str
    figures: tuple[float | None, ...]
    verdicts: tuple[tuple[str, Verdict], ...] = ()

    @property
    def cells(self) -> dict[str, float | None]:
        """Figures by name."""
        return dict(zip(FIGURES, self.figures, strict=True))

    def verdict(self, figure: str) -> Verdict | None:
        """What is wrong with a figure.

        Example:
            >>> TABLE_IV[-2].title, TABLE_IV[-2].verdict("P@100"), TABLE_IV[-2].verdict("mAP")
            ('SatResNet-50', 'impossible', None)
        """
        return dict(self.verdicts).get(figure)


def precision_bound(dataset: str, k: int) -> float:
    """The most that P@k can be, in percent: every image of the query's class among the first k, itself included.

    Example:
        >>> precision_bound("ucm", 1000), round(precision_bound("satscene", 100), 1), precision_bound("ucm", 5)
        (10.0, 52.9, 100.0)
    """
    return 100 * min(1.0, RELEVANT[dataset] / k)


def _impossible(*figures: str) -> tuple[tuple[str, Verdict], ...]:
    return tuple((figure, "impossible") for figure in figures)


TABLE_III: Final = (
    ComparisonRow(title="HoG", figures=(0.751, 17.85, 48.67, 41.88, 25.37, 19.2, 6.18)),
    ComparisonRow(title="LBP-RGB", figures=(0.751, 17.96, 58.73, 49.83, 28.12, 19.62, 6.07)),
    ComparisonRow(title="Dense SIFT (VLAD)", figures=(0.649, 28.01, 74.93, 65.25, 38.20, 28.10, 7.18)),
    ComparisonRow(title="Dense SIFT (FV)", figures=(0.639, 29.18, 75.34, 66.28, 39.09, 28.54, 7.88)),
    ComparisonRow(title="GoogleNet", figures=(0.360, 55.86, 85.36, 80.96, 64.71, 52.36, 9.68)),
    ComparisonRow(title="NetVLAD", figures=(0.406, 51.44, 83.00, 78.59, 61.63, 49.04, 9.29)),
    ComparisonRow(
        title="MLIR CNN-Fc7",
        figures=(0.322, 62.73, 80.76, 71.00, 30.80, 17.77, None),
        verdicts=_impossible("mAP"),
    ),
    ComparisonRow(title="SatResNet-50", figures=(0.239, 69.94, 92.06, 89.02, 77.23, 64.42, 9.86)),
    ComparisonRow(
        title="ResDyadAE-ResDyadDML",
        figures=(0.090, 81.20, 99.4, 99.2, 99.0, 87.4, 9.90),
        verdicts=(("mAP", "doubtful"),),
    ),
)
"""On UC Merced."""

TABLE_IV: Final = (
    ComparisonRow(title="HoG", figures=(0.724, 19.97, 40.24, 35.31, 21.73, 15.82, 5.20)),
    ComparisonRow(title="LBP-RGB", figures=(0.664, 24.95, 50.33, 43.98, 26.33, 19.40, 5.20)),
    ComparisonRow(
        title="Dense SIFT (VLAD)",
        figures=(0.649, 28.01, 74.93, 65.25, 38.20, 28.10, 7.18),
        verdicts=(
            *((figure, "doubtful") for figure in FIGURES if figure != "P@1000"),
            *_impossible("P@1000"),
        ),
    ),
    ComparisonRow(title="Dense SIFT (FV)", figures=(0.552, 35.89, 71.30, 62.78, 36.19, 25.03, 5.20)),
    ComparisonRow(
        title="GoogleNet",
        figures=(0.324, 60.36, 85.73, 82.28, 68.32, 55.75, 9.75),
        verdicts=_impossible("P@100", "P@1000"),
    ),
    ComparisonRow(
        title="NetVLAD",
        figures=(0.371, 56.37, 82.54, 78.41, 64.40, 52.19, 9.48),
        verdicts=(("P@100", "doubtful"), *_impossible("P@1000")),
    ),
    ComparisonRow(
        title="SatResNet-50",
        figures=(0.207, 74.19, 92.11, 90.55, 80.91, 68.02, 9.87),
        verdicts=_impossible("P@100", "P@1000"),
    ),
    ComparisonRow(
        title="ResDyadAE-ResDyadDML",
        figures=(0.06, 96.6, 100.0, 99.1, 94.3, 52.00, 9.92),
        verdicts=_impossible("P@1000"),
    ),
)
"""On SatScene."""

FIVE_FOLDS: Final = {"ANMRR": (0.1116, 0.05), "mAP": (80.786, 5.65)}
"""ResDyadDML on UC Merced, five-fold: mean and standard deviation."""

SHARES: Final = (0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
"""Shares of the images that train, of figure 10; it prints no numbers."""
