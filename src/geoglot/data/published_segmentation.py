"""Tables of the RefSegRS paper as it prints them, and what to know before comparing. Nothing here is ours.

Z. Yuan, L. Mou, Y. Hua, X. X. Zhu, "RRSIS: Referring Remote Sensing Image Segmentation", IEEE TGRS 62, 2024. Shares in
[0, 1] on the test part of RefSegRS (1,817 triplets; 2,172 to train, 431 to validate); costs of one picture of
480 x 480 pixels and 20 words.

What to know:

- The paper says that the best epoch was chosen on the validation part. The training loop released with it measures and
  chooses on the test part in every epoch, so both are told beside ours.
- In the released code the IoU of two empty masks is 0.
- LAVT's 118.85 million parameters leave BERT out; those of LGCE cannot be had from its equations (142.1 million can).
- ``w/o Language Guidance`` has the costs of the full model because a token that is learnt, and does not know the
  phrase, takes the place of the phrase's mean.
- Crops of a tile overlap by half and its crops are spread over the parts, so near copies of test pictures were seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PAPER: Final = "Yuan et al., RRSIS (RefSegRS, LGCE), IEEE TGRS 2024"
MEASURES: Final = ("pr@0.5", "pr@0.6", "pr@0.7", "pr@0.8", "pr@0.9", "oiou", "miou")
DATASET: Final = "refsegrs"


@dataclass(frozen=True, kw_only=True)
class SegmentationRow:
    """One printed row of measures.

    Attributes:
        name: As printed.
        method: Our file of it.
        values: Of :data:`MEASURES`.
        variant: Of our method; empty for its default.
    """

    name: str
    method: str
    values: tuple[float, ...]
    variant: str = ""

    @property
    def cells(self) -> dict[str, float]:
        """Values by measure."""
        return dict(zip(MEASURES, self.values, strict=True))


@dataclass(frozen=True, kw_only=True)
class CostRow:
    """One printed row of costs.

    Attributes:
        name: As printed.
        method: Our file of it.
        gigaflops: Operations on numbers, in milliards.
        parameters: In millions.
        gigamacs: Products that are summed up, in milliards.
        variant: Of our method; empty for its default.
    """

    name: str
    method: str
    gigaflops: float
    parameters: float
    gigamacs: float
    variant: str = ""


WITHOUT_LANGUAGE: Final = "without-language"
WITHOUT_CROSS: Final = "without-cross"
"""Variants of our LGCE for the two ablations."""

TABLE_II: Final = (
    SegmentationRow(name="LSTM-CNN", method="lstm_cnn", values=(0.1569, 0.1057, 0.0517, 0.011, 0.0028, 0.5383, 0.2476)),
    SegmentationRow(name="ConvLSTM", method="conv_lstm", values=(0.3121, 0.2339, 0.153, 0.0759, 0.011, 0.6612, 0.4334)),
    SegmentationRow(name="CMSA", method="cmsa", values=(0.2807, 0.2025, 0.1271, 0.0561, 0.0083, 0.6453, 0.4147)),
    SegmentationRow(name="BRINet", method="brinet", values=(0.2256, 0.1574, 0.0985, 0.0352, 0.005, 0.6016, 0.3287)),
    SegmentationRow(name="LAVT", method="lavt", values=(0.7144, 0.574, 0.3214, 0.1541, 0.0451, 0.7646, 0.5774)),
    SegmentationRow(name="Ours", method="lgce", values=(0.7375, 0.6114, 0.3946, 0.1602, 0.0545, 0.7681, 0.5996)),
)
"""Five methods for natural pictures and LGCE (``Ours``)."""

TABLE_III: Final = (
    SegmentationRow(
        name="Baseline (LAVT)", method="lavt", values=(0.7144, 0.574, 0.3214, 0.1541, 0.0451, 0.7646, 0.5774)
    ),
    SegmentationRow(
        name="w/o Language Guidance",
        method="lgce",
        values=(0.5949, 0.3869, 0.2042, 0.104, 0.0237, 0.7158, 0.514),
        variant=WITHOUT_LANGUAGE,
    ),
    SegmentationRow(
        name="w/o Cross-scale Fusion",
        method="lgce",
        values=(0.7335, 0.5977, 0.3643, 0.1579, 0.0413, 0.7616, 0.5856),
        variant=WITHOUT_CROSS,
    ),
    SegmentationRow(
        name="Full Model (LGCE)", method="lgce", values=(0.7375, 0.6114, 0.3946, 0.1602, 0.0545, 0.7681, 0.5996)
    ),
)
"""The ablation."""

TABLE_IV: Final = (
    CostRow(name="Baseline (LAVT)", method="lavt", gigaflops=384.27, parameters=118.85, gigamacs=191.91),
    CostRow(
        name="w/o Language Guidance",
        method="lgce",
        gigaflops=401.34,
        parameters=167.37,
        gigamacs=200.44,
        variant=WITHOUT_LANGUAGE,
    ),
    CostRow(
        name="w/o Cross-scale Fusion",
        method="lgce",
        gigaflops=399.44,
        parameters=160.48,
        gigamacs=199.49,
        variant=WITHOUT_CROSS,
    ),
    CostRow(name="Full Model (LGCE)", method="lgce", gigaflops=401.34, parameters=167.37, gigamacs=200.44),
)
"""What a picture costs."""
