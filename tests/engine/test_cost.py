"""Costs: by hand for single operations, and LAVT's as printed."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from geoglot.core.errors import UsageError
from geoglot.engine.cost import cost_records, count_run, method_cost
from geoglot.methods.segmentation import lavt
from geoglot.nn.windows import WindowAttention


def test_operations_by_hand() -> None:
    """Convolution 4 * 3 * 9 at 8 x 8 places, a bias an entry; norm 5 an entry; ReLU 1; matrix 4 x 2 at 64 places."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.GroupNorm(1, 4), nn.ReLU(), nn.Flatten(2))
    last = nn.Linear(64, 2, bias=False)
    found = count_run(model, lambda: last(model(torch.zeros(1, 3, 8, 8))))
    assert found.macs == 4 * 3 * 9 * 64 + 4 * 64 * 2
    assert found.others == 4 * 64 * (1 + 5 + 1)
    assert found.flops == 2 * found.macs + found.others
    assert found.parameters == 4 * 3 * 9 + 4 + 8


def test_deconvolution_by_hand() -> None:
    """Each of 3 x 3 places is spread over 4 x 4 pixels of one channel."""
    layer = nn.ConvTranspose2d(1, 1, 4, 2, 1, bias=False)
    assert count_run(layer, lambda: layer(torch.zeros(1, 1, 3, 3))).macs == 9 * 16


def test_products_within_windows_are_told_apart() -> None:
    """Two windows of 4 places, 2 heads of 3: q k^T and the weights times v are 2 * 2 * 2 * 4 * 4 * 3."""
    attention = WindowAttention(6, 2, 2)
    found = count_run(attention, lambda: attention(torch.zeros(2, 4, 6), None))
    assert found.window_macs == 2 * 2 * 2 * 4 * 4 * 3
    assert found.reported_macs == 8 * 6 * 18 + 8 * 6 * 6
    assert not attention._forward_hooks  # nothing stays behind
    assert not attention._forward_pre_hooks


def test_lavt_costs_what_is_printed() -> None:
    """384.27 GFLOPs and 191.91 GMACs for 480 x 480 pixels and 20 words, without the encoder of words."""
    found = method_cost("lavt")
    assert round(found.reported_macs / 1e9, 2) == 191.91
    assert round(found.reported_flops / 1e9, 2) == 384.27
    # q k^T and weights times v of n = 144 places in w windows of width d, 2 w n^2 d a block. Windows: 100, 25, 9, 4.
    windows = 2 * 144**2 * (100 * 128 * 2 + 25 * 256 * 2 + 9 * 512 * 18 + 4 * 1024 * 2)
    assert found.window_macs == windows
    assert found.macs == found.reported_macs + windows


def test_products_are_those_of_torchs_own_counter() -> None:
    config = lavt.Config(**{**lavt.SMALL, "vocabulary": 12, "side": 64})
    with torch.device("meta"):
        model = lavt.Model(config).eval()
        images, tokens = torch.zeros(1, 3, 64, 64), torch.ones(1, 5, dtype=torch.int64)
        with FlopCounterMode(display=False) as theirs, torch.no_grad():
            model.logits(images, tokens)
        ours = count_run(model, lambda: model.logits(images, tokens))
    assert 2 * ours.macs == theirs.get_total_flops()


def test_cost_of_the_step_across_scales_speaks_for_its_reading() -> None:
    """The paper's step costs 200.44 - 199.49 = 0.95 milliard products: those of a token that asks, not of all rows."""
    without = method_cost("lgce", "without-cross").macs
    token, full = (method_cost("lgce", cross=cross).macs - without for cross in ("crossvit", "full"))
    assert round(token / 1e9, 2) == 0.95
    assert round(full / 1e9, 2) > 2.5


def test_records_stand_beside_the_papers() -> None:
    records = {(record["name"], record["variant"]): record for record in cost_records(side=64)}
    assert records["lavt", "paper"]["side"] == 64
    assert records["lavt", "paper"]["paper_gmacs"] is None  # printed for another side
    assert {"lavt", "lgce", "lstm_cnn", "conv_lstm", "cmsa", "brinet"} <= {name for name, _ in records}
    assert records["lgce", "lgce"]["parameters"] == records["lgce", "lgce, cross=full"]["parameters"]
    assert records["lgce", "lgce"]["gmacs"] < records["lgce", "lgce, cross=full"]["gmacs"]


def test_unknown_variant_is_named() -> None:
    with pytest.raises(UsageError, match="is no variant of lgce"):
        method_cost("lgce", "without-everything")
