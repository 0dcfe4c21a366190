"""AlexNet, VGG and GoogLeNet as backbones: published sizes, the same maps as the networks they are parts of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from geoglot.engine import checkpoint
from geoglot.engine.composition import load_backbone
from geoglot.nn.backbone import build_backbone
from geoglot.nn.early_networks import GoogLeNetStages, VGGStages, early_network
from geoglot.nn.googlenet import GoogLeNet
from geoglot.nn.vgg import VGG16


@pytest.mark.parametrize(
    ("name", "parameters"),
    # Published counts without what stands behind the last convolution: AlexNet 61,100,840 - 58,631,144; VGG-16
    # 138,357,544 - 123,642,856; VGG-19 143,667,240 - 123,642,856; GoogLeNet 6,624,904 - 1,025,000.
    [("alexnet", 2_469_696), ("vgg16", 14_714_688), ("vgg19", 20_024_384), ("googlenet", 5_599_904)],
)
def test_published_sizes(name: str, parameters: int) -> None:
    with torch.device("meta"):
        network = early_network(name)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert build_backbone(name).channels == network.channels


@torch.no_grad()
def test_the_last_map_is_the_network_s_own() -> None:
    images = torch.rand(2, 3, 64, 64)
    whole = GoogLeNet().eval()
    stages = GoogLeNetStages().eval()
    stages.load_state_dict(whole.state_dict())
    assert torch.allclose(stages(images)[-1].mean((2, 3)), whole(images), atol=1e-6)
    vgg = VGG16(hidden=4).eval()
    blocks = VGGStages("vgg16").eval()
    blocks.load_state_dict({name: t for name, t in vgg.state_dict().items() if name.startswith("features.")})
    assert torch.allclose(blocks(images)[-1], vgg.features(images), atol=1e-6)


def test_a_classifier_in_the_weights_is_left_out(tmp_path: Path) -> None:
    tensors = dict(early_network("alexnet").state_dict())
    checkpoint.save({**tensors, "classifier.6.bias": torch.zeros(3)}, tmp_path / "alexnet.safetensors")
    found = load_backbone("alexnet", tmp_path / "alexnet.safetensors")
    assert torch.equal(found.state_dict()["network.features.0.weight"], tensors["features.0.weight"])
