"""EfficientNet-Lite0: the published sizes, its padding by hand, and weights by their published names."""

import pytest
import torch
from torch import nn

from geoglot.nn.efficientnet import STAGES, EfficientNetLite, SamePadded, published_weights


def test_sizes_are_those_of_the_publication() -> None:
    # 4,652,008 with the head (320 * 1280 + 2 * 1280) and the classifier (1280 * 1000 + 1000).
    network = EfficientNetLite()
    head, classifier = 320 * 1280 + 2 * 1280, 1280 * 1000 + 1000
    assert sum(p.numel() for p in network.parameters()) + head + classifier == 4_652_008
    assert len(network.blocks) == sum(stage[-1] for stage in STAGES) == 16


@pytest.mark.parametrize(("size", "expected"), [(4, [3.0, 5.0]), (5, [1.0, 6.0, 7.0])])
def test_padding_lies_below_and_to_the_right_first(size: int, expected: list[float]) -> None:
    # A row 0 1 2 3 (4), summed three at a time, every second place. An even row gets nothing in front and one zero
    # behind: 0+1+2, 2+3+pad. An odd one gets a zero on each side: pad+0+1, 1+2+3, 3+4+pad.
    layer = SamePadded(1, 1, 3, 2)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[0, 0, size % 2] = 1  # the first row of pixels: below the zero that an odd column has in front
    row = torch.arange(size, dtype=torch.float32).expand(size, size)[None, None]
    assert layer(row)[0, 0, 0].tolist() == expected


def test_frozen_blocks_learn_nothing_and_keep_their_statistics() -> None:
    network = EfficientNetLite(frozen_blocks=3).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network(torch.rand(2, 3, 64, 64)).square().mean().backward()
    for name, parameter in network.named_parameters():
        frozen = name.startswith(("stem.", "blocks.0.", "blocks.1.", "blocks.2."))
        assert (parameter.grad is None) == frozen, name
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed
    assert not any(name.startswith(("stem.", "blocks.0.", "blocks.1.", "blocks.2.")) for name in changed)


def test_published_names_cover_every_weight() -> None:
    network = EfficientNetLite()
    published = {}
    back = {"expand.0": "_expand_conv", "expand.1": "_bn0", "around.0": "_depthwise_conv", "around.1": "_bn1"}
    back |= {"narrow.0": "_project_conv", "narrow.1": "_bn2"}
    for name, tensor in network.state_dict().items():
        words = name.split(".")
        if words[0] == "blocks":
            published[".".join(["_blocks", words[1], back[".".join(words[2:4])], *words[4:]])] = tensor
        else:
            published[".".join([{"0": "_conv_stem", "1": "_bn0"}[words[1]], *words[2:]])] = tensor
    published["_fc.weight"] = published["_conv_head.weight"] = torch.zeros(1)
    found = published_weights(published)
    assert set(found) == set(network.state_dict())
    assert all(torch.equal(found[name], tensor) for name, tensor in network.state_dict().items())


def test_every_image_is_on_its_own_in_evaluation() -> None:
    network = EfficientNetLite().eval()
    images = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        together, alone = network(images), network(images[1:2])
    assert torch.allclose(together[1:2], alone, atol=1e-5)
    assert isinstance(network.stem[2], nn.ReLU6)
