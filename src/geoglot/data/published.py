"""Figures that papers have published, as they print them. Nothing here was measured by this project.

Rows of image-text retrieval: recall in percent, image to text at 1, 5, 10, then text to image at 1, 5, 10; the mean of
the six follows from them. ``start`` says what the method started from, because it is seldom what ours started from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

AMFMN: Final = "Yuan et al., AMFMN, IEEE TGRS 2022, table II"
GALR: Final = "Yuan et al., GaLR, IEEE TGRS 2022"
MULTILANGUAGE_II: Final = "Al Rahhal et al., Multilanguage Transformer, IEEE JSTARS 2022, table II"
MULTILANGUAGE_III: Final = "Al Rahhal et al., Multilanguage Transformer, IEEE JSTARS 2022, table III"
PE_RSITR: Final = "Yuan Y. et al., PE-RSITR, IEEE TGRS 2023, tables I to III"
REMOTECLIP: Final = "Liu et al., RemoteCLIP, IEEE TGRS 2024, preprint figures"
GEORSCLIP: Final = "Zhang Z. et al., RS5M and GeoRSCLIP, IEEE TGRS 2024, figures of the code's page"

IMAGENET: Final = "ImageNet"
CLIP: Final = "CLIP"


@dataclass(frozen=True, kw_only=True)
class PublishedRow:
    """One row of a table.

    Attributes:
        method: File name under ``geoglot.methods.retrieval``; of methods that have no file here, the name alone.
        title: The row's name as it is printed.
        dataset: ``rsicd``, ``rsitmd``, ``ucm`` or ``sydney``.
        recall: Image to text at 1, 5, 10, text to image at 1, 5, 10, percent.
        source: Where it is printed.
        start: What the method started from.
        language: Language of the captions.
        regime: ``single`` language or ``multiple`` languages in training.
        printed_mean: Mean recall as it is printed, where that is not the mean of the six.
    """

    method: str
    title: str
    dataset: str
    recall: tuple[float, float, float, float, float, float]
    source: str
    start: str = IMAGENET
    language: str = "en"
    regime: str = "single"
    printed_mean: float | None = None

    @property
    def mean_recall(self) -> float:
        """Mean recall (mR) as it is printed, to two decimals.

        Example:
            >>> published("scan", "ucm")[0].mean_recall
            44.67
        """
        return round(sum(self.recall) / 6, 2) if self.printed_mean is None else self.printed_mean


def published(method: str, dataset: str | None = None, *, language: str | None = None) -> list[PublishedRow]:
    """Rows of a method, in the order of this file.

    Example:
        >>> [row.title for row in published("amfmn", "rsicd")]
        ['AMFMN-soft', 'AMFMN-fusion', 'AMFMN-sim']
    """
    return [
        row
        for row in ROWS
        if row.method == method and dataset in (None, row.dataset) and language in (None, row.language)
    ]


def _rows(method: str, title: str, source: str, text: str, *, start: str = IMAGENET) -> list[PublishedRow]:
    """Rows from lines ``DATASET six figures mean``."""
    found = []
    for line in text.strip().splitlines():
        dataset, *numbers = line.split()
        values = [float(number) for number in numbers]
        first, second, third, fourth, fifth, sixth = values[:6]
        found.append(
            PublishedRow(
                method=method,
                title=title,
                dataset=dataset,
                recall=(first, second, third, fourth, fifth, sixth),
                source=source,
                start=start,
                printed_mean=values[6] if len(values) > 6 else None,
            )
        )
    return found


def _languages(dataset: str, regime: str, text: str) -> list[PublishedRow]:
    """Rows of the multilanguage paper's table III, from lines ``LANGUAGE six figures mean``."""
    found = []
    for line in text.strip().splitlines():
        language, *numbers = line.split()
        first, second, third, fourth, fifth, sixth, mean = (float(number) for number in numbers)
        found.append(
            PublishedRow(
                method="multilanguage",
                title="Multilanguage Transformer",
                dataset=dataset,
                recall=(first, second, third, fourth, fifth, sixth),
                source=MULTILANGUAGE_III,
                start=CLIP,
                language=language,
                regime=regime,
                printed_mean=mean,
            )
        )
    return found


ROWS: Final[Sequence[PublishedRow]] = (
    *_rows(
        "vse_plus_plus",
        "VSE++",
        AMFMN,
        """
        rsicd 3.38 9.51 17.46 2.82 11.32 18.10 10.43
        rsitmd 10.38 27.65 39.60 7.79 24.87 38.67 24.83
        ucm 12.38 44.76 65.71 10.10 31.80 56.85 36.93
        sydney 24.14 53.45 67.24 6.21 33.56 51.03 39.27
        """,
    ),
    *_rows(
        "scan",
        "SCAN t2i",
        AMFMN,
        """
        rsicd 4.39 10.90 17.64 3.91 16.20 26.49 13.25
        rsitmd 10.18 28.53 38.49 10.10 28.98 43.53 26.64
        ucm 14.29 45.71 67.62 12.76 50.38 77.24 44.67
        """,
    ),
    *_rows(
        "scan",
        "SCAN i2t",
        AMFMN,
        """
        rsicd 5.85 12.89 19.84 3.71 16.40 26.73 14.23
        rsitmd 11.06 25.88 39.38 9.82 29.38 42.12 26.28
        ucm 12.85 47.14 69.52 12.48 46.86 71.71 43.43
        """,
    ),
    *_rows("camp", "CAMP-triplet", AMFMN, "rsicd 5.12 12.89 21.12 4.15 15.23 27.81 14.39"),
    *_rows("camp", "CAMP-bce", AMFMN, "rsicd 4.20 10.24 15.45 2.72 12.76 22.89 11.38"),
    *_rows(
        "mtfn",
        "MTFN",
        AMFMN,
        """
        rsicd 5.02 12.52 19.74 4.90 17.17 29.49 14.81
        rsitmd 10.40 27.65 36.28 9.96 31.37 45.84 26.92
        ucm 10.47 47.62 64.29 14.19 52.38 78.95 44.65
        """,
    ),
    *_rows(
        "amfmn",
        "AMFMN-soft",
        AMFMN,
        """
        rsicd 5.05 14.53 21.57 5.05 19.74 31.04 16.02
        rsitmd 11.06 25.88 39.82 9.82 33.94 51.90 28.74
        ucm 12.86 51.90 66.67 14.19 51.71 78.48 45.97
        sydney 20.69 51.72 74.14 15.17 58.62 80.00 50.06
        """,
    ),
    *_rows(
        "amfmn",
        "AMFMN-fusion",
        AMFMN,
        """
        rsicd 5.39 15.08 23.40 4.90 18.28 31.44 16.42
        rsitmd 11.06 29.20 38.72 9.96 34.03 52.96 29.32
        ucm 16.67 45.71 68.57 12.86 53.24 79.43 46.08
        sydney 24.14 51.72 75.86 14.83 56.55 77.89 50.17
        """,
    ),
    *_rows(
        "amfmn",
        "AMFMN-sim",
        AMFMN,
        """
        rsicd 5.21 14.72 21.57 4.08 17.00 30.60 15.53
        rsitmd 10.63 24.78 41.81 11.51 34.69 54.87 29.72
        ucm 14.76 49.52 68.10 13.43 51.81 76.48 45.68
        sydney 29.31 58.62 67.24 13.45 60.00 81.72 51.72
        """,
    ),
    *_rows(
        "galr",
        "GaLR without re-ranking",
        GALR,
        """
        rsicd 6.50 18.91 29.70 5.11 19.57 31.92 18.62
        rsitmd 13.05 30.09 42.70 10.47 36.34 53.35 31.00
        """,
    ),
    *_rows(
        "galr",
        "GaLR with multivariate re-ranking",
        GALR,
        """
        rsicd 6.59 19.85 31.04 4.69 19.48 32.13 18.96
        rsitmd 14.82 31.64 42.48 11.15 36.68 51.68 31.41
        """,
    ),
    *_rows(
        "lw_mcr",
        "LW-MCR-b",
        MULTILANGUAGE_II,
        """
        rsicd 4.57 13.71 20.11 4.02 16.47 28.23 14.52
        rsitmd 9.07 22.79 38.05 6.11 27.74 49.56 25.55
        ucm 12.38 43.81 59.52 12.00 46.38 72.48 41.10
        """,
    ),
    *_rows(
        "lw_mcr",
        "LW-MCR-d",
        MULTILANGUAGE_II,
        """
        rsicd 3.29 12.52 19.93 4.66 17.51 30.02 14.66
        rsitmd 10.18 28.98 39.82 7.79 30.18 49.78 27.79
        ucm 15.24 51.90 62.86 11.90 50.95 75.24 44.68
        """,
    ),
    *_rows(
        "lw_mcr",
        "LW-MCR-u",
        MULTILANGUAGE_II,
        """
        rsicd 4.39 13.35 20.29 4.30 18.85 32.34 15.59
        rsitmd 9.73 26.77 37.61 9.25 34.07 54.03 28.58
        ucm 18.10 47.14 63.81 13.14 50.38 79.52 45.35
        """,
    ),
    *_rows(
        "mcrn",
        "MCRN",
        "Yuan et al., MCRN, JAG 2022",
        """
        rsicd 6.59 19.40 30.28 5.03 19.38 32.99 18.95
        rsitmd 13.27 29.42 41.59 9.42 35.53 52.74 30.33
        """,
    ),
    *_rows(
        "swan",
        "SWAN",
        "Pan et al., SWAN, ICMR 2023",
        """
        rsicd 7.41 20.13 30.86 5.56 22.26 37.41 20.61
        rsitmd 13.35 32.15 46.90 11.24 40.40 60.60 34.11
        """,
        start="AID",
    ),
    *_rows(
        "hvsa",
        "HVSA",
        "Zhang W. et al., HVSA, IEEE TGRS 2023",
        """
        rsicd 7.47 20.62 32.11 5.51 21.13 34.13 20.16
        rsitmd 13.20 32.08 45.58 11.43 39.20 57.45 33.15
        """,
    ),
    *_rows(
        "pe_rsitr",
        "PE-RSITR",
        PE_RSITR,
        """
        rsicd 14.13 31.51 44.78 11.63 33.92 50.73 31.12
        rsitmd 23.67 44.07 60.36 20.10 50.63 67.97 44.47
        ucm 22.71 55.81 80.33 18.82 62.84 93.72 55.71
        """,
        start=CLIP,
    ),
    *_rows(
        "clip",
        "CLIP ViT-B/32 zero-shot",
        PE_RSITR,
        """
        rsicd 6.77 15.37 23.15 5.01 15.75 24.21 15.04
        rsitmd 9.29 26.33 37.39 7.79 23.67 38.89 23.89
        """,
        start=CLIP,
    ),
    *_rows(
        "clip",
        "CLIP ViT-B/32 fine-tuned whole",
        PE_RSITR,
        """
        rsicd 13.54 30.83 43.46 11.55 33.14 49.83 30.39
        rsitmd 24.16 47.12 61.28 20.40 50.53 68.54 45.33
        """,
        start=CLIP,
    ),
    *_rows(
        "remoteclip",
        "RemoteCLIP ViT-L/14",
        REMOTECLIP,
        """
        rsicd 17.02 37.97 51.51 13.71 37.11 54.25 35.26
        rsitmd 27.88 50.66 65.71 22.17 56.46 73.41 49.38
        """,
        start="CLIP and 828,725 pairs, these train splits among them",
    ),
    *_rows(
        "georsclip",
        "GeoRSCLIP ViT-B/32 zero-shot",
        GEORSCLIP,
        """
        rsicd 12.17 28.45 38.61 9.31 26.51 41.28 26.06
        rsitmd 17.92 34.96 46.02 14.12 41.46 57.52 35.33
        """,
        start="CLIP and RS5M",
    ),
    *_rows(
        "georsclip",
        "GeoRSCLIP ViT-H/14 zero-shot",
        GEORSCLIP,
        """
        rsicd 14.27 29.55 40.44 11.38 30.80 44.41 28.48
        rsitmd 23.45 42.92 53.32 18.01 44.60 59.96 40.38
        """,
        start="CLIP and RS5M",
    ),
    *_rows(
        "georsclip",
        "GeoRSCLIP fine-tuned",
        GEORSCLIP,
        """
        rsicd 21.13 41.72 55.63 15.59 41.19 57.99 38.87
        rsitmd 32.30 53.32 67.92 25.04 57.88 74.38 51.81
        """,
        start="CLIP, RS5M and these train splits",
    ),
    *_languages(
        "rsicd",
        "single",
        """
        en 10.70 29.64 41.53 9.14 28.96 44.59 27.42
        ar 9.05 25.06 36.50 6.40 22.03 35.38 22.40
        fr 8.69 24.33 37.14 7.02 24.33 39.03 23.42
        it 10.06 26.44 39.70 8.05 26.34 41.55 25.35
        """,
    ),
    *_languages(
        "rsicd",
        "multiple",
        """
        en 11.61 30.10 42.17 9.55 29.27 44.73 27.90
        ar 10.06 26.98 37.05 7.77 23.93 39.17 24.16
        fr 8.78 26.89 40.07 8.19 26.34 43.11 25.56
        it 10.15 26.98 37.69 8.43 26.56 42.08 25.31
        """,
    ),
    *_languages(
        "rsitmd",
        "single",
        """
        en 19.69 40.26 54.42 17.61 49.73 66.59 41.38
        ar 12.83 37.61 50.44 13.23 39.82 58.98 35.49
        fr 21.01 44.91 57.30 17.21 47.25 63.53 41.87
        it 18.14 36.06 51.79 15.35 42.12 61.15 37.44
        """,
    ),
    *_languages(
        "rsitmd",
        "multiple",
        """
        en 22.56 43.80 57.30 19.29 51.37 68.18 43.75
        ar 19.46 41.37 53.31 15.97 46.10 62.65 39.81
        fr 20.35 43.80 58.18 19.29 49.38 65.61 42.77
        it 21.90 42.69 56.63 18.18 49.02 64.91 42.22
        """,
    ),
    *_languages(
        "ucm",
        "single",
        """
        en 19.04 53.33 77.61 19.33 64.00 91.42 54.12
        ar 12.38 45.23 73.33 13.42 59.23 92.19 49.29
        fr 20.00 56.66 81.90 18.05 60.95 92.38 54.99
        it 17.61 52.38 78.09 15.90 57.80 85.04 51.13
        """,
    ),
    *_languages(
        "ucm",
        "multiple",
        """
        en 19.52 55.23 81.42 17.71 67.47 93.52 55.81
        ar 18.57 49.04 78.52 15.42 60.19 91.23 52.16
        fr 12.85 53.80 80.95 16.28 59.61 91.61 52.51
        it 13.33 47.14 75.23 14.66 60.57 92.38 50.55
        """,
    ),
)
"""Every row, method by method."""


@dataclass(frozen=True, kw_only=True)
class PublishedRanking:
    """A row of the multilanguage paper's table IV: the first images that it found for one query.

    Attributes:
        dataset: Where it was asked.
        wanted: The right image.
        rank: Its rank.
        found: Images at ranks 1 to 5 and 10, as they are printed.
        language: Language of the query, as the text tells.
    """

    dataset: str
    wanted: str
    rank: int
    found: tuple[str, ...]
    language: str


TABLE_IV: Final = (
    PublishedRanking(
        dataset="rsitmd",
        wanted="airport_3",
        rank=12,
        found=("airport_10", "airport_5", "airport_11", "airport_9", "airport_4", "airport_448"),
        language="en",
    ),
    PublishedRanking(
        dataset="rsitmd",
        wanted="baseballfield_26",
        rank=1,
        found=(
            "baseballfield_26",
            "baseballfield_24",
            "baseballfield_21",
            "baseballfield_19",
            "baseballfield_22",
            "playground_1",
        ),
        language="ar",
    ),
    PublishedRanking(
        dataset="rsitmd",
        wanted="bridge_55",
        rank=17,
        found=("river_322", "bridge_47", "river_332", "port_288", "railwaystation_292", "river_329"),
        language="it",
    ),
    PublishedRanking(
        dataset="rsitmd",
        wanted="parking_235",
        rank=4,
        found=("parking_231", "parking_232", "parking_225", "parking_235", "parking_224", "parking_226"),
        language="fr",
    ),
    PublishedRanking(
        dataset="rsicd",
        wanted="denseresidential_60",
        rank=1,
        found=(
            "denseresidential_60",
            "playground_41",
            "denseresidential_407",
            "denseresidential_398",
            "denseresidential_397",
            "playground_39",
        ),
        language="en",
    ),
    PublishedRanking(
        dataset="rsicd",
        wanted="desert_52",
        rank=1,
        found=("desert_52", "desert_63", "desert_70", "desert_53", "desert_51", "desert_61"),
        language="ar",
    ),
    PublishedRanking(
        dataset="rsicd",
        wanted="farmland_38",
        rank=6,
        found=("farmland_51", "farmland_37", "farmland_47", "farmland_48", "farmland_43", "pond_410"),
        language="fr",
    ),
    PublishedRanking(
        dataset="rsicd",
        wanted="storagetanks_36",
        rank=1,
        found=(
            "storagetanks_36",
            "storagetanks_44",
            "storagetanks_45",
            "storagetanks_60",
            "storagetanks_5",
            "storagetanks_353",
        ),
        language="it",
    ),
)
"""Table IV of the multilanguage paper."""
